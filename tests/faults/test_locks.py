"""No lock of the package stands between a decision and its answer, whoever holds it and for however long."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags._runtime import process
from support.faces import SyncFace
from support.faults import arrived, once_each, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from signakit_flags import SignaKitClient
    from support.faces import Face
    from support.server import FlagServer

WATCHDOG = 30.0
USERS = [f"u{number}" for number in range(1_000)]

LOCKS: dict[str, Callable[[SignaKitClient], Any]] = {
    "feed": lambda client: client._engine.feed._lock,
    "outbox": lambda client: client._engine.outbox._lock,
    "life": lambda client: client._engine.life._lock,
    "handover": lambda client: client._engine.handover._lock,
    "no_fork": lambda client: process.no_fork,
}
EACH_LOCK = pytest.mark.parametrize("lock_of", LOCKS.values(), ids=LOCKS)


@contextlib.contextmanager
def held_by_another_thread(lock: Any) -> Iterator[None]:
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            release.wait(2 * WATCHDOG)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(WATCHDOG)
        yield
        assert thread.is_alive()
    finally:
        release.set()
        thread.join()


def decide_and_track(client: SignaKitClient, names: list[str]) -> set[str]:
    seen: set[str] = set()
    for name in names:
        context = client.create_user_context(name)
        assert context is not None
        seen.add(context.variation("exp"))
        context.track("visit")
    return seen


@EACH_LOCK
def test_no_decision_waits_for_a_lock_that_somebody_holds(
    face: Face, server: FlagServer, lock_of: Callable[[SignaKitClient], Any]
) -> None:
    client = face.client(polling_interval=0.02)
    assert face.on_ready(client).success
    decide_and_track(client, ["before"])  # the sender is there now, and wants its locks again and again
    assert face.flush(client)
    with held_by_another_thread(lock_of(client)):
        assert within(WATCHDOG, lambda: decide_and_track(client, USERS)) == {"control", "treatment"}
    assert within(WATCHDOG, lambda: face.flush(client, WATCHDOG))
    assert arrived(server) == once_each(["before", *USERS]) + once_each(["before", *USERS])  # exposure and visit
    assert client.status().dropped == 0


@pytest.mark.parametrize("worker", ["_poller", "_sender"])
def test_no_decision_waits_for_the_lock_of_a_thread_that_is_there(server: FlagServer, worker: str) -> None:
    face = SyncFace(**server.urls)
    client = face.client(polling_interval=0.02)
    assert face.on_ready(client).success
    decide_and_track(client, ["before"])
    assert face.flush(client)
    with held_by_another_thread(getattr(client._engine.handover.driver, worker)._lock):
        within(WATCHDOG, lambda: decide_and_track(client, USERS))
        assert within(WATCHDOG, lambda: face.flush(client, WATCHDOG))  # the sender does not need it, either
    assert arrived(server) == once_each(["before", *USERS]) + once_each(["before", *USERS])
    face.finish()


def test_a_child_counts_as_one_only_once_it_has_locks_of_its_own(
    server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no hook tells of the fork, a second thread of the child goes by the process id alone."""
    face = SyncFace(**server.urls)
    engine = face.client()._engine
    parent = engine.pid
    parts = (engine.feed, engine.outbox, engine.transport, engine.handover, engine.life)
    seen: list[int] = []

    def noting(forget: Callable[[], object]) -> Callable[[object], object]:
        def forget_after_fork(_part: object) -> object:
            seen.append(engine.pid)
            return forget()

        return forget_after_fork

    for part in parts:
        monkeypatch.setattr(type(part), "forget_after_fork", noting(part.forget_after_fork))
    monkeypatch.setattr("os.getpid", lambda: parent + 1)
    engine.after_fork()
    assert seen == [parent] * len(parts)
    assert engine.pid == parent + 1
    monkeypatch.undo()
    engine.after_fork()
    face.finish()
