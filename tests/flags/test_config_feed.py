"""Fetching and polling as state and a generator, driven by hand: no thread, no loop, no network."""

from __future__ import annotations

import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signakit_flags import OnReadyResult, parse_sdk_key
from signakit_flags._evaluation import selection
from signakit_flags._evaluation.problems import ConfigError
from signakit_flags._runtime.config_feed import MAX_PROBLEMS, ConfigFeed, Ticket, poll
from signakit_flags._runtime.flow import Answer, Failure, Pause, Request, Response, Send, Sleep
from support.configs import SDK_KEY, audience, condition, config, flag, rule, whole
from support.snapshots import Snapshots, done, to_pause

if TYPE_CHECKING:
    from pathlib import Path

KEY = parse_sdk_key(SDK_KEY)
URL = "http://127.0.0.1:9/configs/latest.json"
CONFIG = config(flag("f", allocation=whole("on")), version=1)
LIMIT = 200_000


def ok(data: Any = CONFIG, etag: str | None = '"1"', **fields: Any) -> Response:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Response(200, etag, body=body, **fields)


def new_feed(interval: float = 30.0, store: Snapshots | None = None) -> ConfigFeed:
    return ConfigFeed(url=URL, key=KEY, max_size=LIMIT, polling_interval=interval, keeper=store and store.keeper)


class Waiting(Ticket):
    """A ticket that counts how often it was resolved."""

    def __init__(self) -> None:
        self.resolved = 0
        super().__init__(self._count)

    def _count(self) -> None:
        self.resolved += 1


def ask(feed: ConfigFeed, *, fresh: bool = False) -> Waiting:
    ticket = Waiting()
    feed.ask(ticket, fresh=fresh)
    return ticket


def begin(feed: ConfigFeed, *, after: float = 0.0) -> tuple[Request, object]:
    done(feed.load_stored())
    begun = feed.begin(time.monotonic() + after)
    assert begun is not None
    return begun


def fetch(feed: ConfigFeed, answer: Answer) -> OnReadyResult:
    ticket = ask(feed)
    _request, identity = begin(feed)
    done(feed.receive(identity, answer))
    assert ticket.resolved == 1
    assert ticket.result is not None
    return ticket.result


def etag_asked(feed: ConfigFeed) -> str | None:
    """Return the ETag that the next request asks with; the fetch is given up."""
    ask(feed)
    request, _identity = begin(feed)
    feed.interrupt()
    return request.headers.get("If-None-Match")


def version(feed: ConfigFeed) -> int | None:
    return feed.snapshot.ruleset.version if feed.snapshot else None


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_request_asks_for_json_and_without_an_etag_at_first() -> None:
    feed = new_feed()
    ask(feed)
    request, _identity = begin(feed)
    assert (request.method, request.url, request.body) == ("GET", URL, None)
    assert request.headers == {"Accept": "application/json"}


def test_a_config_is_taken_over_with_its_etag() -> None:
    feed = new_feed()
    assert feed.snapshot is None
    before = time.monotonic()
    assert fetch(feed, ok()) == OnReadyResult(success=True)
    assert feed.snapshot is not None
    assert (feed.snapshot.source, feed.snapshot.etag, version(feed), feed.last_error) == ("cdn", '"1"', 1, None)
    assert before <= feed.snapshot.confirmed <= time.monotonic()
    assert etag_asked(feed) == '"1"'


def test_a_304_confirms_what_we_have() -> None:
    feed = new_feed()
    fetch(feed, ok())
    first = feed.snapshot
    assert first is not None
    assert fetch(feed, Response(304, '"other"')) == OnReadyResult(success=True)
    assert feed.snapshot is not None
    assert feed.snapshot.ruleset is first.ruleset
    assert feed.snapshot.etag == '"1"'
    assert feed.snapshot.confirmed >= first.confirmed


def test_a_304_without_a_config_is_a_failure() -> None:
    feed = new_feed()
    assert fetch(feed, Response(304)) == OnReadyResult(success=False, reason="the CDN answered HTTP 304")
    assert feed.snapshot is None


