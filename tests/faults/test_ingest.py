"""Everything that the event endpoint can do wrong, over real sockets, on both faces: what arrives, and how often.

Each event is one of a user of its own, so that ``arrived(server)`` counts how often each of them was taken.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from signakit_flags._runtime import backoff
from support.faults import (
    IngestTrouble,
    accept_and_then,
    arrived,
    drip_headers,
    hold,
    lines,
    not_http,
    noting,
    once_each,
    threads_of_ours,
    within,
)
from support.server import FlagServer, Handler, body, cut, drip, hang, reset, status

if TYPE_CHECKING:
    from signakit_flags import SignaKitClient
    from support.faces import Face
    from support.server import Fault

WATCHDOG = 30.0


def users(count: int, prefix: str = "u") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def expose(face: Face, client: SignaKitClient, names: list[str]) -> None:
    for name in names:
        assert face.decide(client, "exp", user=name) in {"control", "treatment"}


def ready(face: Face, **settings: float) -> SignaKitClient:
    client = face.client(**{"polling_interval": 0, **settings})
    assert face.on_ready(client).success
    return client


def expose_as_one_batch(face: Face, server: FlagServer, client: SignaKitClient, names: list[str]) -> None:
    """Have all but the first of them gather while the first is on its way."""
    gate = threading.Event()
    posts = server.posts
    server.events_faults.insert(0, hold(gate))
    expose(face, client, names[:1])
    assert face.wait_until(lambda: server.posts == posts + 1)
    expose(face, client, names[1:])
    gate.set()


def outage_lines(caplog: pytest.LogCaptureFixture) -> tuple[int, int]:
    return len(lines(caplog, "events cannot be sent")), len(lines(caplog, "events are being sent again"))


# --- outages: everything waits, and arrives once ----------------------------------------------------------------------


TROUBLES = {
    "refuses": IngestTrouble(None, "ConnectError"),
    "swallows-connections": IngestTrouble(None, "no answer within 0.8 s", swallows=True),
    "hangs": IngestTrouble(hang, "no answer within 0.8 s"),
    "drips-headers": IngestTrouble(drip_headers, "no answer within 0.8 s"),
    "drips-the-body": IngestTrouble(drip, "no answer within 0.8 s"),
    "resets": IngestTrouble(reset, "ReadError"),
    "cuts-its-answer": IngestTrouble(cut, "Error"),
    "speaks-ssh": IngestTrouble(not_http, "RemoteProtocolError"),
    "408": IngestTrouble(status(408), "the server answered HTTP 408"),
    "429": IngestTrouble(status(429), "the server answered HTTP 429"),
    "500": IngestTrouble(status(500), "the server answered HTTP 500"),
    "503": IngestTrouble(status(503), "the server answered HTTP 503"),
    "redirects": IngestTrouble(status(307, Location="/elsewhere"), "the server answered HTTP 307"),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
@pytest.mark.usefixtures("quick_retries")
def test_after_an_outage_every_event_arrives_once(
    face: Face, server: FlagServer, caplog: pytest.LogCaptureFixture, trouble: IngestTrouble
) -> None:
    client = ready(face, timeout=trouble.timeout)
    trouble.begin(server)
    # No decision waits for the endpoint, whatever it does, and none raises.
    within(WATCHDOG, lambda: expose(face, client, users(500)))
    assert face.wait_until(lambda: trouble.reason in (client.status().last_error or ""))
    within(WATCHDOG, lambda: expose(face, client, users(500, "later")))
    assert client.status().queued == 1_000
    assert server.events == []
    trouble.end(server)
    assert face.flush(client, timeout=WATCHDOG)
    assert arrived(server) == once_each(users(500) + users(500, "later"))
    assert [event["userId"] for event in server.events] == users(500) + users(500, "later")  # in order, too
    assert client.status().sent == 1_000
    assert client.status().dropped == 0
    assert client.status().last_error is None
    assert outage_lines(caplog) == (1, 1)


@pytest.mark.parametrize("fault", [hang, drip_headers, drip], ids=["hangs", "drips-headers", "drips-the-body"])
def test_no_decision_waits_for_a_post_that_is_under_way(face: Face, server: FlagServer, fault: Fault) -> None:
    client = ready(face, timeout=60)
    left = threading.Event()

    def note_the_end(handler: Handler) -> None:
        fault(handler)
        left.set()

    server.events_fault = note_the_end
    expose(face, client, ["first"])
    assert face.wait_until(lambda: server.posts == 1)

    async def on_a_loop() -> None:
        for name in users(500, "loop"):
            context = client.create_user_context(name)
            assert context is not None
            assert context.is_enabled("exp")
            await context.track_event("seen")

    within(WATCHDOG, lambda: expose(face, client, users(500)))
    within(WATCHDOG, lambda: face.run(on_a_loop))
    # The one post that was under way before the first of them still is.
    assert server.posts == 1
    assert not left.is_set()
    assert client.status().queued == 1_501
    server.events_fault = None
    server.release.set()
    assert face.wait_until(left.is_set)
    assert face.flush(client)
    loop_users = Counter(dict.fromkeys(users(500, "loop"), 2))  # an exposure and a conversion each
    assert arrived(server) == once_each(["first", *users(500)]) + loop_users


@pytest.mark.usefixtures("quick_retries")
def test_a_redirect_is_not_followed_since_the_key_goes_with_it(face: Face, server: FlagServer) -> None:
    with_key: list[str] = []

    def redirected(handler: Handler) -> None:
        with_key.append(handler.path)
        handler.answer(307, Location=f"{server.url}/elsewhere")

    server.events_faults = [redirected, redirected]
    client = ready(face)
    expose(face, client, ["u"])
    assert face.flush(client)
    assert with_key == ["/v1/flag-events"] * 2
    assert arrived(server) == once_each(["u"])


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "code"), [("seconds", 429), ("date", 503)])
@pytest.mark.usefixtures("quick_retries")
def test_retry_after_is_honoured(face: Face, server: FlagServer, form: str, code: int) -> None:
    came: list[float] = []

    def busy(handler: Handler) -> None:
        # A date has whole seconds, so of two of them at least one is left.
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        handler.answer(code, Retry_After="1" if form == "seconds" else date)

    server.events_faults = [noting(came, busy), noting(came, lambda handler: handler.accept(handler.posted))]
    client = ready(face)
    expose(face, client, ["u0"])
    assert face.wait_until(lambda: len(came) == 1)
    expose(face, client, ["u1", "u2"])  # new events do not cut the wait short
    server.wait_for_events(3)
    assert came[1] - came[0] >= 0.95
    assert arrived(server) == once_each(users(3))


def test_a_batch_that_is_too_large_is_halved_until_it_fits(face: Face, server: FlagServer) -> None:
    sizes: list[int] = []

    def takes_seven(handler: Handler) -> None:
        sizes.append(len(handler.posted))
        if len(handler.posted) > 7:
            handler.answer(413)
        else:
            handler.accept(handler.posted)

    client = ready(face)
    server.events_fault = takes_seven
    expose_as_one_batch(face, server, client, users(50))
    assert face.flush(client)
    assert sizes[:4] == [49, 24, 12, 6]
    assert arrived(server) == once_each(users(50))
    assert client.status().dropped == 0
    assert [len(batch) for batch in server.batches if len(batch) > 7] == []


def test_one_event_that_is_too_large_by_itself_is_lost_and_no_other(face: Face, server: FlagServer) -> None:
    def refuses_one(handler: Handler) -> None:
        if any(event["userId"] == "u20" for event in handler.posted):
            handler.answer(413)
        else:
            handler.accept(handler.posted)

    client = ready(face)
    server.events_fault = refuses_one
    expose_as_one_batch(face, server, client, users(50))
    face.flush(client)
    assert arrived(server) == once_each([name for name in users(50) if name != "u20"])
    assert client.status().dropped == 1


def takes_single_events(handler: Handler) -> None:
    if len(handler.posted) > 1:
        handler.answer(400)
    else:
        handler.accept(handler.posted)


def test_a_server_that_takes_single_events_gets_single_events_and_that_is_said_once(
    face: Face, server: FlagServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = ready(face)
    server.events_fault = takes_single_events
    expose_as_one_batch(face, server, client, users(50))
    assert face.flush(client)
    assert arrived(server) == once_each(users(50))
    assert server.posts == 1 + 1 + 49  # the first, the batch, its events one by one
    expose_as_one_batch(face, server, client, users(20, "later"))
    assert face.flush(client)
    assert arrived(server) == once_each(users(50) + users(20, "later"))
    assert server.posts == 51 + 20  # no batch is tried again
    assert len(lines(caplog, "one event a request only")) == 1
    assert client.status().dropped == 0


def test_one_rejected_event_is_lost_alone_and_batches_go_on(
    face: Face, server: FlagServer, caplog: pytest.LogCaptureFixture
) -> None:
    def rejects_one(handler: Handler) -> None:
        if any(event["userId"] == "u20" for event in handler.posted):
            handler.answer(400)
        else:
            handler.accept(handler.posted)

    client = ready(face)
    server.events_fault = rejects_one
    expose_as_one_batch(face, server, client, users(50))
    face.flush(client)
    good = [name for name in users(50) if name != "u20"]
    assert arrived(server) == once_each(good)
    assert server.posts == 1 + 1 + 49
    assert client.status().dropped == 1
    assert len(lines(caplog, "the server refused 1 event(s)")) == 1
    expose_as_one_batch(face, server, client, users(20, "later"))
    assert face.flush(client)
    assert server.posts == 51 + 2  # the one that is held, and the 19 behind it
    server.events_fault = None
    expose(face, client, ["u20", "u21"])  # the lost exposure is sent by the next decision, the other is known
    assert face.flush(client)
    assert arrived(server) == once_each(users(50) + users(20, "later"))


@pytest.mark.usefixtures("quick_retries")
def test_trouble_while_events_go_one_by_one_loses_and_doubles_none(face: Face, server: FlagServer) -> None:
    def fails_now_and_then(handler: Handler) -> None:
        if server.posts % 10 == 0:
            handler.answer(503)
        else:
            takes_single_events(handler)

    client = ready(face)
    server.events_fault = fails_now_and_then
    expose_as_one_batch(face, server, client, users(50))
    assert face.flush(client, timeout=WATCHDOG)
    assert arrived(server) == once_each(users(50))
    assert client.status().dropped == 0


@pytest.mark.parametrize(("batches", "singles"), [(400, 400), (413, 413), (413, 400), (400, 413)])
@pytest.mark.usefixtures("quick_retries")
def test_a_server_that_refuses_everything_gets_few_posts_and_batches_again_when_it_takes_them(
    face: Face, server: FlagServer, caplog: pytest.LogCaptureFixture, batches: int, singles: int
) -> None:
    client = ready(face)
    gate = threading.Event()

    def refuses(handler: Handler) -> None:
        gate.wait(WATCHDOG)
        handler.answer(batches if len(handler.posted) > 1 else singles)

    server.events_fault = refuses
    expose(face, client, users(600))
    gate.set()
    assert not face.flush(client, timeout=25)
    assert client.status().dropped == 600
    assert server.posts <= 130  # to be sure takes up to 110 for large batches; then each batch takes two
    assert len(lines(caplog, "the server refuses every event")) == 1
    server.events_fault = None
    expose(face, client, ["u0"])  # what was lost was forgotten, and the next decision sends it
    assert face.flush(client)
    posts = server.posts
    expose_as_one_batch(face, server, client, users(30, "later"))
    assert face.flush(client)
    assert server.posts == posts + 2
    assert arrived(server) == once_each(["u0", *users(30, "later")])
    assert len(lines(caplog, "the server takes events again")) == 1


@pytest.mark.parametrize("code", [400, 413])
@pytest.mark.usefixtures("quick_retries")
def test_events_that_come_one_at_a_time_are_not_refused_a_post_each_for_ever(
    face: Face, server: FlagServer, code: int
) -> None:
    client = ready(face)
    server.events_fault = status(code)
    for name in users(100):
        expose(face, client, [name])
        face.flush(client)  # False, or True where the event was refused before that
    assert (server.posts, client.status().dropped) == (100, 100)
    gate = threading.Event()

    def refused_later(handler: Handler) -> None:
        gate.wait(WATCHDOG)
        handler.answer(code)

    server.events_faults = [refused_later]
    expose(face, client, ["first"])
    assert face.wait_until(lambda: server.posts == 101)
    expose(face, client, users(500, "later"))  # all of them wait behind it
    gate.set()
    assert not face.flush(client, timeout=25)
    assert server.posts == 100 + 2 * (1 + 5)
    assert client.status().dropped == 601


def test_a_flush_after_each_event_gets_such_a_server_no_post_for_each(face: Face, server: FlagServer) -> None:
    client = ready(face)
    server.events_fault = status(400)
    for name in users(100):
        expose(face, client, [name])
        face.flush(client)
    for name in users(80, "later"):
        expose(face, client, [name])
        assert not face.flush(client, timeout=0.01)
    assert server.posts <= 140  # two for each wait, which doubles: ten of them take minutes
    server.events_fault = None
    expose(face, client, ["last"])
    face.close(client)
    assert "last" in arrived(server)  # the end is worth an attempt


@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_refused_key_drops_events_says_so_once_and_the_next_decisions_send_them_again(
    face: Face, server: FlagServer, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    client = ready(face)
    server.events_fault = status(code)
    for name in users(5):
        expose(face, client, [name])
        face.flush(client)
    assert server.events == []
    assert server.posts == 5  # none of them twice
    assert client.status().dropped == 5
    assert len(lines(caplog, f"the server answered HTTP {code}")) == 1
    server.events_fault = None
    expose(face, client, users(5))
    assert face.flush(client)
    expose(face, client, users(5))
    assert face.flush(client)
    assert arrived(server) == once_each(users(5))
    assert client.status().exposures_suppressed == 5


@pytest.mark.usefixtures("quick_retries")
def test_a_server_error_and_then_none_costs_nothing(
    face: Face, server: FlagServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = ready(face)
    server.events_faults = [status(500), status(502), status(504)]
    expose(face, client, users(30))
    assert face.flush(client)
    assert arrived(server) == once_each(users(30))
    assert outage_lines(caplog) == (1, 1)


# --- at least once ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [reset, cut, hang], ids=["before-the-answer", "in-mid-answer", "never-answers"])
@pytest.mark.usefixtures("quick_retries")
def test_what_was_taken_but_not_confirmed_arrives_twice_and_the_rest_once(
    face: Face, server: FlagServer, fault: Fault
) -> None:
    """Counted at the server: events that it took, in a post whose complete answer never reached the client."""
    client = ready(face, timeout=0.8 if fault is hang else 20.0)
    server.events_faults = [accept_and_then(fault)]
    expose_as_one_batch(face, server, client, users(50))  # u0 is held and taken; the 49 behind it meet the fault
    assert face.flush(client)
    assert arrived(server) == {"u0": 1} | dict.fromkeys(users(50)[1:], 2)
    assert [event["userId"] for event in server.batches[1]] == [event["userId"] for event in server.batches[2]]
    assert server.batches[1] == server.batches[2]  # the same events, with the time at which they happened
    assert client.status().sent == 50
    expose(face, client, ["later"])
    assert face.flush(client)
    assert arrived(server)["later"] == 1


ODD_ANSWERS = {
    "long": body(b"x" * 1_000_000),
    "brotli": body(b"\x0b\x02\x80ok\x03", Content_Encoding="br"),
    "no-gzip": body(b"no gzip", Content_Encoding="gzip"),
    "html": body(b"<html>Accepted</html>"),
    "no-content": lambda handler: handler.answer(204),
    "accepted": status(202),
}


@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=ODD_ANSWERS)
@pytest.mark.usefixtures("quick_retries")
def test_what_was_confirmed_arrives_once_whatever_the_answer_holds(
    face: Face, server: FlagServer, answer: Fault
) -> None:
    client = ready(face)
    server.events_fault = accept_and_then(answer)
    expose(face, client, ["u0"])
    assert face.flush(client, timeout=2.0)
    expose(face, client, ["u1"])
    assert face.flush(client, timeout=2.0)
    assert arrived(server) == once_each(users(2))
    assert server.posts == 2


def test_a_flush_during_an_outage_tries_at_once(face: Face, server: FlagServer) -> None:
    client = ready(face)
    server.events_fault = status(503, Retry_After="3600")
    expose(face, client, users(3))
    assert face.wait_until(lambda: client.status().last_error is not None)
    server.events_fault = None
    assert face.flush(client, timeout=WATCHDOG)
    assert arrived(server) == once_each(users(3))
    assert server.posts == (2 if len(server.batches) == 1 else 3)  # the first event may have left alone


def test_a_queue_that_fills_up_during_an_outage_is_tried_to_send_soon(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_BACKOFF", 3_600.0)
    monkeypatch.setattr(backoff, "LONGEST_BACKOFF", 3_600.0)
    monkeypatch.setattr(backoff, "SHORTEST_WHILE_NEARLY_FULL", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_WHILE_NEARLY_FULL", 0.02)
    client = ready(face, max_queue_size=20)
    server.events_faults = [status(503), status(503)]
    expose(face, client, users(16))
    assert face.wait_until(lambda: client.status().last_error is not None)
    assert server.posts == 1
    expose(face, client, ["u16"])  # more than four fifths are full
    assert face.wait_until(lambda: server.posts > 2)
    assert face.flush(client)
    assert arrived(server) == once_each(users(17))


def test_a_close_during_an_outage_leaves_nobody_waiting_for_its_end(face: Face, server: FlagServer) -> None:
    before = threads_of_ours()
    client = ready(face)
    server.events_fault = status(503, Retry_After="3600")
    expose(face, client, users(3))
    assert face.wait_until(lambda: client.status().last_error is not None)
    face.close(client, timeout=0.2)
    assert client.status().dropped == 3
    assert face.wait_until(lambda: threads_of_ours() <= before)


# --- events that gather -----------------------------------------------------------------------------------------------


def gathering(client: SignaKitClient) -> bool:
    ingest = client._engine.ingest
    return ingest is not None and ingest.gathered is not None


@pytest.mark.parametrize("end", ["flush", "close"])
def test_events_gather_into_one_post_that_a_flush_or_a_close_sends_at_once(
    face: Face, server: FlagServer, end: str
) -> None:
    client = ready(face, flush_interval=3_600)
    expose(face, client, users(150))
    assert face.wait_until(lambda: gathering(client))
    assert (client.status().queued, server.posts) == (150, 0)
    if end == "flush":
        assert face.flush(client)
        expose(face, client, ["later"])
        assert face.wait_until(lambda: gathering(client))
        assert server.posts == 1
    face.close(client)
    assert arrived(server) == once_each([*users(150), "later"] if end == "flush" else users(150))
    assert len(server.batches[0]) == 150


def test_events_that_have_gathered_for_long_enough_leave_by_themselves(face: Face, server: FlagServer) -> None:
    client = ready(face, flush_interval=0.1)
    for start in (0, 10):
        expose(face, client, users(20)[start : start + 10])
        server.wait_for_events(start + 10)
    assert arrived(server) == once_each(users(20))


def test_events_that_gather_leave_when_the_client_is_dropped(face: Face, server: FlagServer) -> None:
    client = ready(face, flush_interval=3_600)
    expose(face, client, users(5))
    assert face.wait_until(lambda: all(map(gathering, face._clients)))
    face._clients.clear()
    del client
    gc.collect()
    server.wait_for_events(5)
    assert arrived(server) == once_each(users(5))


@pytest.mark.parametrize("settings", [{"max_batch_size": 20}, {"max_queue_size": 40}])
def test_a_full_batch_does_not_wait(face: Face, server: FlagServer, settings: dict[str, int]) -> None:
    client = ready(face, flush_interval=3_600, **settings)
    expose(face, client, users(19))
    assert face.wait_until(lambda: gathering(client))
    assert server.posts == 0
    expose(face, client, ["u19"])
    server.wait_for_events(20)
    assert [len(batch) for batch in server.batches] == [20]


@pytest.mark.usefixtures("quick_retries")
def test_events_that_gathered_are_sent_again_without_gathering_again(face: Face, server: FlagServer) -> None:
    client = ready(face, flush_interval=3_600, max_batch_size=5)
    server.events_faults = [status(503), status(500)]
    expose(face, client, users(5))  # a full batch
    server.wait_for_events(5)
    assert arrived(server) == once_each(users(5))


# --- load -------------------------------------------------------------------------------------------------------------


def test_a_burst_of_10_000_exposures_at_20_ms_arrives_once_each(face: Face, server: FlagServer) -> None:
    server.events_latency = 0.02
    client = ready(face)
    within(WATCHDOG, lambda: expose(face, client, users(10_000)))
    assert face.flush(client, timeout=60)
    assert arrived(server) == once_each(users(10_000))
    assert [event["userId"] for event in server.events] == users(10_000)  # in order, too
    assert client.status().dropped == 0
    assert max(map(len, server.batches)) <= 1_000


def test_batches_grow_with_the_queue_and_a_size_that_was_given_is_a_ceiling(face: Face, server: FlagServer) -> None:
    grows, fixed = ready(face), ready(face, max_batch_size=300)
    expose_as_one_batch(face, server, grows, users(1_151))
    assert face.flush(grows)
    assert [len(batch) for batch in server.batches] == [1, 1_000, 100, 50]
    expose_as_one_batch(face, server, fixed, users(651, "fixed"))
    assert face.flush(fixed)
    assert [len(batch) for batch in server.batches[4:]] == [1, 300, 300, 50]
    assert arrived(server) == once_each(users(1_151) + users(651, "fixed"))


@pytest.mark.usefixtures("quick_retries")
def test_a_server_that_times_out_on_large_batches_gets_usual_ones(face: Face, server: FlagServer) -> None:
    client = ready(face, timeout=1.5)
    sizes: list[int] = []

    def is_slow(handler: Handler) -> None:
        sizes.append(len(handler.posted))
        if len(handler.posted) > 100:
            hang(handler)
        else:
            handler.accept(handler.posted)

    server.events_fault = is_slow
    expose_as_one_batch(face, server, client, users(701))
    assert face.flush(client, timeout=WATCHDOG)
    assert arrived(server) == once_each(users(701))
    assert [size for size in sizes if size > 100][:2] == [700, 200]
    assert len([size for size in sizes if size > 100]) == 2
    assert client.status().dropped == 0


def test_a_post_of_many_large_events_has_a_megabyte_at_most(face: Face, server: FlagServer) -> None:
    sizes: list[int] = []

    def note(handler: Handler) -> None:
        sizes.append(int(handler.headers["Content-Length"]))
        handler.accept(handler.posted)

    client = ready(face)
    server.events_fault = note
    gate = threading.Event()
    server.events_faults = [hold(gate)]
    expose(face, client, ["first"])
    assert face.wait_until(lambda: server.posts == 1)
    for name in users(500):
        # Counted by its characters, it takes three times as many bytes.
        assert face.decide(client, "exp", user=name, attributes={"city": "\N{SNOWMAN}" * 1_000})
    gate.set()
    assert face.flush(client)
    assert arrived(server) == once_each(["first", *users(500)])
    assert [event["userId"] for event in server.events] == ["first", *users(500)]
    assert max(sizes) <= 1_000_000
    assert len(sizes) <= 3


def test_a_full_buffer_refuses_the_newest_counts_them_and_says_so_once_an_episode(
    face: Face, server: FlagServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = ready(face, max_queue_size=10)
    for episode in (1, 2):
        gate = threading.Event()
        names = users(25, f"episode{episode}-")
        server.events_fault = hold(gate)
        posts = server.posts
        expose(face, client, names[:1])
        assert face.wait_until(lambda posts=posts: server.posts == posts + 1)  # type: ignore[misc]
        expose(face, client, names[1:])
        assert client.status().queued == 10
        assert client.status().dropped == 15 * episode
        assert len(lines(caplog, "event queue full (10)")) == episode
        gate.set()
        assert face.flush(client)
        accepted = users(10, "episode1-") + (users(10, "episode2-") if episode == 2 else [])
        assert arrived(server) == once_each(accepted)
    # The refused ones were forgotten by the filter: deciding again sends them, in two helpings of what fits.
    server.events_fault = None
    for start in (10, 20):
        expose(face, client, users(25, "episode2-")[start : start + 10])
        assert face.flush(client)
    assert arrived(server) == once_each(users(10, "episode1-") + users(25, "episode2-"))


@pytest.mark.parametrize("size", [1, 10, 150])
@pytest.mark.usefixtures("quick_retries")
def test_a_full_buffer_is_one_episode_however_often_a_batch_is_retried(
    face: Face, server: FlagServer, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    client = ready(face, max_queue_size=size, max_batch_size=100)
    refused = 0
    for episode in (1, 2):
        server.events_fault = status(503)
        posts = server.posts
        expose(face, client, users(size, f"episode{episode}-"))
        while server.posts < posts + 4:
            expose(face, client, [f"refused{refused}"])
            refused += 1
            time.sleep(0.005)
        assert len(lines(caplog, f"event queue full ({size})")) == episode
        server.events_fault = None
        assert face.flush(client)
    assert arrived(server) == once_each(users(size, "episode1-") + users(size, "episode2-"))
    assert client.status().dropped == refused
