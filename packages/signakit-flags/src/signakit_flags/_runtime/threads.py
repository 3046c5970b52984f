"""The thread driver: daemon threads that run the flows of ``protocol`` on the sync client.

A thread is started when it is first woken and ends when its flow does. It is woken through a ``SimpleQueue``, whose
``put`` is reentrant: a decision in a signal handler or a destructor may wake a thread that is just being woken.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from .protocol import Answer, Flow, Request, Send

logger = logging.getLogger("signakit_flags")

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

    def wake(self) -> None:
        """Let the flow go on, in a new thread if there is none."""
        self.nudge()
        if self._thread is None:
            self._start()

    def nudge(self) -> None:
        """Let the flow go on if there is a thread."""
        if self._wakes is not None:
            self._wakes.put(None)

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            if self._wakes is None:
                # Made only now, by the module's attribute: gevent replaces it there, in some servers after the fork.
                self._wakes = queue.SimpleQueue()
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread = thread
            try:
                thread.start()
            except RuntimeError:
                # The interpreter is shutting down, or the system has no thread to give. Another event tries again,
                # and what is still waiting at exit is sent from there.
                self._thread = None

    def _run(self) -> None:
        flow = self._make_flow()
        answer: Answer | None = None
        try:
            while True:
                action = flow.send(answer)
                answer = None
                if isinstance(action, Send):
                    answer = self._send(action.request)
                else:
                    self._sleep(action.seconds)
        except StopIteration:
            self._thread = None
            self._on_end()
        except BaseException as error:
            # Not foreseen, or a greenlet that is killed. What was under way is taken up by the next one that is woken.
            self._thread = None
            self._on_crash()
            if not isinstance(error, Exception):
                raise
            logger.exception("%s failed", self._name)

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
                thread.join(max(0.0, timeout))


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

    def wake_poller(self) -> None:
        """Let the poller look whether there is something to fetch."""
        self._poller.wake()

    def wake_sender(self) -> None:
        """Let the sender look whether there is something to send."""
        self._sender.wake()

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
