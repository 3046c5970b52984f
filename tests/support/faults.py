"""What goes wrong between a client and its server, on real sockets, and how to watch a client meanwhile."""

from __future__ import annotations

import contextlib
import threading
import time
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from support.server import Fault, FlagServer, Handler

T = TypeVar("T")


@dataclass(frozen=True)
class Trouble:
    """What a server does, and what the client says about it.

    Attributes:
        fault: Instead of its answers; without one it does not listen.
        reason: A part of the client's ``last_error``.
        swallows: It listens, and accepts no connection.
    """

    fault: Fault | None
    reason: str
    swallows: bool = False
    asked_for: ClassVar[Literal["config", "events"]]

    @property
    def timeout(self) -> float:
        """Seconds for a request: few where they are waited for, and many where a busy machine must not matter."""
        return 0.8 if self.reason.startswith("no answer") else 20.0

    def begin(self, server: FlagServer) -> None:
        if self.swallows:
            server.swallow()
        elif self.fault is None:
            server.down()
        else:
            self._set(server, self.fault)

    def end(self, server: FlagServer) -> None:
        if self.fault is None:
            server.up()
        else:
            self._set(server, None)

    def _set(self, server: FlagServer, fault: Fault | None) -> None:
        setattr(server, f"{self.asked_for}_fault", fault)


class CdnTrouble(Trouble):
    """Trouble of the server that sends configs."""

    asked_for = "config"


class IngestTrouble(Trouble):
    """Trouble of the server that takes events, without having taken them."""

    asked_for = "events"


# --- answers that are none --------------------------------------------------------------------------------------------


def drip_headers(handler: Handler) -> None:
    """Send a byte of the headers now and then, for ever."""
    handler.close_connection = True
    with contextlib.suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not handler.owner.release.wait(0.02):
            handler.wfile.write(b"a")
            handler.wfile.flush()


def early_hints(handler: Handler) -> None:
    """Send interim answers, each of them whole, for ever."""
    handler.close_connection = True
    with contextlib.suppress(OSError):
        while not handler.owner.release.wait(0.02):
            handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            handler.wfile.flush()


def truncated(handler: Handler) -> None:
    """Promise more than is sent."""
    content = handler.owner.config_body
    handler.answer(200, content[:-10], Content_Length=str(len(content)), ETag='"truncated"')
    handler.close_connection = True


def endless(handler: Handler) -> None:
    """Send a body without an end, as fast as it is read. ``owner.written`` counts its bytes."""
    stream(handler, b"")


def endless_after_gzip(handler: Handler) -> None:
    """Send a compressed config, and go on sending something else behind it."""
    packer = zlib.compressobj(wbits=31)
    stream(handler, packer.compress(handler.owner.config_body) + packer.flush(), Content_Encoding="gzip")


def stream(handler: Handler, start: bytes, *, junk: bytes = b" " * 65_536, **headers: str) -> None:
    """Send ``start``, and then ``junk`` over and over."""
    handler.close_connection = True
    handler.send_response(200)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    with contextlib.suppress(OSError):
        handler.wfile.write(start)
        while not handler.owner.release.is_set():
            handler.wfile.write(junk)
            handler.owner.written += len(junk)


def gzip_bomb(gigabytes: int) -> bytes:
    """Return about a megabyte of gzip for each gigabyte of spaces that it expands to."""
    packer = zlib.compressobj(9, wbits=31)
    start = packer.compress(b" ") + packer.flush(zlib.Z_FULL_FLUSH)
    # What follows a full flush refers to nothing before it, so it can be repeated.
    block = packer.compress(b" " * 2**24) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + block * (64 * gigabytes)


def not_http(handler: Handler) -> None:
    """Answer in another protocol."""
    handler.close_connection = True
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")


def accept_and_then(fault: Fault) -> Fault:
    """Take the events, and answer as ``fault`` does: the client cannot know that they arrived."""

    def answer(handler: Handler) -> None:
        with handler.owner._lock:
            handler.owner.batches.append(handler.posted)
        fault(handler)

    return answer


def hold(gate: threading.Event) -> Fault:
    """Take the events once ``gate`` is open; until then the next ones gather behind them."""

    def answer(handler: Handler) -> None:
        gate.wait(30)
        handler.accept(handler.posted)

    return answer


def answer_after(gate: threading.Event) -> Fault:
    """Send the config as ever, once ``gate`` is open."""

    def answer(handler: Handler) -> None:
        gate.wait(30)
        handler.answer(200, handler.owner.config_body, ETag=str(handler.owner.etag))

    return answer


def noting(times: list[float], fault: Fault) -> Fault:
    """Note when the request came."""

    def answer(handler: Handler) -> None:
        times.append(time.monotonic())
        fault(handler)

    return answer


# --- watching ---------------------------------------------------------------------------------------------------------


def within(seconds: float, function: Callable[[], T]) -> T:
    """Return what ``function`` returns; fail when it is still at it after so many seconds.

    The seconds are a watchdog's, far more than it needs: what is asserted is that it does not wait for something that
    does not come.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="watched", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    assert results, f"still waiting after {seconds} s"
    return results[0]


def arrived(server: FlagServer) -> Counter[str]:
    """How often an event of each user arrived."""
    return Counter(event["userId"] for event in server.events)


def once_each(users: list[str]) -> Counter[str]:
    return Counter(dict.fromkeys(users, 1))


def lines(caplog: pytest.LogCaptureFixture, part: str) -> list[str]:
    """The lines of our log that contain ``part``."""
    messages = [record.getMessage() for record in caplog.records if record.name == "signakit_flags"]
    return [message for message in messages if part in message]


def threads_of_ours() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name in {"signakit-poller", "signakit-sender"}}
