"""Who a request is from, in a framework that exists in these tests alone."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import functools
import uuid
from collections import UserDict
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags import SignaKitClient
from signakit_flags.integration import Identity, ResponseStart, VisitorCookie, is_visitor_id
from signakit_flags.integration.identity import checked, is_async
from support.framework import (
    BROWSER,
    CONFIG,
    CRAWLER,
    ID,
    VISITOR,
    Flags,
    Request,
    assert_off,
    known,
    raises,
    track,
    unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_an_identity_is_a_value() -> None:
    assert Identity("u", {"plan": "pro"}) == Identity("u", {"plan": "pro"})
    assert Identity("u").attributes == {}
    assert Identity("u", is_bot=True) != Identity("u")
    assert dataclasses.replace(Identity(17, {"plan": "pro"}), is_bot=False) == Identity(
        "17", {"plan": "pro"}, is_bot=False
    )
    assert hash(Identity("u", ReadOnly(plan="pro"))) == hash(Identity("u", ReadOnly(plan="pro")))
    with pytest.raises(AttributeError):
        Identity("u").user_id = "v"  # type: ignore[misc]


class ReadOnly(dict[str, Any]):
    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self.items()))


class Rank(enum.IntEnum):
    FIRST = 1


class Named(int, enum.Enum):
    SECOND = 2


class Text(str):
    __slots__ = ()


class DriverUUID(uuid.UUID):
    """As asyncpg has one."""


@pytest.mark.parametrize(
    ("user_id", "text"),
    [
        (17, "17"),
        (0, "0"),
        (-3, "-3"),
        (10**30, "1" + "0" * 30),
        (Rank.FIRST, "1"),
        (Named.SECOND, "2"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (DriverUUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Text("u"), "u"),
        ("", ""),
    ],
)
def test_a_number_or_a_uuid_becomes_text(flags: Callable[..., Flags], user_id: Any, text: str) -> None:
    identity = Identity(user_id)
    assert type(identity.user_id) is str
    assert identity.user_id == text
    assert flags().flags_for(user_id, {"plan": "pro"}).user_id == text
    assert flags().flags_for(identity).user_id == text


@pytest.mark.parametrize("user_id", [True, False, 1.0, None, b"u", ["u"], object()])
def test_a_user_id_of_another_type_is_refused_where_it_is_given(flags: Callable[..., Flags], user_id: Any) -> None:
    with pytest.raises(TypeError, match="user_id must be a str, an int or a UUID, not"):
        Identity(user_id)
    if user_id is not None:
        with pytest.raises(TypeError, match="user_id must be a str, an int or a UUID, not"):
            flags().flags_for(user_id)


@pytest.mark.parametrize("is_bot", [0, 1, "", "yes"])
def test_whether_a_user_is_a_bot_is_true_false_or_unknown(is_bot: Any) -> None:
    with pytest.raises(TypeError, match="is_bot must be True, False or None, not"):
        Identity("u", is_bot=is_bot)


def test_attributes_are_given_once(flags: Callable[..., Flags]) -> None:
    with pytest.raises(TypeError, match="an Identity has its own attributes"):
        flags().flags_for(Identity("u"), {"plan": "pro"})


@pytest.mark.parametrize("attributes", [[("plan", "pro")], "plan", 0])
def test_attributes_that_are_no_mapping_are_refused_where_they_are_given(attributes: object) -> None:
    with pytest.raises(TypeError, match="attributes must be a mapping"):
        Identity("u", attributes)  # type: ignore[arg-type]


async def awaited(_request: object) -> None: ...


class Awaited:
    async def __call__(self, _request: object) -> None: ...


def plain(_request: object) -> None: ...


@pytest.mark.parametrize(
    ("resolver", "expected"),
    [
        (awaited, True),
        (functools.partial(awaited), True),
        (Awaited(), True),
        (plain, False),
        (lambda _request: None, False),
        (None, False),
        (dict, False),
    ],
)
def test_a_resolver_to_be_awaited_is_known_before_it_is_called(resolver: object, expected: bool) -> None:
    assert is_async(resolver) is expected


@pytest.mark.parametrize("found", ["u", 1, {"user_id": "u"}, True])
def test_what_a_resolver_returns_must_be_an_identity(found: object) -> None:
    with pytest.raises(TypeError, match="identify must return an Identity or None"):
        checked(found)


# --- who asks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identify", "user", "cookies", "expected"),
    [
        (known, "account", VISITOR, "identified"),
        (unknown, "account", VISITOR, "account"),
        (None, "account", VISITOR, "account"),
        (unknown, None, VISITOR, ID),
        (None, None, VISITOR, ID),
    ],
)
def test_identify_goes_before_the_account_and_that_before_the_visitor(
    flags: Callable[..., Flags], identify: Any, user: str | None, cookies: dict[str, str], expected: str
) -> None:
    bound = flags(identify=identify)
    request = Request(cookies=cookies, user=user)
    assert bound.context(request).user_id == expected
    awaited = asyncio.run(bound.context(request).resolve())
    assert awaited.user_id == expected


def test_who_has_a_cookie_gets_none_again(flags: Callable[..., Flags]) -> None:
    context = flags().context(Request(cookies=VISITOR))
    assert context.is_enabled("switch")
    assert context.touched
    assert context.start_response() == ResponseStart(None, ("Cookie",))


def test_a_new_visitor_gets_a_cookie(flags: Callable[..., Flags]) -> None:
    context = flags().context(Request())
    assert context.is_enabled("switch")
    start = context.start_response(secure=True)
    assert start.vary == ("Cookie",)
    assert start.cookie == VisitorCookie().set_cookie(context.user_id, secure=True)
    assert is_visitor_id(context.user_id)


def test_a_framework_may_say_which_id_a_new_visitor_gets(flags: Callable[..., Flags]) -> None:
    class Shared(Flags):
        def new_visitor_id(self, request: Request, cookie: VisitorCookie) -> str:
            assert cookie.name == "vid"
            return ID

    bound = flags(Shared, visitor_cookie=VisitorCookie(name="vid"))
    context = bound.context(Request(cookies={"vid": "not one"}))
    assert context.user_id == ID
    start = context.start_response()
    assert start.cookie is not None
    assert start.cookie.value == ID


@pytest.mark.parametrize("value", ["", "admin", "1", "x" * 8_192, ID + "\x00", "\r\n", ID.upper(), "{}"])
def test_a_cookie_that_is_not_ours_is_replaced_and_its_bytes_go_nowhere(
    client: SignaKitClient, flags: Callable[..., Flags], value: str
) -> None:
    context = flags().context(Request(cookies={"visitor_id": value}))
    context.decide("exp")
    start = context.start_response()
    assert start.cookie is not None
    assert is_visitor_id(start.cookie.value)
    [event] = client.recorded_events
    assert event["userId"] == start.cookie.value == context.user_id


def test_the_cookie_can_have_another_name(flags: Callable[..., Flags]) -> None:
    bound = flags(visitor_cookie=VisitorCookie(name="vid"))
    assert bound.context(Request(cookies={"vid": ID})).user_id == ID
    assert bound.context(Request(cookies=VISITOR)).user_id != ID


def test_without_a_cookie_an_anonymous_user_is_nobody(client: SignaKitClient, flags: Callable[..., Flags]) -> None:
    context = flags(visitor_cookie=None).context(Request(cookies=VISITOR))
    assert_off(context)
    assert context.user_id == ""
    assert context.attributes == {}
    assert "switched off" in str(context.explain("exp"))
    assert context.start_response() == ResponseStart(None, ("Cookie",))
    assert client.recorded_events == []
    assert flags(visitor_cookie=None).context(Request(user="account")).is_enabled("switch")


def test_a_conversion_is_the_users(client: SignaKitClient, flags: Callable[..., Flags]) -> None:
    context = flags(identify=known).context(Request())
    context.decide("tgt")
    context.track("bought", value=5)
    asyncio.run(track(context))
    assert [(event["eventKey"], event["userId"], event["decisions"]) for event in client.recorded_events] == [
        ("bought", "identified", {"tgt": "on"}),
        ("e", "identified", {"tgt": "on"}),
    ]


# --- the User-Agent --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("identify", [None, known])
def test_a_bot_is_off_and_gets_no_cookie(client: SignaKitClient, flags: Callable[..., Flags], identify: Any) -> None:
    context = flags(identify=identify).context(Request(user_agent=CRAWLER))
    assert context.is_bot
    assert not context.is_enabled("switch", True)
    assert context.variation("exp") == "off"
    context.track("e")
    # Its page must not be handed to people by a cache.
    assert context.start_response() == ResponseStart(None, ("Cookie", "User-Agent"))
    assert client.recorded_events == []


def test_the_requests_user_agent_counts_whatever_identify_returns(client: SignaKitClient) -> None:
    seen: list[Any] = []
    detecting = SignaKitClient.offline(CONFIG, bot_detector=lambda user_agent: bool(seen.append(user_agent)))
    for user_agent in (BROWSER, None):
        context = Flags(detecting, identify=known).context(Request(user_agent=user_agent))
        context.decide("exp")
        assert context.attributes == {"plan": "pro"}
    assert seen == [BROWSER]


@pytest.mark.parametrize("user_agent", ["", "x" * 65_536, "\xff\xfe\x00", "\ud800", "Mozilla/5.0 (" * 5_000])
def test_any_user_agent_is_survived(flags: Callable[..., Flags], user_agent: str) -> None:
    context = flags(identify=known).context(Request(user_agent=user_agent))
    assert context.variation("switch") in {"on", "off"}
    context.start_response()


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("user_agent", ["okhttp/4.12.0", BROWSER, CRAWLER])
def test_a_detector_of_the_applications_own_has_the_last_word(user_agent: str, said: bool) -> None:
    client = SignaKitClient.offline(CONFIG, bot_detector=lambda _user_agent: said)
    for request in (Request(user="account"), Request(cookies=VISITOR)):
        request.user_agent = user_agent
        assert Flags(client).context(request).is_bot is said


def test_a_user_outside_of_requests_may_be_a_bot(client: SignaKitClient, flags: Callable[..., Flags]) -> None:
    assert flags().user(Identity("u", is_bot=True)).variation("exp") == "off"
    assert flags().user(Identity("u", {"$userAgent": "okhttp/4.12.0"})).variation("exp") != "off"
    assert flags().user(Identity("u", {"$userAgent": CRAWLER})).variation("exp") == "off"
    assert [event["userId"] for event in client.recorded_events] == ["u"]


# --- identify that goes wrong ----------------------------------------------------------------------------------------


def other_type(_request: Request) -> Any:
    return "identified"


def wrong_id(request: Request) -> Identity | None:
    return Identity(1.5)  # type: ignore[arg-type]


class Odd(UserDict[str, Any]):
    def __iter__(self) -> Any:
        raise ValueError("odd")


def odd_attributes(_request: Request) -> Identity | None:
    return Identity("u", Odd())


def asks_itself(request: Request) -> Identity | None:
    return Identity(request.token.user_id)  # type: ignore[union-attr,arg-type]


@pytest.mark.parametrize("identify", [raises, other_type, wrong_id, odd_attributes])
@pytest.mark.parametrize("awaited", [False, True])
def test_an_identify_that_goes_wrong_is_logged_once_and_flags_are_off(
    client: SignaKitClient, flags: Callable[..., Flags], caplog: pytest.LogCaptureFixture, identify: Any, awaited: bool
) -> None:
    bound = flags(identify=identify)
    for _ in range(3):
        context = bound.context(Request(cookies=VISITOR, user="account"))
        if awaited:
            asyncio.run(context.resolve())
        assert_off(context)
        assert context.start_response() == ResponseStart(None, ("Cookie",))
    [record] = caplog.records
    assert "flags are off" in record.getMessage()
    assert record.exc_info
    assert client.recorded_events == []


async def asks_itself_later(request: Request) -> Identity | None:
    await request.token.resolve()  # type: ignore[union-attr]
    return asks_itself(request)


@pytest.mark.parametrize("identify", [asks_itself, asks_itself_later])
def test_an_identify_that_asks_for_flags_itself_ends_and_is_logged(
    flags: Callable[..., Flags], caplog: pytest.LogCaptureFixture, identify: Any
) -> None:
    request = Request()
    context = flags(identify=identify).context(request)
    request.token = context  # type: ignore[assignment]
    asyncio.run(context.resolve())
    assert_off(context)
    [record] = caplog.records
    assert "flags were asked by the code that is to say who asks" in record.getMessage()


def test_an_identify_may_ask_for_the_flags_of_others(flags: Callable[..., Flags]) -> None:
    others = flags(identify=known)
    context = flags(identify=lambda request: Identity(others.context(request).user_id)).context(Request())
    assert context.user_id == "identified"


def test_an_id_of_ten_kilobytes_is_an_id(client: SignaKitClient, flags: Callable[..., Flags]) -> None:
    context = flags(identify=lambda _request: Identity("x" * 10_240)).context(Request())
    assert context.decide("exp") is not None
    assert client.recorded_events[0]["userId"] == "x" * 256


def test_a_cookie_jar_that_raises_is_no_error_of_the_page(client: SignaKitClient) -> None:
    class Broken(Flags):
        def cookies(self, request: Request, name: str) -> list[str]:
            raise ValueError("not a cookie")

    context = Broken(client).context(Request())
    assert_off(context)
