"""Sending events as a generator, driven by hand: no thread, no loop, no network."""

from __future__ import annotations

import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signakit_flags import parse_sdk_key
from signakit_flags._events import batches
from signakit_flags._events.batches import State
from signakit_flags._events.exposure_filter import ExposureFilter
from signakit_flags._events.outbox import Outbox
from signakit_flags._events.payloads import Conversion, Warnings
from signakit_flags._runtime.backoff import FIRST_BACKOFF, LONGEST_BACKOFF, Due
from signakit_flags._runtime.delivery import Ingest, deliver
from signakit_flags._runtime.flow import Answer, Failure, Flow, Response, Send, Sleep
from support.configs import SDK_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = parse_sdk_key(SDK_KEY)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def event(key: str) -> Conversion:
    return Conversion(0.0, "u", {}, key, {}, None, None)


class Sender:
    """An outbox and the flow over it."""

    def __init__(
        self,
        *keys: str,
        until_empty: bool = False,
        outbox: Outbox | None = None,
        url: str = "http://127.0.0.1:9/v1/flag-events",
        flush_interval: float = 0.0,
    ) -> None:
        self.outbox = outbox or Outbox(100, 10, ExposureFilter(), gathers=flush_interval > 0)
        self.mine = True
        self.put(*keys)
        self.outbox.idle = False
        self.ingest = Ingest(url, KEY, flush_interval)
        self.flow: Flow = deliver(self.outbox, self.ingest, lambda: self.mine, until_empty=until_empty)

    def put(self, *keys: str) -> None:
        for key in keys:
            self.outbox.put(event(key))

    def answer(self, answer: Answer | None = None) -> str | Sleep | None:
        """Give an answer; return the keys of the next post, the next wait, or None at the end."""
        try:
            action = self.flow.send(answer)
        except StopIteration:
            return None
        if isinstance(action, Sleep):
            return action
        assert action.request.body is not None
        return "".join(item["eventKey"] for item in json.loads(action.request.body)["events"])


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """Waits after failures, to be compared with what they should be at most."""
    seen: list[float] = []
    yield seen
    for failures, seconds in enumerate(seen):
        base = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**failures)
        assert base / 2 <= seconds <= base


def test_a_post_carries_the_key_and_the_events() -> None:
    request = Ingest("http://127.0.0.1:9/v1/flag-events", KEY).request(b"{}")
    assert (request.method, request.url, request.body) == ("POST", "http://127.0.0.1:9/v1/flag-events", b"{}")
    assert request.headers == {"Content-Type": "application/json", "X-SDK-Key": SDK_KEY}


def test_the_sender_posts_what_waits_then_sleeps_idle_until_it_is_woken() -> None:
    sender = Sender("a", "b")
    assert sender.answer() == "ab"
    sender.put("c")
    assert sender.answer(Response(200)) == "c"
    assert not sender.outbox.idle
    assert sender.answer(Response(200)) == Sleep(None)
    assert sender.outbox.idle
    sender.put("d")
    assert sender.answer() == "d"
    assert not sender.outbox.idle


def test_a_failure_is_waited_out_with_growing_waits_and_a_success_begins_anew(waits: list[float]) -> None:
    sender = Sender("a")
    assert sender.answer() == "a"
    for answer in (Failure("x"), Response(500), Response(429), Response(408)):
        pause = sender.answer(answer)
        assert isinstance(pause, Sleep)
        assert pause.seconds is not None
        waits.append(pause.seconds)
        sender.outbox.hurry = True  # a flush: the wait is over
        assert sender.answer() == "a"
    assert not sender.outbox.idle
    assert sender.answer(Response(200)) == Sleep(None)
    sender.put("b")
    assert sender.answer() == "b"
    pause = sender.answer(Failure("x"))
    assert isinstance(pause, Sleep)
    assert pause.seconds is not None
    assert pause.seconds <= FIRST_BACKOFF


def test_the_sender_waits_as_long_as_the_server_asks_for() -> None:
    sender = Sender("a")
    sender.answer()
    pause = sender.answer(Response(429, retry_after="45"))
    assert isinstance(pause, Sleep)
    assert pause.seconds is not None
    assert 44 < pause.seconds <= 45


