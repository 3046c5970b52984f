"""Measures every row of the speed table side by side with other SDKs, and writes the results.

uv run --group bench benchmarks/run.py [--quick] [--only ROW,...] [--peers NAME,...] [--rounds N] [--output FILE]

A full run writes RESULTS.md, results.json and chart.svg next to this file. A run with --quick, --only or --peers prints
its table and writes only where --output says.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from suite import agreement, machine, report
from suite.contestants import (
    CONTESTANTS,
    OURS,
    Contestant,
    Environment,
    EnvironmentNotMadeError,
    cache_folder,
    prepare,
)
from suite.figures import ROWS, Samples, probes_of
from suite.probes import PROBES, Probe
from suite.processes import ContestantError
from suite.session import FULL, QUICK, Session
from suite.sink_client import running_sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

console = Console(stderr=True)


def main() -> int:
    """Run, and return the exit status: 1 if ours failed or contestants disagree, 0 otherwise, whatever the times."""
    arguments = parse()
    effort = QUICK if arguments.quick else FULL
    if arguments.rounds:
        effort = replace(effort, rounds=arguments.rounds)
    rows = arguments.only or ROWS
    problems: list[str] = []
    columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress,
        running_sink() as sink,
        tempfile.TemporaryDirectory() as folder,
    ):
        environments = make_environments(chosen(arguments.peers), arguments.env_dir, progress, problems)
        session = Session(environments, effort, sink, Path(folder))
        try:
            decided = agree(session, progress)
            samples = measure_all(session, rows, progress, problems)
        except (agreement.DisagreementError, ContestantError) as error:
            console.print(str(error), style="red", markup=False)
            return 1
        finally:
            session.end_workers()
    run = report.Run(
        samples=samples,
        rows=rows,
        environments=environments,
        effort=effort,
        machine=machine.describe(),
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        agreement=decided,
        problems=problems,
        quick=arguments.quick,
    )
    publish(run, arguments.output, partial=arguments.quick or bool(arguments.only) or bool(arguments.peers))
    return int(any(problem.startswith("ours") for problem in problems))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little of everything, in about two minutes")
    parser.add_argument("--only", type=names_of(ROWS), default=(), metavar="ROW,...", help=f"of: {', '.join(ROWS)}")
    names = tuple(contestant.name for contestant in CONTESTANTS)
    parser.add_argument(
        "--peers",
        type=names_of(names),
        default=(),
        metavar="NAME,...",
        help=f"who, besides ours; of: {', '.join(names)}",
    )
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help=f"instead of {FULL.rounds}")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the Markdown; the others go next to it")
    parser.add_argument(
        "--env-dir", type=Path, default=cache_folder(), metavar="DIR", help="where environments are kept"
    )
    return parser.parse_args()


def names_of(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """Return what reads a list of names, separated by commas, of those that are known."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not one of {', '.join(known)}")
        return names

    return read


def chosen(names: tuple[str, ...]) -> list[Contestant]:
    """Return who takes part: ours always, everybody if nobody is named."""
    return [contestant for contestant in CONTESTANTS if not names or contestant is OURS or contestant.name in names]


def make_environments(
    contestants: list[Contestant], folder: Path, progress: Progress, problems: list[str]
) -> list[Environment]:
    """Return the environments; making one takes some seconds and needs a package index. A peer's may be missing."""
    task = progress.add_task("environments", total=len(contestants))
    environments = []
    for contestant in contestants:
        progress.update(task, description=f"environment: {contestant.name}")
        try:
            environments.append(prepare(contestant, folder, progress.console.log))
        except EnvironmentNotMadeError as error:
            if contestant is OURS:
                raise
            problems.append(f"{contestant.name}: its environment could not be made")
            console.print(str(error), style="red", markup=False)
        progress.advance(task)
    return environments


def agree(session: Session, progress: Progress) -> dict[str, dict[str, object]]:
    """Let everybody decide the same, and return what they decided."""
    task = progress.add_task("decisions compared", total=len(session.environments))
    decided: dict[str, dict[str, object]] = {}
    for name in session.environments:
        progress.update(task, description=f"decisions compared: {name}")
        decided[name] = dict(agreement.check(session, name))
        progress.advance(task)
    agreement.compare_digests(decided)
    return decided


def measure_all(session: Session, rows: tuple[str, ...], progress: Progress, problems: list[str]) -> Samples:
    """Measure everything that the rows need, round by round."""
    samples: Samples = {name: {} for name in session.environments}
    steps = list(plan(session, probes_of(rows)))
    task = progress.add_task("measuring", total=len(steps))
    reached = 0
    for number, probe, name in steps:
        if number != reached and number % session.effort.rounds_per_process == 0:
            session.end_workers()
        reached = number
        progress.update(task, description=f"round {number + 1}: {probe.key}, {name}")
        measure(session, probe, name, samples, problems)
        progress.advance(task)
    return samples


def plan(session: Session, wanted: frozenset[str]) -> Iterator[tuple[int, Probe, str]]:
    """Give every step: rounds of probes, and in each the contestants in random order."""
    offers = {name: frozenset(session.job(name, "offers")["offers"]) for name in session.environments}
    shuffle = random.Random(1).shuffle
    for number in range(session.effort.rounds):
        for probe in PROBES:
            if probe.key not in wanted or number >= probe.rounds(session.effort):
                continue
            names = [name for name in offers if probe.needs in offers[name] and (not probe.only or name in probe.only)]
            shuffle(names)
            for name in names:
                yield number, probe, name


def measure(session: Session, probe: Probe, name: str, samples: Samples, problems: list[str]) -> None:
    """Take one measurement; what fails is noted once and leaves a gap."""
    taken = samples[name].setdefault(probe.key, [])
    try:
        taken.append(probe.run(session, name))
    except ContestantError as error:
        taken.append(None)
        problem = f"{name}, {probe.key}: {str(error).splitlines()[0]}"
        if problem not in problems:
            problems.append(problem)
            console.print(str(error), style="red", markup=False)


def publish(run: report.Run, output: Path | None, *, partial: bool) -> None:
    """Print the table of goals; write files for a full run, or where they were asked for."""
    terminal = Console()
    if not terminal.is_terminal:
        terminal = Console(width=180)
    terminal.print(Markdown("\n".join(report.goal_table(run))))
    target = output or (None if partial else Path(__file__).with_name("RESULTS.md"))
    if target is None:
        return
    target.write_text(report.markdown(run), encoding="utf-8")
    names = (
        ("results.json", "chart.svg") if target.name == "RESULTS.md" else (f"{target.stem}.json", f"{target.stem}.svg")
    )
    target.with_name(names[0]).write_text(report.as_json(run), encoding="utf-8")
    chart = report.svg(run)
    if chart is not None:
        target.with_name(names[1]).write_text(chart, encoding="utf-8")
    console.print(f"written: {target.name}, {names[0]}" + (f", {names[1]}" if chart else ""))


if __name__ == "__main__":
    sys.exit(main())
