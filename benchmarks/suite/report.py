"""Writes what was measured: a table for the terminal, Markdown and JSON for the repository, and the chart."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from . import chart
from .contestants import CONTESTANTS, VENDOR
from .figures import FIGURES, Figure, Samples, Summary, best_peer, summary, times_better, verdicts

if TYPE_CHECKING:
    from .contestants import Environment
    from .figures import Verdict
    from .session import Effort, Result

REFERENCE_REQUEST = 49.5
"""Microseconds that 1.1.0 took for a request where the goals in absolute units were written."""

METHOD = """\
1. Each contestant runs in an environment of its own, with that package alone, on the same interpreter, one process
   each.
2. Before anything is timed, all decide the same 10,000 requests: ours and 1.1.0 agree in every field of every
   decision, the others in who is eligible, and in the shares within 5 % of the eligible users, since vendors hash
   differently.
3. In each round every figure is taken once for every contestant, in random order. Workers are started anew every
   five rounds.
4. Times are CPU times of the process, loops of at least 0.2 s, the garbage collector on. Of exposures it is the CPU
   time of the calling thread; of events and threads, wall time.
5. A cell is the median over the rounds; in brackets the quartiles. A ratio is taken within a round, then its
   median.
6. A request is a context, an on/off flag, a targeted flag and an A/B flag with four variables. Ours has seen every
   exposure of it before and looks each one up (checked by its counter); 1.1.0 knows no deduplication, so its
   sending is switched off. Peers log no exposure, here and in every row but that of exposures.
7. Exposures: the CPU time of deciding an A/B flag for a new user, less the same decision without an exposure; for
   ours that is a targeted rule with the same audience and ranges. 1.1.0 sends before it returns; the line "server
   at 20 ms" shows that.
8. Import: user and system time of `python -I -c "from ... import *"`, as ours imports a name when it is asked for,
   less that of `python -I -c ""`. Load: a fresh process, the second and later loads, the garbage collector as Python
   sets it, compared before and after.
9. Events of 100 users by turns go to a raw socket server in a process of its own, without latency, which counts them.
   Exit: the process ends by itself.
10. Memory: VmRSS of a fresh process on Linux, 1 MB = 1,024 kB."""

UNEQUAL = """\
- eppo, launchdarkly: called for values; ours also says which rule decided. eppo and growthbook send nothing
  themselves: eppo's exposure is handed to a function of the application.
- statsig has no call for all decisions of a user: "decide_all" is the JSON text that it prepares for its browser
  SDK.
- launchdarkly sends a full event for each decision of a flag that asks for it, so a repeat costs what the first
  does. It hashes with SHA-1, eppo with MD5, growthbook with FNV, statsig with SHA-256.
- configcat has no variables: one text, decoded by the application at each decision, except in "decide_all". Loading
  decodes the project and no more.
- ours checks every flag when it loads a project, and compiles one when it is first decided: the line "and decide
  each once" has both. The others do more of their work at one end or the other, too.