def test_a_retry_that_was_planned_while_the_clock_stood_elsewhere_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Sender("a")
    sender.answer()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(time, "monotonic", lambda: 1e9)
        assert isinstance(sender.answer(Response(429, retry_after="45")), Sleep)
    assert sender.answer() == "a"


def test_a_wake_up_for_another_reason_does_not_cut_the_wait_short() -> None:
    sender = Sender("a")
    sender.answer()
    sender.answer(Response(429, retry_after="45"))
    sender.put("b")
    assert isinstance(sender.answer(), Sleep)
    sender.outbox.hurry = True
    assert sender.answer() == "ab"


@pytest.mark.parametrize(("status", "following"), [(413, "a"), (400, "a"), (401, "c")])
def test_after_a_refusal_the_sender_goes_on_at_once(status: int, following: str) -> None:
    sender = Sender("a", "b")
    sender.answer()
    sender.put("c")
    assert sender.answer(Response(status)) == following


def test_a_sender_that_empties_ends_instead_of_sleeping() -> None:
    sender = Sender("a", until_empty=True)
    assert [sender.answer(), sender.answer(Response(200))] == ["a", None]
    assert sender.outbox.idle


def test_a_sender_with_nothing_to_do_ends_when_the_outbox_is_closed() -> None:
    sender = Sender("a")
    sender.answer()
    sender.outbox.closed = True
    assert sender.answer(Response(200)) is None
    assert sender.outbox.sent == 1


def test_a_sender_that_was_replaced_takes_note_of_the_answer_and_ends() -> None:
    sender = Sender("a")
    sender.answer()
    sender.put("b")
    sender.mine = False
    assert sender.answer(Response(200)) is None
    assert (sender.outbox.sent, sender.outbox.queued, sender.outbox.idle) == (1, 1, True)


def test_a_sender_that_is_thrown_away_leaves_the_outbox_idle() -> None:
    sender = Sender("a")
    sender.answer()
    sender.flow.close()
    assert sender.outbox.idle


class Broken(Conversion):
    __slots__ = ()

    def payload(self, warnings: Warnings) -> dict[str, Any]:
        raise RuntimeError("no payload")


def test_an_event_that_cannot_be_encoded_is_lost_alone(caplog: pytest.LogCaptureFixture) -> None:
    sender = Sender("a")
    sender.outbox.put(Broken(0.0, "u", {}, "b", {}, None, None))
    sender.put("c")
    assert [sender.answer(), sender.answer(Response(200)), sender.answer(Response(200))] == ["a", "c", Sleep(None)]
    assert (sender.outbox.sent, sender.outbox.lost) == (2, 1)
    assert "a batch of events cannot be encoded" in messages(caplog)


class SlippingOutbox(Outbox):
    """Where an event comes in just after the sender found nothing."""

    slips = ("x", "y")

    def take(self) -> Any:
        batch = super().take()
        if batch is None and self.slips:
            self.put(event(self.slips[0]))
            self.slips = self.slips[1:]
        return batch


def test_an_event_that_slips_in_before_the_sender_sleeps_is_not_left_behind() -> None:
    sender = Sender("a", outbox=SlippingOutbox(100, 10, ExposureFilter()))
    actions = [sender.answer(), *(sender.answer(Response(200)) for _ in range(3))]
    assert actions == ["a", "x", "y", Sleep(None)]


def test_a_sender_does_not_spin_while_another_one_has_the_batch() -> None:
    sender = Sender("a")
    assert sender.outbox.take() is not None
    assert sender.answer() == Sleep(None)


def test_a_sender_that_was_replaced_while_it_waits_ends_without_waiting_on() -> None:
    sender = Sender("a")
    sender.answer()
    assert isinstance(sender.answer(Response(503, retry_after="3600")), Sleep)
    sender.mine = False
    assert sender.answer() is None
    assert (sender.outbox.queued, sender.outbox.idle) == (1, True)


