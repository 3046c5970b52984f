"""Talks to the processes of contestants: workers that stay, and jobs that run once."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .contestants import Environment

HERE = Path(__file__).resolve().parents[1]
TIMEOUT = 300
"""Seconds after which a process that does not answer is ended."""


class ContestantError(RuntimeError):
    """A contestant could not do what it was asked to."""


def environ() -> dict[str, str]:
    """Return the environment variables of a contestant's process: ours, but for what steers Python or its packages."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SIGNAKIT_", "VIRTUAL"))
    }
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    return kept | {"PYTHONPATH": str(HERE)}


def _command(environment: Environment, module: str, *arguments: str) -> list[str]:
    start = f"from suite.{module} import main; main()"
    return [str(environment.python), "-P", "-c", start, *arguments]


class WorkerProcess:
    """A worker of one contestant."""

    def __init__(self, environment: Environment, users: int, target: int) -> None:
        self._name = environment.contestant.name
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed by close()
        self._process = subprocess.Popen(
            _command(environment, "worker", self._name, str(users), str(target)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environ(),
            cwd=tempfile.gettempdir(),
        )

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Return the result of an operation.

        Raises:
            ContestantError: It failed; with the end of what the process wrote.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"operation": operation} | arguments) + "\n")
        self._process.stdin.flush()
        watchdog = threading.Timer(TIMEOUT, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the process has ended"}
        if "error" in answer:
            self._log.seek(0)
            raise ContestantError(f"{self._name}, {operation}: {answer['error']}\n{self._log.read()[-3000:]}")
        result: dict[str, Any] = answer["result"]
        return result

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()


def run_job(environment: Environment, job: str, *arguments: str) -> dict[str, Any]:
    """Run a job in a process of its own and return its result.

    Raises:
        ContestantError: It failed.
    """
    name = environment.contestant.name
    try:
        done = subprocess.run(
            _command(environment, "oneshot", job, name, *arguments),
            capture_output=True,
            text=True,
            env=environ(),
            cwd=tempfile.gettempdir(),
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ContestantError(f"{name}, {job}: no result within {TIMEOUT} s") from None
    if done.returncode or not done.stdout:
        raise ContestantError(f"{name}, {job}: status {done.returncode}\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@dataclass(frozen=True, slots=True)
class Bare:
    """A run of the interpreter with one statement.

    Attributes:
        cpu: Seconds of CPU, user and system, the start of the interpreter included.
        output: What it printed.
    """

    cpu: float
    output: str


def run_statement(environment: Environment, statement: str) -> Bare:
    """Run one statement in an interpreter of its own, isolated from everything but its packages."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [str(environment.python), "-I", "-c", statement],
            stdout=output,
            stdin=subprocess.DEVNULL,
            env=environ(),
            cwd=tempfile.gettempdir(),
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise ContestantError(f"{environment.contestant.name}: {statement!r} failed")
        output.seek(0)
        return Bare(usage.ru_utime + usage.ru_stime, output.read())
