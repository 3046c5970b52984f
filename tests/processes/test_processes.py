"""Forks, exits and signals in real processes (programs/): what arrives, counted at a real server in this one."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.configs import config, flag, rule, whole
from support.faults import answer_after
from support.programs import Gate, Program, exposures, once, play, take, tracked
from support.server import flag_server, hang, wait_until

if TYPE_CHECKING:
    from support.server import FlagServer, Handler

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "processes.md"
THREADS = ["signakit-poller", "signakit-sender"]
REQUEST_TIMEOUT = 10.0
"""Seconds, the client's default: what an exit would take that waited for a request which hangs."""

LATENCY = 0.005
"""Seconds that the server takes for a post: enough for a queue to build up, far from what an exit may take."""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
METHODS = pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])


def version_2(server: FlagServer) -> None:
    server.set_config(config(flag("tgt", rule("r-tgt", kind="targeted", split=whole("off"))), version=2))


def take_and_hang_up(handler: Handler) -> None:
    """Accept the events and close the connection without having announced it, as servers do with idle ones."""
    take(handler)
    handler.close_connection = True


# --- os.fork ----------------------------------------------------------------------------------------------------------


@needs_fork
def test_a_forked_child_keeps_the_ruleset_and_leaves_the_parents_events_to_the_parent(server: FlagServer) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    with Program("forks", "with_queued_events", server=server) as program:
        child = program.next()
        assert program.next() == {"child": 0}
        assert tracked(server) == {"child": once(20)}  # the parent's first post is still held back
        gate.open()
        assert program.next() == {"flushed": True, "sent": 50}
        assert program.end() == 0
    assert child["variation"] == "on"
    assert child["queued"] == 0
    assert child["sent"] == 20
    assert tracked(server) == {"child": once(20), "parent": once(50)}


@needs_fork
def test_a_child_has_no_threads_before_its_first_use_of_them(server: FlagServer) -> None:
    [child, *_rest] = play("forks", "with_queued_events", server=server)
    assert child["before"] == []
    assert child["after_deciding"] == []  # polling is off here, and a targeted rule sends nothing
    assert child["after_tracking"] == ["signakit-sender"]


@needs_fork
def test_a_child_asks_at_once_whether_its_config_is_current(server: FlagServer) -> None:
    with Program("forks", "current_again", 3600, server=server) as program:
        assert program.next() == {"version": 1}
        version_2(server)
        gate = threading.Event()
        server.config_fault = answer_after(gate)  # else the answer may be there before the child's first decision
        program.tell()
        assert program.next() == {"variation": "on"}
        gate.set()
        assert program.next() == {"variation": "off"}  # an hour before the parent's next poll
        assert program.end() == 0


@needs_fork
def test_a_child_goes_on_polling(server: FlagServer) -> None:
    with Program("forks", "current_again", 0.02, server=server) as program:
        assert program.next() == {"version": 1}
        program.tell()
        assert program.next() == {"variation": "on"}
        version_2(server)
        assert program.next() == {"variation": "off"}
        assert program.end() == 0


@needs_fork
def test_forks_while_other_threads_decide_track_and_flush(server: FlagServer) -> None:
    [line] = play("forks", "hammered", server=server)
    assert line["children"] == [0] * 8
    children = {f"child{number}": once(5) for number in range(8)}
    parent = {f"parent{number}": once(count) for number, count in enumerate(line["parent"])}
    assert tracked(server) == children | parent
    assert set(exposures(server).values()) == {1}


@needs_fork
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_fork_inside_a_running_loop(server: FlagServer, loop: str) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    with Program("forks", "inside_a_loop", loop, server=server) as program:
        assert program.next() == {"own_loop": True}
        assert program.next() == {"child": 0}
        gate.open()
        assert program.next() == {"flushed": True, "ours": []}
        assert program.end() == 0
    assert tracked(server) == {"child": once(20), "parent": once(11)}


@needs_fork
def test_four_workers_of_a_ready_client(server: FlagServer) -> None:
    lines = play("forks", "prefork", server=server)
    workers = {line["worker"]: line["ours"] for line in lines if "worker" in line}
    assert workers == dict.fromkeys(range(4), THREADS)
    assert lines[-1] == {"workers": [0] * 4}
    assert tracked(server) == {"master": once(10)} | {f"worker{number}": once(25) for number in range(4)}
    assert exposures(server) == {f"visitor{worker}-{request}": 1 for worker in range(4) for request in range(25)}