FAILURES: list[tuple[Answer, str]] = [
    (Failure("no answer within 10 s"), "no answer within 10 s"),
    *((Response(status), f"the CDN answered HTTP {status}") for status in (201, 204, 206, 301, 302, 308, 400, 401)),
    *((Response(status), f"the CDN answered HTTP {status}") for status in (403, 404, 410, 429, 500, 503)),
    (ok(b"<html>not found</html>", '"2"'), "config is not valid JSON"),
    (ok(b"", '"2"'), "config is not valid JSON"),
    (ok([], '"2"'), "config is not an object with a list of flags"),
    (ok({"flags": None}, '"2"'), "config is not an object with a list of flags"),
    (ok(b'{"flags":' + b"[" * (LIMIT - 100), '"2"'), "config is not valid JSON"),
    (ok(b" " * LIMIT + json.dumps(CONFIG).encode(), '"2"'), f"config is larger than {LIMIT} bytes"),
]


@pytest.mark.parametrize(("answer", "reason"), FAILURES)
def test_without_a_config_a_failure_says_why(answer: Answer, reason: str) -> None:
    feed = new_feed()
    result = fetch(feed, answer)
    assert not result.success
    assert reason in (result.reason or "")
    assert reason in (feed.last_error or "")
    assert feed.snapshot is None
    assert etag_asked(feed) is None


@pytest.mark.parametrize(("answer", "reason"), FAILURES)
def test_with_one_a_failure_leaves_it_and_its_etag_and_says_so(answer: Answer, reason: str) -> None:
    feed = new_feed()
    fetch(feed, ok())
    before = feed.snapshot
    result = fetch(feed, answer)
    assert not result.success
    assert reason in (result.reason or "")
    assert (result.reason or "").endswith("; serving the config fetched before")
    assert feed.snapshot is before
    assert etag_asked(feed) == '"1"'


def test_an_etag_is_taken_only_together_with_a_body_that_was_compiled() -> None:
    feed = new_feed()
    fetch(feed, ok(b"garbage", '"bad"'))
    assert etag_asked(feed) is None
    fetch(feed, ok())
    fetch(feed, ok(b"garbage", '"bad"'))
    assert etag_asked(feed) == '"1"'
    fetch(feed, ok(config(version=2), '"2"'))
    assert (etag_asked(feed), version(feed)) == ('"2"', 2)


def test_a_config_without_an_etag_clears_the_one_we_had() -> None:
    feed = new_feed()
    fetch(feed, ok())
    fetch(feed, ok(config(version=2), None))
    assert (etag_asked(feed), version(feed)) == (None, 2)


def test_a_config_of_exactly_the_largest_size_is_taken() -> None:
    body = json.dumps(CONFIG).encode()
    assert fetch(new_feed(), ok(body + b" " * (LIMIT - len(body)))).success


def test_a_success_clears_the_last_error() -> None:
    feed = new_feed()
    fetch(feed, Response(500))
    assert feed.last_error == "the CDN answered HTTP 500"
    fetch(feed, ok())
    assert feed.last_error is None


# --- one fetch for everyone ------------------------------------------------------------------------------------------


def test_callers_at_the_same_time_share_one_fetch() -> None:
    feed = new_feed()
    early = [ask(feed) for _ in range(3)]
    assert feed.wanted
    _request, identity = begin(feed)
    assert not feed.wanted
    late = [ask(feed) for _ in range(2)]
    assert feed.begin(time.monotonic()) is None
    assert feed.wait(time.monotonic()) is None
    done(feed.receive(identity, ok()))
    assert [ticket.result for ticket in early + late] == [OnReadyResult(success=True)] * 5
    assert not feed.wanted


def test_who_wants_a_fresh_one_waits_for_the_next_fetch() -> None:
    feed = new_feed()
    first = ask(feed)
    _request, identity = begin(feed)
    fresh = ask(feed, fresh=True)
    done(feed.receive(identity, Response(500)))
    assert (first.resolved, fresh.resolved) == (1, 0)
    assert feed.wait(time.monotonic()) == 0.0
    _request, identity = begin(feed)
    done(feed.receive(identity, ok()))
    assert (first.resolved, fresh.resolved) == (1, 1)
    assert fresh.result == OnReadyResult(success=True)


def test_who_wants_a_fresh_one_shares_a_fetch_that_has_not_begun() -> None:
    feed = new_feed()
    tickets = [ask(feed), ask(feed, fresh=True)]
    _request, identity = begin(feed)
    done(feed.receive(identity, ok()))
    assert [ticket.resolved for ticket in tickets] == [1, 1]


