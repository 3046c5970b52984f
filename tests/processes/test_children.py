"""Children of ``multiprocessing`` whose own threads go on when they return."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.programs import once, play, tracked

if TYPE_CHECKING:
    from support.server import FlagServer


LATENCY = 0.005
"""Seconds that the server takes for a post: a thousand events are not gone by chance before the child is."""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_threads_of_a_child_that_go_on_are_waited_for(server: FlagServer, method: str) -> None:
    server.events_latency = LATENCY
    assert play("children", "with_a_thread", method, "soon", 10, server=server) == [{"exit": 0}]
    assert tracked(server) == {"child": once(10), "thread": once(1000)}


def test_a_child_whose_first_events_come_from_a_thread_that_goes_on_sends_them(server: FlagServer) -> None:
    server.events_latency = LATENCY
    assert play("children", "with_a_thread", "fork", "soon", 0, server=server) == [{"exit": 0}]
    assert tracked(server) == {"thread": once(1000)}


def test_a_thread_of_a_child_that_goes_on_for_ever_is_not_waited_for_for_ever(server: FlagServer) -> None:
    assert play("children", "with_a_thread", "fork", "never", 10, server=server) == [{"gave_up": True}, {"exit": 0}]
    arrived = tracked(server)
    assert (arrived["child"], arrived["thread"]) == (once(10), once(1000))