def test_a_sender_sleeps_for_new_events_unless_it_is_told_to_end() -> None:
    outbox = Outbox(100, 10, ExposureFilter())
    flow = deliver(outbox, Ingest("http://127.0.0.1:9/", KEY), lambda: True)
    assert flow.send(None) == Sleep(None)


# --- events that gather -----------------------------------------------------------------------------------------------


class Clock:
    """Stands in for the clock, and goes on by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def test_events_gather_until_the_first_one_is_as_old_as_it_may_be(clock: Clock) -> None:
    sender = Sender("a", flush_interval=5)
    assert sender.answer() == Sleep(5.0)
    for _ in range(4):
        clock.now += 1
        sender.put("b")
        assert not sender.outbox.idle, "the sender is not woken for each of them"
    assert sender.answer() == Sleep(1.0), "a wake-up for another reason"
    clock.now += 1
    assert sender.answer() == "abbbb"
    sender.put("c")
    assert sender.answer(Response(200)) == Sleep(5.0), "the next ones gather anew"
    clock.now += 5
    assert [sender.answer(), sender.answer(Response(200))] == ["c", Sleep(None)]
    clock.now += 100
    sender.put("d")
    assert sender.answer() == Sleep(5.0)


def test_the_event_that_fills_a_batch_wakes_the_sender_and_all_that_wait_leave(clock: Clock) -> None:
    sender = Sender("a", flush_interval=5)
    assert sender.answer() == Sleep(5.0)
    sender.put(*"bcdefghi")
    assert not sender.outbox.idle
    sender.put("j")
    assert sender.outbox.idle
    sender.put(*"klmnopqrstuv")
    assert sender.answer() == "abcdefghij"
    sender.put("w")
    assert not sender.outbox.idle
    assert sender.answer(Response(200)) == "klmnopqrst", "what had gathered does not gather again"
    sender.put("x")
    assert sender.answer(Response(200)) == "uvwx"
    sender.put("y")
    assert sender.answer(Response(200)) == Sleep(5.0)


def test_events_that_another_flow_sent_leave_no_plan_for_the_next_ones() -> None:
    """As a flush does on the thread of the home loop."""
    sender = Sender("a", flush_interval=5)
    assert isinstance(sender.answer(), Sleep)
    here = deliver(sender.outbox, sender.ingest, lambda: True, until_empty=True)
    assert isinstance(next(here), Send)
    with pytest.raises(StopIteration):
        here.send(Response(200))
    assert sender.ingest.gathered is None


def test_large_events_fill_a_batch_by_their_size(clock: Clock) -> None:
    sender = Sender("a", flush_interval=5, outbox=Outbox(100, None, ExposureFilter(), gathers=True))
    assert sender.answer() == Sleep(5.0)
    for key in "bc":
        assert not sender.outbox.idle
        sender.outbox.put(Conversion(0.0, "u", {}, key, {}, None, None, 500_000))
    assert sender.outbox.idle
    assert sender.answer() in {"ab", "abc"}


def test_half_a_queue_is_a_full_batch_so_that_none_is_dropped_meanwhile(clock: Clock) -> None:
    sender = Sender("a", flush_interval=5, outbox=Outbox(8, None, ExposureFilter(), gathers=True))
    assert sender.answer() == Sleep(5.0)
    sender.put("b", "c")
    assert not sender.outbox.idle
    sender.put("d")
    assert sender.outbox.idle
    assert sender.answer() == "abcd"


@pytest.mark.parametrize("size", [1, None])
def test_one_event_that_fills_a_batch_leaves_at_once(size: int | None, clock: Clock) -> None:
    sender = Sender(
        "a", flush_interval=5, outbox=Outbox(1 if size is None else 9, size, ExposureFilter(), gathers=True)
    )
    assert sender.answer() == "a"


def test_what_has_gathered_is_one_post_of_more_than_the_usual_size(clock: Clock) -> None:
    sender = Sender("a", flush_interval=5, outbox=Outbox(5_000, None, ExposureFilter(), gathers=True))
    sender.put(*"b" * 149)
    assert sender.answer() == Sleep(5.0)
    clock.now += 5
    assert sender.answer() == "a" + "b" * 149


@pytest.mark.parametrize("reason", ["hurry", "waiter", "closed"])
def test_a_flush_and_the_end_do_not_let_events_gather(reason: str, clock: Clock) -> None:
    sender = Sender("a", flush_interval=5)
    assert sender.answer() == Sleep(5.0)
    if reason == "hurry":
        sender.outbox.hurry = True
    elif reason == "waiter":
        sender.outbox.when_settled(lambda: None)
    else:
        sender.outbox.closed = True
    assert sender.answer() == "a"
    assert sender.answer(Response(200)) == (None if reason == "closed" else Sleep(None))


def test_between_the_batches_of_a_flush_no_event_gathers(clock: Clock) -> None:
    sender = Sender("a", flush_interval=5, outbox=Outbox(100, 2, ExposureFilter(), gathers=True))
    sender.put(*"bcdef")
    sender.outbox.when_settled(lambda: None)
    sender.outbox.hurry = True
    assert sender.answer() == "ab"
    sender.put("g")
    assert [sender.answer(Response(200)) for _ in range(3)] == ["cd", "ef", Sleep(5.0)]


def test_a_flush_while_others_leave_lets_its_events_leave_with_them(clock: Clock) -> None:
    sender = Sender(*"abcd", flush_interval=5, outbox=Outbox(100, 2, ExposureFilter(), gathers=True))
    assert sender.answer() == "ab"
    sender.put("e")
    sender.outbox.hurry = True  # a flush without time to wait
    assert [sender.answer(Response(200)) for _ in range(3)] == ["cd", "e", Sleep(None)]


def test_events_that_came_before_a_flush_without_time_to_wait_leave_without_gathering(clock: Clock) -> None:
    sender = Sender(*"abc", flush_interval=5, outbox=Outbox(100, 4, ExposureFilter(), gathers=True))
    sender.outbox.hurry = True
    assert sender.answer() == "abc"
    assert not sender.outbox.hurry
    sender.put("d")
    assert sender.answer(Response(200)) == Sleep(5.0)


def test_a_flush_that_found_its_events_gone_does_not_hurry_the_next_ones(clock: Clock) -> None:
    sender = Sender("a", flush_interval=5)
    sender.answer()
    clock.now += 5
    sender.answer()
    sender.outbox.hurry = True  # while the event is in flight
    assert sender.answer(Response(200)) == Sleep(None)
    sender.put("b")
    assert sender.answer() == Sleep(5.0)


def test_a_sender_that_is_to_end_does_not_wait_for_more() -> None:
    sender = Sender("a", flush_interval=5, until_empty=True)
    assert [sender.answer(), sender.answer(Response(200))] == ["a", None]


def test_a_wait_after_a_failure_is_not_lengthened(clock: Clock) -> None:
    sender = Sender("a", flush_interval=500)
    sender.answer()
    clock.now += 500
    assert sender.answer() == "a"
    wait = seconds_of(sender.answer(Response(503)))
    assert wait <= FIRST_BACKOFF
    sender.put("b")
    clock.now += wait
    assert sender.answer() == "ab"


def test_a_new_driver_does_not_start_the_gathering_again(clock: Clock) -> None:
    sender = Sender("a", flush_interval=5)
    sender.answer()
    clock.now += 3
    sender.mine = False
    following = deliver(sender.outbox, sender.ingest, lambda: True)
    assert following.send(None) == Sleep(2.0)
    assert sender.answer() is None


def test_gathering_that_began_while_the_clock_stood_elsewhere_is_over(clock: Clock) -> None:
    sender = Sender("a", flush_interval=5)
    clock.now = 1e9
    sender.answer()
    clock.now = 1_000.0
    assert sender.answer() == "a"


def test_no_event_gathers_behind_a_batch_that_another_sender_has(clock: Clock) -> None:
    sender = Sender("a", flush_interval=5)
    assert sender.outbox.take() is not None
    sender.put("b")
    assert sender.answer() == Sleep(None)


# --- a queue with little room -----------------------------------------------------------------------------------------


def seconds_of(action: str | Sleep | None) -> float:
    assert isinstance(action, Sleep)
    assert action.seconds is not None
    return action.seconds


def fail_for_long(sender: Sender) -> float:
    """Let posts fail until the waits are the longest; return the last one."""
    posted = sender.answer()
    for _ in range(8):
        assert isinstance(posted, str)
        wait = seconds_of(sender.answer(Failure("away")))
        sender.ingest.due = Due()
        posted = sender.answer()
    return wait


def test_with_little_room_an_outage_is_probed_every_few_seconds() -> None:
    sender = Sender(*["a"] * 81)
    posted = sender.answer()
    for failures in range(8):
        assert isinstance(posted, str)
        wait = seconds_of(sender.answer(Failure("away")))
        longest = FIRST_BACKOFF * 2**failures  # the first waits are no longer than they are with room left
        assert min(longest / 2, 1.99) < wait <= min(longest, 5)
        sender.ingest.due = sender.ingest.due_soon = Due()
        posted = sender.answer()


def test_with_room_left_it_is_probed_as_rarely_as_ever() -> None:
    assert fail_for_long(Sender(*["a"] * 80)) >= LONGEST_BACKOFF / 2 - 1


def test_a_queue_that_fills_up_in_a_long_wait_cuts_it_short() -> None:
    sender = Sender(*["a"] * 80)
    fail_for_long(sender)
    assert seconds_of(sender.answer(Failure("away"))) > 10
    sender.put("b")
    assert sender.outbox.idle, "the event wakes the sender"
    assert seconds_of(sender.answer()) <= 5
    sender.put("c")
    assert not sender.outbox.idle, "and no further one does"


def test_a_queue_that_fills_up_late_in_a_long_wait_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Sender(*["a"] * 80)
    fail_for_long(sender)
    wait = seconds_of(sender.answer(Failure("away")))
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 6)
    assert seconds_of(sender.answer()) == pytest.approx(wait - 6, abs=1)
    sender.put("b")
    assert sender.answer() == "a" * 10


def test_what_the_server_asks_for_is_waited_for_with_little_room_as_well() -> None:
    sender = Sender(*["a"] * 100)
    sender.answer()
    assert 44 < seconds_of(sender.answer(Response(503, retry_after="45"))) <= 45


def test_an_outage_with_little_room_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sender = Sender(*["a"] * 80)
    fail_for_long(sender)
    sender.answer(Failure("away"))
    sender.put("b")
    sender.answer()
    sender.outbox.hurry = True
    sender.answer()
    sender.answer(Response(200))
    assert [line.partition(":")[0] for line in messages(caplog)] == [
        "events cannot be sent, and wait",
        "events are being sent again",
    ]


def test_a_sender_that_was_replaced_leaves_the_wait_of_the_next_one_alone() -> None:
    sender = Sender(*["a"] * 80)
    sender.answer()
    assert seconds_of(sender.answer(Response(503, retry_after="3600"))) > 3_000
    following = deliver(sender.outbox, sender.ingest, lambda: True)
    assert isinstance(following.send(None), Sleep)
    sender.mine = False
    assert sender.answer() is None
    sender.outbox.idle = False
    sender.put("b")
    assert sender.outbox.idle


# --- a server that refuses --------------------------------------------------------------------------------------------


@pytest.fixture
def few_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a server for one that refuses everything after two single events instead of a hundred."""
    monkeypatch.setattr(batches, "MOST_REFUSED", 2)


