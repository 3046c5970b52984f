"""The buffer of events and what becomes of a batch, as a state machine: no thread sends, no network answers."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signakit_flags._events import batches
from signakit_flags._events import outbox as outbox_module
from signakit_flags._events.batches import MAX_BODY, Batch
from signakit_flags._events.exposure_filter import ExposureFilter
from signakit_flags._events.outbox import Outbox
from signakit_flags._events.payloads import Conversion, Event, Exposure


def box(capacity: int = 1000, *, batch: int | None = 100) -> Outbox:
    return Outbox(capacity, batch, ExposureFilter())


def event(key: object) -> Conversion:
    return Conversion(0.0, "u", {}, str(key), {}, None, None)


def exposure(key: int) -> Exposure:
    return Exposure(0.0, "u", {}, "f", "on", "r", (0, key))


def fill(outbox: Outbox, *keys: object) -> None:
    for key in keys:
        assert outbox.put(event(key))


def names(events: list[Event]) -> str:
    return "".join(item.event_key if isinstance(item, Conversion) else "$" for item in events)


def take(outbox: Outbox) -> Batch:
    batch = outbox.take()
    assert batch is not None
    return batch


def post(outbox: Outbox, status: int | None) -> tuple[str, bool]:
    """Take a batch and settle it; return what was in it and whether to go on at once."""
    batch = take(outbox)
    posted = names(batch.events)
    return posted, outbox.settle(batch, status, f"HTTP {status}")


def messages(caplog: pytest.LogCaptureFixture, level: int = logging.DEBUG) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


# --- sending ---------------------------------------------------------------------------------------------------------


def test_an_empty_outbox_has_nothing_to_take() -> None:
    assert box().take() is None


def test_everything_that_waits_leaves_in_order_and_in_batches() -> None:
    outbox = box(batch=3)
    fill(outbox, *"abcdefg")
    assert [post(outbox, 200) for _ in range(3)] == [("abc", True), ("def", True), ("g", True)]
    assert (outbox.sent, outbox.queued, outbox.lost, outbox.last_error) == (7, 0, 0, None)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_success_counts(status: int) -> None:
    outbox = box()
    fill(outbox, *"ab")
    assert post(outbox, status) == ("ab", True)
    assert outbox.sent == 2


def test_there_is_one_batch_in_flight_at_a_time_and_the_next_ones_gather() -> None:
    outbox = box()
    fill(outbox, "a")
    first = take(outbox)
    fill(outbox, *"bc")
    assert outbox.in_flight
    assert outbox.take() is None
    assert outbox.queued == 3
    assert outbox.settle(first, 200, "")
    assert not outbox.in_flight
    assert post(outbox, 200) == ("bc", True)


def test_a_batch_encodes_itself_as_the_body_of_a_post() -> None:
    batch = Batch([event("a"), exposure(1)])
    assert [item["eventKey"] for item in json.loads(batch.encode())["events"]] == ["a", "$exposure"]


# --- retry -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [None, 408, 429, 500, 501, 502, 503, 504, 599])
def test_what_is_worth_another_try_goes_back_to_the_front(status: int | None, caplog: pytest.LogCaptureFixture) -> None:
    outbox = box(batch=2)
    fill(outbox, *"abc")
    assert post(outbox, status) == ("ab", False)
    fill(outbox, "d")
    assert (outbox.queued, outbox.sent, outbox.lost, outbox.last_error) == (4, 0, 0, f"HTTP {status}")
    assert not outbox.in_flight
    assert post(outbox, status) == ("ab", False)
    assert [post(outbox, 200) for _ in range(2)] == [("ab", True), ("cd", True)]
    assert (outbox.sent, outbox.lost, outbox.last_error) == (4, 0, None)
    assert messages(caplog) == [f"events cannot be sent, and wait: HTTP {status}"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_no_success_and_loses_nothing(status: int) -> None:
    outbox = box()
    fill(outbox, "a")
    assert post(outbox, status) == ("a", False)
    assert (outbox.queued, outbox.sent, outbox.lost) == (1, 0, 0)


def test_an_outage_is_logged_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "signakit_flags")
    outbox = box()
    fill(outbox, "a")
    for status in (None, 500, 429, 200):
        post(outbox, status)
    fill(outbox, "b")
    for status in (503, None, 200):
        post(outbox, status)
    assert messages(caplog) == [
        "events cannot be sent, and wait: HTTP None",
        "events are being sent again",
        "events cannot be sent, and wait: HTTP 503",
        "events are being sent again",
    ]


# --- batches that grow with the queue --------------------------------------------------------------------------------


def sizes(outbox: Outbox) -> list[int]:
    """Send everything; return how many events were in each post."""
    posted: list[int] = []
    while outbox.queued:
        posted.append(len(take_and_send(outbox)))
    return posted


@pytest.mark.parametrize(
    ("waiting", "posts"),
    [
        (100, [100]),
        (150, [100, 50]),
        (200, [100, 100]),
        (201, [201]),
        (1_000, [1_000]),
        (1_150, [1_000, 100, 50]),
        (2_500, [1_000, 1_000, 500]),
    ],
)
def test_more_than_two_of_the_usual_batches_leave_as_one_of_up_to_1_000(waiting: int, posts: list[int]) -> None:
    outbox = box(5_000, batch=None)
    fill(outbox, *range(waiting))
    assert sizes(outbox) == posts


@pytest.mark.parametrize("largest", [1, 100, 150, 1_500])
def test_a_size_that_was_given_is_a_ceiling_and_does_not_depend_on_the_queue(largest: int) -> None:
    outbox = box(5_000, batch=largest)
    fill(outbox, *range(3_010))
    full, rest = divmod(3_010, largest)
    assert sizes(outbox) == [largest] * full + [rest] * bool(rest)


@pytest.mark.parametrize("status", [None, 429, 500, 504])
def test_a_large_batch_that_fails_goes_again_in_usual_ones(status: int | None) -> None:
    outbox = box(5_000, batch=None)
    fill(outbox, *range(5_000))
    assert len(take_and(outbox, status)) == 1_000
    assert [int(names([item])) for item in take_and_send(outbox)] == list(range(100))
    # The small one was taken at once, so the large one failed for its size: half of it is tried, not all of it.
    assert sizes(outbox)[:4] == [200, 400, 500, 500]


def test_a_large_batch_that_fails_in_an_outage_is_not_to_blame() -> None:
    outbox = box(5_000, batch=None)
    fill(outbox, *range(5_000))
    assert [len(take_and(outbox, 503)) for _ in range(3)] == [1_000, 100, 100]
    assert sizes(outbox) == [100, 200, 400, 800, 1_000, 1_000, 1_000, 500]


def test_a_server_that_is_slow_for_large_batches_gets_one_rarely() -> None:
    outbox = box(1_000_000, batch=None)
    fill(outbox, *range(100_000))
    failed: list[int] = []
    posts = 0
    while outbox.queued:
        posts += 1
        batch = take(outbox)
        slow = len(batch.events) > 250
        failed += [len(batch.events)] * slow
        outbox.settle(batch, None if slow else 200, "")
    assert failed[:3] == [1_000, 400, 400]
    assert len(failed) <= 3 + posts // 100
    assert outbox.sent == 100_000


def test_a_size_that_was_given_is_not_lowered_by_a_failure() -> None:
    outbox = box(batch=300)
    fill(outbox, *range(900))
    assert [len(take_and(outbox, None)), *sizes(outbox)] == [300, 300, 300, 300]


def test_a_server_that_takes_no_large_batch_by_413_is_not_asked_each_time() -> None:
    outbox = box(50_000, batch=None)
    fill(outbox, *range(20_000))
    refused = 0
    while outbox.queued:
        batch = take(outbox)
        refused += len(batch.events) > 300
        outbox.settle(batch, 413 if len(batch.events) > 300 else 200, "")
    assert refused <= 3
    assert outbox.sent == 20_000


def test_400_for_a_large_batch_finds_the_bad_event_among_100() -> None:
    outbox = box(5_000, batch=None)
    fill(outbox, *range(1_000))
    posts: list[int] = []
    while outbox.queued:
        batch = take(outbox)
        posts.append(len(batch.events))
        bad = any(names([item]) == "550" for item in batch.events)
        outbox.settle(batch, 400 if bad else 200, "")
    assert (outbox.sent, outbox.lost) == (999, 1)
    assert posts.count(1) == 100
    assert len(posts) <= 120


def body_of(outbox: Outbox) -> tuple[Batch, bytes]:
    batch = take(outbox)
    body = outbox.encode(batch)
    assert body is not None
    assert [item["eventKey"] for item in json.loads(body)["events"]] == [names([item]) for item in batch.events]
    return batch, body


def test_a_batch_has_a_megabyte_at_most_and_an_event_that_is_larger_goes_alone() -> None:
    outbox = box(5_000, batch=None)
    for number, size in enumerate([400_000, 400_000, 400_000, 3_000_000, 10, 10]):
        assert outbox.put(Conversion(0.0, "u", {"a": "x" * size}, str(number), {}, None, None, size))
    posted: list[str] = []
    while outbox.queued:
        batch, body = body_of(outbox)
        assert len(body) < MAX_BODY or len(batch.events) == 1
        posted.append(names(batch.events))
        outbox.settle(batch, 200, "")
    assert posted == ["01", "2", "3", "45"]


@pytest.mark.parametrize("waiting", [90, 1_000])
def test_what_is_over_a_megabyte_when_it_is_encoded_goes_back_in_order(waiting: int) -> None:
    outbox = box(5_000, batch=None)
    text = "\N{SNOWMAN}" * 8_000  # counts 8,000 characters, and takes three times as many bytes
    for number in range(waiting):
        assert outbox.put(Conversion(0.0, "u", {"a": text}, str(number), {}, None, None, len(text)))
    posted: list[str] = []
    while outbox.queued:
        queued = outbox.queued
        batch, body = body_of(outbox)
        assert outbox.queued == queued
        assert len(body) <= MAX_BODY < len(body) + 25_000 or not outbox._pending
        posted += [names([item]) for item in batch.events]
        outbox.settle(batch, 200, "")
    assert posted == [str(number) for number in range(waiting)]
    assert (outbox.sent, outbox.lost) == (waiting, 0)


def test_as_many_events_go_together_as_fit_to_the_byte() -> None:
    batch = Batch([event("a"), exposure(1), event("c")])
    body = batch.encode()
    assert batch.encode_first(len(body)) == (3, body)
    assert batch.encode_first(len(body) - 1) == (2, Batch(batch.events[:2]).encode())
    assert batch.encode_first(1) == (1, Batch(batch.events[:1]).encode())


def test_the_first_event_goes_alone_where_it_fills_a_post_once_encoded() -> None:
    outbox = box(batch=None)
    for key in "ab":
        assert outbox.put(Conversion(0.0, "u", {"a": "\N{SNOWMAN}" * 400_000}, key, {}, None, None, 400_000))
    batch, body = body_of(outbox)
    assert len(body) > MAX_BODY
    assert names(batch.events) == "a"


def test_a_batch_of_a_size_that_was_given_has_no_limit_in_bytes() -> None:
    outbox = box(batch=2)
    for key in "ab":
        assert outbox.put(Conversion(0.0, "u", {"a": "x" * 800_000}, key, {}, None, None, 800_000))
    batch, body = body_of(outbox)
    assert len(batch.events) == 2
    assert len(body) > MAX_BODY


def test_a_batch_that_was_interrupted_while_it_was_encoded_is_not_sent() -> None:
    outbox = box(batch=None)
    text = "\N{SNOWMAN}" * 200_000
    for key in "abc":
        assert outbox.put(Conversion(0.0, "u", {"a": text}, key, {}, None, None, len(text)))
    stale = take(outbox)
    outbox.interrupt()
    assert outbox.encode(stale) is None
    assert outbox.queued == 3
    assert names(take(outbox).events) == "abc"


# --- 413 -------------------------------------------------------------------------------------------------------------


def test_413_halves_the_batch_until_it_passes(caplog: pytest.LogCaptureFixture) -> None:
    outbox = box(batch=8)
    fill(outbox, *"abcdefgh")
    assert [post(outbox, 413) for _ in range(2)] == [("abcdefgh", True), ("abcd", True)]
    assert post(outbox, 200) == ("ab", True)
    assert outbox.sent == 2
    assert messages(caplog) == []


def test_after_413_batches_grow_again_by_doubling_up_to_the_maximum() -> None:
    outbox = box(batch=6)
    fill(outbox, *range(30))
    for _ in range(2):
        post(outbox, 413)
    assert [len(take_and_send(outbox)) for _ in range(5)] == [1, 2, 4, 6, 6]


def take_and(outbox: Outbox, status: int | None) -> list[Event]:
    batch = take(outbox)
    outbox.settle(batch, status, "")
    return batch.events


def take_and_send(outbox: Outbox) -> list[Event]:
    return take_and(outbox, 200)


def test_413_for_a_short_batch_halves_that_one_and_not_the_maximum() -> None:
    outbox = box(batch=100)
    fill(outbox, *"abc")
    post(outbox, 413)
    assert post(outbox, 200) == ("a", True)


def test_413_for_a_single_event_loses_it_alone(caplog: pytest.LogCaptureFixture) -> None:
    outbox = box(batch=2)
    fill(outbox, *"abc")
    assert [post(outbox, status) for status in (413, 413, 200)] == [("ab", True), ("a", True), ("b", True)]
    assert (outbox.lost, outbox.sent) == (1, 1)
    assert messages(caplog) == ["the server refused 1 event(s), which are lost: HTTP 413"]


# --- 400 -------------------------------------------------------------------------------------------------------------


def test_after_400_the_events_go_once_more_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    outbox = box()
    fill(outbox, *"abc")
    assert post(outbox, 400) == ("abc", True)
    fill(outbox, *"de")
    assert [post(outbox, 200)[0] for _ in range(3)] == ["a", "b", "c"]
    assert messages(caplog) == ["the server takes one event a request only: batches are no longer sent"]


def test_where_single_events_are_taken_the_sender_stays_with_them_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox = box()
    fill(outbox, *"ab")
    post(outbox, 400)
    fill(outbox, *"cdef")
    assert [post(outbox, 200)[0] for _ in range(6)] == list("abcdef")
    assert len(messages(caplog)) == 1
    assert outbox.sent == 6


def test_where_one_of_them_is_bad_it_alone_is_lost_and_batches_go_on(caplog: pytest.LogCaptureFixture) -> None:
    outbox = box()
    fill(outbox, *"abc")
    post(outbox, 400)
    fill(outbox, *"de")
    assert [post(outbox, status)[0] for status in (200, 400, 200, 200)] == ["a", "b", "c", "de"]
    assert (outbox.sent, outbox.lost) == (4, 1)
    assert messages(caplog) == ["the server refused 1 event(s), which are lost: HTTP 400"]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_it_does_not_matter_which_of_them_is_bad(position: int) -> None:
    outbox = box()
    fill(outbox, *"abc")
    post(outbox, 400)
    for number in range(3):
        post(outbox, 400 if number == position else 200)
    fill(outbox, *"de")
    assert post(outbox, 200)[0] == "de"


def test_an_outage_in_the_middle_does_not_end_the_trial() -> None:
    outbox = box()
    fill(outbox, *"abc")
    post(outbox, 400)
    assert [post(outbox, status) for status in (200, 503, None)] == [("a", True), ("b", False), ("b", False)]
    assert [post(outbox, 200)[0] for _ in range(2)] == ["b", "c"]
    fill(outbox, *"de")
    assert post(outbox, 200)[0] == "d"


def test_400_for_a_single_event_loses_it(caplog: pytest.LogCaptureFixture) -> None:
    outbox = box()
    for key in "ab":
        fill(outbox, key)
        assert post(outbox, 400) == (key, True)
    assert (outbox.lost, outbox.queued, outbox.last_error) == (2, 0, "HTTP 400")
    assert messages(caplog) == ["the server refused 1 event(s), which are lost: HTTP 400"]


@pytest.fixture
def few_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a server for one that refuses everything after two single events instead of a hundred."""
    monkeypatch.setattr(batches, "MOST_REFUSED", 2)