@needs_fork
def test_a_client_made_before_the_fork_and_never_used_in_the_parent(server: FlagServer) -> None:
    child, parent = play("forks", "made_before_and_used_after", server=server)
    assert child == {"before": [], "ready": True, "variation": "on"}
    assert parent == {"child": 0, "parent": [], "parent_after": [], "ready": False}
    assert len(server.config_requests) == 1
    assert tracked(server) == {"child": once(10)}


@needs_fork
def test_a_grandchild(server: FlagServer) -> None:
    assert play("forks", "grandchild", server=server) == [{"grandchild": 0}, {"child": 0}]
    assert tracked(server) == {"parent": once(10), "child": once(10), "grandchild": once(10)}


@needs_fork
@pytest.mark.parametrize("module", ["httpx", "httpcore"])
def test_a_fork_while_a_thread_is_importing_what_the_first_fetch_needs(server: FlagServer, module: str) -> None:
    child, parent = play("forks", "while_importing", module, server=server)
    assert child == {"ready": True, "variation": "on"}
    assert parent == {"child": 0, "ready": True}
    assert tracked(server) == {"child": once(5)}


@needs_fork
@pytest.mark.parametrize("remedy", ["none", "close"])
def test_a_child_that_leaves_by_os_exit_has_to_close(server: FlagServer, remedy: str) -> None:
    server.events_latency = LATENCY
    assert play("forks", "leaves_at_once", remedy, server=server) == [{"child": 0}]
    arrived = tracked(server)
    assert arrived["parent"] == once(1)
    if remedy == "close":
        assert arrived["child"] == once(1000)
    else:
        assert len(arrived.get("child", ())) < 1000


# --- uWSGI ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="forks as uWSGI does on Linux")
def test_a_fork_in_c_that_runs_no_hooks_of_python_as_in_uwsgi(server: FlagServer) -> None:
    child, parent = play("forks", "without_hooks", server=server)
    assert child == {"variation": "on"}
    assert parent == {"child": 0}
    assert tracked(server) == {"master": once(10), "worker": once(10)}


# --- multiprocessing --------------------------------------------------------------------------------------------------


@METHODS
def test_a_multiprocessing_child_that_returns_without_close(server: FlagServer, method: str) -> None:
    server.events_latency = LATENCY
    assert play("children", "process", method, server=server) == [{"exit": 0}]
    assert tracked(server) == {"parent": once(10), "child": once(100)}


@pytest.mark.parametrize(
    ("method", "ending", "code"),
    [("fork", "sys.exit", 3), ("fork", "exception", 1), ("spawn", "exception", 1), ("forkserver", "sys.exit", 3)],
)
def test_a_multiprocessing_child_that_ends_early(server: FlagServer, method: str, ending: str, code: int) -> None:
    server.events_latency = LATENCY
    with Program("children", "process", method, ending, server=server) as program:
        assert program.next() == {"exit": code}
        assert program.end() == 0
    assert tracked(server) == {"parent": once(10), "child": once(100)}


@pytest.mark.parametrize(("kind", "method"), [("pool", "fork"), ("pool", "forkserver"), ("executor", "spawn")])
def test_pools_of_processes(server: FlagServer, method: str, kind: str) -> None:
    server.events_latency = LATENCY
    assert play("children", kind, method, server=server) == [{"done": list(range(20))}]
    assert tracked(server) == {f"task{number}": once(10) for number in range(20)}


@needs_fork
@pytest.mark.parametrize("end", ["exit", "multiprocessing"])
def test_events_that_gather_in_a_child_and_in_its_parent_arrive_once(server: FlagServer, end: str) -> None:
    lines = play("forks", "of_a_gathering_parent", end, server=server)
    began = [{"began_anew": True}] if end == "exit" else []
    assert lines == [*began, {"child": 0}, {"queued": 10}]
    assert tracked(server) == {"child": once(20), "parent": once(10)}


