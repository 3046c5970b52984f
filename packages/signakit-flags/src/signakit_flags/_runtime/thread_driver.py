"""The thread driver: daemon threads that run the flows of a client on the sync transport.

A thread starts when it is first woken and ends when its flow does. It runs in an empty context, and so belongs to no
request, whatever woke it. It is woken through a ``SimpleQueue``, whose ``put`` is reentrant: a decision in a signal
handler or a destructor may wake a thread that is just being woken.
"""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from .._log import logger
from .backoff import CRASH_PAUSE
from .driver import Driver
from .flow import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from .driver import Host
    from .flow import Answer, Flow, Request


class ThreadWorker:
    """One daemon thread and the flow it runs."""

    def __init__(self, driver: ThreadDriver, name: str, make_flow: Callable[[Driver], Flow]) -> None:
        self._driver = driver
        self._name = name
        self._make_flow = make_flow
        self._wakes: queue.SimpleQueue[None] | None = None
        self._lock = threading.RLock()  # guards starting; reentrant for the reason given above
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """True while there is a thread."""
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> bool:
        """Let the flow go on, in a new thread if there is none; False when no thread can be started."""
        self.nudge()
        return self._thread is not None or self._start()

    def nudge(self) -> None:
        """Let the flow go on if there is a thread."""
        if self._wakes is not None:
            self._wakes.put(None)

    def _start(self) -> bool:
        with self._lock:
            if self._thread is not None:
                return True
            if self._wakes is None:
                # Made only now, by the module's attribute: gevent replaces it there, in some servers after the fork.
                self._wakes = queue.SimpleQueue()
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread = thread
            try:
                # In an empty context. Sentry, OpenTelemetry and newer Pythons give a thread the context of the call
                # that starts it: that of a request, which the thread would outlive, hold in memory, and report as its
                # own.
                contextvars.Context().run(thread.start)
            except BaseException as error:
                # The interpreter is shutting down, or the system has no thread left. Then the waiting call does the
                # work itself, the next event tries again, and the exit sends what is queued. Any other exception comes
                # from a signal handler that ran in between.
                self._thread = None
                if not isinstance(error, RuntimeError):
                    raise
                return False
        return True

    def _run(self) -> None:
        driver = self._driver
        while True:
            try:
                run(self._make_flow(driver), driver.send, self._sleep)
            except Exception:
                # Unexpected, so a bug of ours. The flow starts again after a pause, or when it is woken.
                logger.exception("%s failed", self._name)
                driver.host.flow_failed(driver)
                self._sleep(CRASH_PAUSE)
            except BaseException:  # a greenlet was killed: the next one that is woken takes up what was under way
                self._thread = None
                driver.host.flow_failed(driver)
                raise
            else:
                self._thread = None
                driver.host.flow_ended()
                return

    def _sleep(self, seconds: float | None) -> None:
        assert self._wakes is not None
        try:
            self._wakes.get(timeout=seconds)
            while True:
                self._wakes.get_nowait()
        except queue.Empty:
            pass

    def join(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for the thread to end."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            with suppress(RuntimeError):  # a signal handler came while it was being started
                thread.join(min(max(0.0, timeout), threading.TIMEOUT_MAX))


class ThreadDriver(Driver):
    """Runs the poller and the sender in a thread each.

    Attributes:
        host: Gives the flows, and is told how they end.
        send: Makes a request.
    """

    may_vanish = False
    alive = True
    is_here = False

    def __init__(self, host: Host, send: Callable[[Request], Answer]) -> None:
        self.host: Host = host
        self.send: Callable[[Request], Answer] = send
        self._poller = ThreadWorker(self, "signakit-poller", host.poll_flow)
        self._sender = ThreadWorker(self, "signakit-sender", host.delivery_flow)

    def wake_poller(self) -> bool:
        """Let the poller look for something to fetch; False when no thread can be started."""
        return self._poller.wake()

    def wake_sender(self) -> bool:
        """Let the sender look for something to send; False when no thread can be started."""
        return self._sender.wake()

    def works_elsewhere(self) -> bool:
        """Return whether the sender goes on while the calling thread waits for it."""
        return self._sender.alive

    def retire(self) -> None:
        """Let both flows notice that this driver is not in force any more."""
        self._poller.nudge()
        self._sender.nudge()

    def stop(self) -> None:
        """Let both flows end. A request that is under way cannot be broken off."""
        self.retire()

    async def aclose(self) -> None:
        """Let both flows end: no part of this driver is on a loop."""
        self.stop()

    def join(self, deadline: float) -> None:
        """Wait for both threads to end, until ``deadline`` in seconds of ``time.monotonic()``."""
        for worker in (self._poller, self._sender):
            worker.join(deadline - time.monotonic())
