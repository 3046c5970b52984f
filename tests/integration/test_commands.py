"""The commands without a command line; those of Django and Flask are tested with the frameworks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags import SignaKitClient
from signakit_flags.integration import Commands, FlagsUnavailableError, Problem, parse_attribute
from support.configs import SDK_KEY
from support.framework import Flags

if TYPE_CHECKING:
    from collections.abc import Callable


class FlagsUnderTest(Flags):
    def may_load(self) -> bool:
        return False


@pytest.fixture
def printed() -> list[str]:
    return []


@pytest.fixture
def commands(flags: Callable[..., Flags], printed: list[str]) -> Callable[..., Commands]:
    def make(*, as_json: bool = False) -> Commands:
        return Commands(flags(FlagsUnderTest), printed.append, timeout=5, as_json=as_json)

    return make


def test_list(commands: Callable[..., Commands], printed: list[str]) -> None:
    commands().list_flags()
    commands(as_json=True).list_flags()
    assert printed == ["exp\ntgt\nswitch", '["exp", "tgt", "switch"]']


def test_decide_explains_the_flags_that_are_named_and_else_all(
    commands: Callable[..., Commands], printed: list[str]
) -> None:
    commands().decide("ada", ["switch", "unknown"], {"plan": "pro"})
    assert [text.partition(":")[0] for text in printed] == ["switch for 'ada'", "unknown for 'ada'"]
    commands(as_json=True).decide("ada", [], {})
    decided: dict[str, Any] = json.loads(printed[-1])
    assert list(decided) == ["exp", "tgt", "switch"]
    assert decided["switch"]["variation_key"] == "on"


def test_no_command_sends_an_exposure(client: SignaKitClient, commands: Callable[..., Commands]) -> None:
    commands().decide("ada", ["exp"], {})
    commands().list_flags()
    commands().status()
    assert client.recorded_events == []


def test_status_is_a_table_or_json(commands: Callable[..., Commands], printed: list[str]) -> None:
    commands().status()
    commands(as_json=True).status()
    assert "ready                True" in printed[0].splitlines()
    assert json.loads(printed[1])["source"] == "static"


def test_without_a_config_only_the_status_is_printed_and_each_command_fails(printed: list[str]) -> None:
    client = SignaKitClient(SDK_KEY, cdn_url="http://127.0.0.1:1", events_url="http://127.0.0.1:1")
    commands = Commands(FlagsUnderTest(client), printed.append, timeout=0)
    for command in (commands.list_flags, lambda: commands.decide("ada", [], {}), commands.status):
        with pytest.raises(FlagsUnavailableError, match="no config: the network is left alone under test"):
            command()
    assert len(printed) == 1
    assert printed[0].startswith("ready                False")


def test_where_flags_are_off_the_reasons_are_named() -> None:
    problems = (
        Problem("missing key", "SDK_KEY", "SDK_KEY is missing"),
        Problem("unknown", "POLING", "POLING is not an option"),
        Problem("invalid", "TIMEOUT", "TIMEOUT must be positive"),
    )
    with pytest.raises(FlagsUnavailableError, match=r"^flags are off: SDK_KEY is missing; TIMEOUT must be positive$"):
        Commands(Flags(None, problems=problems), print, timeout=5)


def test_a_client_that_is_not_made_yet_is_a_reason_too() -> None:
    problems = (Problem("unknown", "POLING", "POLING is not an option"),)  # flags are not off because of it
    with pytest.raises(FlagsUnavailableError, match=r"^flags are off: there is no client yet; the application makes"):
        Commands(Flags(None, problems=problems), print, timeout=5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plan=pro", ("plan", "pro")),
        ("age=5", ("age", 5)),
        ('age="5"', ("age", "5")),
        ("a=b=c", ("a", "b=c")),
        ("a=", ("a", "")),
        ("a=" + "[" * 90_000, ("a", "[" * 90_000)),
    ],
)
def test_the_value_of_an_attribute_is_json_or_else_text(text: str, expected: tuple[str, Any]) -> None:
    assert parse_attribute(text) == expected


@pytest.mark.parametrize("text", ["plan", "=pro", "="])
def test_an_attribute_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an attribute is written NAME=VALUE"):
        parse_attribute(text)