def refuse(outbox: Outbox, keys: str, *, status: int = 400) -> None:
    """Have a batch refused, and each of its events."""
    fill(outbox, *keys)
    assert post(outbox, 400) == (keys, True)
    assert [post(outbox, status) for _ in keys] == [(key, True) for key in keys]
    assert outbox.refusing


@pytest.mark.usefixtures("few_refusals")
@pytest.mark.parametrize(("batch", "probe"), [(400, 400), (413, 413), (400, 413), (413, 401)])
def test_a_server_that_refuses_everything_gets_a_batch_and_later_one_of_it_and_all_of_it_is_lost(
    batch: int, probe: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "signakit_flags")
    outbox = box(batch=3)
    refuse(outbox, "ab")
    fill(outbox, *"cdefgh")
    assert post(outbox, batch) == ("cde", False)
    assert (outbox.lost, outbox.queued) == (2, 6)
    assert post(outbox, 503) == ("c", False)
    assert post(outbox, probe) == ("c", True)
    assert (outbox.lost, outbox.queued, outbox.in_flight) == (5, 3, False)
    assert outbox.refusing
    assert post(outbox, batch) == ("fgh", False)
    assert post(outbox, 200) == ("f", True)
    assert not outbox.refusing
    assert outbox.last_error is None
    assert post(outbox, 200)[0] in {"gh", "g"}  # after 413 half as many
    said = [line for line in messages(caplog) if "every event" in line or "takes events" in line]
    assert said == [
        "the server refuses every event: it is asked now and then, and what it refuses is lost: HTTP 400",
        "the server takes events again",
    ]
    assert [record.levelno for record in caplog.records if record.getMessage() in said] == [logging.ERROR, logging.INFO]


