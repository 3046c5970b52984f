"""The contract of the integrations: one table of scenarios, the same for every framework.

The numbers are those of the table in the design of the integrations.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags.integration import Identity, is_visitor_id
from support.contract import BROWSER, CRAWLER
from support.server import status, wait_until

if TYPE_CHECKING:
    from support.contract import Adapter, Answer
    from support.server import FlagServer

ID = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"
COOKIE = f"visitor_id={ID}"


def exposed(site: Adapter, server: FlagServer) -> Counter[str]:
    """How often each user was exposed to ``exp``, by what has arrived."""
    client = site.client()
    assert client is not None
    assert client.flush_sync(10)
    return Counter(event["userId"] for event in server.events if event["decisions"].get("exp"))


def assert_off(answer: Answer) -> None:
    """None and defaults; the page is served."""
    facts = answer.facts
    assert facts["variation"] is None
    assert facts["switch"] is False
    assert facts["switch_by_default"] is True
    assert facts["targeted"] == "default"


# --- 1: untouched ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["untouched", "lazy"])
@pytest.mark.parametrize("logged_in", [False, True], ids=["anonymous", "logged in"])
def test_1_a_request_that_never_touches_flags_pays_nothing(
    site: Adapter, server: FlagServer, monkeypatch: pytest.MonkeyPatch, path: str, logged_in: bool
) -> None:
    if logged_in:
        site.login()
    site.request("untouched")
    client = site.client()
    assert client is not None
    built: list[object] = []
    monkeypatch.setattr(type(client), "create_user_context", lambda *_: built.append(1))
    answer = site.request(path)
    assert answer.status == 200
    assert answer.cookies == {}
    assert answer.vary == ({"accept"} if path == "lazy" else set())
    assert not answer.loaded
    assert answer.queries == 0
    assert built == []
    assert server.posts == 0


# --- 2, 3, 4: visitors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("https", [False, True], ids=["http", "https"])
def test_2_an_anonymous_visitor_gets_a_cookie(site: Adapter, server: FlagServer, https: bool) -> None:
    answer = site.request("flags", https=https)
    assert set(answer.cookies) == {"visitor_id"}
    cookie = answer.cookies["visitor_id"]
    assert is_visitor_id(cookie.value)
    assert answer.facts["user_id"] == cookie.value
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert cookie["max-age"] == "31536000"
    assert cookie["domain"] == ""
    assert bool(cookie["secure"]) is https
    assert answer.vary == {"cookie", "accept-language"}, "added, not replaced"
    assert answer.facts["variation"] in {"control", "treatment"}
    assert answer.facts["switch"] is True
    assert exposed(site, server) == {cookie.value: 1}


def test_2_each_visitor_is_another_one(site: Adapter) -> None:
    assert len({site.request("flags").facts["user_id"] for _ in range(5)}) == 5


def test_3_the_visitor_returns(site: Adapter, server: FlagServer) -> None:
    first = site.request("flags")
    visitor = first.facts["user_id"]
    again = [site.request("flags", cookies=f"other=1; visitor_id={visitor}") for _ in range(3)]
    for answer in again:
        assert answer.cookies == {}
        assert answer.facts["user_id"] == visitor
        assert answer.facts["variation"] == first.facts["variation"]
        assert "cookie" in answer.vary
    assert exposed(site, server) == {visitor: 1}


@pytest.mark.parametrize(
    "value",
    [
        "",
        "admin",
        "x" * 8_192,
        ID[:-1],
        ID + "0",
        ID.upper(),
        ID.replace("-4", "-1", 1),
        "\x01\x02\x7f",
        f'"{ID}\\015\\012"',
        "%0d%0aSet-Cookie:%20a=b",
        "\u00e9\u00ff",
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_4_a_malformed_cookie_is_replaced_and_its_bytes_never_become_a_user_id(
    site: Adapter, server: FlagServer, value: str
) -> None:
    answer = site.request("flags", cookies=f"visitor_id={value}")
    cookie = answer.cookies["visitor_id"]
    assert is_visitor_id(cookie.value)
    assert cookie.value != ID
    assert exposed(site, server) == {cookie.value: 1}


def test_the_cookie_is_as_the_options_say(site: Adapter) -> None:
    site.configure(visitor_cookie={"name": "vid", "max_age": 60, "domain": "example.com", "secure": True})
    cookie = site.request("flags").cookies["vid"]
    assert (cookie["max-age"], cookie["domain"], cookie["secure"]) == ("60", "example.com", True)
    assert site.request("flags", cookies=f"vid={ID}").facts["user_id"] == ID


# --- 5, 6: users -----------------------------------------------------------------------------------------------------


def test_5_who_is_logged_in_is_known_by_their_key(site: Adapter, server: FlagServer) -> None:
    user_id = site.login()
    for cookies in ("", COOKIE):
        answer = site.request("flags", cookies=cookies)
        assert answer.facts["user_id"] == user_id
        assert answer.cookies == {}
        assert answer.vary == {"cookie", "accept-language"}
    assert exposed(site, server) == {user_id: 1}


def identify(_request: Any) -> Identity | None:
    return Identity("identified", {"plan": "pro", "$userAgent": CRAWLER})


async def identify_later(request: Any) -> Identity | None:
    await asyncio.sleep(0)
    return identify(request)


def unknown(_request: Any) -> Identity | None:
    return None


async def unknown_later(_request: Any) -> Identity | None:
    return None


@pytest.mark.parametrize("resolver", [identify, identify_later])
def test_6_identify_wins(site: Adapter, server: FlagServer, resolver: Any) -> None:
    site.configure(identify=resolver)
    site.login()
    answer = site.request("flags", cookies=COOKIE)
    assert answer.facts["user_id"] == "identified"
    assert answer.facts["attributes"] == {"plan": "pro"}
    assert answer.cookies == {}
    assert "cookie" in answer.vary
    assert exposed(site, server) == {"identified": 1}


@pytest.mark.parametrize("resolver", [None, identify])
def test_6_a_view_that_changes_an_attribute_is_told(site: Adapter, resolver: Any) -> None:
    site.configure(identify=resolver)
    facts = site.request("flags").facts
    assert facts["refusal"].startswith("attributes of a user context are read-only")
    assert facts["attributes"] == ({} if resolver is None else {"plan": "pro"})


@pytest.mark.parametrize("resolver", [unknown, unknown_later])
def test_6_an_identify_that_knows_nobody_leaves_it_to_the_account_then_to_the_visitor(
    site: Adapter, resolver: Any
) -> None:
    site.configure(identify=resolver)
    assert site.request("flags", cookies=COOKIE).facts["user_id"] == ID
    user_id = site.login()
    assert site.request("flags", cookies=COOKIE).facts["user_id"] == user_id


def raises(_request: Any) -> Identity | None:
    raise LookupError("nobody of this name")


async def raises_later(request: Any) -> Identity | None:
    return raises(request)


def other_type(_request: Any) -> Any:
    return {"user_id": "u"}


def primary_key(_request: Any) -> Identity | None:
    return 17  # type: ignore[return-value]


@pytest.mark.parametrize("resolver", [raises, raises_later, other_type, primary_key])
def test_6_an_identify_that_goes_wrong_is_logged_once_and_the_page_is_served(
    site: Adapter, server: FlagServer, caplog: pytest.LogCaptureFixture, resolver: Any
) -> None:
    site.configure(identify=resolver)
    site.login()
    for _ in range(3):
        answer = site.request("flags", cookies=COOKIE)
        assert_off(answer)
        assert answer.cookies == {}
    assert len([record for record in caplog.records if "flags are off" in record.getMessage()]) == 1
    assert exposed(site, server) == {}


def test_6_an_id_of_ten_kilobytes(site: Adapter, server: FlagServer) -> None:
    site.configure(identify=lambda _request: Identity("x" * 10_240))
    assert site.request("flags").facts["variation"] in {"control", "treatment"}
    assert exposed(site, server) == {"x" * 256: 1}


# --- 7, 8: the User-Agent --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resolver", [None, unknown, identify])
def test_7_every_context_carries_the_requests_user_agent(site: Adapter, resolver: Any) -> None:
    seen: list[str] = []

    def detector(user_agent: str) -> bool:
        seen.append(user_agent)
        return False

    site.configure(identify=resolver, bot_detector=detector)
    assert site.request("flags").facts["is_bot"] is False
    assert seen == [BROWSER]
    site.request("flags", user_agent=None)
    assert seen == [BROWSER], "without one, that of identify does not count either"


@pytest.mark.parametrize("user_agent", [None, "", "x" * 65_536, "Mozilla/5.0 \u00ff\u00fe", "\x01"])
def test_7_any_user_agent_is_survived(site: Adapter, user_agent: str | None) -> None:
    assert site.request("flags", user_agent=user_agent).facts["user_id"]


@pytest.mark.parametrize("resolver", [None, identify])
def test_8_a_bot_is_off_and_leaves_no_trace(site: Adapter, server: FlagServer, resolver: Any) -> None:
    site.configure(identify=resolver)
    answer = site.request("flags", user_agent=CRAWLER)
    assert answer.facts["is_bot"] is True
    assert answer.facts["variation"] == "off"
    assert answer.facts["switch_by_default"] is False
    assert answer.cookies == {}
    assert "user-agent" in answer.vary, "no cache shows a bot's page to people"
    assert exposed(site, server) == {}


# --- 9: not ready ----------------------------------------------------------------------------------------------------


def test_9_not_ready_is_none_and_defaults_and_works_later_without_a_restart(site: Adapter, server: FlagServer) -> None:
    server.config_fault = status(503)
    site.configure(ready_timeout=0)
    for _ in range(2):
        answer = site.request("flags")
        assert_off(answer)
        assert answer.cookies == {}
    server.config_fault = None
    assert wait_until(lambda: bool(site.client() and site.client().is_ready))  # type: ignore[union-attr]
    answer = site.request("flags")
    assert answer.facts["variation"] in {"control", "treatment"}
    assert is_visitor_id(answer.cookies["visitor_id"].value)


@pytest.mark.parametrize("wrong", [{"sdk_key": "nonsense"}, {"timeout": -1}, {"identify": "no.such.path"}])
def test_9_a_bad_setting_breaks_nothing(site: Adapter, server: FlagServer, wrong: dict[str, Any]) -> None:
    site.configure(**wrong)
    assert_off(site.request("flags"))
    assert site.client() is None
    assert server.config_requests == []


# --- 10: no visitor cookie -------------------------------------------------------------------------------------------


def test_10_without_the_cookie_an_anonymous_user_has_no_context(site: Adapter, server: FlagServer) -> None:
    site.configure(visitor_cookie=None)
    for cookies in ("", COOKIE):
        answer = site.request("flags", cookies=cookies)
        assert_off(answer)
        assert answer.cookies == {}
        assert answer.facts["user_id"] == ""
    assert exposed(site, server) == {}
    user_id = site.login()
    assert site.request("flags").facts["variation"] in {"control", "treatment"}
    assert exposed(site, server) == {user_id: 1}


# --- 11: other requests ----------------------------------------------------------------------------------------------


def test_11_a_first_touch_in_a_streamed_body_is_nobodys(streaming_site: Adapter, server: FlagServer) -> None:
    answer = streaming_site.request("late")
    assert (answer.status, answer.body) == (200, "first None")
    assert answer.cookies == {}
    assert exposed(streaming_site, server) == {}


def test_11_who_has_a_cookie_can_ask_in_a_streamed_body(streaming_site: Adapter, server: FlagServer) -> None:
    answer = streaming_site.request("late", cookies=COOKIE)
    assert "variation_key=" in answer.body
    assert answer.cookies == {}
    assert exposed(streaming_site, server) == {ID: 1}


def test_11_a_visitor_known_before_the_body_can_be_asked_about_in_it(
    streaming_site: Adapter, server: FlagServer
) -> None:
    answer = streaming_site.request("early")
    assert answer.body in {"control", "treatment"}
    assert exposed(streaming_site, server) == {answer.cookies["visitor_id"].value: 1}


def test_11_an_error_of_the_applications_stays_its_own_and_sets_the_cookie(site: Adapter, server: FlagServer) -> None:
    answer = site.request("error")
    assert answer.status == 500
    assert exposed(site, server) == {answer.cookies["visitor_id"].value: 1}


def test_11_a_redirect_sets_the_cookie(site: Adapter) -> None:
    answer = site.request("away")
    assert answer.status == 302
    assert is_visitor_id(answer.cookies["visitor_id"].value)
    assert "cookie" in answer.vary


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST"])
def test_11_other_methods(site: Adapter, server: FlagServer, method: str) -> None:
    answer = site.request("flags", method=method)
    assert answer.status == 200
    assert exposed(site, server) == {answer.cookies["visitor_id"].value: 1}


def test_11_a_part_of_the_site_that_is_mounted(site: Adapter) -> None:
    assert is_visitor_id(site.request("/mounted/flags").cookies["visitor_id"].value)


def test_11_a_path_that_does_not_exist(site: Adapter) -> None:
    answer = site.request("nothing")
    assert answer.status == 404
    assert answer.cookies == {}


# --- 13: several cookies ---------------------------------------------------------------------------------------------

OTHER = "0e5f6c1e-31a6-4d6e-8d0b-6a2f0f6f4a55"


@pytest.mark.parametrize(
    "cookies",
    [
        f"visitor_id={ID}; visitor_id=tracker-123",
        f"visitor_id=tracker-123; visitor_id={ID}",
        f"visitor_id={ID}; visitor_id={OTHER}",
        f"visitor_id=; a=b;visitor_id={ID}; visitor_id={OTHER}; visitor_id=tracker",
        f"xvisitor_id={OTHER}; visitor_id_2={OTHER}; visitor_id={ID}",
        f'visitor_id="{ID}"; visitor_id={OTHER}',
    ],
)
def test_13_of_several_cookies_the_first_valid_one_counts(site: Adapter, server: FlagServer, cookies: str) -> None:
    for _ in range(2):
        answer = site.request("flags", cookies=cookies)
        assert answer.facts["user_id"] == ID
        assert answer.cookies == {}
        assert answer.cache_control is None
    assert exposed(site, server) == {ID: 1}


# --- 14: authentication in the view layer ----------------------------------------------------------------------------


@pytest.mark.parametrize("logged_in", [False, True], ids=["anonymous", "another one is logged in"])
def test_14_the_user_that_the_view_layer_authenticates_is_the_one_who_asks(
    site: Adapter, server: FlagServer, logged_in: bool
) -> None:
    if logged_in:
        site.login()
    user_id = site.account("ben")
    for cookies in ("", COOKIE):
        answer = site.request("gated", cookies=cookies, headers={"Authorization": "Name ben"})
        assert answer.facts["user_id"] == user_id
        shut = site.request("shut", cookies=cookies, headers={"Authorization": "Name ben"})
        assert (answer.cookies, shut.status, shut.cookies) == ({}, 404, {})
    assert exposed(site, server) == {user_id: 1}


def test_14_a_view_that_refuses_the_authentication_asks_for_no_flag(site: Adapter, server: FlagServer) -> None:
    for path in ("gated", "shut"):
        answer = site.request(path)
        assert answer.status in {401, 403}
        assert answer.cookies == {}
    assert exposed(site, server) == {}


# --- 15: caches ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "private"),
        ("max-age=60", "max-age=60, private"),
        ("public, max-age=60", "max-age=60, private"),
        ("s-maxage=60, PUBLIC", "s-maxage=60, private"),
        ('private="x-name", max-age=60', 'private="x-name", max-age=60, private'),
        ("private, max-age=60", "private, max-age=60"),
        ("max-age=60,Private", "max-age=60,Private"),
        ("no-store", "no-store"),
        ("public, no-store", "public, no-store"),
    ],
)
def test_15_no_shared_cache_keeps_a_response_with_a_visitors_cookie(
    site: Adapter, caplog: pytest.LogCaptureFixture, given: str | None, expected: str
) -> None:
    headers = {} if given is None else {"X-Cache-Control": given}
    for _ in range(2):
        answer = site.request("flags", headers=headers)
        assert set(answer.cookies) == {"visitor_id"}
        assert answer.cache_control == expected
    assert site.request("flags", cookies=COOKIE, headers=headers).cache_control == given
    said = [record for record in caplog.records if "`public`" in record.getMessage()]
    assert len(said) == ("public" in (given or "").lower())


# --- 16: responses that set no cookie --------------------------------------------------------------------------------


def test_16_finding_out_who_asks_is_no_question(site: Adapter, server: FlagServer) -> None:
    for cookies in ("", COOKIE):
        answer = site.request("declared", cookies=cookies)
        assert answer.status == 200
        assert (answer.cookies, answer.cache_control) == ({}, None)
        # A body that is still to come may ask. And Django and Flask say so by themselves, once the session was loaded.
        resolved = "fastapi" in site.name or site.name == "starlette async"
        assert answer.vary == ({"cookie"} if answer.loaded or (resolved and cookies) else set())
    assert exposed(site, server) == {}


def test_16_a_new_visitor_whose_cookie_no_response_can_set_is_nobody(
    site: Adapter, server: FlagServer, caplog: pytest.LogCaptureFixture
) -> None:
    site.request("untouched")
    for _ in range(2):
        facts = site.unanswered()
        assert (facts["user_id"], facts["variation"], facts["targeted"]) == ("", None, "default")
        assert facts["switch_by_default"] is True
    assert len([record for record in caplog.records if "cookie" in record.getMessage()]) == 1
    assert exposed(site, server) == {}
    assert site.unanswered(cookies=COOKIE)["user_id"] == ID
    assert exposed(site, server) == {ID: 1}


@pytest.mark.parametrize(
    ("cookie", "https", "said"),
    [
        ({"secure": True}, False, "http://"),
        ({"domain": "example.com"}, True, "https://"),
        ({"secure": True}, True, None),
        ({}, False, None),
    ],
)
def test_16_a_cookie_that_no_browser_keeps_is_told_once(
    site: Adapter, caplog: pytest.LogCaptureFixture, cookie: dict[str, Any], https: bool, said: str | None
) -> None:
    site.configure(visitor_cookie=cookie)
    for _ in range(2):
        answer = site.request("flags", https=https, headers={"host": "shop.test"})
        assert answer.cookies["visitor_id"].value == answer.facts["user_id"], "the visitor stays a visitor"
    records = [record for record in caplog.records if "browsers do not keep the visitor cookie" in record.getMessage()]
    assert len(records) == (said is not None)
    if said is not None:
        assert f"{said}shop.test" in records[0].getMessage()


# --- 19: programs ----------------------------------------------------------------------------------------------------

APP = "okhttp/4.12.0"
HEADLESS = BROWSER.replace("Firefox", "HeadlessChrome")


def named(*, is_bot: bool | None) -> Any:
    return lambda _request: Identity("named", is_bot=is_bot)


@pytest.mark.parametrize("user_agent", [APP, "axios/1.7.2", "MyShop/3.1 Alamofire/5.8", "curl/8.5.0"])
def test_19_an_account_that_comes_by_an_http_library_is_a_person(
    site: Adapter, server: FlagServer, user_agent: str
) -> None:
    visitor = site.request("flags", user_agent=user_agent)
    assert (visitor.facts["is_bot"], visitor.facts["variation"], visitor.cookies) == (True, "off", {})
    user_id = site.login()
    facts = site.request("flags", user_agent=user_agent).facts
    assert (facts["user_id"], facts["is_bot"]) == (user_id, False)
    assert facts["variation"] in {"control", "treatment"}
    site.configure(identify=named(is_bot=None))
    assert site.request("flags", user_agent=user_agent).facts["variation"] in {"control", "treatment"}
    assert exposed(site, server) == {user_id: 1, "named": 1}


@pytest.mark.parametrize("user_agent", [CRAWLER, HEADLESS, "Foobot/1.0 python-requests/2.31"])
def test_19_a_crawler_is_one_whoever_is_logged_in(site: Adapter, server: FlagServer, user_agent: str) -> None:
    site.login()
    for _ in range(2):
        facts = site.request("flags", user_agent=user_agent).facts
        assert (facts["is_bot"], facts["variation"]) == (True, "off")
        site.configure(identify=named(is_bot=None))
    assert exposed(site, server) == {}


@pytest.mark.parametrize("user_agent", [BROWSER, CRAWLER, APP, None])
@pytest.mark.parametrize("is_bot", [True, False])
def test_19_an_identity_says_whether_it_is_a_bot(
    site: Adapter, server: FlagServer, is_bot: bool, user_agent: str | None
) -> None:
    site.configure(identify=named(is_bot=is_bot))
    facts = site.request("flags", user_agent=user_agent).facts
    assert facts["is_bot"] is is_bot
    assert (facts["variation"] == "off") is is_bot
    assert exposed(site, server) == ({} if is_bot else {"named": 1})


# --- 12: async views -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["untouched", "flags"])
@pytest.mark.parametrize("logged_in", [False, True], ids=["anonymous", "logged in"])
def test_12_an_async_view_runs_on_the_loops_thread(site: Adapter, path: str, logged_in: bool) -> None:
    if logged_in:
        site.login()
    answer = site.request(path)
    if site.is_async:
        assert answer.facts["thread"] == answer.loop_thread
    elif answer.loop_thread is not None:
        assert answer.facts["thread"] != answer.loop_thread
