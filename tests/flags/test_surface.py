"""The public surface: names, signatures, two faces of one client, and a light import."""

from __future__ import annotations

import dataclasses
import inspect
import json
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest

import signakit_flags
from signakit_flags import (
    ClientStatus,
    Decision,
    Explanation,
    OnReadyResult,
    SdkKey,
    SignaKitClient,
    SignaKitUserContext,
    Step,
    TrackEventOptions,
    bot_kind,
    create_instance,
    is_bot,
    parse_sdk_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_made = dataclasses.make_dataclass("Made", [("it", dict, dataclasses.field(default_factory=dict))])
FACTORY = inspect.signature(_made).parameters["it"].default
"""What stands for the default of a field that is made anew for each value."""

PUBLIC = [
    "Attributes",
    "ClientStatus",
    "Decision",
    "Decisions",
    "Explanation",
    "OnReadyResult",
    "SdkKey",
    "SignaKitClient",
    "SignaKitUserContext",
    "Step",
    "TrackEventOptions",
    "UserAttributes",
    "VariableValue",
    "__version__",
    "bot_kind",
    "create_instance",
    "is_bot",
    "parse_sdk_key",
]
NO_DEFAULT = inspect.Parameter.empty


def test_exactly_these_names_are_public_and_sorted() -> None:
    assert signakit_flags.__all__ == PUBLIC == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(signakit_flags, name) is not None


def test_nothing_else_without_an_underscore_is_in_the_package_but_its_modules() -> None:
    modules = {"contrib", "integration", "testing", "pytest_plugin"}
    visible = {name for name in dir(signakit_flags) if not name.startswith(("_", "@"))}  # "@" is pytest's
    assert visible - modules - {"TYPE_CHECKING"} == {name for name in PUBLIC if not name.startswith("_")}


def test_the_version_is_the_one_of_the_distribution() -> None:
    assert signakit_flags.__version__ == version("signakit-flags")


def test_the_package_says_that_it_is_typed() -> None:
    assert files("signakit_flags").joinpath("py.typed").is_file()


@pytest.mark.parametrize("name", [name for name in PUBLIC if name[0].isalpha()])
def test_every_public_class_and_function_has_a_docstring(name: str) -> None:
    subject = getattr(signakit_flags, name)
    if inspect.isclass(subject) or inspect.isfunction(subject):
        assert inspect.getdoc(subject)
        members = inspect.getmembers(subject) if inspect.isclass(subject) else []
        missing = [
            member
            for member, value in members
            if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))
            if not inspect.getdoc(value)
        ]
        assert missing == []


# --- signatures ------------------------------------------------------------------------------------------------------


def parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Names and defaults of the parameters but ``self``; those that are given by name alone begin with a star."""
    return {
        ("*" if parameter.kind is parameter.KEYWORD_ONLY else "**" if parameter.kind is parameter.VAR_KEYWORD else "")
        + name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
    }


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (
            SignaKitClient,
            {
                "sdk_key": NO_DEFAULT,
                "*events_url": None,
                "*cdn_url": None,
                "*async_client": None,
                "*sync_client": None,
                "*polling_interval": 30.0,
                "*timeout": 10.0,
                "*max_batch_size": None,
                "*flush_interval": 0.0,
                "*max_queue_size": 10_000,
                "*max_config_size": 16 * 1024 * 1024,
                "*snapshot_path": None,
                "*snapshot_store": None,
                "*bot_detector": None,
            },
        ),
        (SignaKitClient.offline, {"config": NO_DEFAULT, "*record_events": False, "*bot_detector": None}),
        (SignaKitClient.create_user_context, {"user_id": NO_DEFAULT, "attributes": None, "*is_bot": None}),
        (SignaKitClient.on_ready, {"timeout": 10.0}),
        (SignaKitClient.on_ready_sync, {"timeout": 10.0}),
        (SignaKitClient.refresh, {}),
        (SignaKitClient.refresh_sync, {}),
        (SignaKitClient.flush, {"timeout": None}),
        (SignaKitClient.flush_sync, {"timeout": None}),
        (SignaKitClient.close, {"timeout": 2.0}),
        (SignaKitClient.aclose, {"timeout": 2.0}),
        (SignaKitClient.status, {}),
        (SignaKitClient.flag_keys, {}),
        (create_instance, {"sdk_key": NO_DEFAULT, "**kwargs": NO_DEFAULT}),
        (is_bot, {"user_agent": NO_DEFAULT}),
        (bot_kind, {"user_agent": NO_DEFAULT}),
        (parse_sdk_key, {"sdk_key": NO_DEFAULT}),
        (SignaKitUserContext.decide, {"flag_key": NO_DEFAULT}),
        (SignaKitUserContext.decide_all, {}),
        (SignaKitUserContext.is_enabled, {"flag_key": NO_DEFAULT, "default": False}),
        (SignaKitUserContext.variation, {"flag_key": NO_DEFAULT, "default": "off"}),
        (
            SignaKitUserContext.variable,
            {"flag_key": NO_DEFAULT, "variable_key": NO_DEFAULT, "default": NO_DEFAULT},
        ),
        (SignaKitUserContext.explain, {"flag_key": NO_DEFAULT}),
        (SignaKitUserContext.track, {"event_key": NO_DEFAULT, "value": None, "metadata": None}),
        (SignaKitUserContext.track_event, {"event_key": NO_DEFAULT, "value": None, "metadata": None}),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_parameters_and_defaults_are_the_fixed_ones(function: Callable[..., Any], expected: dict[str, Any]) -> None:
    actual = parameters(function)
    assert actual == expected
    assert list(actual) == list(expected)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            Decision,
            {
                "flag_key": NO_DEFAULT,
                "variation_key": NO_DEFAULT,
                "enabled": NO_DEFAULT,
                "rule_key": NO_DEFAULT,
                "rule_type": NO_DEFAULT,
                "variables": FACTORY,
            },
        ),
        (OnReadyResult, {"success": NO_DEFAULT, "reason": None}),
        (TrackEventOptions, {"value": None, "metadata": None}),
        (
            ClientStatus,
            dict.fromkeys(
                (
                    *("ready", "source", "version", "etag", "age", "last_error", "queued", "sent", "dropped"),
                    "exposures_suppressed",
                ),
                NO_DEFAULT,
            ),
        ),
        (Explanation, dict.fromkeys(("flag_key", "user_id", "decision", "steps"), NO_DEFAULT)),
        (
            Step,
            {
                **dict.fromkeys(("kind", "passed", "detail"), NO_DEFAULT),
                **dict.fromkeys(("rule", "bucket", "threshold")),
            },
        ),
        (SdkKey, dict.fromkeys(("text", "environment", "org_id", "project_id"), NO_DEFAULT)),
    ],
)
def test_values_are_frozen_slotted_dataclasses_with_the_fixed_fields(kind: type, expected: dict[str, Any]) -> None:
    assert parameters(kind) == expected
    assert dataclasses.is_dataclass(kind)
    value = kind(**dict.fromkeys(expected))
    assert not hasattr(value, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, next(iter(expected)), 1)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (SignaKitClient, ["is_ready", "recorded_events"]),
        (SignaKitUserContext, ["attributes", "is_bot", "user_id"]),
    ],
)
def test_these_and_no_others_are_properties(kind: type, names: list[str]) -> None:
    properties = [name for name, value in inspect.getmembers(kind) if isinstance(value, property)]
    assert sorted(name for name in properties if not name.startswith("_")) == names


# --- two faces -------------------------------------------------------------------------------------------------------

FACES = [
    ("on_ready", "on_ready_sync"),
    ("refresh", "refresh_sync"),
    ("flush", "flush_sync"),
    ("aclose", "close"),
    ("__aenter__", "__enter__"),
    ("__aexit__", "__exit__"),
]


@pytest.mark.parametrize(("on_loop", "in_thread"), FACES)
def test_the_two_faces_differ_in_nothing_but_in_being_async(on_loop: str, in_thread: str) -> None:
    first, second = getattr(SignaKitClient, on_loop), getattr(SignaKitClient, in_thread)
    assert inspect.iscoroutinefunction(first)
    assert not inspect.iscoroutinefunction(second)
    # Equal signatures: names, kinds, defaults, annotations, and what comes of it in the end.
    assert inspect.signature(first) == inspect.signature(second)


def test_no_verb_has_one_face_alone() -> None:
    on_loop = {name for name, value in vars(SignaKitClient).items() if inspect.iscoroutinefunction(value)}
    assert on_loop == {first for first, _second in FACES}
    assert {name for name in vars(SignaKitClient) if name.endswith("_sync")} <= {second for _first, second in FACES}


def test_the_waiting_verbs_say_what_comes_of_them() -> None:
    assert get_type_hints(SignaKitClient.refresh)["return"] is bool
    assert get_type_hints(SignaKitClient.flush)["return"] is bool
    assert get_type_hints(SignaKitClient.close)["return"] is type(None)


# --- a light import --------------------------------------------------------------------------------------------------

HEAVY = [
    "httpx",
    "ssl",
    "asyncio",
    "msgspec",
    "crawleruseragents",
    "httpcore",
    "anyio",
    "multiprocessing",
    "email.message",
]


def modules_after(code: str) -> set[str]:
    """Return the names of ``HEAVY`` and of this package that a new interpreter has loaded after ``code``."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


def test_importing_the_package_loads_nothing_heavy() -> None:
    bare = modules_after("pass")
    loaded = modules_after("from signakit_flags import *") - bare
    assert "signakit_flags._client" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_importing_the_package_without_a_name_of_it_loads_nothing_of_it() -> None:
    loaded = modules_after("import signakit_flags")
    assert {name for name in loaded if name.startswith("signakit_flags")} == {"signakit_flags"}


def test_a_name_that_is_not_there_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'signakit_flags' has no attribute 'Client'"):
        signakit_flags.Client  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError):
        from signakit_flags import Client  # type: ignore[attr-defined]  # noqa: F401
    assert set(PUBLIC) <= set(dir(signakit_flags))


def test_making_a_client_loads_nothing_heavy_either() -> None:
    code = "import signakit_flags; signakit_flags.SignaKitClient('sk_dev_org_1_x').status()"
    assert (modules_after(code) - modules_after("pass")).isdisjoint(HEAVY)


def test_deciding_offline_loads_neither_http_nor_a_loop() -> None:
    code = """
import signakit_flags
context = signakit_flags.SignaKitClient.offline({"flags": []}).create_user_context("u", {"plan": "pro"})
context.decide("f"), context.decide_all(), context.track("e")
"""
    loaded = modules_after(code) - modules_after("pass")
    assert "msgspec" in loaded
    assert loaded.isdisjoint({"httpx", "ssl", "asyncio", "crawleruseragents"})
