"""The thread driver: daemon threads that run the flows of ``protocol`` on the sync client.

A thread is started when it is first woken and ends when its flow does. It is woken through a ``SimpleQueue``, whose
``put`` is reentrant: a decision in a signal handler or a destructor may wake a thread that is just being woken.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from .._log import logger
from .protocol import CRASH_PAUSE, Answer, Flow, Request, Send

SendSync = Callable[[Request], Answer]


class Worker:
    """One daemon thread and the flow it runs."""

    def __init__(
        self,
        name: str,
        make_flow: Callable[[], Flow],
        send: SendSync,
        on_end: Callable[[], None],
        on_crash: Callable[[], None],
    ) -> None:
        self._name = name
        self._make_flow = make_flow
        self._send = send
        self._on_end = on_end
        self._on_crash = on_crash
        self._wakes: queue.SimpleQueue[None] | None = None
        self._lock = threading.RLock()  # guards starting; reentrant for the reason given above
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """The thread is there."""
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> bool:
        """Let the flow go on, in a new thread if there is none; False when none is to be had."""
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
                thread.start()
            except BaseException as error:
                # The interpreter is shutting down, or the system has no thread to give: whoever waits does it himself,
                # another event tries again, and what is still waiting at exit is sent from there. Or a signal handler
                # came between.
                self._thread = None
                if not isinstance(error, RuntimeError):
                    raise
                return False
        return True

    def _run(self) -> None:
        while True:
            try:
                self._drive(self._make_flow())
            except Exception:
                # Not foreseen, so a mistake of ours. It begins anew after a pause, or when it is woken.
                logger.exception("%s failed", self._name)
                self._on_crash()
                self._sleep(CRASH_PAUSE)
            except BaseException:  # a greenlet that is killed: the next one that is woken takes up what was under way
                self._thread = None
                self._on_crash()
                raise
            else:
                self._thread = None
                self._on_end()
                return

    def _drive(self, flow: Flow) -> None:
        answer: Answer | None = None
        with suppress(StopIteration):
            while True:
                action = flow.send(answer)
                answer = None
                if isinstance(action, Send):
                    answer = self._send(action.request)
                else:
                    self._sleep(action.seconds)

    def _sleep(self, seconds: float | None) -> None:
        assert self._wakes is not None
        try:
            self._wakes.get(timeout=seconds)
            while True:
                self._wakes.get_nowait()
        except queue.Empty:
            pass

    def join(self, timeout: float) -> None:
        """Wait for the thread to end, for so many seconds at most."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            with suppress(RuntimeError):  # a signal handler came while it was being started
                thread.join(min(max(0.0, timeout), threading.TIMEOUT_MAX))


class ThreadDriver:
    """Runs the poller and the sender in a thread each."""

    alive = True
    """A thread can always be started; unlike a loop, it does not end behind our back."""

    def __init__(
        self,
        poll: Callable[[], Flow],
        deliver: Callable[[], Flow],
        send: SendSync,
        on_end: Callable[[], None],
        on_crash: Callable[[], None],
    ) -> None:
        self._poller = Worker("signakit-poller", poll, send, on_end, on_crash)
        self._sender = Worker("signakit-sender", deliver, send, on_end, on_crash)

    def wake_poller(self) -> bool:
        """Let the poller look whether there is something to fetch; False when there is no thread to be had."""
        return self._poller.wake()

    def wake_sender(self) -> bool:
        """Let the sender look whether there is something to send; False when there is no thread to be had."""
        return self._sender.wake()

    def works_elsewhere(self) -> bool:
        """Say whether the sender goes on while the calling thread waits for it."""
        return self._sender.alive

    def retire(self) -> None:
        """Let both flows notice that they are no longer wanted."""
        self._poller.nudge()
        self._sender.nudge()

    def stop(self) -> None:
        """Let both flows end: a request that is under way cannot be broken off."""
        self.retire()

    def join(self, deadline: float) -> None:
        """Wait for both threads to end, until ``deadline`` in seconds of ``time.monotonic()``."""
        for worker in (self._poller, self._sender):
            worker.join(deadline - time.monotonic())