# --- exit without close() ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("end", 0),
        ("of_a_client_that_nobody_holds", 0),
        ("sys_exit", 3),
        ("exception", 1),
        ("threads_only", 0),
        ("after_asyncio_run", 0),
        ("after_asyncio_run_of_its_own_client", 0),
        ("after_sync_use_of_asyncio_run", 0),
    ],
)
def test_1000_events_and_exit_without_close(server: FlagServer, ending: str, code: int) -> None:
    server.events_latency = LATENCY
    play("exits", ending, server=server, code=code)
    arrived = tracked(server)["user"]
    assert set(arrived) == set(range(1000))
    # A batch in flight when its loop is cancelled is sent again, by contract; nothing else is.
    assert max(arrived.values()) <= (2 if ending.startswith("after_asyncio_run") else 1)


def test_1000_events_and_exit_after_the_home_loop_was_closed(server: FlagServer) -> None:
    server.events_latency = LATENCY
    with Program("exits", "after_loop_close", server=server) as program:
        program.tell()
        assert program.end() == 0
    arrived = tracked(server)["user"]
    assert set(arrived) == set(range(1000))
    assert max(arrived.values()) <= 2


@pytest.mark.parametrize(
    "ending",
    ["while_events_gather", "after_a_loop_on_which_events_gather", "after_a_closed_loop_on_which_events_gather"],
)
def test_events_that_gather_at_the_exit_arrive_once(server: FlagServer, ending: str) -> None:
    play("exits", ending, server=server)
    assert tracked(server) == {"user": once(500)}


def test_flush_in_an_atexit_callback_of_the_application(server: FlagServer) -> None:
    assert play("exits", "flush_in_atexit", server=server) == [{"flushed": True}]
    assert tracked(server) == {"user": once(1000)}


def test_os_exit_loses_what_was_not_sent(server: FlagServer) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    with Program("exits", "os_exit", server=server) as program:
        assert program.next() == {"queued": 1000}
        assert wait_until(lambda: gate.held == 1)
        program.tell()
        assert program.end() == 0
    gate.open()
    assert wait_until(lambda: tracked(server) == {"user": once(1)})
    assert server.posts == 1


def test_one_endpoint_that_hangs_does_not_cost_another_clients_events(server: FlagServer) -> None:
    server.events_fault = hang
    with flag_server() as other:
        play("exits", "two_clients", other.url, server=server)
        assert tracked(other) == {"second": once(10)}
    assert tracked(server) == {}


# --- an endpoint that hangs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", ["close_while_it_hangs", "close_in_a_loop_while_it_hangs"])
def test_close_keeps_its_deadline_while_the_endpoint_hangs(server: FlagServer, face: str) -> None:
    server.events_fault = hang
    [line] = play("exits", face, server=server)
    assert line["dropped"] == 10
    assert 2 <= line["seconds"] < REQUEST_TIMEOUT
    if face == "close_in_a_loop_while_it_hangs":
        assert line["ticks"] > 10


@pytest.mark.parametrize("face", ["exit_while_it_hangs", "exit_after_a_loop_while_it_hangs"])
def test_exit_without_close_keeps_its_deadline_while_the_endpoint_hangs(server: FlagServer, face: str) -> None:
    server.events_fault = hang
    with Program("exits", face, server=server) as program:
        assert program.next() == {"ending": True}
        start = time.monotonic()
        assert program.end() == 0
        assert time.monotonic() - start < REQUEST_TIMEOUT
        assert "10 event(s) could not be sent before close()" in program.errors


# --- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", ["terminated", "terminated_in_a_loop"])
def test_sigterm_under_the_default_handler_loses_what_is_queued(server: FlagServer, face: str) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    with Program("exits", face, "none", server=server) as program:
        assert program.next() == {"queued": 100}
        assert wait_until(lambda: gate.held == 1)
        program.signal(signal.SIGTERM)
        assert program.end() == -signal.SIGTERM
    gate.open()
    # What the server already had in hand is all that arrives: 1 of 100.
    assert wait_until(lambda: tracked(server) == {"user": once(1)})
    assert server.posts == 1


