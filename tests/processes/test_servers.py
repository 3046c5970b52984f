"""Real gunicorn, uWSGI, uvicorn and Celery with two workers each: what arrives, counted at a real server.

The application is ``programs/web.py``: each request exposes its user and tracks one event. Nobody closes a client; what
a worker has not sent when its server stops, it sends as it ends.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import sys
import sysconfig
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from support.configs import config, flag, rule, whole
from support.programs import GUARD, Gate, Process, exposures, take, tracked
from support.server import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import FlagServer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="these servers fork")

WORKERS = 2
VISITS = 60

GUNICORN = [sys.executable, "-m", "gunicorn", "web:wsgi", "--workers", str(WORKERS), "--bind", "fd://{fd}"]
UWSGI = [
    *[str(Path(sysconfig.get_path("scripts"), "uwsgi")), "--http-socket", "fd://{fd}", "--wsgi", "web:wsgi"],
    *["--processes", str(WORKERS), "--master", "--enable-threads", "--need-app", "--disable-logging"],
    # Not --die-on-term: a worker that dies within a request, or just after its last byte, runs none of its exit hooks.
    *["--hook-master-start", "unix_signal:15 gracefully_kill_them_all"],
]
UVICORN = [sys.executable, "-m", "uvicorn", "web:asgi", "--workers", str(WORKERS), "--fd", "{fd}"]

SERVERS = {
    "gunicorn": GUNICORN,
    "gunicorn --preload": [*GUNICORN, "--preload"],
    "gunicorn --preload --threads": [*GUNICORN, "--preload", "--threads", "4"],
    "gunicorn -k gevent": [*GUNICORN, "-k", "gevent"],
    "gunicorn --preload -k gevent": [*GUNICORN, "--preload", "-k", "gevent"],
    "uwsgi --lazy-apps": [*UWSGI, "--lazy-apps"],
    "uwsgi --py-call-uwsgi-fork-hooks": [*UWSGI, "--py-call-uwsgi-fork-hooks"],
    "uvicorn": UVICORN,
}


class Site:
    """The application behind a server, and everyone who was there."""

    def __init__(self, process: Process, port: int, pool: ThreadPoolExecutor) -> None:
        self.process = process
        self._port = port
        self._pool = pool
        self._numbers = itertools.count()
        self.visits = 0

    def _visit(self, number: int) -> dict[str, Any]:
        with urlopen(f"http://127.0.0.1:{self._port}/visitor{number}/{number}", timeout=GUARD) as answer:
            said: dict[str, Any] = json.load(answer)
            return said

    def visit(self, count: int) -> list[dict[str, Any]]:
        """Have so many new visitors come at once, and return what each was told."""
        self.visits += count
        return list(self._pool.map(self._visit, itertools.islice(self._numbers, count)))

    def workers(self, **told: str) -> set[int]:
        """Return the workers that now tell all of many visitors just this."""
        answers: dict[int, set[bool]] = {}
        for answer in self.visit(8 * WORKERS):
            answers.setdefault(answer["pid"], set()).add(all(answer[name] == value for name, value in told.items()))
        return {pid for pid, right in answers.items() if right == {True}}


@contextmanager
def site(command: list[str], server: FlagServer) -> Iterator[Site]:
    # Bound here and inherited: no port is picked, given up and hoped for.
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, ThreadPoolExecutor(8) as pool:
        descriptor = listener.fileno()
        here = [part.format(fd=descriptor) for part in command]
        wsgi = {} if "uvicorn" in command else {"WSGI": "1"}
        with Process(here, server=server, pass_fds=[descriptor], PYTHONPATH=".", **wsgi) as process:
            yield Site(process, listener.getsockname()[1], pool)


@pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS)
def test_every_worker_of_a_real_server_is_ready_follows_the_config_and_every_event_arrives_once(
    server: FlagServer, command: list[str]
) -> None:
    with site(command, server) as running:
        ready: set[int] = set()

        def all_are_ready() -> bool:
            ready.update(running.workers(tgt="on"))
            return len(ready) == WORKERS

        assert wait_until(all_are_ready, GUARD), running.process.errors

        server.set_config(
            config(
                flag("exp", rule("r-exp")), flag("tgt", rule("r-tgt", kind="targeted", split=whole("off"))), version=2
            )
        )
        assert wait_until(lambda: running.workers(tgt="off") >= ready, GUARD), running.process.errors

        server.events_latency = 0.05  # so that the workers are stopped with events waiting
        running.visit(VISITS)
        running.process.signal(signal.SIGTERM)
        assert running.process.end() in {0, -signal.SIGTERM}, running.process.errors
    assert tracked(server) == {f"visitor{number}": Counter({number: 1}) for number in range(running.visits)}
    assert exposures(server) == Counter({f"visitor{number}": 1 for number in range(running.visits)})


def test_under_uvicorn_no_worker_starts_a_thread(server: FlagServer) -> None:
    with site(UVICORN, server) as running:
        assert {tuple(answer["ours"]) for answer in running.visit(VISITS)} == {()}


CELERY = [
    *[sys.executable, "-m", "celery", "--app", "tasks", "worker", "--pool", "prefork", "--concurrency", str(WORKERS)],
    *["--without-gossip", "--without-mingle", "--without-heartbeat"],
]
TASKS = 40


def assert_every_task_arrived_once(server: FlagServer) -> None:
    assert tracked(server) == {f"visitor{number}": Counter({number: 1}) for number in range(TASKS)}
    assert exposures(server) == Counter({f"visitor{number}": 1 for number in range(TASKS)})


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_event_of_a_celery_pool_arrives_once_though_its_processes_are_replaced_all_the_time(
    server: FlagServer,
) -> None:
    server.events_latency = 0.1  # so that each process ends with events waiting
    with Process([*CELERY, "--max-tasks-per-child", "3"], server=server, PYTHONPATH=".") as process:
        done = [process.next() for _ in range(TASKS)]
        workers = {line["pid"] for line in done}
        process.signal(signal.SIGTERM)
        # Not until Celery itself has ended: with processes that are replaced, its parent can wait for ever at the end
        # for a lock of its pool that one of them took along, with or without a client.
        assert wait_until(lambda: not any(map(is_there, workers)), 40), process.errors
    assert {line["tgt"] for line in done} == {"on"}
    assert len(workers) > WORKERS
    assert_every_task_arrived_once(server)


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_every_event_of_a_celery_pool_without_processes_arrives_once(server: FlagServer, pool: str) -> None:
    server.events_latency = 0.1
    with Process([*CELERY, "--pool", pool], server=server, PYTHONPATH=".") as process:
        done = [process.next() for _ in range(TASKS)]
        process.signal(signal.SIGTERM)
        assert process.end() == 0, process.errors
    assert len({line["pid"] for line in done}) == 1
    assert_every_task_arrived_once(server)


def test_a_client_closed_by_the_signal_of_a_celery_process_takes_the_time_that_it_is_given(server: FlagServer) -> None:
    gates = [Gate(take) for _ in range(WORKERS)]
    server.events_faults = [*gates]  # each process of the pool has one post held back, and the rest waiting
    with Process(CELERY, server=server, PYTHONPATH=".", CLOSES="1") as process:
        done = [process.next() for _ in range(TASKS)]
        workers = {line["pid"] for line in done}
        process.signal(signal.SIGTERM)
        closing = [process.next() for _ in workers]
        # Longer than Celery gives a process, and than we take at an exit. One that has not waited is gone by then.
        time.sleep(2.5)
        for gate in gates:
            gate.open()
        assert process.end() == 0, process.errors
    assert {line["pid"] for line in closing if "closing" in line} == workers
    assert_every_task_arrived_once(server)