def refused(sender: Sender) -> float:
    """Answer that a post is refused; return the wait that follows."""
    return seconds_of(sender.answer(Response(400)))


@pytest.mark.usefixtures("few_refusals")
def test_the_waits_before_a_server_that_refuses_everything_is_probed_grow_until_it_takes_an_event(
    waits: list[float],
) -> None:
    sender = Sender("a", "b")
    assert [sender.answer(), sender.answer(Response(400)), sender.answer(Response(400))] == ["ab", "a", "b"]
    assert sender.answer(Response(400)) == Sleep(None)
    for _ in range(4):
        sender.put("c", "d")
        assert sender.answer() == "cd"
        waits.append(refused(sender))
        sender.ingest.due = Due()  # the wait is over
        assert sender.answer() == "c"
        assert sender.answer(Response(413)) == Sleep(None)
    assert (sender.outbox.lost, sender.outbox.queued) == (10, 0)
    sender.put("e")
    assert sender.answer() == "e"
    waits.append(refused(sender))
    sender.ingest.due = Due()
    assert sender.answer() == "e"
    assert sender.answer(Response(200)) == Sleep(None)
    sender.put("f")
    assert sender.answer() == "f"
    assert sender.answer(Response(400)) == Sleep(None)
    assert not sender.outbox.refusing
    sender.put("g")
    sender.answer()
    pause = sender.answer(Response(503))
    assert isinstance(pause, Sleep)
    assert pause.seconds is not None
    assert pause.seconds <= FIRST_BACKOFF