@pytest.mark.parametrize("face", ["terminated", "terminated_in_a_loop"])
def test_sigterm_with_the_two_line_remedy_loses_nothing(server: FlagServer, face: str) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    with Program("exits", face, "sys.exit", server=server) as program:
        assert program.next() == {"queued": 100}
        assert wait_until(lambda: gate.held == 1)
        program.signal(signal.SIGTERM)
        if face == "terminated_in_a_loop":
            # The loop is cancelled, and what it had in flight is sent again.
            assert wait_until(lambda: server.posts == 2)
        gate.open()
        assert program.end() == 0
    twice = once(1) if face == "terminated_in_a_loop" else once(0)
    assert wait_until(lambda: tracked(server) == {"user": once(100) + twice})


@pytest.mark.parametrize("face", ["terminated", "terminated_in_a_loop"])
def test_ctrl_c_loses_nothing(server: FlagServer, face: str) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    with Program("exits", face, "none", server=server) as program:
        assert program.next() == {"queued": 100}
        assert wait_until(lambda: gate.held == 1)
        program.signal(signal.SIGINT)
        gate.open()
        assert program.end() != 0  # KeyboardInterrupt
    arrived = tracked(server)["user"]
    assert set(arrived) == set(range(100))
    assert sum(arrived.values()) <= 101


def test_a_close_that_a_signal_handler_breaks_off_is_made_up_for_at_exit(server: FlagServer) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    with Program("exits", "terminated_in_close", server=server) as program:
        assert program.next() == {"closing": 100}
        assert wait_until(lambda: gate.held == 1)
        program.signal(signal.SIGTERM)
        gate.open()
        assert program.end() == 0
    # The post in flight may be among what the handler breaks off, and is then sent again.
    arrived = tracked(server)["user"]
    assert set(arrived) == set(range(100))
    assert sum(arrived.values()) <= 101


@pytest.mark.parametrize("kind", ["TimeLimitError", "TimeoutError", "OSError"])
@pytest.mark.parametrize("where", ["time_limit", "time_limit_on_the_home_loop"])
@pytest.mark.parametrize("verb", ["close", "flush_sync"])
def test_an_exception_of_a_signal_handler_passes_through(server: FlagServer, verb: str, where: str, kind: str) -> None:
    """As Celery and RQ end a task that takes too long. What was queued is sent at exit."""
    server.events_faults = [hang, hang]
    with Program("exits", where, verb, kind, server=server) as program:
        assert program.next() == {"waiting": True}
        assert wait_until(lambda: server.posts >= 1)
        program.signal(signal.SIGTERM)
        module = "__main__" if kind == "TimeLimitError" else "builtins"
        assert program.next() == {"raised": f"{module}.{kind}: the time of this task is over", "queued": 10}
        server.events_faults = []
        server.release.set()
        assert program.end() == 0
    assert set(tracked(server)["user"]) == set(range(10))


def test_an_aclose_that_is_cancelled_is_made_up_for_at_exit(server: FlagServer) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    with Program("exits", "aclose_is_cancelled", server=server) as program:
        assert program.next() == {"cancelled": 100}
        assert program.end() == 0
        gate.open()
    # The batch of one in flight was sent again from a thread, since the loop had ended; the gate took it as well.
    assert wait_until(lambda: tracked(server) == {"user": once(100) + once(1)})


# --- close(), in all ways ---------------------------------------------------------------------------------------------


def test_close_twice(server: FlagServer) -> None:
    server.events_latency = LATENCY
    assert play("exits", "close_twice", server=server) == [{"first": 1000, "second": 1000, "ours": []}]
    assert tracked(server) == {"user": once(1000)}


def test_close_from_two_threads(server: FlagServer) -> None:
    server.events_latency = LATENCY
    assert play("exits", "close_from_two_threads", server=server) == [{"sent": [1000, 1000]}]
    assert tracked(server) == {"user": once(1000)}


def test_close_inside_a_running_loop(server: FlagServer) -> None:
    server.events_latency = LATENCY
    assert play("exits", "close_inside_a_loop", server=server) == [{"sent": 1000, "ours": []}]
    assert tracked(server) == {"user": once(1000)}


def test_close_in_a_signal_handler(server: FlagServer) -> None:
    [line] = play("exits", "close_in_a_signal_handler", server=server)
    arrived: list[int] = [number for numbers in tracked(server).values() for number in numbers.elements()]
    assert len(arrived) == len(set(arrived)) == line["sent"]
    # Of what was tracked only the one event of each turn that came after close() was refused.
    assert line["tried"] - 10 <= line["sent"] <= line["tried"]