@pytest.mark.usefixtures("few_refusals")
def test_each_episode_of_refusals_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    outbox = box(batch=3)
    for status in (400, 413):
        refuse(outbox, "ab", status=status)
        for _ in range(3):
            fill(outbox, *"cd")
            post(outbox, 400)
            post(outbox, 400)
        fill(outbox, "e")
        post(outbox, 200)
    said = [line.rpartition(": ")[2] for line in messages(caplog) if "every event" in line]
    assert said == ["HTTP 400", "HTTP 413"]


@pytest.mark.usefixtures("few_refusals")
def test_exposures_of_a_dropped_batch_are_forgotten_and_others_are_not() -> None:
    exposures = ExposureFilter()
    outbox = Outbox(10, 2, exposures)
    refuse(outbox, "ab")
    for item in admitted(exposures, 1, 2, 3):
        outbox.put(item)
    post(outbox, 400)
    post(outbox, 400)
    assert [key in exposures.of(0) for key in (1, 2, 3)] == [False, False, True]


@pytest.mark.usefixtures("few_refusals")
def test_a_flush_is_told_when_the_batch_that_it_waits_for_is_dropped() -> None:
    outbox, calls = box(batch=3), Calls()
    refuse(outbox, "ab")
    fill(outbox, *"cde")
    outbox.when_settled(calls)
    fill(outbox, "f")
    post(outbox, 400)
    assert calls.count == 0
    post(outbox, 400)
    assert calls.count == 1


