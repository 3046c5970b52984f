"""Sending events as a generator, driven by hand: no thread, no loop, no network."""

from __future__ import annotations

import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags import parse_sdk_key
from signakit_flags._events.exposure_filter import ExposureFilter
from signakit_flags._events.outbox import Outbox
from signakit_flags._events.payloads import Conversion, Warnings
from signakit_flags._runtime.backoff import FIRST_BACKOFF, LONGEST_BACKOFF
from signakit_flags._runtime.delivery import Ingest, deliver
from signakit_flags._runtime.flow import Answer, Failure, Flow, Response, Sleep
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
    ) -> None:
        self.outbox = outbox or Outbox(100, 10, ExposureFilter())
        self.mine = True
        self.put(*keys)
        self.outbox.idle = False
        ingest = Ingest(url, KEY)
        self.flow: Flow = deliver(self.outbox, ingest, lambda: self.mine, until_empty=until_empty)

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
