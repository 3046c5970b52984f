"""Forks at bad moments, in real processes: while a thread holds a lock, and without Python's hooks before each verb."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from support.programs import Gate, Program, once, play, take, tracked
from support.server import hang, wait_until

if TYPE_CHECKING:
    from support.server import FlagServer


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("lock", ["feed", "outbox", "life", "handover", "poller", "sender", "no_fork"])
def test_a_fork_while_another_thread_holds_a_lock(server: FlagServer, lock: str) -> None:
    child, parent = play("bare_forks", "beside_a_held_lock", lock, server=server)
    assert child == {"variation": "on", "flushed": True, "refreshed": True, "sent": 10}
    assert parent == {"child": 0, "flushed": True, "refreshed": True}
    assert tracked(server) == {"child": once(10), "parent": once(20)}


ANSWERS = {
    "status": 0,  # nothing is queued in a child
    "on_ready_sync": True,
    "on_ready": True,
    "refresh_sync": True,
    "refresh": True,
    "flush_sync": True,
    "flush": True,
    "close": 0,  # nothing is lost
    "aclose": 0,
    "create_user_context": "on",
}


@pytest.mark.skipif(sys.platform != "linux", reason="forks as uWSGI does on Linux")
@pytest.mark.parametrize("verb", ANSWERS)
def test_each_verb_notices_a_fork_that_ran_no_hooks_of_python(server: FlagServer, verb: str) -> None:
    gate = Gate(take)
    with Program("bare_forks", "without_hooks", verb, server=server) as program:
        assert program.next() == {"ready": True}
        server.events_faults, server.config_faults = [gate], [hang]
        program.tell()
        assert wait_until(lambda: gate.held == 1 and len(server.config_requests) == 2)
        program.tell()
        assert program.next() == {"result": ANSWERS[verb]}
        assert program.next() == {"child": 0}
        child = {} if "close" in verb else {"child": once(10)}
        assert tracked(server) == child
        gate.open()
        server.release.set()  # the parent's fetch is over, too
        assert program.next() == {"flushed": True, "sent": 50}
        assert program.end() == 0
        assert "could not be sent" not in program.errors
    assert tracked(server) == child | {"parent": once(50)}