def test_an_interrupted_fetch_is_made_again_for_those_who_wait() -> None:
    feed = new_feed()
    first = ask(feed)
    _request, stale = begin(feed)
    second = ask(feed, fresh=True)
    feed.interrupt()
    assert feed.wanted
    assert feed.wait(time.monotonic()) == 0.0
    _request, identity = begin(feed)
    done(feed.receive(stale, ok(config(version=99))))
    assert feed.snapshot is None
    assert (first.resolved, second.resolved) == (0, 0)
    done(feed.receive(identity, ok()))
    assert (first.resolved, second.resolved, version(feed)) == (1, 1, 1)
    done(feed.receive(identity, ok(config(version=99))))
    assert version(feed) == 1


def test_a_fetch_that_is_interrupted_stops_compiling_its_config() -> None:
    feed = ConfigFeed(url=URL, key=KEY, max_size=10 * LIMIT, polling_interval=30.0)
    ask(feed)
    _request, identity = begin(feed)
    work = feed.receive(identity, ok(LARGE))
    to_pause(work)
    feed.interrupt()
    assert list(work) == []
    assert feed.snapshot is None


def test_closing_tells_everyone_who_waits_and_ends_fetching() -> None:
    feed = new_feed()
    flying = ask(feed)
    _request, identity = begin(feed)
    waiting = ask(feed, fresh=True)
    feed.close()
    late = ask(feed)
    closed = OnReadyResult(success=False, reason="the client is closed")
    assert [ticket.result for ticket in (flying, waiting, late)] == [closed] * 3
    done(feed.receive(identity, ok()))
    assert feed.snapshot is None
    assert feed.begin(time.monotonic() + 1e6) is None
    assert not feed.polls
    feed.close()
    assert [ticket.resolved for ticket in (flying, waiting, late)] == [1, 1, 1]


def test_after_a_fork_the_config_stays_and_nobody_waits() -> None:
    feed = new_feed()
    fetch(feed, ok())
    ticket = ask(feed)
    _request, identity = begin(feed)
    feed.forget_after_fork()
    assert version(feed) == 1
    assert not feed.wanted
    done(feed.receive(identity, ok(config(version=2))))
    assert (version(feed), ticket.resolved) == (1, 0)
    request, _identity = begin(feed)  # due at once
    assert request.headers["If-None-Match"] == '"1"'


# --- polling ---------------------------------------------------------------------------------------------------------


def test_nothing_is_fetched_before_somebody_asks() -> None:
    feed = new_feed()
    assert not feed.polls
    assert feed.wait(time.monotonic()) is None
    assert feed.begin(time.monotonic() + 1e6) is None


def test_the_next_poll_is_due_after_the_interval_give_or_take_a_tenth() -> None:
    waits = []
    for _ in range(100):
        feed = new_feed(30.0)
        fetch(feed, ok())
        wait = feed.wait(time.monotonic())
        assert wait is not None
        waits.append(wait)
    assert 26.5 < min(waits) < max(waits) <= 33
    assert max(waits) - min(waits) > 2, "processes that start together must drift apart"


def test_a_poll_begins_when_it_is_due_and_not_before() -> None:
    feed = new_feed(30.0)
    fetch(feed, ok())
    assert feed.begin(time.monotonic() + 26) is None
    request, identity = begin(feed, after=34)
    assert request.headers["If-None-Match"] == '"1"'
    done(feed.receive(identity, Response(304)))
    assert feed.begin(time.monotonic() + 26) is None


@pytest.mark.parametrize("interval", [0, 30])
def test_a_first_fetch_that_failed_is_tried_again_with_growing_waits(interval: float) -> None:
    feed = new_feed(interval)
    fetch(feed, Response(500))
    bounds = []
    for _ in range(5):
        wait = feed.wait(time.monotonic())
        assert wait is not None
        bounds.append(wait)
        _request, identity = begin(feed, after=wait + 0.1)
        done(feed.receive(identity, Failure("x")))
    assert all(0.2 * 2**n < wait <= 0.5 * 2**n for n, wait in enumerate(bounds))


