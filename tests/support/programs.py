"""Runs the programs of tests/processes/programs in processes of their own, and reads what they say."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from support.server import Fault, FlagServer, Handler

PROGRAMS = Path(__file__).parents[1] / "processes" / "programs"

GUARD = 40.0
"""Seconds after which a program is taken to hang. No test is about this number."""


class Process:
    """A running command. What it prints is one JSON object a line.

    Leaving the ``with`` block ends it and everything that it has started.
    """

    def __init__(
        self, command: Sequence[str], *, server: FlagServer, pass_fds: Sequence[int] = (), **environment: str
    ) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            pass_fds=pass_fds,
            cwd=PROGRAMS,
            env={**os.environ, "SIGNAKIT_EMULATOR_URL": server.url, **environment},
        )
        self.pid = self._process.pid
        self.said: list[dict[str, Any]] = []
        self._lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_errors, args=(self._process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            if line.startswith("{"):
                self._lines.put(json.loads(line))
            else:
                self._errors.append(line)  # a server's own words
        self._lines.put(None)

    def _read_errors(self, stream: IO[str]) -> None:
        self._errors.extend(stream)

    @property
    def errors(self) -> str:
        """What it has written beside its lines of JSON."""
        return "".join(self._errors)

    def next(self) -> dict[str, Any]:
        """Return the next line, once it is there."""
        line = self._lines.get(timeout=GUARD)
        assert line is not None, f"it ended without a word: {self.errors}"
        self.said.append(line)
        return line

    def tell(self) -> None:
        """Let it go on: ``told`` in it becomes true, once."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def end(self) -> int:
        """Wait until it and its children have ended, and return the exit code."""
        code = self._process.wait(GUARD)
        # A child that outlives it holds stdout open.
        while (line := self._lines.get(timeout=GUARD)) is not None:
            self.said.append(line)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()


class Program(Process):
    """A running program of the folder of programs."""

    def __init__(self, name: str, *arguments: object, server: FlagServer, **environment: str) -> None:
        command = [sys.executable, str(PROGRAMS / f"{name}.py"), *map(str, arguments)]
        super().__init__(command, server=server, **environment)


def play(name: str, *arguments: object, server: FlagServer, code: int = 0, **environment: str) -> list[dict[str, Any]]:
    """Run a program to its end, and return what it said; fail on another exit code."""
    with Program(name, *arguments, server=server, **environment) as program:
        assert program.end() == code, program.errors
        assert "Traceback" not in program.errors or code == 1, program.errors
        return program.said


# --- what arrived ----------------------------------------------------------------------------------------------------


def tracked(server: FlagServer) -> dict[str, Counter[int]]:
    """How often each of the numbered events of each user arrived."""
    counts: dict[str, Counter[int]] = {}
    for event in server.events:
        if event["eventKey"] != "$exposure":
            counts.setdefault(event["userId"], Counter())[event["metadata"]["n"]] += 1
    return counts


def exposures(server: FlagServer) -> Counter[str]:
    """How often each user was exposed."""
    return Counter(event["userId"] for event in server.events if event["eventKey"] == "$exposure")


def once(numbers: int | Iterable[int]) -> Counter[int]:
    """Each of so many events, once."""
    return Counter(range(numbers) if isinstance(numbers, int) else numbers)


# --- a server that waits ---------------------------------------------------------------------------------------------


class Gate:
    """Holds posts back until it is opened, and answers them then as ``answer`` does.

    Attributes:
        held: How many it has held.
        events: Those of the posts that it has held.
    """

    def __init__(self, answer: Fault) -> None:
        self._answer = answer
        self._open = threading.Event()
        self.held = 0
        self.events: list[dict[str, Any]] = []

    def __call__(self, handler: Handler) -> None:
        self.events += handler.posted
        self.held += 1
        self._open.wait(GUARD)
        self._answer(handler)

    def open(self) -> None:
        self._open.set()


def take(handler: Handler) -> None:
    """Accept the events."""
    handler.accept(handler.posted)
