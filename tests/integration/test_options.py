from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from signakit_flags.integration import Identity, LazyClient, Options, VisitorCookie, parse_options
from signakit_flags.integration.options import CLIENT_KEYWORDS
from support.configs import SDK_KEY

if TYPE_CHECKING:
    from pathlib import Path

FINE: dict[str, Any] = {
    "sdk_key": SDK_KEY,
    "events_url": "https://events.example/v1",
    "cdn_url": "https://cdn.example",
    "polling_interval": 5,
    "timeout": 3.0,
    "max_batch_size": 10,
    "flush_interval": 0.5,
    "max_queue_size": 100,
    "max_config_size": 1_000_000,
    "snapshot_path": "snapshot.json",
    "bot_detector": "signakit_flags.is_bot",
    "identify": "integration_example.identify",
    "visitor_cookie": {"name": "vid", "SECURE": True},
    "ready_timeout": 1,
}


def identify(request: object) -> Identity | None: ...


async def identify_later(request: object) -> Identity | None: ...


@pytest.fixture(autouse=True)
def _a_module_of_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("integration_example")
    vars(module).update(identify=identify, identify_later=identify_later, number=1)
    monkeypatch.setitem(sys.modules, "integration_example", module)


def only_problem(given: dict[str, Any], **keywords: Any) -> tuple[str, str]:
    options = parse_options({"sdk_key": SDK_KEY, **given}, **keywords)
    [problem] = options.problems
    return problem.kind, problem.option


def test_everything_that_can_be_set_is_taken() -> None:
    options = parse_options(FINE)
    assert options.problems == ()
    assert options.usable
    assert options.sdk_key == SDK_KEY
    assert options.identify is identify
    assert not options.identify_is_async
    assert options.visitor_cookie == VisitorCookie(name="vid", secure=True)
    assert options.ready_timeout == 1.0
    assert set(options.client) == set(FINE) - {"sdk_key", "identify", "visitor_cookie", "ready_timeout"}
    assert isinstance(options.make_client(), LazyClient)


def test_nothing_but_a_key_is_needed() -> None:
    options = parse_options({"sdk_key": SDK_KEY})
    assert options == Options(sdk_key=SDK_KEY, visitor_cookie=VisitorCookie())


def test_every_keyword_of_the_client_is_an_option() -> None:
    assert "polling_interval" in CLIENT_KEYWORDS
    assert "sdk_key" not in CLIENT_KEYWORDS
    options = parse_options({"sdk_key": SDK_KEY, **dict.fromkeys(CLIENT_KEYWORDS)})
    assert options.problems == ()
    assert options.client == {}, "None counts as not given"


def test_the_key_comes_from_the_environment_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNAKIT_SDK_KEY", "sk_prod_env_1_x\n")
    assert parse_options({}).usable
    assert parse_options({"sdk_key": None}).usable
    assert parse_options({"sdk_key": ""}).usable
    assert parse_options({"sdk_key": SDK_KEY}).sdk_key == SDK_KEY


@pytest.mark.parametrize("given", [{}, {"sdk_key": None}, {"sdk_key": ""}, {"sdk_key": "  \n"}])
def test_a_missing_key_is_a_problem_with_a_hint(given: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    options = parse_options(given, spell=lambda name: f"FLAGS_{name.upper()}")
    [problem] = options.problems
    assert (problem.kind, problem.option) == ("missing key", "FLAGS_SDK_KEY")
    assert problem.message == "FLAGS_SDK_KEY is missing"
    assert "SIGNAKIT_SDK_KEY" in (problem.hint or "")
    assert not options.usable
    assert options.make_client() is None
    options.log_problems(missing_key=False)
    assert caplog.records == []
    options.log_problems()
    [record] = caplog.records
    assert record.levelname == "WARNING"
    said = "FLAGS_SDK_KEY is missing; flags are off. Set it, or SIGNAKIT_SDK_KEY in the environment."
    assert record.getMessage() == said


@pytest.mark.parametrize("key", ["sk_dev_org", "pk_dev_org_1_secret", 5, b"sk_dev_org_1_secret", ["x"]])
def test_a_malformed_key_is_a_problem_that_does_not_show_it(key: object) -> None:
    [problem] = parse_options({"sdk_key": key}).problems
    assert problem.kind == "invalid"
    assert "secret" not in problem.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("events_url", "ftp://x"),
        ("cdn_url", "nowhere"),
        ("cdn_url", 5),
        ("polling_interval", -1),
        ("polling_interval", "30"),
        ("timeout", 0),
        ("max_batch_size", 0),
        ("flush_interval", -1),
        ("flush_interval", "1"),
        ("max_queue_size", 1.5),
        ("max_config_size", True),
        ("snapshot_path", 5),
        ("snapshot_store", object()),
        ("bot_detector", 5),
        ("async_client", httpx.Client),
        ("sync_client", "httpx"),
        ("identify", 5),
        ("visitor_cookie", True),
        ("visitor_cookie", {"max_age": -5}),
        ("visitor_cookie", {"max_age": 10**12}),
        ("visitor_cookie", {"name": "path"}),
        ("visitor_cookie", {"samesite": "None"}),
        ("ready_timeout", -1),
        ("ready_timeout", "2"),
        ("ready_timeout", float("nan")),
        ("ready_timeout", float("inf")),
        pytest.param("ready_timeout", 10**400, id="10**400"),
        ("ready_timeout", None),
        ("ready_timeout", True),
    ],
)
def test_a_value_that_cannot_be_used_is_a_problem_that_names_its_option(name: str, value: object) -> None:
    if value is httpx.Client:
        with httpx.Client() as wrong:
            assert only_problem({name: wrong}) == ("invalid", name)
        return
    assert only_problem({name: value}) == ("invalid", name)


