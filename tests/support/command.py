"""Runs the ``signakit`` command in processes of its own, as it is installed."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from typer.testing import CliRunner

from signakit_dev.cli import app

if TYPE_CHECKING:
    from types import TracebackType

SIGNAKIT = Path(sys.executable).with_name("signakit")

GUARD = 40.0
"""Seconds after which a command is taken to hang. No test is about this number."""


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


def signakit(*arguments: object, cwd: Path | None = None, code: int | None = 0, **environment: str) -> Done:
    """Run a command to its end; fail on another exit code, unless that is None."""
    done = subprocess.run(
        [SIGNAKIT, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=GUARD,
        check=False,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def here(*arguments: object, code: int = 0, **environment: str) -> Done:
    """Run a command in this process, which is quicker; it must come to an end by itself."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="signakit", env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    return Done(result.exit_code, result.stdout, result.stderr)


def piped(*arguments: object, text: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end with a pipe as its stdin, which ``text`` comes through."""
    return subprocess.run(
        [SIGNAKIT, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=GUARD, check=False
    )


class Command:
    """A command that goes on until it is told to stop. Leaving the ``with`` block ends it and what it has started."""

    def __init__(self, *arguments: object, cwd: Path | None = None, program: Any = (SIGNAKIT,), **env: str) -> None:
        self._mark = f"STARTED_BY_TEST={uuid.uuid4()}"
        name, _, value = self._mark.partition("=")
        self._process = subprocess.Popen(
            [*map(str, program), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=cwd,
            start_new_session=True,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1", name: value, **env},
        )
        self.pid = self._process.pid
        self._said: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_errors, args=(self._process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self, stream: IO[str]) -> None:
        self._errors.extend(stream)

    @property
    def out(self) -> str:
        """What it has written to stdout and was read so far."""
        return "".join(self._said)

    @property
    def err(self) -> str:
        """What it has written to stderr."""
        return "".join(self._errors)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match in what it prints, once it is there."""
        while True:
            match = re.search(pattern, self.out, re.MULTILINE)
            if match is not None:
                return match
            line = self._lines.get(timeout=GUARD)
            assert line is not None, f"it ended without {pattern!r}:\n{self.out}{self.err}"
            self._said.append(line)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def interrupt(self) -> int:
        """Do what Ctrl-C does, and return the exit code."""
        os.killpg(self.pid, signal.SIGINT)
        return self.end()

    def end(self) -> int:
        """Wait until it and everything that it has started have ended, and return the exit code."""
        code = self._process.wait(GUARD)
        # A child that outlives it holds stdout open.
        while (line := self._lines.get(timeout=GUARD)) is not None:
            self._said.append(line)
        for reader in self._readers:
            reader.join()
        return code

    def _kill_all(self) -> None:
        """Kill it and all that it has started, whoever their parent and whatever their session is by now."""
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if self._mark.encode() in environment.read_bytes():
                    os.kill(int(environment.parent.name), signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._kill_all()
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