@pytest.mark.usefixtures("few_refusals")
def test_a_batch_that_is_interrupted_before_its_probe_is_dropped_in_the_same_order() -> None:
    outbox = box(batch=2)
    refuse(outbox, "ab")
    fill(outbox, *"cdef")
    assert post(outbox, 400) == ("cd", False)
    take(outbox)
    outbox.interrupt()
    assert post(outbox, 400) == ("c", True)
    assert post(outbox, 200) == ("ef", True)
    assert (outbox.sent, outbox.lost) == (2, 4)


# --- other 4xx -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 409, 410, 415, 422, 451])
def test_other_client_errors_drop_the_batch_and_are_logged_once(status: int, caplog: pytest.LogCaptureFixture) -> None:
    outbox = box(batch=2)
    fill(outbox, *"abcd")
    assert [post(outbox, status) for _ in range(2)] == [("ab", True), ("cd", True)]
    assert (outbox.sent, outbox.lost, outbox.queued, outbox.last_error) == (0, 4, 0, f"HTTP {status}")
    assert messages(caplog, logging.ERROR) == [f"the server refused 2 event(s), which are lost: HTTP {status}"]
    assert len(messages(caplog)) == 1


def test_each_status_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    outbox = box(batch=1)
    fill(outbox, *"abcdef")
    for status in (401, 403, 401, 403, 200, 401):
        post(outbox, status)
    assert [line[-3:] for line in messages(caplog)] == ["401", "403"]
    assert outbox.sent == 1