def test_a_client_for_the_other_argument_is_told_as_the_framework_spells_it() -> None:
    with httpx.Client() as wrong:
        [problem] = parse_options(
            {"sdk_key": SDK_KEY, "async_client": wrong}, spell=lambda name: f"FLAGS_{name.upper()}"
        ).problems
    assert problem.message == (
        "FLAGS_ASYNC_CLIENT must be an httpx.AsyncClient, not a sync client (Client):"
        " pass that one as FLAGS_SYNC_CLIENT"
    )


def test_each_wrong_value_says_for_itself() -> None:
    options = parse_options(
        {"sdk_key": "x", "timeout": 0, "max_batch_size": 0, "visitor_cookie": 1, "polling_intervall": 1}
    )
    assert [(problem.kind, problem.option) for problem in options.problems] == [
        ("unknown", "polling_intervall"),
        ("invalid", "sdk_key"),
        ("invalid", "visitor_cookie"),
        ("invalid", "timeout"),
        ("invalid", "max_batch_size"),
    ]


def test_two_values_that_exclude_each_other_are_one_problem() -> None:
    class Store:
        def load(self) -> None: ...
        def save(self, data: bytes) -> None: ...

    kind, option = only_problem({"snapshot_path": "x", "snapshot_store": Store()})
    assert kind == "invalid"
    assert option == "snapshot_path, snapshot_store"


def test_a_wrong_variable_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNAKIT_CDN_URL", "nowhere")
    [problem] = parse_options({"sdk_key": SDK_KEY, "timeout": 5}).problems
    assert problem.kind == "invalid"
    assert "SIGNAKIT_CDN_URL" in problem.message


@pytest.mark.parametrize(
    "path",
    [
        "integration_example.nothing",
        "nowhere_at_all.identify",
        "identify",
        "",
        "integration_example..identify",
        "a b.c",
    ],
)
def test_a_dotted_path_that_leads_nowhere_is_a_problem(path: str) -> None:
    assert only_problem({"identify": path}) == ("import", "identify")


@pytest.mark.parametrize(
    "modules",
    [
        {"read_example": "SETTINGS\ndef identify(request): return request"},
        {
            "read_example": "SETTINGS\nasked = []",
            "identify_example": "from read_example import asked\ndef identify(request): return request",
        },
        {
            "read_example": "SETTINGS\nasked = []",
            "identify_example": "import read_example\nread_example.asked\ndef identify(request): return request",
        },
    ],
    ids=["the same module", "a name of it", "an attribute of it"],
)
def test_settings_may_be_read_by_a_module_that_the_path_leads_through(
    modules: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{list(modules)[-1]}.identify"
    read = (
        "from signakit_flags.integration import parse_options\n"
        f"options = parse_options({{'sdk_key': {SDK_KEY!r}, 'identify': {path!r}}})"
    )
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(text.replace("SETTINGS", read))
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    try:
        options: Options = importlib.import_module("read_example").options
        assert options.problems == ()
        assert options.identify is not None
        marker: Any = object()
        assert options.identify(marker) is marker
    finally:
        for name in set(sys.modules) - before:
            del sys.modules[name]


def test_a_path_that_leads_nowhere_is_one_also_while_another_module_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nowhere_example.py").write_text(
        "from signakit_flags.integration import parse_options\n"
        f"options = parse_options({{'sdk_key': {SDK_KEY!r}, 'identify': 'integration_example.nobody'}})"
    )
    monkeypatch.syspath_prepend(tmp_path)
    options: Options = importlib.import_module("nowhere_example").options
    monkeypatch.delitem(sys.modules, "nowhere_example")
    assert [problem.kind for problem in options.problems] == ["import"]


def test_a_dotted_path_to_something_that_cannot_be_called_is_a_problem() -> None:
    assert only_problem({"identify": "integration_example.number"}) == ("invalid", "identify")


def test_an_async_identify_is_known_as_one() -> None:
    assert parse_options({"sdk_key": SDK_KEY, "identify": "integration_example.identify_later"}).identify_is_async


def test_an_unknown_option_is_ignored_with_a_hint_and_flags_stay_on() -> None:
    options = parse_options({"sdk_key": SDK_KEY, "poling_interval": 5, "zzz": 1}, spell=str.upper)
    near, far = options.problems
    assert (near.kind, near.option, near.hint) == ("unknown", "POLING_INTERVAL", "Did you mean POLLING_INTERVAL?")
    assert "Options are" in (far.hint or "")
    assert options.usable
    assert options.make_client() is not None


def test_an_unknown_field_of_the_cookie_is_ignored_with_a_hint() -> None:
    options = parse_options({"sdk_key": SDK_KEY, "visitor_cookie": {"http_only": False, "zzz": 1, "name": "vid"}})
    assert {problem.hint for problem in options.problems} >= {"Did you mean 'httponly'?"}
    assert {problem.kind for problem in options.problems} == {"unknown"}
    assert options.visitor_cookie == VisitorCookie(name="vid")


def test_the_cookie_can_be_switched_off_or_given_as_a_policy() -> None:
    assert parse_options({"sdk_key": SDK_KEY, "visitor_cookie": None}).visitor_cookie is None
    policy = VisitorCookie(max_age=60)
    assert parse_options({"sdk_key": SDK_KEY, "visitor_cookie": policy}).visitor_cookie is policy


def test_options_of_the_framework_are_passed_on() -> None:
    options = parse_options({"sdk_key": SDK_KEY, "cache": "flags"}, extra=("cache", "other"))
    assert options.problems == ()
    assert options.extra == {"cache": "flags"}
