"""``recorded()``: what was exposed and tracked, and how a failed assertion reads."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags import SignaKitClient, SignaKitUserContext
from signakit_flags.integration import Identity
from signakit_flags.testing import Conversion, Exposure, Recording, config, flag, override_flags, recorded, use_client
from support.attribute_changes import ATTRIBUTES, assert_no_change_is_swallowed
from support.configs import SDK_KEY
from support.framework import BROWSER, CRAWLER, Flags, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import FlagServer

CONFIG = config(
    flag("exp").split(control=100).when(plan="pro"),
    flag("switch").otherwise("on"),
    flag("tgt").target("on"),
    flag("stopped").otherwise("on").stopped(),
)
PRO = {"plan": "pro"}


def user_of(client: SignaKitClient, user_id: str = "u", **attributes: Any) -> SignaKitUserContext:
    context = client.create_user_context(user_id, {**PRO, **attributes})
    assert context is not None
    return context


@pytest.fixture
def client() -> SignaKitClient:
    return SignaKitClient.offline(CONFIG)


# --- what is recorded ------------------------------------------------------------------------------------------------


def test_exposures_and_conversions_in_the_order_in_which_they_came(client: SignaKitClient) -> None:
    with recorded() as events:
        user = user_of(client)
        user.decide("exp")
        user.track("basket")
        user.decide("switch")
        asyncio.run(user.track_event("purchase", 9.5, {"product": "lamp"}))
    first = Exposure("u", "exp", "control", "exp-1", attributes=PRO)
    second = Exposure("u", "switch", "on", None, attributes=PRO)
    basket = Conversion("u", "basket", decisions={"exp": "control"}, attributes=PRO)
    purchase = Conversion("u", "purchase", 9.5, {"product": "lamp"}, {"exp": "control", "switch": "on"}, attributes=PRO)
    assert events.events == [first, basket, second, purchase]
    assert events.exposures == [first, second]
    assert events.conversions == [basket, purchase]
    assert repr(events) == "<Recording 2 exposures, 2 conversions>"
    user.decide("tgt")
    user.track("later")
    assert len(events.events) == 4, "it has ended"


def test_an_exposure_is_recorded_once_however_it_is_asked(client: SignaKitClient) -> None:
    with recorded() as events:
        for _ in range(2):
            user = user_of(client)
            user.decide("exp")
            user.is_enabled("exp")
            user.decide_all()
            user.explain("exp")
            user_of(client, "v").variation("exp")
    assert [(event.user_id, event.flag_key) for event in events.exposures] == [
        ("u", "exp"),
        ("u", "switch"),
        ("v", "exp"),
    ]


def test_what_was_exposed_before_is_recorded_all_the_same(server: FlagServer) -> None:
    client = SignaKitClient(SDK_KEY, polling_interval=0, **server.urls)
    client.on_ready_sync()
    user = user_of(client)
    user.decide("switch")
    for _ in range(2):
        with recorded() as events:
            user.decide("switch")
        events.assert_exposed("switch", user="u", variation="on")
    client.close()
    assert len(server.events) == 1


def test_what_is_recorded_is_not_sent_and_is_sent_the_next_time(server: FlagServer) -> None:
    client = SignaKitClient(SDK_KEY, polling_interval=0, **server.urls)
    client.on_ready_sync()
    with recorded() as events:
        user = user_of(client)
        user.decide("switch")
        user.track("purchase")
    assert len(events.events) == 2
    assert (client.status().queued, client.status().sent) == (0, 0)
    user_of(client).decide("switch")
    client.close()
    assert [event["eventKey"] for event in server.events] == ["$exposure"]


def test_an_offline_client_that_records_goes_on_recording() -> None:
    client = SignaKitClient.offline(CONFIG, record_events=True)
    with recorded() as events:
        user = user_of(client)
        user.decide("exp")
        user.track("purchase")
    assert [event["eventKey"] for event in client.recorded_events] == ["$exposure", "purchase"]
    assert len(events.events) == 2


def test_recordings_inside_one_another_have_what_happens_inside_them(client: SignaKitClient) -> None:
    with recorded() as outer:
        user_of(client).decide("exp")
        with recorded() as inner:
            user_of(client).decide("exp")
            user_of(client).decide("switch")
    assert [event.flag_key for event in outer.exposures] == ["exp", "switch"]
    assert [event.flag_key for event in inner.exposures] == ["exp", "switch"]


def test_another_thread_is_recorded_by_the_scope_of_the_process_alone(client: SignaKitClient) -> None:
    def in_a_thread() -> None:
        thread = threading.Thread(target=lambda: user_of(client).decide("exp"))
        thread.start()
        thread.join()

    with recorded() as here, recorded(scope="process") as everywhere:
        in_a_thread()
    here.assert_not_exposed()
    everywhere.assert_exposed("exp")


def test_one_object_in_two_tasks_ends_what_each_began(client: SignaKitClient) -> None:
    async def main() -> None:
        one = recorded()
        first_began, second_began, first_ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def first() -> None:
            with one:
                first_began.set()
                await second_began.wait()
            first_ended.set()

        async def second() -> Recording:
            await first_began.wait()
            with one as events:
                second_began.set()
                await first_ended.wait()
                user_of(client).decide("exp")
            return events

        _, events = await asyncio.gather(first(), second())
        events.assert_exposed("exp", user="u")

    asyncio.run(main())


def test_what_the_application_changes_afterwards_stays_as_it_was(client: SignaKitClient) -> None:
    cart = ["lamp"]
    attributes, metadata = {"plan": "pro", "cart": cart}, {"order": {"cart": cart}}
    with recorded() as events:
        user = client.create_user_context("u", attributes)
        assert user is not None
        user.decide("exp")
        user.track("purchase", metadata=metadata)
        cart.clear()
        metadata.clear()
    events.assert_tracked("purchase", metadata={"order": {"cart": ["lamp"]}})
    assert events.exposures[0].attributes == events.conversions[0].attributes == {"plan": "pro", "cart": ["lamp"]}


def test_metadata_that_cannot_be_sent_does_not_raise_either(client: SignaKitClient) -> None:
    circle: dict[str, Any] = {}
    circle["round"] = [circle]
    with recorded() as events:
        user_of(client).track("purchase", metadata=["lamp"])  # type: ignore[arg-type]  # as said
        user_of(client).track("circle", metadata=circle)
    events.assert_tracked("purchase", metadata=["lamp"])
    events.assert_tracked("circle")


def test_it_is_an_async_context_manager_too(client: SignaKitClient) -> None:
    async def main() -> None:
        async with recorded() as events:
            await asyncio.to_thread(user_of(client).decide, "exp")
        events.assert_exposed("exp")

    asyncio.run(main())


def test_clearing_forgets_what_was_exposed(client: SignaKitClient) -> None:
    with recorded() as events:
        user_of(client).decide("exp")
        events.clear()
        events.assert_not_exposed()
        user_of(client).decide("exp")
        events.assert_exposed("exp")


def test_an_attribute_that_raises_is_no_decision_and_no_exposure(client: SignaKitClient) -> None:
    class Hostile(dict[str, int]):
        def items(self) -> Any:
            raise LookupError

    rules = config(flag("f").split(on=100).where("plan", "equals", {"a": 1}))
    with recorded() as events:
        user = SignaKitClient.offline(rules).create_user_context("u", {"plan": Hostile()})
        assert user is not None
        assert user.decide("f") is None
    assert events.events == []


@pytest.mark.parametrize("forced", [{}, {"exp": "treatment"}])
@pytest.mark.parametrize(
    "make",
    [lambda: None, lambda: SignaKitClient(SDK_KEY, cdn_url="http://127.0.0.1:1", events_url="http://127.0.0.1:1")],
    ids=["without a client", "without a config"],
)
def test_it_records_where_there_is_no_config(make: Callable[[], SignaKitClient | None], forced: dict[str, str]) -> None:
    with override_flags(forced), recorded() as events:
        flags = Flags(make()).context(Request())
        flags.decide("exp")
        flags.track("purchase", 5)
        asyncio.run(flags.track_event("again"))
        start = flags.start_response()
    assert [event.flag_key for event in events.exposures] == list(forced)
    assert [event.event_key for event in events.conversions] == ["purchase", "again"]
    assert events.conversions[0].decisions == forced
    if forced:
        # As with a config: the visitor comes back as the same one.
        assert start.cookie is not None
        assert start.cookie.value == events.exposures[0].user_id == events.conversions[0].user_id
        assert flags.user_id == start.cookie.value


@pytest.mark.parametrize("make", [lambda: None, lambda: SignaKitClient.offline(CONFIG)], ids=["no client", "ready"])
def test_attributes_of_a_request_are_recorded_as_they_are_shown(make: Callable[[], SignaKitClient | None]) -> None:
    user = Identity("u", {"spent": Decimal(20), "groups": ("a", Decimal(1))})
    flags = Flags(make(), identify=lambda _request: user).context(Request())
    with override_flags({"exp": "control"}), recorded() as events:
        assert flags.variation("exp") == "control"
        flags.track("purchase")
        assert flags.attributes == {"spent": 20, "groups": ["a", 1]}
    for event in events.events:
        assert event.attributes == flags.attributes
    assert len(events.events) == 2


@pytest.mark.parametrize("make", [lambda: None, lambda: SignaKitClient.offline(CONFIG)], ids=["no client", "ready"])
def test_no_change_of_a_context_is_swallowed_in_a_test_either(make: Callable[[], SignaKitClient | None]) -> None:
    client, user = make(), Identity("u", ATTRIBUTES)
    users: list[SignaKitUserContext] = [Flags(client, identify=lambda _request: user).context(Request())]
    if client is not None:
        users.append(user_of(client, **ATTRIBUTES))
    with override_flags({"exp": "control"}), recorded():
        for context in users:
            assert_no_change_is_swallowed(context)
            assert context.variation("exp") == "control"
            assert_no_change_is_swallowed(context)


def test_an_event_that_was_recorded_has_attributes_of_its_own(client: SignaKitClient) -> None:
    with recorded() as events:
        user_of(client, groups=["a"]).track("purchase")
    attributes = dict(events.conversions[0].attributes)
    attributes["groups"].append("b")
    assert attributes == {**PRO, "groups": ["a", "b"]}


def test_values_of_a_conversion_are_checked_as_ever() -> None:
    with recorded(), pytest.raises(TypeError, match="value must be a number"):
        Flags(None).user(None).track("purchase", object())  # type: ignore[arg-type]  # what is tested


def test_nobody_is_exposed_to_nothing() -> None:
    with override_flags({"exp": "treatment"}), recorded() as events:
        flags = Flags(None, visitor_cookie=None).context(Request())
        assert flags.variation("exp") == "treatment"
        flags.track("purchase")
        assert flags.start_response().cookie is None
    assert events.events == []
    with pytest.raises(AssertionError, match=r"decided without an exposure \(1\):\n    'exp': 'treatment', nobody"):
        events.assert_exposed("exp")


# --- bots ------------------------------------------------------------------------------------------------------------

DRIVERS = [
    "python-httpx/0.28.1",
    "python-requests/2.32.4",
    "Python-urllib/3.11",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36",
]


@pytest.mark.parametrize("make", [lambda: SignaKitClient.offline(CONFIG), lambda: None], ids=["client", "no client"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_what_drives_a_test_is_a_person(driver: str, make: Callable[[], SignaKitClient | None]) -> None:
    with override_flags({"exp": "treatment"}), recorded() as events:
        flags = Flags(make()).context(Request(user_agent=driver))
        assert not flags.is_bot
        flags.decide("exp")
        flags.track("purchase")
        start = flags.start_response()
    events.assert_exposed("exp")
    events.assert_tracked("purchase")
    assert start.cookie is not None


def test_outside_of_a_test_it_is_a_bot() -> None:
    client = SignaKitClient.offline(CONFIG)
    assert all(user_of(client, **{"$userAgent": driver}).is_bot for driver in DRIVERS)
    with recorded(), override_flags({}):
        assert not user_of(client, **{"$userAgent": BROWSER}).is_bot


def test_it_is_a_bot_to_who_is_not_in_the_test() -> None:
    client = SignaKitClient.offline(CONFIG)
    elsewhere = contextvars.copy_context()
    with recorded():
        assert not user_of(client, **{"$userAgent": DRIVERS[0]}).is_bot
        assert elsewhere.run(user_of, client, **{"$userAgent": DRIVERS[0]}).is_bot


@pytest.mark.parametrize("make", [lambda: SignaKitClient.offline(CONFIG), lambda: None], ids=["client", "no client"])
def test_a_crawler_is_a_bot_in_a_test_too(make: Callable[[], SignaKitClient | None]) -> None:
    with override_flags({"exp": "treatment"}), recorded() as events:
        flags = Flags(make()).context(Request(user_agent=CRAWLER))
        assert flags.variation("exp") == "treatment"
        flags.decide("switch")
        flags.track("purchase")
        start = flags.start_response()
    assert events.events == []
    assert (start.cookie, start.vary) == (None, ("Cookie", "User-Agent"))


# --- assertions ------------------------------------------------------------------------------------------------------


@pytest.fixture
def events(client: SignaKitClient) -> Recording:
    with recorded() as recording, override_flags({"layout": "b"}):
        user = user_of(client, "ada")
        for key in ("exp", "switch", "tgt", "stopped", "layout"):
            user.decide(key)
        user.track("purchase", 89.0, {"product": "lamp"})
        bot = user_of(client, "bot", **{"$userAgent": CRAWLER})
        bot.decide("exp")
    return recording


def test_assertions_return_what_they_found(events: Recording) -> None:
    assert events.assert_exposed("exp").rule_key == "exp-1"
    assert events.assert_exposed("exp", user="ada", variation="control") is events.exposures[0]
    assert events.assert_exposed("layout", variation="b").forced
    found = events.assert_tracked("purchase", user="ada", value=89, metadata={"product": "lamp"})
    assert found.decisions == {"exp": "control", "switch": "on", "tgt": "on", "stopped": "off", "layout": "b"}
    events.assert_tracked("purchase", decisions={"layout": "b"})
    events.assert_not_exposed("tgt")
    events.assert_not_exposed("exp", user="bot")
    events.assert_not_exposed("exp", variation="treatment")
    events.assert_not_exposed(user="ben")
    events.assert_not_tracked("refund")
    events.assert_not_tracked("purchase", user="ben")


REPORT = """
  recorded (4):
    exposure of 'exp' to 'ada': 'control', by rule 'exp-1'
    exposure of 'switch' to 'ada': 'on', by default
    exposure of 'layout' to 'ada': 'b', forced
    conversion 'purchase' of 'ada', value 89.0, metadata {'product': 'lamp'}
  decided without an exposure (3):
    'tgt' for 'ada': 'on', a targeted rule
    'stopped' for 'ada': 'off', not running
    'exp' for 'bot': 'off', a bot"""

FAILURES: dict[str, tuple[Callable[[Recording], object], str]] = {
    "another variation": (
        lambda events: events.assert_exposed("exp", user="ada", variation="treatment"),
        "no exposure of 'exp' to 'ada' in variation 'treatment' was recorded\n"
        "  the nearest is: exposure of 'exp' to 'ada': 'control', by rule 'exp-1'" + REPORT,
    ),
    "a slip in the key": (
        lambda events: events.assert_exposed("layuot"),
        "no exposure of 'layuot' was recorded\n  the nearest is: exposure of 'layout' to 'ada': 'b', forced" + REPORT,
    ),
    "a targeted rule": (
        lambda events: events.assert_exposed("tgt"),
        "no exposure of 'tgt' was recorded" + REPORT,
    ),
    "another value": (
        lambda events: events.assert_tracked("purchase", user="ada", value=12, metadata=None),
        "no conversion 'purchase' of 'ada', value 12, metadata None was recorded\n"
        "  the nearest is: conversion 'purchase' of 'ada', value 89.0, metadata {'product': 'lamp'}" + REPORT,
    ),
    "exposed after all": (
        lambda events: events.assert_not_exposed("exp", user="ada"),
        (
            "exposure of 'exp' to 'ada' was recorded, and should not be\n"
            "  recorded (1):\n    exposure of 'exp' to 'ada': 'control', by rule 'exp-1'"
        ),
    ),
    "tracked after all": (
        lambda events: events.assert_not_tracked(),
        (
            "conversion was recorded, and should not be\n"
            "  recorded (1):\n    conversion 'purchase' of 'ada', value 89.0, metadata {'product': 'lamp'}"
        ),
    ),
}


@pytest.mark.parametrize(("fails", "message"), FAILURES.values(), ids=FAILURES)
def test_a_failed_assertion_says_what_was_recorded(
    events: Recording, fails: Callable[[Recording], object], message: str
) -> None:
    with pytest.raises(AssertionError) as raised:
        fails(events)
    assert str(raised.value) == message


def test_a_failed_assertion_about_nothing_says_so() -> None:
    with pytest.raises(AssertionError) as raised:
        Recording().assert_exposed("exp")
    assert str(raised.value) == "no exposure of 'exp' was recorded\n  nothing was recorded"


def test_a_long_list_is_cut(client: SignaKitClient) -> None:
    with recorded() as events:
        for number in range(30):
            user_of(client, f"u{number}").decide("switch")
    with pytest.raises(AssertionError, match=r"recorded \(30\):(?s:.*)'u19'(?s:.*)\n    and 10 more$"):
        events.assert_not_exposed("switch")


# --- another client --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [SignaKitClient.offline({"flags": []}), None], ids=["a client", "no client"])
def test_another_client_serves_the_requests_inside(own: SignaKitClient | None, client: SignaKitClient) -> None:
    app = Flags(own)
    with use_client(client) as used, recorded() as events:
        assert used is client
        assert app.context(Request(user="ada")).variation("switch") == "on"
        with override_flags({"switch": "forced"}):
            assert app.user(None).variation("switch") == "forced"
            assert app.context(Request()).decide_all().keys() == {"exp", "switch", "tgt", "stopped"}
    events.assert_exposed("switch", user="ada", variation="on")
    assert app.context(Request()).decide("switch") is None


def test_the_inner_client_serves(client: SignaKitClient) -> None:
    app = Flags(None)
    with use_client(client):
        with use_client(SignaKitClient.offline(config(flag("switch").otherwise("b"))), scope="process"):
            assert app.context(Request()).variation("switch") == "b"
        assert app.context(Request()).variation("switch") == "on"

    @use_client(client)
    def decorated() -> str:
        return app.context(Request()).variation("switch")

    assert [decorated(), decorated()] == ["on", "on"]
