"""RQ's workers, with a Redis server of their own: which events arrive of processes that leave by ``os._exit``.

Each job tracks three events. The worker class is the one that the page "Processes" shows.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.programs import once, tracked
from support.redis_server import needs_redis, redis_server
from support.servers import GUARD, Running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rq import Queue

    from support.server import FlagServer

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="RQ's workers fork"),
    needs_redis,
]

PAGE = (Path(__file__).parents[2] / "docs" / "processes.md").read_text(encoding="utf-8")
WORKER = re.search(r'^```py title="shop_worker.py"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
JOBS = """
import signal

from shop_worker import client


def visit(user):
    client.on_ready_sync()
    context = client.create_user_context(user)
    for number in range(3):
        context.track("visit", metadata={"n": number})


def visit_and_flush(user):
    visit(user)
    client.flush_sync(timeout=2)


def fail(user):
    visit(user)
    raise ValueError(user)


def take_too_long(user):
    visit(user)
    signal.raise_signal(signal.SIGALRM)  # as RQ has it sent at the time limit
"""
USERS = [f"user{number}" for number in range(5)]


@pytest.fixture
def redis_url() -> Iterator[str]:
    with redis_server() as server:
        yield server.url


@pytest.fixture
def queue(redis_url: str, tmp_path: Path) -> Iterator[Queue]:
    from redis import Redis
    from rq import Queue

    assert WORKER is not None
    (tmp_path / "shop_worker.py").write_text(WORKER[1])
    (tmp_path / "shop_jobs.py").write_text(JOBS)
    with Redis.from_url(redis_url) as connection:
        yield Queue(connection=connection)


@pytest.fixture
def work(redis_url: str, queue: Queue, tmp_path: Path, server: FlagServer) -> Work:
    server.events_latency = 0.1  # so that each work horse ends with events waiting
    return Work(redis_url, queue, tmp_path, server)


class Work:
    """Runs jobs in a worker that ends when there are no more."""

    def __init__(self, url: str, queue: Queue, folder: Path, server: FlagServer) -> None:
        self._url, self._queue, self._folder, self._server = url, queue, folder, server

    def __call__(self, job: str, *users: str, worker: str) -> list[str]:
        """Return the status of each job in the end."""
        jobs = [self._queue.enqueue(f"shop_jobs.{job}", user) for user in users]
        command = [sys.executable, "-m", "rq.cli", "worker", "--burst", "--url", self._url, "--worker-class", worker]
        with Running(*command, server=self._server, PYTHONPATH=str(self._folder)) as running:
            assert running.process.wait(GUARD) == 0, running.log
            return [job.get_status().value for job in jobs]


ALL = {user: once(3) for user in USERS}
OURS = "shop_worker.FlagsWorker"


def test_every_event_of_a_work_horse_arrives_by_the_worker_class_of_the_page(work: Work, server: FlagServer) -> None:
    assert work("visit", *USERS, worker=OURS) == ["finished"] * 5
    assert tracked(server) == ALL


def test_every_event_of_a_work_horse_arrives_by_a_flush_in_the_job(work: Work, server: FlagServer) -> None:
    assert work("visit_and_flush", *USERS, worker="rq.Worker") == ["finished"] * 5
    assert tracked(server) == ALL


@pytest.mark.parametrize("job", ["fail", "take_too_long"])
def test_the_events_of_a_job_that_fails_arrive(work: Work, server: FlagServer, job: str) -> None:
    assert work(job, "ada", worker=OURS) == ["failed"]
    assert tracked(server) == {"ada": once(3)}


def test_a_worker_class_of_the_spawn_worker_sends_every_event(work: Work, server: FlagServer, tmp_path: Path) -> None:
    page = (tmp_path / "shop_worker.py").read_text()
    derived = page.replace("from rq import Worker\n", "from rq.worker import SpawnWorker as Worker\n")
    assert derived != page
    (tmp_path / "shop_worker.py").write_text(derived)
    assert work("visit", *USERS, worker=OURS) == ["finished"] * 5
    assert tracked(server) == ALL


def test_the_simple_worker_of_rq_needs_nothing(work: Work, server: FlagServer) -> None:
    assert work("visit", *USERS, worker="rq.SimpleWorker") == ["finished"] * 5
    assert tracked(server) == ALL