def test_a_success_clears_the_last_error() -> None:
    outbox = box(batch=1)
    fill(outbox, *"ab")
    post(outbox, 401)
    assert outbox.last_error == "HTTP 401"
    post(outbox, 200)
    assert outbox.last_error is None


# --- exposures that were lost ----------------------------------------------------------------------------------------


def admitted(exposures: ExposureFilter, *keys: int) -> list[Exposure]:
    made = [exposure(key) for key in keys]
    assert all(exposures.admit(item.key, item) for item in made)
    return made


def test_exposures_that_the_server_refused_are_forgotten_and_others_are_not() -> None:
    exposures = ExposureFilter()
    outbox = Outbox(10, 2, exposures)
    for item in admitted(exposures, 1, 2, 3):
        outbox.put(item)
    post(outbox, 503)
    post(outbox, 401)
    post(outbox, 200)
    assert [key in exposures.of(0) for key in (1, 2, 3)] == [False, False, True]


def test_an_exposure_that_found_the_buffer_full_is_forgotten() -> None:
    exposures = ExposureFilter()
    outbox = Outbox(1, 1, exposures)
    first, second = admitted(exposures, 1, 2)
    assert outbox.put(first)
    assert not outbox.put(second)
    assert [key in exposures.of(0) for key in (1, 2)] == [True, False]


# --- capacity --------------------------------------------------------------------------------------------------------


def test_the_newest_is_refused_when_the_buffer_is_full(caplog: pytest.LogCaptureFixture) -> None:
    outbox = box(3)
    fill(outbox, *"abc")
    assert [outbox.put(event(key)) for key in "de"] == [False, False]
    assert (outbox.refused, outbox.queued) == (2, 3)
    assert post(outbox, 200) == ("abc", True)
    assert messages(caplog) == ["event queue full (3): new events are dropped until some are sent"]