@pytest.mark.usefixtures("few_refusals")
def test_a_flush_does_not_cut_the_wait_before_a_probe_short_and_the_end_does() -> None:
    sender = Sender("a", "b")
    for answer in (None, Response(400), Response(400), Response(400)):
        sender.answer(answer)
    sender.put("c", "d")
    assert sender.answer() == "cd"
    refused(sender)
    sender.outbox.hurry = True
    assert isinstance(sender.answer(), Sleep)
    sender.outbox.closed = True
    assert sender.answer() == "c"


@pytest.mark.usefixtures("few_refusals")
def test_while_a_flush_waits_for_such_a_server_the_wait_is_a_short_one() -> None:
    sender = Sender("a", "b")
    for answer in (None, Response(400), Response(400), Response(400)):
        sender.answer(answer)
    for _ in range(10):
        sender.ingest.backoff.next()  # as after many refusals
    sender.put("c")
    assert sender.answer() == "c"
    assert refused(sender) > 10
    sender.outbox.when_settled(lambda: None)
    sender.outbox.hurry = True
    assert 1 < seconds_of(sender.answer()) <= 5


@pytest.mark.usefixtures("few_refusals")
def test_a_probe_waits_as_long_as_the_server_asks_for_and_new_events_do_not_cut_it_short() -> None:
    sender = Sender("a", "b")
    for answer in (None, Response(400), Response(400), Response(400)):
        sender.answer(answer)
    sender.put("c")
    assert sender.answer() == "c"
    pause = sender.answer(Response(413, retry_after="45"))
    assert isinstance(pause, Sleep)
    assert pause.seconds is not None
    assert 44 < pause.seconds <= 45
    sender.put("d")
    assert isinstance(sender.answer(), Sleep)


