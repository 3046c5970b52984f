"""Processes that share their last good config, in a file or in a real Redis, at edges of a CDN that do not agree."""

from __future__ import annotations

import contextlib
import json
import signal
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from signakit_flags._runtime.snapshot_store import FileStore, KeyedStore
from signakit_flags.contrib.redis import RedisSnapshotStore
from support.configs import config, flag, whole
from support.programs import Program
from support.redis_server import RedisServer, needs_redis, redis_server
from support.server import FlagServer, flag_server, status, wait_until
from support.snapshots import KEY, LIMIT, Snapshots

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Shared(Protocol):
    """What the processes share."""

    place: str

    def empty(self) -> None: ...
    def snapshots(self) -> Snapshots: ...


class SharedFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)

    def empty(self) -> None:
        self.path.unlink()

    def snapshots(self) -> Snapshots:
        return Snapshots(FileStore(self.path, KEY, LIMIT))


class SharedRedis:
    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.place = server.url

    def empty(self) -> None:
        self.server("FLUSHALL")

    def snapshots(self) -> Snapshots:
        return Snapshots(KeyedStore(RedisSnapshotStore(self.place, secret="of this fleet", timeout=5), KEY, LIMIT))


@pytest.fixture(params=["file", pytest.param("redis", marks=needs_redis)])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shared]:
    if request.param == "file":
        yield SharedFile(tmp_path / "flags.snapshot")
        return
    with redis_server() as server:
        yield SharedRedis(server)


@pytest.fixture(params=["in_threads", "on_a_loop"])
def face(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def versioned(number: int) -> dict[str, Any]:
    return config(flag("first", allocation=whole(f"v{number}")), version=number)


def stored_version(shared: Shared) -> int | None:
    body = shared.snapshots().body()
    return None if body is None else json.loads(body)["version"]


def serves(program: Program, number: int) -> None:
    assert program.next() == {"version": number, "first": f"v{number}"}


def started(program: Program, number: int) -> None:
    assert program.next() == {"success": True, "ready": True, "source": "cdn"}
    serves(program, number)


@contextlib.contextmanager
def running(count: int, number: int, face: str, shared: Shared, server: FlagServer) -> Iterator[list[Program]]:
    """Processes that share a store and serve version ``number``, until the block ends."""
    server.set_config(versioned(number))
    with contextlib.ExitStack() as stack:
        fleet = [stack.enter_context(Program("fleet", face, shared.place, server=server)) for _ in range(count)]
        for program in fleet:
            started(program, number)
        yield fleet
        ended(*fleet)


def ended(*programs: Program) -> None:
    for program in programs:
        program.tell()
        assert program.end() == 0, program.errors
        assert "Traceback" not in program.errors


@contextlib.contextmanager
def lagging_edge(number: int) -> Iterator[FlagServer]:
    """An edge of the CDN that still serves version ``number``."""
    with flag_server() as edge:
        edge.set_config(versioned(number))
        yield edge


def a_new_host_serves(number: int, face: str, shared: Shared, server: FlagServer) -> None:
    """While the CDN is away."""
    server.config_fault = status(503)
    with Program("fleet", face, shared.place, server=server) as program:
        assert program.next() == {"success": False, "ready": True, "source": "snapshot"}
        serves(program, number)
        ended(program)


def test_a_store_that_was_emptied_is_filled_again_and_a_new_host_starts_from_it(
    face: str, shared: Shared, server: FlagServer
) -> None:
    with running(3, 1, face, shared, server):
        shared.empty()
        assert wait_until(lambda: stored_version(shared) == 1)
        a_new_host_serves(1, face, shared, server)


def test_a_process_at_a_lagging_edge_brings_no_older_version_back(
    face: str, shared: Shared, server: FlagServer
) -> None:
    with (
        lagging_edge(1) as lagging,
        running(2, 2, face, shared, server),
        Program("fleet", face, shared.place, server=lagging) as late,
    ):
        late.next()
        serves(late, 1)  # what its edge says, whatever is stored
        # It has put its own in place of the newer one at most once: two answers had given it.
        assert wait_until(lambda: len(lagging.config_requests) > 30)
        assert wait_until(lambda: stored_version(shared) == 2)
        seen = len(lagging.config_requests)
        while len(lagging.config_requests) < seen + 50:
            assert stored_version(shared) == 2
        a_new_host_serves(2, face, shared, server)
        ended(late)


def test_a_version_that_is_taken_back_is_served_at_once_and_stored_after_two_answers(
    face: str, shared: Shared, server: FlagServer
) -> None:
    with running(2, 2, face, shared, server) as fleet:
        server.set_config(versioned(1))
        for program in fleet:
            serves(program, 1)
        assert wait_until(lambda: stored_version(shared) == 1)
        a_new_host_serves(1, face, shared, server)


def test_a_process_never_goes_back_to_what_is_stored(face: str, shared: Shared, server: FlagServer) -> None:
    with running(1, 2, face, shared, server) as [program]:
        assert wait_until(lambda: stored_version(shared) == 2)
        server.config_fault = status(503)
        older = json.dumps(versioned(1)).encode()
        assert shared.snapshots().save(older, '"1"', 1)
        asked = len(server.config_requests)
        assert wait_until(lambda: len(server.config_requests) > asked + 1)
        server.config_fault = None
        assert wait_until(lambda: stored_version(shared) == 2)
    assert [line["version"] for line in program.said if "version" in line] == [2]


@needs_redis
@pytest.mark.parametrize("trouble", ["stopped", "away", "read-only"])
def test_a_redis_in_trouble_keeps_no_process_from_its_config(face: str, trouble: str, server: FlagServer) -> None:
    server.set_config(versioned(1))
    with redis_server() as redis:
        if trouble == "stopped":
            redis.process.send_signal(signal.SIGSTOP)
        elif trouble == "away":
            redis.process.kill()
            redis.process.wait()
        else:
            redis("REPLICAOF", "127.0.0.1", "1")
        with Program("fleet", face, redis.url, server=server) as program:
            started(program, 1)
            server.set_config(versioned(2))
            serves(program, 2)
            ended(program)
            assert program.errors.count("snapshot cannot be") == 1, program.errors