def test_events_in_flight_count_as_waiting() -> None:
    outbox = box(2)
    fill(outbox, *"ab")
    batch = take(outbox)
    assert not outbox.put(event("c"))
    outbox.settle(batch, 200, "")
    assert outbox.put(event("c"))


def test_a_full_buffer_is_logged_once_an_episode(caplog: pytest.LogCaptureFixture) -> None:
    outbox = box(4, batch=1)
    for _episode in range(3):
        fill(outbox, *"abcd"[outbox.queued :])
        for _ in range(3):
            outbox.put(event("x"))
        post(outbox, 200)
        fill(outbox, "e")  # full again, before half of it was empty: the same episode
        outbox.put(event("x"))
        while outbox.queued:
            post(outbox, 200)
    assert len(messages(caplog)) == 3
    assert outbox.refused == 12


def large(key: object, size: int) -> Conversion:
    return Conversion(0.0, "u", {}, str(key), {}, None, None, size)


def test_large_events_are_refused_by_their_size_together_and_usual_ones_are_not() -> None:
    outbox = box(10_000)
    half = outbox_module.MAX_LARGE // 2
    assert outbox.put(large("a", half))
    assert outbox.put(large("b", half - 10_000))
    assert not outbox.put(large("c", 20_000))
    assert outbox.put(large("d", 10_000))
    assert not outbox.put(large("e", outbox_module.LARGE + 1))
    assert outbox.put(large("f", outbox_module.LARGE))
    assert (outbox.queued, outbox.refused) == (4, 2)


@pytest.mark.parametrize("end", [200, 401, "abandon", "fork"])
def test_room_for_large_events_comes_back_when_they_leave(end: Any) -> None:
    outbox = box(batch=2)
    for _ in range(3):
        assert outbox.put(large("a", outbox_module.MAX_LARGE))
        assert outbox.put(event("b"))
        assert not outbox.put(large("c", 10_000))
        assert post(outbox, 503) == ("ab", False)
        assert not outbox.put(large("c", 10_000))
        if end == "abandon":
            outbox.abandon()
        elif end == "fork":
            outbox.forget_after_fork()
        else:
            post(outbox, end)
    assert outbox.queued == 0


def wakes(outbox: Outbox, *events: Event) -> list[bool]:
    """Put events in, and return whether each of them wakes a sender that waits."""
    woken: list[bool] = []
    for item in events:
        outbox.idle = False
        assert outbox.put(item)
        woken.append(outbox.idle)
    return woken


@pytest.mark.parametrize(("capacity", "waiting"), [(10, 8), (100, 80), (3, 2)])
def test_the_event_that_leaves_little_room_wakes_a_sender_that_waits(capacity: int, waiting: int) -> None:
    outbox = box(capacity)
    fill(outbox, *range(waiting - 1))
    assert not outbox.wake_when_nearly_full()
    assert wakes(outbox, event("a"), event("b")) == [False, True]
    assert outbox.wake_when_nearly_full()
    if outbox.queued < capacity:
        assert wakes(outbox, event("c")) == [False], "it knows"
    assert not outbox.put(event("x")) or outbox.queued <= capacity