def test_a_failed_poll_waits_as_long_as_the_cdn_asks_for() -> None:
    feed = new_feed(30.0)
    fetch(feed, Response(503, retry_after="300"))
    wait = feed.wait(time.monotonic())
    assert wait is not None
    assert 290 < wait <= 300


def test_an_interval_of_zero_polls_no_more_once_there_is_a_config() -> None:
    feed = new_feed(0)
    fetch(feed, Response(500))
    assert feed.polls
    fetch(feed, ok())
    assert not feed.polls
    assert feed.wait(time.monotonic()) is None
    assert feed.begin(time.monotonic() + 1e6) is None
    fetch(feed, Response(500))
    assert not feed.polls


@pytest.mark.parametrize("answer", [ok(), Response(503), Response(503, retry_after="3000")], ids=["ok", "503", "later"])
def test_a_poll_that_was_planned_while_the_clock_stood_elsewhere_is_due(
    answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = new_feed(30.0)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(time, "monotonic", lambda: 1e9)
        fetch(feed, answer)
        assert feed.begin(1e9 + 0.1) is None
    assert feed.wait(time.monotonic()) == 0.0
    begin(feed)


@pytest.mark.parametrize("interval", [0, 30])
def test_after_a_final_failure_nothing_is_fetched_until_a_call_asks(
    interval: float, caplog: pytest.LogCaptureFixture
) -> None:
    feed = new_feed(interval)
    assert fetch(feed, Failure("refused", final=True)).reason == "refused"
    assert not feed.polls
    assert feed.wait(time.monotonic()) is None
    assert feed.begin(time.monotonic() + 1e4) is None
    assert messages(caplog) == ["config cannot be fetched: refused"]
    assert fetch(feed, ok()).success
    assert feed.polls == (interval > 0)


# --- what is logged --------------------------------------------------------------------------------------------------


def test_an_outage_is_logged_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "signakit_flags")
    feed = new_feed()
    for answer in (Response(500), Failure("x"), Response(404), ok(), ok(), Failure("y"), Response(304)):
        fetch(feed, answer)
    assert messages(caplog) == [
        "config cannot be fetched, and is tried again: the CDN answered HTTP 500",
        "config is being fetched again",
        "config cannot be fetched, and is tried again: y",
        "config is being fetched again",
    ]


def test_a_problem_of_a_config_is_logged_once_however_often_it_is_fetched(caplog: pytest.LogCaptureFixture) -> None:
    odd = rule(audiences=[audience(condition("v", "regex", "x"))])
    feed = new_feed()
    for number in range(3):
        fetch(feed, ok(config(flag("bad", salt=5), flag("f", odd), version=number)))
    fetch(feed, ok(config(flag("worse", salt=5))))
    assert [line.split(":")[1] for line in messages(caplog)] == [
        " flag 'bad' skipped",
        " unknown operator 'regex'",
        " flag 'worse' skipped",
    ]