# --- any server at all ------------------------------------------------------------------------------------------------


class Server:
    """Takes and refuses events by one of several rules.

    Attributes:
        taken: The numbers of the events that it took, in order.
        alone: The numbers of those that it refused by themselves.
    """

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.alone: list[int] = []
        self.rule: tuple[str, int] = ("takes", 0)
        self.refusal = 400

    def answer(self, numbers: list[int]) -> Answer:
        kind, argument = self.rule
        if kind == "away":
            return Failure("away") if argument % 2 else Response(503)
        refuses = {
            "takes": False,
            "refuses": True,
            "refuses some": any(number % argument == 0 for number in numbers) if argument else True,
            "refuses batches": len(numbers) > 1,
            "refuses more than": len(numbers) > argument,
        }[kind]
        if not refuses:
            self.taken += numbers
            return Response(200)
        if len(numbers) == 1:
            self.alone += numbers
        return Response(413 if kind == "refuses more than" else self.refusal)


RULES = st.one_of(
    st.tuples(st.sampled_from(["takes", "refuses", "refuses batches"]), st.just(0)),
    st.tuples(st.just("refuses some"), st.integers(1, 50)),
    st.tuples(st.just("refuses more than"), st.integers(0, 150)),
    st.tuples(st.just("away"), st.integers(0, 1)),
)
PHASES = st.lists(st.tuples(RULES, st.sampled_from([400, 413]), st.integers(1, 700), st.integers(1, 3)), max_size=6)
DETECTION = 230
"""Posts until it is clear that a server refuses everything: halving, one trial, and 100 single events."""


