"""Network access as values: what a flow asks for, and what it gets back.

A flow is a generator. It yields ``Send``, ``Ask``, ``Sleep`` or ``Pause`` and receives what came of each ``Send`` and
``Ask``. So fetching configs and delivering events are written once, without I/O. The drivers are short loops that run
any flow: ``run`` on threads, ``LoopWorker`` on an event loop.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Literal, NamedTuple, TypeAlias

from .._secrets import without_secrets
from .._signal_handlers import let_through
from .short_thread import in_thread, off_loop

MAX_ETAG = 1_024
_LOOKED_AT = 200  # bytes
_SHOWN = 60  # characters
_CONTENT_TYPE = r"[\w.+-]{1,60}/[\w.+-]{1,60}"

# Named tuples: a frozen dataclass would cost every import four times as much, and there are many of these.


class Request(NamedTuple):
    """A request to make."""

    method: Literal["GET", "POST"]
    url: str
    headers: dict[str, str]
    body: bytes | None = None


class Response(NamedTuple):
    """A complete answer. ``body`` is empty where it was not wanted.

    A config comes as a ``memoryview``, whose ``repr()`` shows nothing of it: error trackers store the local variables
    of each frame, and a config names its SDK key.
    """

    status: int
    etag: str | None = None
    retry_after: str | None = None
    body: bytes | memoryview = b""
    content_type: str | None = None

    def looks(self) -> str:
        """Return what the body is by its content type, and how it begins, in words that are safe in a log.

        Nothing is shown of what may be JSON: it may be the first half of a config, which names its SDK key.
        """
        kind = (self.content_type or "").partition(";")[0].strip()
        what = kind if re.fullmatch(_CONTENT_TYPE, kind, re.ASCII) else "of an unknown type"
        text = bytes(self.body[:_LOOKED_AT]).decode("utf-8-sig", "replace").strip()
        if not self.body:
            return f"it is {what}, and empty"
        if text.startswith(("{", "[")):
            return f"it is {what}"
        shown = without_secrets(" ".join(text.split()))
        cut = "..." if len(shown) > _SHOWN or len(self.body) > _LOOKED_AT else ""
        return f"it is {what}, and begins with {shown[:_SHOWN] + cut!r}"


class Failure(NamedTuple):
    """The reason why no complete answer came. ``final`` means that a retry cannot succeed either."""

    reason: str
    final: bool = False


Answer: TypeAlias = Response | Failure


class Send(NamedTuple):
    """Make the request and send its answer back into the flow."""

    request: Request


class Ask(NamedTuple):
    """Have a store do something that may wait, and send its result, or a ``Failure``, back into the flow.

    Whatever a store does, even where it hangs or exits, the flow goes on. So nothing of it runs in the thread of the
    flow.

    Attributes:
        call: Does it, in a thread of its own.
        acall: Does it on an event loop; None where the store has nothing of the kind.
        timeout: Seconds after which the flow goes on.
    """

    call: Callable[[], object]
    acall: Callable[[], Awaitable[object]] | None
    timeout: float

    def answer(self) -> object:
        """Return what comes of it, in threads. Raises nothing but what a signal handler raises meanwhile."""
        try:
            return in_thread(self.call, "signakit-store", self.timeout)
        except Exception as error:  # noqa: BLE001  # the store may be the application's own
            let_through(error)
            return _failure_of(error)

    async def aanswer(self) -> object:
        """Return what comes of it, on an event loop. Raises nothing but ``CancelledError``, when it is cancelled."""
        import asyncio

        try:
            async with asyncio.timeout(self.timeout):
                if self.acall is None:
                    return await off_loop(self.call, "signakit-store")
                return await self.acall()
        except TimeoutError as error:
            return Failure(str(error) or f"no answer within {self.timeout:g} s")
        except (Exception, SystemExit) as error:  # noqa: BLE001  # as above
            let_through(error)
            return _failure_of(error)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return _failure_of(error)  # the store's own


def _failure_of(error: BaseException) -> Failure:
    return Failure(without_secrets(str(error)) or type(error).__name__)


class Sleep(NamedTuple):
    """Wait for ``seconds``, or until woken; None waits until woken."""

    seconds: float | None


class Pause(NamedTuple):
    """Give other threads, or the event loop, a turn: the flow is in the middle of long work."""


Action: TypeAlias = Send | Ask | Sleep | Pause
Flow: TypeAlias = Generator[Action, Any, None]


def run(flow: Flow, send: Callable[[Request], Answer], sleep: Callable[[float | None], None]) -> None:
    """Run a flow to its end in the calling thread.

    Args:
        flow: What to run.
        send: Makes a request and returns the answer. Must not raise.
        sleep: Waits for a number of seconds at most, and may return early.
    """
    answer: object = None
    while True:
        try:
            action = flow.send(answer)
        except StopIteration:
            return
        answer = None
        if isinstance(action, Send):
            answer = send(action.request)
        elif isinstance(action, Ask):
            answer = action.answer()
        elif isinstance(action, Sleep):
            sleep(action.seconds)
        else:
            time.sleep(0)  # by the module's attribute, which gevent replaces


def usable_etag(etag: str | None) -> str | None:
    """Return ``etag`` if it can be sent back as a header, else None."""
    return etag if etag and len(etag) <= MAX_ETAG and etag.isascii() and etag.isprintable() else None