@pytest.mark.parametrize(
    ("count", "more"), [(50, []), (51, ["config: 1 more problem(s)"]), (400, ["config: 350 more problem(s)"])]
)
def test_of_the_problems_of_one_config_fifty_get_a_line(
    count: int, more: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    feed = new_feed()
    for version in range(3):
        fetch(feed, ok(config(*({"key": f"bad-{index}"} for index in range(count)), version=version)))
    lines = messages(caplog)
    assert [line.split(" skipped")[0] for line in lines[:50]] == [f"config: flag 'bad-{index}'" for index in range(50)]
    assert lines[50:] == more


def test_problems_are_logged_up_to_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    feed = new_feed()
    for number in range(15):
        fetch(feed, ok(config(*({"key": f"{number}-{index}"} for index in range(100)))))
    assert len(messages(caplog)) == 10 * 51
    assert len(feed._said) == MAX_PROBLEMS


# --- what is no JSON --------------------------------------------------------------------------------------------------

HTML = b"<!DOCTYPE html>\n<html>\n  <head>"


@pytest.mark.parametrize(
    ("body", "content_type", "looks"),
    [
        (HTML, "text/html; charset=utf-8", "it is text/html, and begins with '<!DOCTYPE html> <html> <head>'"),
        (HTML, None, "it is of an unknown type, and begins with '<!DOCTYPE html> <html> <head>'"),
        (HTML, "text/html\x1b[31m", "it is of an unknown type, and begins with '<!DOCTYPE html> <html> <head>'"),
        (HTML, "x" * 100 + "/html", "it is of an unknown type, and begins with '<!DOCTYPE html> <html> <head>'"),
        (b"x" * 61, "text/plain", f"it is text/plain, and begins with '{'x' * 60}...'"),
        (b" " * 300 + b"x", "text/plain", "it is text/plain, and begins with '...'"),
        (b"\xef\xbb\xbfmoved", "text/plain", "it is text/plain, and begins with 'moved'"),
        (b"\x1b[31m\x00\xff\r\nx", "text/plain", "it is text/plain, and begins with '\\x1b[31m\\x00\ufffd x'"),
        ("a\u202eb".encode(), "text/plain", "it is text/plain, and begins with 'a\\u202eb'"),
        (b"", "application/json", "it is application/json, and empty"),
        (f'{{"sdkKey": "{SDK_KEY}", "flags"'.encode(), "application/json", "it is application/json"),
        (f"key {SDK_KEY} unknown".encode(), "text/plain", "it is text/plain, and begins with 'key sk_dev_*** unknown'"),
    ],
)
def test_what_is_no_json_is_told_by_its_type_and_its_beginning(
    body: bytes, content_type: str | None, looks: str, caplog: pytest.LogCaptureFixture
) -> None:
    result = fetch(new_feed(), Response(200, None, None, body, content_type))
    assert result.reason is not None
    assert result.reason.startswith("config is not valid JSON: ")
    assert result.reason.endswith(f"; {looks}")
    [record] = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert looks in record.getMessage()
    assert SDK_KEY not in caplog.text


@given(st.binary(max_size=300), st.text(max_size=80) | st.none())
def test_any_body_and_any_type_are_told_in_one_short_printable_line(body: bytes, content_type: str | None) -> None:
    looks = Response(200, None, None, body, content_type).looks()
    assert looks.isprintable()
    assert len(looks) < 1_000


def test_a_config_that_cannot_be_compiled_leaves_the_old_one_and_says_why_with_a_traceback(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = new_feed()
    fetch(feed, ok())
    before = feed.snapshot

    def fail(*_: object) -> None:
        raise LookupError("not foreseen")

    with monkeypatch.context() as patch:
        patch.setattr(selection, "_weigh_rules", fail)
        result = fetch(feed, ok(config(flag("f"), version=2), '"2"'))
    reason = "the config cannot be compiled: LookupError('not foreseen')"
    assert result == OnReadyResult(success=False, reason=f"{reason}; serving the config fetched before")
    assert feed.snapshot is before
    assert feed.last_error == reason
    compiling, outage = caplog.records
    assert (compiling.levelname, compiling.getMessage()) == ("ERROR", "a config cannot be compiled")
    assert compiling.exc_info is not None
    assert (outage.levelname, outage.exc_info) == ("WARNING", None)
    assert etag_asked(feed) == '"1"'
    assert fetch(feed, ok(config(flag("f", rule()), version=2), '"2"')).success


# --- what is said at DEBUG --------------------------------------------------------------------------------------------


def test_each_fetch_and_each_swap_are_a_line_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    feed = ConfigFeed(url="http://me:s3cret@127.0.0.1:9/latest.json", key=KEY, max_size=LIMIT, polling_interval=0)
    body = json.dumps(CONFIG).encode()
    fetch(feed, ok(body))
    fetch(feed, Response(304))
    fetch(feed, ok(config(version=2)))
    fetch(feed, Failure("no answer within 10 s"))
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    assert [re.sub(r"\d+ ms", "N ms", line) for line in lines] == [
        f"GET http://***@127.0.0.1:9/latest.json: HTTP 200, {len(body)} bytes in N ms",
        "config swapped: version 1 with 1 flags from cdn, before it none",
        "GET http://***@127.0.0.1:9/latest.json: HTTP 304, 0 bytes in N ms",
        f"GET http://***@127.0.0.1:9/latest.json: HTTP 200, {len(json.dumps(config(version=2)))} bytes in N ms",
        "config swapped: version 2 with 0 flags from cdn, before it version 1",
        "GET http://***@127.0.0.1:9/latest.json: no answer within 10 s, after N ms",
    ]
    assert SDK_KEY not in caplog.text


def test_the_time_of_a_fetch_is_that_from_its_beginning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    feed = new_feed()
    now = time.monotonic()
    ask(feed)
    begun = feed.begin(now)
    assert begun is not None
    monkeypatch.setattr(time, "monotonic", lambda: now + 1.5)
    done(feed.receive(begun[1], Failure("x")))
    assert "after 1500 ms" in messages(caplog)[0]


def test_nothing_is_said_of_a_fetch_where_debug_is_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fetch(new_feed(), ok())
    assert caplog.records == []


# --- the snapshot file -----------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Snapshots:
    return Snapshots.in_file(tmp_path / "snapshot", KEY, LIMIT)


def test_a_config_that_was_fetched_is_stored_and_what_cannot_be_read_is_not(store: Snapshots) -> None:
    feed = new_feed(store=store)
    fetch(feed, ok())
    fetch(feed, ok(b"garbage", '"2"'))
    fetch(feed, Response(304))
    stored = store.load()
    assert stored is not None
    without_key = {name: value for name, value in CONFIG.items() if name != "sdkKey"}
    assert (json.loads(bytes(stored.kept.body)), stored.etag) == (without_key, '"1"')


def test_a_stored_config_serves_while_the_cdn_is_away(store: Snapshots) -> None:
    store.save(json.dumps(CONFIG).encode(), '"s"')
    feed = new_feed(0, store)
    result = fetch(feed, Failure("nobody there"))
    assert result == OnReadyResult(success=False, reason="nobody there; serving the config of the snapshot file")
    assert feed.snapshot is not None
    assert (feed.snapshot.source, feed.snapshot.etag, version(feed)) == ("snapshot", '"s"', 1)
    assert feed.polls, "a snapshot is no reason to stop trying, even without polling"


def test_the_etag_of_a_stored_config_may_save_the_download(store: Snapshots) -> None:
    store.save(json.dumps(CONFIG).encode(), '"s"')
    feed = new_feed(0, store)
    ticket = ask(feed)
    request, identity = begin(feed)
    assert request.headers["If-None-Match"] == '"s"'
    done(feed.receive(identity, Response(304)))
    assert ticket.result == OnReadyResult(success=True)
    assert feed.snapshot is not None
    assert feed.snapshot.source == "cdn"
    assert not feed.polls


def test_the_age_of_a_stored_config_counts_from_when_it_was_saved(store: Snapshots, tmp_path: Path) -> None:
    store.save(json.dumps(CONFIG).encode(), None)
    path = tmp_path / "snapshot"
    path.write_bytes(store.resigned(path.read_bytes(), saved=time.time() - 500))
    feed = new_feed(store=store)
    ask(feed)
    begin(feed)
    assert feed.snapshot is not None
    assert 499 < time.monotonic() - feed.snapshot.confirmed < 600


def test_a_stored_config_that_cannot_be_read_is_ignored(store: Snapshots, caplog: pytest.LogCaptureFixture) -> None:
    store.save(b"garbage", '"s"')
    feed = new_feed(store=store)
    assert etag_asked(feed) is None
    assert feed.snapshot is None
    assert len(messages(caplog)) == 1
    assert messages(caplog)[0].startswith("snapshot file ignored: config is not valid JSON")


def test_a_stored_config_never_replaces_one_that_was_fetched(store: Snapshots) -> None:
    feed = new_feed(store=store)
    fetch(feed, ok(config(version=2), None))
    store.save(json.dumps(CONFIG).encode(), '"s"')
    fetch(feed, Failure("x"))
    assert version(feed) == 2


# --- a config that was handed in -------------------------------------------------------------------------------------


def test_a_static_config_is_there_at_once() -> None:
    feed = new_feed(0)
    feed.load_static(json.dumps(CONFIG).encode())
    assert feed.snapshot is not None
    assert (feed.snapshot.source, feed.snapshot.etag) == ("static", None)


def test_a_static_config_that_cannot_be_read_raises() -> None:
    with pytest.raises(ConfigError):
        new_feed(0).load_static(b"{}")


# --- a config of several slices --------------------------------------------------------------------------------------

LARGE = config(*(flag(f"f{number}", rule(), allocation=whole("on")) for number in range(250)), version=9)


@pytest.mark.parametrize("end", ["interrupt", "close", "forget_after_fork"])
def test_nothing_comes_of_a_fetch_that_ends_while_its_config_is_compiled(store: Snapshots, end: str) -> None:
    feed = new_feed(store=store)
    fetch(feed, ok())
    ticket = ask(feed)
    _request, identity = begin(feed)
    work = feed.receive(identity, ok(LARGE, '"large"'))
    to_pause(work)
    getattr(feed, end)()
    done(work)
    assert (version(feed), feed.last_error) == (1, None)
    stored = store.load()
    assert stored is not None
    assert stored.etag == '"1"'
    assert ticket.result == (OnReadyResult(success=False, reason="the client is closed") if end == "close" else None)
    assert feed.wanted is (end == "interrupt")


def test_a_stored_config_whose_loading_is_broken_off_is_loaded_by_the_next_flow(store: Snapshots) -> None:
    store.save(json.dumps(LARGE).encode(), '"s"')
    feed = new_feed(store=store)
    broken_off = feed.load_stored()
    to_pause(broken_off)
    late = feed.load_stored()
    to_pause(late)
    assert etag_asked(feed) == '"s"'
    first = feed.snapshot
    done(late)
    broken_off.close()
    assert feed.snapshot is first
    assert version(feed) == 9


def test_a_stored_config_is_not_taken_up_by_a_closed_client(store: Snapshots) -> None:
    store.save(json.dumps(LARGE).encode(), '"s"')
    feed = new_feed(store=store)
    work = feed.load_stored()
    to_pause(work)
    feed.close()
    done(work)
    assert feed.snapshot is None


# --- the flow that polls ---------------------------------------------------------------------------------------------


def test_the_poller_sleeps_fetches_and_sleeps_until_the_next_poll() -> None:
    feed = new_feed(30.0)
    flow = poll(feed, lambda: True)
    assert next(flow) == Sleep(None)
    ticket = ask(feed)
    action = flow.send(None)
    assert isinstance(action, Send)
    assert action.request.method == "GET"
    action = flow.send(ok())
    assert ticket.result == OnReadyResult(success=True)
    assert isinstance(action, Sleep)
    assert action.seconds is not None
    assert 26.5 < action.seconds <= 33


def test_the_poller_pauses_between_the_slices_of_a_config() -> None:
    feed = ConfigFeed(url=URL, key=KEY, max_size=10 * LIMIT, polling_interval=30.0)
    flow = poll(feed, lambda: True)
    ticket = ask(feed)
    next(flow)
    assert flow.send(ok(LARGE)) == Pause()
    assert (feed.snapshot, ticket.result) == (None, None)
    while isinstance(action := flow.send(None), Pause):
        pass
    assert isinstance(action, Sleep)
    assert (version(feed), ticket.result) == (9, OnReadyResult(success=True))


def test_the_poller_goes_on_at_once_for_who_wants_a_fresh_config() -> None:
    feed = new_feed()
    flow = poll(feed, lambda: True)
    ask(feed)
    next(flow)
    fresh = ask(feed, fresh=True)
    assert isinstance(flow.send(Failure("x")), Send)
    flow.send(ok())
    assert fresh.result == OnReadyResult(success=True)


def test_the_poller_waits_out_a_failure_unless_it_is_asked() -> None:
    feed = new_feed()
    flow = poll(feed, lambda: True)
    ask(feed)
    next(flow)
    action = flow.send(Failure("x"))
    assert isinstance(action, Sleep)
    assert action.seconds is not None
    assert action.seconds <= 0.5
    assert isinstance(flow.send(None), Sleep), "woken for nothing"
    ask(feed)
    assert isinstance(flow.send(None), Send)


def test_the_poller_ends_when_it_is_no_longer_the_one_after_taking_note_of_the_answer() -> None:
    feed = new_feed()
    mine = True
    flow = poll(feed, lambda: mine)
    ask(feed)
    next(flow)
    mine = False
    with pytest.raises(StopIteration):
        flow.send(ok())
    assert version(feed) == 1


def test_the_poller_ends_when_the_feed_is_closed() -> None:
    feed = new_feed()
    flow = poll(feed, lambda: True)
    next(flow)
    feed.close()
    with pytest.raises(StopIteration):
        flow.send(None)
