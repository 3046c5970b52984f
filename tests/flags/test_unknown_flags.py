"""A WARNING for each flag that is asked for and is not in the config."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags import SignaKitClient
from signakit_flags._runtime.unknown_flags import MAX_TOLD
from signakit_flags.testing import override_flags, recorded
from support.configs import SDK_KEY, config, flag, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from signakit_flags import SignaKitUserContext
    from support.server import FlagServer

CONFIG = config(flag("f", allocation=whole("on")), flag("old", status="archived"))
UNKNOWN = "unknown flag {}: it is not in the config, and defaults stand in"


def client_of(data: Any = CONFIG, **keywords: Any) -> SignaKitClient:
    return SignaKitClient.offline(data, **keywords)


def user_of(client: SignaKitClient, attributes: dict[str, Any] | None = None) -> SignaKitUserContext:
    user = client.create_user_context("u", attributes)
    assert user is not None
    return user


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert {record.levelname for record in caplog.records} <= {"WARNING"}
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    "ask",
    [
        lambda user: user.decide("g"),
        lambda user: user.is_enabled("g"),
        lambda user: user.variation("g"),
        lambda user: user.variable("g", "v", 1),
    ],
    ids=["decide", "is_enabled", "variation", "variable"],
)
def test_each_question_about_an_unknown_flag_is_one_warning_a_client(
    ask: Callable[[SignaKitUserContext], object], caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of()
    for user in (user_of(client), user_of(client)):
        ask(user)
        ask(user)
        user.decide("f")
    assert warnings(caplog) == [UNKNOWN.format("'g'")]
    ask(user_of(client_of()))
    assert len(warnings(caplog)) == 2


def test_an_archived_flag_is_told_as_such(caplog: pytest.LogCaptureFixture) -> None:
    user = user_of(client_of())
    assert user.decide("old") is None
    assert user.decide("old") is None
    assert warnings(caplog) == ["flag 'old' is archived: it is not decided, and defaults stand in"]


def test_nothing_is_said_by_explain_decide_all_and_flag_keys(caplog: pytest.LogCaptureFixture) -> None:
    client = client_of()
    user = user_of(client)
    assert not user.explain("g").steps[0].passed
    user.decide_all()
    assert "g" not in client.flag_keys()
    assert warnings(caplog) == []


def test_nothing_is_said_for_bots(caplog: pytest.LogCaptureFixture) -> None:
    assert user_of(client_of(), {"$userAgent": "Googlebot/2.1"}).decide("g") is not None
    assert warnings(caplog) == []


def test_a_key_is_shown_short_and_escaped(caplog: pytest.LogCaptureFixture) -> None:
    class Key(str):
        __slots__ = ()

        def __repr__(self) -> str:
            raise RuntimeError

    user = user_of(client_of())
    user.decide("g" * 10_000)
    user.decide("g\n\x1b[31m")
    user.decide(Key("h"))
    assert warnings(caplog) == [
        UNKNOWN.format(f"'{'g' * 76}..."),
        UNKNOWN.format(r"'g\n\x1b[31m'"),
        UNKNOWN.format("'h'"),
    ]


def test_a_client_names_so_many_keys_and_says_then_that_there_are_more(caplog: pytest.LogCaptureFixture) -> None:
    client = client_of()
    user = user_of(client)
    for number in range(3 * MAX_TOLD):
        user.decide(f"g{number}")
    lines = warnings(caplog)
    assert lines[:MAX_TOLD] == [UNKNOWN.format(f"'g{number}'") for number in range(MAX_TOLD)]
    assert lines[MAX_TOLD:] == [f"more unknown flags were asked for than the {MAX_TOLD} that are named"]
    assert len(client._engine.unknown_flags._told) == MAX_TOLD + 1


def test_of_threads_that_ask_at_the_same_time_one_tells(caplog: pytest.LogCaptureFixture) -> None:
    client = client_of()
    barrier = threading.Barrier(8)

    def ask() -> None:
        user = user_of(client)
        barrier.wait(10)
        for number in range(50):
            user.decide(f"g{number}")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(warnings(caplog)) == sorted(UNKNOWN.format(f"'g{number}'") for number in range(50))


def test_a_thread_that_comes_second_between_look_and_entry_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Late(dict[str, object]):
        """Looks empty, as it was a moment ago."""

        def __contains__(self, key: object) -> bool:
            return False

    client = client_of()
    client._engine.unknown_flags._told = Late({"'g'": object()})
    user_of(client).decide("g")
    assert warnings(caplog) == []


def test_a_flag_that_vanishes_with_a_new_config_is_told_once(
    server: FlagServer, caplog: pytest.LogCaptureFixture
) -> None:
    with SignaKitClient(SDK_KEY, **server.urls, polling_interval=0) as client:
        old = user_of(client)
        assert old.decide("switch") is not None
        server.set_config(CONFIG)
        assert client.refresh_sync()
        assert old.decide("tgt") is not None, "it keeps to the config that it has"
        assert warnings(caplog) == []
        for _ in range(3):
            user_of(client).decide("switch")
        assert warnings(caplog) == [UNKNOWN.format("'switch'")]


def test_nothing_is_said_while_there_is_no_config(server: FlagServer, caplog: pytest.LogCaptureFixture) -> None:
    client = SignaKitClient(SDK_KEY, **server.urls, polling_interval=0)
    with override_flags({"x": "on"}):
        user = client.create_user_context("u")
        assert user is not None
        assert user.decide("g") is None
    assert warnings(caplog) == []


def test_a_config_of_the_service_without_any_flag_tells(server: FlagServer, caplog: pytest.LogCaptureFixture) -> None:
    server.set_config(config())
    with SignaKitClient(SDK_KEY, **server.urls, polling_interval=0) as client:
        user_of(client).decide("g")
    assert warnings(caplog) == [UNKNOWN.format("'g'")]


# --- in tests ---------------------------------------------------------------------------------------------------------


def test_a_config_at_hand_without_any_flag_stands_for_none(caplog: pytest.LogCaptureFixture) -> None:
    user_of(client_of({"flags": []})).decide("g")
    assert warnings(caplog) == []
    user_of(client_of(config(flag("old", status="archived")))).decide("g")
    assert warnings(caplog) == [UNKNOWN.format("'g'")]


def test_a_flag_that_a_test_forces_is_known(caplog: pytest.LogCaptureFixture) -> None:
    user = user_of(client_of())
    with override_flags({"g": "on", "gone": None}):
        assert user.is_enabled("g")
        assert user.decide("gone") is None
        assert warnings(caplog) == []
        user.decide("h")
    assert warnings(caplog) == [UNKNOWN.format("'h'")]


def test_a_misspelt_flag_is_told_while_a_test_records(caplog: pytest.LogCaptureFixture) -> None:
    with recorded():
        user_of(client_of()).decide("g")
        user_of(client_of({"flags": []})).decide("g")
    assert warnings(caplog) == [UNKNOWN.format("'g'")]


def test_a_log_handler_that_raises_breaks_no_decision() -> None:
    class Raises(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError

    handler = Raises()
    logger = logging.getLogger("signakit_flags")
    logger.addHandler(handler)
    try:
        assert user_of(client_of()).variation("g", "default") == "default"
    finally:
        logger.removeHandler(handler)
