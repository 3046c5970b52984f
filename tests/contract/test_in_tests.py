"""The contract of the testing kit: what a test forces and records, the same in every framework.

With a client that is ready, with one that has no config, and without one, as in the tests of most applications.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags import SignaKitClient
from signakit_flags.integration import Identity
from signakit_flags.testing import config, flag, override_flags, recorded, use_client
from support.contract import CRAWLER

if TYPE_CHECKING:
    from support.contract import Adapter
    from support.server import FlagServer

STATES: dict[str, dict[str, Any]] = {
    "ready": {},
    "no config": {"cdn_url": "http://127.0.0.1:1", "ready_timeout": 0},
    "no key": {"sdk_key": None},
}
FORCED = {"exp": "treatment", "switch": True, "tgt": None}


def names(_request: Any) -> Identity:
    return Identity("ben", {"plan": "pro"})


@pytest.fixture(params=STATES.values(), ids=STATES)
def state(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.delenv("SIGNAKIT_SDK_KEY", raising=False)
    found: dict[str, Any] = request.param
    return found


@pytest.fixture
def any_site(site: Adapter, state: dict[str, Any]) -> Adapter:
    site.configure(**state)
    return site


@pytest.mark.parametrize("scope", ["task", "process"])
def test_a_visitor_gets_what_is_forced_and_is_exposed(any_site: Adapter, server: FlagServer, scope: str) -> None:
    with override_flags(FORCED, scope=scope), recorded(scope=scope) as events:
        answer = any_site.request("flags")
        facts = answer.facts
        assert (facts["variation"], facts["switch"], facts["targeted"]) == ("treatment", True, "default")
        visitor = answer.cookies["visitor_id"].value
        assert facts["user_id"] == visitor
        assert answer.vary == {"cookie", "accept-language"}
        again = any_site.request("flags", cookies=f"visitor_id={visitor}")
        assert (again.facts["user_id"], again.cookies) == (visitor, {})
    assert [(event.user_id, event.flag_key, event.variation_key) for event in events.exposures] == [
        (visitor, "exp", "treatment"),
        (visitor, "switch", "on"),
    ]
    client = any_site.client()
    assert client is None or client.flush_sync(10)
    assert server.events == []


def test_an_account_gets_what_is_forced_and_is_exposed(any_site: Adapter) -> None:
    user_id = any_site.login()
    with override_flags(FORCED), recorded() as events:
        assert any_site.request("flags").facts["user_id"] == user_id
    events.assert_exposed("exp", user=user_id, variation="treatment")


def test_who_is_identified_gets_what_is_forced_and_is_exposed(site: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    for state in STATES.values():
        site.configure(identify=names, **state)
        with override_flags(FORCED), recorded() as events:
            assert site.request("flags").facts["attributes"] == {"plan": "pro"}
        assert dict(events.assert_exposed("exp", user="ben").attributes) == {"plan": "pro"}


def test_a_crawler_gets_what_is_forced_and_leaves_no_trace(any_site: Adapter) -> None:
    with override_flags(FORCED), recorded() as events:
        answer = any_site.request("flags", user_agent=CRAWLER)
    assert answer.facts["variation"] == "treatment"
    assert answer.cookies == {}
    assert events.events == []


def test_nobody_gets_what_is_forced_and_is_not_exposed(site: Adapter) -> None:
    for state in STATES.values():
        site.configure(visitor_cookie=None, **state)
        with override_flags(FORCED), recorded() as events:
            answer = site.request("flags")
        assert (answer.facts["variation"], answer.facts["user_id"], answer.cookies) == ("treatment", "", {})
        assert events.events == []


def test_what_was_forced_is_gone_with_the_next_request(any_site: Adapter) -> None:
    before = any_site.request("flags", cookies="visitor_id=8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11").facts
    with override_flags({"exp": "forced", "switch": False}):
        facts = any_site.request("flags", cookies="visitor_id=8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11").facts
        assert (facts["variation"], facts["switch"]) == ("forced", False)
    after = any_site.request("flags", cookies="visitor_id=8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11").facts
    same = ("variation", "switch", "switch_by_default", "targeted")
    assert [after[name] for name in same] == [before[name] for name in same]


def test_a_body_that_is_streamed_asks_as_the_view_does(streaming_site: Adapter, state: dict[str, Any]) -> None:
    streaming_site.configure(**state)
    with override_flags({"exp": "forced"}, scope="process"):
        assert streaming_site.request("early").body.endswith("forced")


def test_a_client_of_the_test_serves_the_requests(any_site: Adapter) -> None:
    rules = config(
        flag("exp").split(mine=100), flag("switch").otherwise("on"), flag("tgt").target("x").when(plan="pro")
    )
    with use_client(SignaKitClient.offline(rules)), recorded() as events:
        answer = any_site.request("flags")
    assert (answer.facts["variation"], answer.facts["switch"], answer.facts["targeted"]) == ("mine", True, "off")
    events.assert_exposed("exp", user=answer.cookies["visitor_id"].value, variation="mine")
