"""Runs a site under a real server, and gathers what its workers say."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

from support.configs import SDK_KEY, config, flag, rule, whole
from support.contract import BROWSER

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from signakit_dev.testing import Emulator

TESTS = Path(__file__).parents[1]
GUARD = 60.0
"""Seconds after which something is taken to hang. No test is about this number."""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Service(Protocol):
    """Where a program finds its flags: the emulator, or a server that plays it."""

    @property
    def url(self) -> str: ...


class Running:
    """A program with its children. Leaving the ``with`` block ends all of them.

    A variable of the environment that is None is not set.
    """

    def __init__(self, *command: str, server: Service, **environment: str | None) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed at the end of the block
        ours = {
            "DJANGO_SETTINGS_MODULE": "support.django_site.deployed",
            "PYTHONPATH": str(TESTS),
            "SIGNAKIT_SDK_KEY": SDK_KEY,
            "SIGNAKIT_EMULATOR_URL": server.url,
        }
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            env={name: value for name, value in {**os.environ, **ours, **environment}.items() if value is not None},
        )

    @property
    def log(self) -> str:
        """What it has written."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that it is to bring about."""
        deadline = time.monotonic() + GUARD
        while not condition():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it as a system does, by SIGTERM unless said otherwise, and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(GUARD)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()


class Site(Running):
    """A site under a server. ``command`` has ``{port}`` where the port goes."""

    def __init__(self, *command: str, path: str, server: Service, **environment: str) -> None:
        port = free_port()
        super().__init__(*(part.format(port=port) for part in command), server=server, **environment)
        self._port = port
        self._path = path
        self.answers: list[dict[str, Any]] = []

    def _get(self, path: str) -> tuple[int, bytes]:
        # Not by httpx, which takes longer to make a client than a server to answer.
        connection = HTTPConnection("127.0.0.1", self._port, timeout=GUARD)
        try:
            connection.request("GET", path, headers={"user-agent": BROWSER})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ask(self, user: str) -> dict[str, Any]:
        """Send a request of a user's, on a connection of its own, so that any worker may get it."""
        status, body = self._get(f"{self._path}?user={user}")
        assert status == 200, (status, self.log)
        facts: dict[str, Any] = {**json.loads(body), "user": user}
        self.answers.append(facts)
        return facts

    def answers_at_all(self) -> bool:
        try:
            self._get("/sync/untouched")
        except OSError:
            return False
        return True

    def ask_all(self, users: list[str]) -> list[dict[str, Any]]:
        """Send a request of each user's, several at a time, as that alone makes a server use all of its workers."""
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(self.ask, users))


# --- what is asked of every server ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A site under a server.

    Attributes:
        command: With ``{port}`` where the port goes.
        workers: Processes that answer.
        path: The view that is asked.
        preloads: The master has a client of its own.
        loads_at_start: A worker is ready before its first answer.
        threads: The client works in threads, and not on the worker's event loop.
        ended_by: The signal that it is told to end by.
    """

    command: tuple[str, ...]
    workers: int
    path: str = "/sync/worker"
    preloads: bool = False
    loads_at_start: bool = True
    threads: bool = True
    ended_by: signal.Signals = signal.SIGTERM


def flipped(switch: str) -> dict[str, object]:
    """A project with an A/B flag ``exp``, and a ``switch``."""
    return config(flag("exp", rule("r-exp")), flag("switch", allocation=whole(switch)))


def answering(answers: list[dict[str, Any]], switch: str) -> set[int]:
    """Return the processes that answered with this variation of the switch."""
    return {answer["pid"] for answer in answers if answer["switch"] == switch}


def exposures(emulator: Emulator) -> Counter[tuple[int, str, str, str]]:
    """How often each exposure arrived: by process, user, flag and variation. The emulator has refused none."""
    assert emulator.refused() == []
    return Counter(
        (event["attributes"]["pid"], event["userId"], flag, variation)
        for event in emulator.events()
        for flag, variation in event["decisions"].items()
    )


def decided(answers: list[dict[str, Any]]) -> set[tuple[int, str, str, str]]:
    """What the processes say that they have decided, in the same form."""
    return {
        (answer["pid"], answer["user"], flag, answer[flag])
        for answer in answers
        for flag in ("exp", "switch")
        if answer[flag] != "none"
    }


def counted(answers: list[dict[str, Any]], arrived: Counter[tuple[int, str, str, str]], polls: int) -> str:
    """Say in a line what was counted, for the end of a run of tests."""
    workers = Counter(pid for pid, *_ in arrived.elements())
    each = " + ".join(str(count) for _, count in sorted(workers.items()))
    most = max(arrived.values(), default=0)
    return (
        f"{len(answers)} requests, {len(workers)} workers, flip seen in {polls} polls, "
        f"{each} = {arrived.total()} exposures, each {'once' if most == 1 else f'up to {most} times'}"
    )
