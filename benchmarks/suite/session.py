"""One run: the contestants' environments, their processes, the sink, and how much work a measurement is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import workload
from .processes import WorkerProcess, run_job

if TYPE_CHECKING:
    from pathlib import Path

    from .contestants import Environment
    from .sink_client import SinkClient

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work a run is.

    Attributes:
        rounds: Rounds; each measures every row once.
        users: Users that make requests in one pass.
        target: Nanoseconds of CPU that a timed stretch takes at least.
        imports: Interpreters started for one figure of the import row.
        distinct_users: Users of the last memory figure.
        slow_rounds: Rounds of what is slow and varies little: memory, exit.
        large_rounds: Rounds of loading 10,000 flags.
        rounds_per_process: Workers are started anew after so many rounds, as each start lays out memory anew.
    """

    rounds: int
    users: int
    target: int
    imports: int
    distinct_users: int
    slow_rounds: int
    large_rounds: int
    rounds_per_process: int = 5


FULL = Effort(11, 10_000, 200_000_000, 5, 1_000_000, 2, 5)
QUICK = Effort(3, 1_000, 20_000_000, 2, 100_000, 1, 1)


class Session:
    """What probes are given.

    Attributes:
        environments: By contestant.
        effort: How much work.
        sink: The server for events and configs.
        folder: A temporary folder.
    """

    def __init__(self, environments: list[Environment], effort: Effort, sink: SinkClient, folder: Path) -> None:
        self.environments = {environment.contestant.name: environment for environment in environments}
        self.effort = effort
        self.sink = sink
        self.folder = folder
        self._workers: dict[str, WorkerProcess] = {}
        self._natives: dict[tuple[str, int], Path] = {}

    def ask(self, name: str, operation: str, **arguments: Any) -> Result:
        """Have the worker of a contestant do something; it is started if there is none."""
        if name not in self._workers:
            self._workers[name] = WorkerProcess(self.environments[name], self.effort.users, self.effort.target)
        return self._workers[name].ask(operation, **arguments)

    def job(self, name: str, job: str, *arguments: str) -> Result:
        """Run a job in a process of its own."""
        return run_job(self.environments[name], job, *arguments)

    def native(self, name: str, flags: int) -> str:
        """Return the path of a project in the format of a contestant."""
        if (name, flags) not in self._natives:
            path = self.folder / f"{name}-{flags}"
            self.job(name, "native", str(flags), str(path))
            self._natives[name, flags] = path
        return str(self._natives[name, flags])

    def serve_config(self, flags: int) -> str:
        """Have the sink hand out a project of so many flags, take events, and return its URL."""
        config = workload.signakit_config(workload.flag_specs(flags))
        self.sink.store(workload.CONFIG_PATH, json.dumps(config).encode())
        self.sink.reset("")
        return self.sink.url

    def end_workers(self) -> None:
        """End all workers; the next question starts new ones."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()