# --- gevent -----------------------------------------------------------------------------------------------------------


def test_a_gevent_patched_process(server: FlagServer) -> None:
    server.events_latency = LATENCY
    with Program("gevent_patched", "serve", server=server) as program:
        line = program.next()
        version_2(server)
        assert program.next() == {"variation": "off"}
        assert program.end() == 0
        assert "Traceback" not in program.errors
    assert line["flushed"] is True
    assert line["ticks"] > 0
    assert line["version"] == 1
    assert line["ours"] == THREADS
    assert tracked(server) == {"user": once(200)}
    assert exposures(server) == {f"visitor{number}": 1 for number in range(100)}


@needs_fork
def test_a_fork_of_a_gevent_patched_process_that_is_idle(server: FlagServer) -> None:
    worker, master = play("gevent_patched", "fork", server=server)
    assert worker == {"variation": "on", "flushed": True}
    assert master == {"child": 0}
    assert tracked(server) == {"master": once(10), "worker": once(10)}


@needs_fork
def test_a_worker_that_gevent_patches_after_the_fork_as_gunicorn_does(server: FlagServer) -> None:
    server.events_latency = LATENCY
    worker, master = play("gevent_late", "worker", server=server)
    assert worker["flushed"] is True
    assert worker["ticks"] > 0  # nobody stopped the other greenlets
    assert worker["ours"] == THREADS
    assert master == {"child": 0}
    assert tracked(server) == {"master": once(10), "worker": once(200)}
    assert exposures(server) == {f"visitor{number}": 1 for number in range(100)}


@needs_fork
def test_a_fork_of_a_gevent_patched_process_with_events_in_flight_may_send_these_twice(server: FlagServer) -> None:
    gate = Gate(take)
    server.events_faults = [gate]
    with Program("gevent_patched", "fork_in_flight", server=server) as program:
        assert wait_until(lambda: gate.held == 1)
        program.tell()
        assert program.next() == {"flushed": True}
        gate.open()  # the answer goes to the one of the two that reads first
        program.tell()
        assert program.next() == {"child": 0, "flushed": True}
        assert program.end() == 0
    arrived = tracked(server)
    assert arrived["worker"] == once(10)
    assert arrived["master"] in (once(1), once(1) + once(1))


# --- serverless -------------------------------------------------------------------------------------------------------


def test_a_flush_at_the_end_of_each_invocation_sends_all_of_it_before_the_freeze(server: FlagServer) -> None:
    # A frozen process cannot answer when the server gives up its idle connection.
    server.events_fault = take_and_hang_up
    with Program("exits", "invocations", 4, server=server) as program:
        for number in range(4):
            assert program.next() == {"flushed": True}
            program.signal(signal.SIGSTOP)
            assert tracked(server) == {"user": once(number + 1)}
            assert len(exposures(server)) == number + 1
            program.signal(signal.SIGCONT)
            program.tell()
        assert program.end() == 0


# --- injected clients -------------------------------------------------------------------------------------------------


@needs_fork
@pytest.mark.parametrize(("when", "connections"), [("never", 2), ("before", 1), ("after", 2)])
def test_a_child_shares_the_connections_of_an_injected_client_made_before_the_fork(
    server: FlagServer, when: str, connections: int
) -> None:
    ports: list[int] = []

    def note(handler: Handler) -> None:
        ports.append(handler.client_address[1])
        handler.answer(200, server.config_body)

    server.config_fault = note
    child, parent = play("forks", "injected", when, server=server)
    assert child == {"ready": True}
    assert parent == {"child": 0}
    assert len(ports) == 2
    assert len(set(ports)) == connections
    assert tracked(server) == {"child": once(10)}


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_names_tests_that_exist() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE.read_text(encoding="utf-8")))
    assert len(named) > 20
    missing = {
        f"{path}::{name}"
        for path, name in named
        if not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert not missing


def test_the_page_names_every_test_of_processes_loops_and_servers() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for path in Path(__file__).parent.glob("test_*.py"):
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert f"{path.name}::{name}`" in text or "_the_page_" in name, name