- 1.1.0: for the exit row it tracks 100 events, scaled to 1,000, as each takes 20 ms or more."""


@dataclass(frozen=True, slots=True)
class Run:
    """Everything about one run.

    Attributes:
        samples: What was measured.
        rows: Which rows.
        environments: Who took part.
        effort: How much work it was.
        machine: What it ran on.
        date: When, in UTC.
        agreement: What was decided, by contestant.
        problems: What went wrong.
        quick: Whether it was a short run.
    """

    samples: Samples
    rows: tuple[str, ...]
    environments: list[Environment]
    effort: Effort
    machine: dict[str, str]
    date: str
    agreement: dict[str, dict[str, Any]]
    problems: list[str]
    quick: bool

    @property
    def figures(self) -> list[Figure]:
        """Those of the rows."""
        return [figure for figure in FIGURES if figure.row in self.rows]

    @property
    def names(self) -> list[str]:
        """The contestants, in the order of tables."""
        present = {environment.contestant.name for environment in self.environments}
        return [contestant.name for contestant in CONTESTANTS if contestant.name in present]


TITLES = {contestant.name: contestant.title for contestant in CONTESTANTS}


def markdown(run: Run) -> str:
    """Return the report."""
    parts = ["# Benchmark results", ""]
    if run.quick:
        parts += ["**A quick run: for trying out the scripts, not for quoting.**", ""]
    parts += [f"Made by `benchmarks/run.py` on {run.date}, {run.effort.rounds} rounds; [how](README.md).", ""]
    parts += ["## Goals", "", *goal_table(run), "", *_scale_note(run)]
    parts += ["## All contestants", "", "Medians, with quartiles in brackets.", "", *full_table(run), ""]
    parts += ["## Machine and versions", "", *(f"- {name}: {value}" for name, value in run.machine.items())]
    parts += [f"- {TITLES[name]}: {versions}" for name, versions in _versions(run).items()]
    parts += ["", "## Method", "", METHOD, "", "## Where the work is not equal", "", UNEQUAL, ""]
    if run.problems:
        parts += ["## Not measured", "", *(f"- {problem}" for problem in run.problems), ""]
    return "\n".join(parts)


def goal_table(run: Run) -> list[str]:
    """Return the lines of the table of goals: ours, 1.1.0, the best peer, ratios, and verdicts."""
    lines = [
        "| what | ours | 1.1.0 | best peer | over 1.1.0 | over the peer | goal | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for figure in run.figures:
        ours = summary(figure, run.samples, "ours")
        if ours is None:
            continue
        peer = best_peer(figure, run.samples)
        best = f"{_cell(figure, run, peer)} {TITLES[peer]}" if peer else "-"
        judged = verdicts(figure, run.samples)
        cells = [
            title(figure, run),
            _cell(figure, run, "ours"),
            _cell(figure, run, VENDOR.name),
            best,
            _ratio(figure, run, VENDOR.name),
            _ratio(figure, run, peer),
            "; ".join(verdict.goal.text for verdict in judged) or "-",
            "; ".join(_verdict(figure, verdict) for verdict in judged) or "-",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def full_table(run: Run) -> list[str]:
    """Return the lines of the table of everybody."""
    lines = ["| what | unit | " + " | ".join(TITLES[name] for name in run.names) + " |"]
    lines.append("|---" * (len(run.names) + 2) + "|")
    for figure in run.figures:
        cells = [_spread(figure, summary(figure, run.samples, name)) for name in run.names]
        if any(cell != "-" for cell in cells):
            lines.append(f"| {title(figure, run)} | {figure.unit} | " + " | ".join(cells) + " |")
    return lines


def as_json(run: Run) -> str:
    """Return everything that was measured."""
    figures = []
    for figure in run.figures:
        entry: dict[str, Any] = {
            "row": figure.row,
            "title": title(figure, run),
            "unit": figure.unit,
            "better": figure.sense.value,
        }
        found = {name: summary(figure, run.samples, name) for name in run.names}
        entry["contestants"] = {name: asdict(item) for name, item in found.items() if item is not None}
        entry["ours_times_better_than"] = {
            name: ratio
            for name in run.names
            if name != "ours" and (ratio := times_better(figure, run.samples, name)) is not None
        }
        entry["goals"] = [
            {"text": verdict.goal.text, "value": verdict.value, "bound": verdict.goal.bound, "met": verdict.met}
            for verdict in verdicts(figure, run.samples)
        ]
        figures.append(entry)
    document = {
        "date": run.date,
        "quick": run.quick,
        "effort": asdict(run.effort),
        "machine": run.machine,
        "versions": _versions(run),
        "figures": figures,
        "decided": run.agreement,
        "problems": run.problems,
    }
    return json.dumps(document, indent=1)[:-2] + ',\n "samples": ' + _samples_as_json(run.samples) + "\n}\n"


def _samples_as_json(samples: Samples) -> str:
    """Return the samples with a line for each result: one for each number would be ten times as long."""
    contestants = []
    for name, probes in samples.items():
        results = [
            f"   {json.dumps(probe)}: [\n    "
            + ",\n    ".join(json.dumps(_rounded(result)) for result in taken)
            + "\n   ]"
            for probe, taken in probes.items()
        ]
        contestants.append(f"  {json.dumps(name)}: {{\n" + ",\n".join(results) + "\n  }")
    return "{\n" + ",\n".join(contestants) + "\n }"


def _rounded(result: Result | None) -> Result | None:
    if result is None:
        return None
    return {name: round(value, 1) if isinstance(value, float) else value for name, value in result.items()}


def svg(run: Run) -> str | None:
    """Return the chart of the "request" row, or None when it was not measured."""
    figure = FIGURES[0]
    bars = []
    for contestant in CONTESTANTS:
        item = summary(figure, run.samples, contestant.name) if contestant.name in run.names else None
        if item is not None:
            ours = contestant.name == "ours"
            label = "signakit-flags, ours" if ours else contestant.title
            bars.append(chart.Bar(label, contestant.core, item.median, item.low, item.high, ours))
    if not bars or figure.row not in run.rows:
        return None
    subtitle = (
        f"A user context and three decisions, 100 flags. {run.machine['CPU']}, {run.machine['Python'].split(',')[0]}"
    )
    return chart.draw(bars, "One request", subtitle)


def _versions(run: Run) -> dict[str, str]:
    versions = {}
    for environment in run.environments:
        listed = [item for item in environment.versions if not item.startswith("pip==")]
        versions[environment.contestant.name] = ", ".join(listed)
    return versions


def _scale_note(run: Run) -> list[str]:
    vendor = summary(FIGURES[0], run.samples, VENDOR.name) if "request" in run.rows else None
    if vendor is None:
        return []
    note = (
        "The goals in microseconds, milliseconds and events a second were written on a machine on which a request took "
        f"1.1.0 {REFERENCE_REQUEST} us. Here it took {format_value(vendor.median)} us, "
        f"{vendor.median / REFERENCE_REQUEST:.2f} times as long. Verdicts take the figures as they are."
    )
    return [note, ""]


def title(figure: Figure, run: Run) -> str:
    """Return what a figure is, for this run."""
    return figure.title.format(distinct_users=run.effort.distinct_users)


def format_value(value: float) -> str:
    """Return a number with three digits that say something."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _unit(figure: Figure) -> str:
    return "" if figure.unit in {"ratio", "count"} else f" {figure.unit}"


def _cell(figure: Figure, run: Run, name: str) -> str:
    item = summary(figure, run.samples, name) if name in run.names else None
    if item is None:
        return "-"
    return f"{item.median:,.0f}" if figure.unit == "count" else format_value(item.median) + _unit(figure)


def _ratio(figure: Figure, run: Run, name: str | None) -> str:
    if name is None or name not in run.names or not figure.compares or figure.unit == "ratio":
        return "-"
    ratio = times_better(figure, run.samples, name)
    return "-" if ratio is None else f"{format_value(ratio)}x"


def _spread(figure: Figure, item: Summary | None) -> str:
    if item is None:
        return "-"
    if figure.unit == "count":
        return f"{item.median:,.0f}"
    if item.rounds == 1:
        return format_value(item.median)
    return f"{format_value(item.median)} ({format_value(item.low)} to {format_value(item.high)})"


def _verdict(figure: Figure, verdict: Verdict) -> str:
    if verdict.met:
        return "met"
    unit = "x" if verdict.goal.against else _unit(figure)
    off = f"{verdict.off_by:.0%}" if verdict.off_by >= 0.1 else f"{verdict.off_by:.1%}"
    return f"**missed** by {off} ({format_value(verdict.value)}{unit})"