def test_large_events_that_leave_little_room_wake_it_too() -> None:
    outbox = box()
    fifth = outbox_module.MAX_LARGE // 5
    assert wakes(outbox, *[large("a", fifth)] * 3) == [False] * 3
    assert not outbox.wake_when_nearly_full()
    assert wakes(outbox, event("a"), large("b", fifth // 2), large("c", fifth)) == [False, False, True]
    assert outbox.wake_when_nearly_full()


@pytest.mark.parametrize("end", ["stop", "fork"])
def test_a_sender_that_does_not_wait_is_not_woken(end: str) -> None:
    outbox = box(10)
    assert not outbox.wake_when_nearly_full()
    if end == "stop":
        outbox.stop_waking()
    else:
        outbox.forget_after_fork()
    assert not any(wakes(outbox, *[event("a")] * 9, large("b", 2_000)))
    assert not outbox.put(event("x"))


def test_an_exposure_that_found_no_room_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    exposures = ExposureFilter()
    outbox = Outbox(100, 100, exposures)
    assert outbox.put(large("a", outbox_module.MAX_LARGE))
    waits = Exposure(0.0, "u", {}, "f", "on", "r", (0, "u"), 10_000)
    assert exposures.admit(waits.key, waits)
    assert not outbox.put(waits)
    assert exposures.admit(waits.key, waits)
    assert messages(caplog) == ["event queue full (1): new events are dropped until some are sent"]


def test_a_buffer_of_one_event_has_episodes_too(caplog: pytest.LogCaptureFixture) -> None:
    outbox = box(1)
    for _episode in range(2):
        fill(outbox, "a")
        outbox.put(event("x"))
        post(outbox, 200)
    assert len(messages(caplog)) == 2


def test_a_closed_outbox_refuses_and_says_so_once_and_still_sends_what_it_has(caplog: pytest.LogCaptureFixture) -> None:
    outbox = box()
    fill(outbox, "a")
    outbox.closed = True
    assert [outbox.put(event(key)) for key in "bc"] == [False, False]
    assert outbox.refused == 2
    assert post(outbox, 200) == ("a", True)
    assert messages(caplog) == ["event after close() dropped"]


def test_putting_from_many_threads_loses_and_doubles_nothing() -> None:
    outbox = box(100_000, batch=50)
    sent: list[str] = []
    threads = [threading.Thread(target=lambda name=name: fill(outbox, *[name] * 2000)) for name in "abcd"]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or outbox.queued:
        batch = outbox.take()
        if batch is not None:
            sent += names(batch.events)
            outbox.settle(batch, 200, "")
    assert {name: sent.count(name) for name in "abcd"} == dict.fromkeys("abcd", 2000)
    assert outbox.sent == 8000


# --- interruption ----------------------------------------------------------------------------------------------------


def test_an_interrupted_batch_goes_back_to_the_front() -> None:
    outbox = box()
    outbox.idle = False
    fill(outbox, *"ab")
    take(outbox)
    fill(outbox, "c")
    outbox.interrupt()
    assert outbox.idle
    assert not outbox.in_flight
    assert outbox.queued == 3
    assert post(outbox, 200) == ("abc", True)
    assert outbox.sent == 3


def test_an_interruption_with_nothing_in_flight_changes_nothing() -> None:
    outbox = box()
    fill(outbox, "a")
    outbox.interrupt()
    assert outbox.queued == 1


@pytest.mark.parametrize("status", [200, 400, 401, 413, 500, None])
def test_the_answer_of_a_sender_that_was_interrupted_is_not_listened_to(
    status: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = box()
    fill(outbox, *"ab")
    stale = take(outbox)
    outbox.interrupt()
    assert outbox.settle(stale, status, "stale")
    fresh = take(outbox)
    assert outbox.settle(stale, status, "stale")
    assert (outbox.sent, outbox.lost, outbox.queued, outbox.last_error) == (0, 0, 2, None)
    assert outbox.in_flight
    assert outbox.settle(fresh, 200, "")
    assert outbox.settle(fresh, 200, "")
    assert (outbox.sent, outbox.queued) == (2, 0)
    assert messages(caplog) == []


# --- waiting for events to leave -------------------------------------------------------------------------------------


class Calls:
    """A callback that counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def test_who_waits_for_an_empty_outbox_is_called_at_once() -> None:
    calls = Calls()
    box().when_settled(calls)
    assert calls.count == 1


def test_who_waits_is_called_once_when_all_that_was_there_before_has_left() -> None:
    outbox, calls = box(batch=2), Calls()
    fill(outbox, *"abc")
    outbox.when_settled(calls)
    fill(outbox, *"de")
    counts = []
    for status in (500, 200, 200, 200):
        post(outbox, status)
        counts.append(calls.count)
    assert counts == [0, 0, 1, 1]


@pytest.mark.parametrize("status", [200, 401])
def test_events_in_flight_are_waited_for_and_lost_ones_end_the_wait_too(status: int) -> None:
    outbox, calls = box(), Calls()
    fill(outbox, "a")
    batch = take(outbox)
    outbox.when_settled(calls)
    assert calls.count == 0
    outbox.settle(batch, status, "")
    assert calls.count == 1


def test_a_wait_for_the_last_event_of_a_batch_ends_with_it_and_only_once() -> None:
    outbox, calls = box(batch=2), Calls()
    fill(outbox, *"ab")
    outbox.when_settled(calls)
    fill(outbox, *"cd")
    counts = []
    for _ in range(2):
        post(outbox, 200)
        counts.append(calls.count)
    assert counts == [1, 1]


def test_a_wait_that_was_taken_back_is_not_called() -> None:
    outbox, calls, other = box(), Calls(), Calls()
    fill(outbox, "a")
    outbox.when_settled(calls)
    outbox.when_settled(other)
    outbox.stop_waiting(calls)
    outbox.stop_waiting(Calls())
    post(outbox, 200)
    assert (calls.count, other.count) == (0, 1)


def test_a_callback_may_use_the_outbox() -> None:
    outbox, calls = box(), Calls()

    def again() -> None:
        fill(outbox, "b")
        outbox.when_settled(calls)

    fill(outbox, "a")
    outbox.when_settled(again)
    assert [post(outbox, 200)[0], calls.count, post(outbox, 200)[0], calls.count] == ["a", 0, "b", 1]


# --- the end, and a fork ---------------------------------------------------------------------------------------------


def test_what_is_abandoned_is_counted_and_ends_every_wait() -> None:
    outbox, calls = box(batch=2), Calls()
    fill(outbox, *"abc")
    stale = take(outbox)
    outbox.when_settled(calls)
    assert outbox.abandon() == 3
    assert (outbox.lost, outbox.queued, outbox.sent, calls.count) == (3, 0, 0, 1)
    assert outbox.settle(stale, 200, "")
    assert (outbox.sent, outbox.lost) == (0, 3)
    assert outbox.abandon() == 0
    assert outbox.take() is None


@pytest.mark.parametrize("closed", [True, False])
def test_after_a_fork_the_child_starts_empty(closed: bool) -> None:
    outbox, calls = box(batch=2), Calls()
    fill(outbox, *"abcd")
    post(outbox, 200)
    post(outbox, 503)
    stale = take(outbox)
    outbox.when_settled(calls)
    outbox.closed = closed
    outbox.idle = False
    outbox.forget_after_fork()
    assert (outbox.queued, outbox.sent, outbox.lost, outbox.refused, outbox.last_error) == (0, 0, 0, 0, None)
    assert (outbox.closed, outbox.idle, outbox.in_flight) == (closed, True, False)
    outbox.settle(stale, 200, "")
    assert (outbox.sent, calls.count) == (0, 0)


def test_after_a_fork_a_lock_that_was_held_in_the_parent_is_in_nobodys_way() -> None:
    outbox = box()
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with outbox._lock:
            held.set()
            release.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    outbox.forget_after_fork()
    fill(outbox, "a")
    assert post(outbox, 200) == ("a", True)
    release.set()
    thread.join()


# --- any history at all ----------------------------------------------------------------------------------------------


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 5)),
        st.tuples(st.just("settle"), st.sampled_from([200, 204, 302, 400, 401, 404, 408, 413, 429, 500, 503, None])),
        st.tuples(st.just("take"), st.none()),
        st.tuples(st.just("interrupt"), st.none()),
        st.tuples(st.just("stale"), st.sampled_from([200, 401, 500])),
    ),
    max_size=60,
)


@settings(max_examples=150, derandomize=True, database=None, deadline=None)
@given(steps=STEPS, capacity=st.integers(1, 20), size=st.integers(1, 8))
def test_whatever_happens_order_is_kept_and_every_event_is_accounted_for(
    steps: list[tuple[str, Any]], capacity: int, size: int
) -> None:
    outbox = box(capacity, batch=size)
    offered = 0
    accepted: list[int] = []
    gone: list[int] = []
    sent: list[int] = []
    batch: Batch | None = None
    stale: Batch | None = None
    for step, argument in steps:
        if step == "put":
            for _ in range(argument):
                if outbox.put(event(offered)):
                    accepted.append(offered)
                offered += 1
        elif step == "take" and batch is None:
            batch = outbox.take()
            assert (batch is None) == (len(accepted) == len(gone))
        elif step == "settle" and batch is not None:
            numbers = [int(names([item])) for item in batch.events]
            assert 1 <= len(numbers) <= size
            assert numbers == accepted[len(gone) : len(gone) + len(numbers)]
            before = outbox.sent, outbox.lost
            outbox.settle(batch, argument, "reason")
            left = outbox.sent + outbox.lost - sum(before)
            assert left in {0, len(numbers)} or (outbox.refusing and outbox.sent == before[0])
            gone += accepted[len(gone) : len(gone) + left]
            if outbox.sent > before[0]:
                sent += numbers
            stale, batch = batch, None
        elif step == "interrupt":
            outbox.interrupt()
            stale, batch = batch or stale, None
        elif step == "stale" and stale is not None:
            outbox.settle(stale, argument, "stale")
        assert outbox.queued == len(accepted) - len(gone) <= capacity
        assert outbox.sent == len(sent)
        assert outbox.refused == offered - len(accepted)
        assert outbox.in_flight == (batch is not None)
    assert sent == sorted(sent)
    assert outbox.abandon() == len(accepted) - len(gone)
