"""Waits between attempts, and the Retry-After header."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from signakit_flags._runtime.backoff import (
    FIRST_BACKOFF,
    LONGEST_BACKOFF,
    LONGEST_RETRY_AFTER,
    Backoff,
    Due,
    parse_retry_after,
)
from signakit_flags._runtime.flow import Answer, Failure, Response


def test_waits_double_with_jitter_up_to_a_limit() -> None:
    columns = list(
        zip(*([backoff.next() for _ in range(12)] for backoff in (Backoff() for _ in range(200))), strict=True)
    )
    for failures, delays in enumerate(columns):
        base = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**failures)
        assert base / 2 <= min(delays) < max(delays) <= base
        assert max(delays) - min(delays) > base / 4, "processes that fail together must drift apart"
    assert max(columns[-1]) <= LONGEST_BACKOFF


def test_waits_stay_finite_after_any_number_of_failures() -> None:
    backoff = Backoff()
    assert all(0 < backoff.next() <= LONGEST_BACKOFF for _ in range(5000))


def test_a_success_begins_anew() -> None:
    backoff = Backoff()
    for _ in range(8):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= FIRST_BACKOFF


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_asks_for_more_time_gets_it(status: int) -> None:
    assert Backoff().next(Response(status, retry_after="120")) == 120


@pytest.mark.parametrize("answer", [None, Failure("x"), Response(503), Response(503, retry_after="0")])
def test_a_server_that_asks_for_no_time_gets_the_usual(answer: Answer | None) -> None:
    assert FIRST_BACKOFF / 2 <= Backoff().next(answer) <= FIRST_BACKOFF


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("1", 1),
        (" 120 ", 120),
        ("007", 7),
        ("3600", 3600),
        ("3601", LONGEST_RETRY_AFTER),
        ("9" * 10_000, LONGEST_RETRY_AFTER),
        (None, None),
        ("", None),
        (" ", None),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("soon", None),
        ("٣", None),
        ("²", None),
        ("Wed, 99 Foo 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +9999", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER),
    ],
)
def test_retry_after_is_read_in_seconds_and_bounded(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header) == seconds


def test_retry_after_may_be_a_date() -> None:
    at = datetime.now(UTC) + timedelta(seconds=90)
    for header in (format_datetime(at, usegmt=True), at.strftime("%A, %d-%b-%y %H:%M:%S GMT")):
        seconds = parse_retry_after(header)
        assert seconds is not None
        assert 80 < seconds <= 90


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone of the process cannot be set here")
@pytest.mark.parametrize("zone", ["UTC-9", "UTC+5"])
def test_the_oldest_form_of_a_date_is_utc_too(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    header = (datetime.now(UTC) + timedelta(seconds=90)).strftime("%a %b %d %H:%M:%S %Y")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        seconds = parse_retry_after(header)
    time.tzset()
    assert seconds is not None
    assert 80 < seconds <= 90


# --- when something is due --------------------------------------------------------------------------------------------


def test_what_was_never_planned_is_due() -> None:
    assert Due().rest(time.monotonic()) == 0.0


@pytest.mark.parametrize("now", [0.0, 0.7, 1e5 + 0.1, 1e9 + 0.3], ids=str)
@pytest.mark.parametrize("wait", [0.3, 0.5, 30.0, LONGEST_RETRY_AFTER], ids=str)
def test_what_is_planned_is_due_once_the_wait_is_over(now: float, wait: float) -> None:
    due = Due()
    due.plan(now, wait)
    assert due.rest(now) == pytest.approx(wait, abs=1e-6)
    assert due.rest(now + wait / 2) == pytest.approx(wait / 2, abs=1e-6)
    assert due.rest(now + wait) <= 1e-6
    assert due.rest(now + 2 * wait) == 0.0


@pytest.mark.parametrize("jump", [-100.0, -1e9])
def test_what_is_further_away_than_it_was_planned_is_due(jump: float) -> None:
    """The clock stood in a time to come as it was planned, and goes on from where it was."""
    due = Due()
    due.plan(1e9, 30.0)
    assert due.rest(1e9 + jump) == 0.0