class Run:
    """A sender and a server, whose waits are passed over."""

    def __init__(self, max_batch_size: int | None) -> None:
        self.sender = Sender(outbox=Outbox(5_000, max_batch_size, ExposureFilter()))
        self.server = Server()
        self.accepted = 0
        self.posts = 0
        self.action: str | Sleep | None = self.sender.answer()

    def put(self, count: int) -> None:
        for _ in range(count):
            self.accepted += self.sender.outbox.put(event(f"{self.accepted},"))

    def go(self, waits: int) -> int:
        """Go on until there is nothing to do, or for so many waits; return how many there were."""
        waited = 0
        while True:
            if self.action == Sleep(None):
                self.action = self.sender.answer()
                if self.action == Sleep(None):
                    return waited
            elif isinstance(self.action, Sleep):
                if waited == waits:
                    return waited
                waited += 1
                self.sender.ingest.due = Due()
                self.action = self.sender.answer()
            else:
                assert self.action is not None
                self.posts += 1
                assert self.posts < 30_000
                numbers = [int(number) for number in self.action.split(",")[:-1]]
                self.action = self.sender.answer(self.server.answer(numbers))

    def check(self) -> None:
        outbox, taken = self.sender.outbox, self.server.taken
        assert taken == sorted(set(taken)), "in order, and once each"
        assert outbox.sent == len(taken)
        assert outbox.sent + outbox.lost + outbox.queued == self.accepted


@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(phases=PHASES, size=st.sampled_from([None, 1, 2, 100, 1_000]))
def test_whatever_a_server_refuses_events_are_sent_once_in_order_or_counted_and_posts_are_bounded(
    phases: list[tuple[tuple[str, int], int, int, int]], size: int | None
) -> None:
    run = Run(size)
    for rule, refusal, count, rounds in phases:
        run.server.rule, run.server.refusal = rule, refusal
        refuses_all = rule in {("refuses", 0), ("refuses some", 1), ("refuses more than", 0)}
        before, waited = run.posts, 0
        for _ in range(rounds):
            lost, alone = run.sender.outbox.lost, len(run.server.alone)
            run.put(count)
            waits = run.go(5)
            waited += waits
            run.check()
            # Each of them was refused by itself, or is of a batch that was dropped after a wait.
            assert run.sender.outbox.lost - lost <= len(run.server.alone) - alone + 99 * waits
        if refuses_all:
            assert run.posts - before <= DETECTION + 3 * waited + 2 * rounds
    run.server.rule = ("takes", 0)
    run.put(1)
    run.go(2)
    run.put(1)
    run.go(0)
    run.check()
    assert (run.sender.outbox.queued, run.sender.outbox.refusing) == (0, False)
    before, single = run.posts, run.sender.outbox._size.state is State.SINGLE
    run.put(200)
    run.go(0)
    run.check()
    if size != 1 and not single:
        assert run.posts - before < 200, "batches again"


# --- what is said at DEBUG --------------------------------------------------------------------------------------------


def test_each_post_is_a_line_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sender = Sender("a", "b", url="http://me:s3cret@127.0.0.1:9/in?token=s3cret")
    sender.answer()
    sender.answer(Failure("no answer within 10 s"))
    sender.outbox.hurry = True
    sender.answer()
    sender.answer(Response(202))
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    start = "POST http://***@127.0.0.1:9/in?***: 2 events, N bytes: "
    assert [re.sub(r"\d+ (bytes|ms)", r"N \1", line) for line in lines] == [
        f"{start}no answer within 10 s in N ms",
        f"{start}HTTP 202 in N ms",
    ]
    assert SDK_KEY not in caplog.text


def test_nothing_is_said_of_a_post_where_debug_is_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sender = Sender("a")
    sender.answer()
    sender.answer(Response(200))
    assert caplog.records == []
