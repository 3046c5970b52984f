"""The rows of the speed table: how each figure comes from raw numbers, what its goal is, and whether it is met.

A ratio is taken within a round, between measurements a moment apart, and the median of those ratios is what counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from .contestants import PEERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .session import Result

Samples = dict[str, dict[str, list["Result | None"]]]
"""By contestant and probe, one result for each round; None where it failed or was not asked."""


class Sense(Enum):
    """What is better."""

    LESS = "less"
    MORE = "more"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure of ours is to be.

    Attributes:
        text: In words.
        bound: The figure, at most or at least, as its sense has it; with ``against`` how many times better than theirs.
        against: A contestant.
    """

    text: str
    bound: float
    against: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        row: The row that it belongs to; what ``--only`` takes.
        title: What it is; formatted with the fields of the effort.
        unit: Of the value, in tables.
        probes: What it needs.
        value: Gives the value from the results of these probes, or None.
        sense: What is better.
        goals: What ours is to be.
        compares: False where contestants are listed and not compared.
    """

    row: str
    title: str
    unit: str
    probes: tuple[str, ...]
    value: Callable[[Mapping[str, Result]], float | None]
    sense: Sense = Sense.LESS
    goals: tuple[Goal, ...] = ()
    compares: bool = True


@dataclass(frozen=True, slots=True)
class Summary:
    """The values of one contestant over the rounds.

    Attributes:
        median, low, high: The median and the quartiles.
        rounds: How many rounds there were.
    """

    median: float
    low: float
    high: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a goal is met.

    Attributes:
        goal: Which.
        value: What is held against its bound: our median, or the median ratio.
        met: Whether it is.
        off_by: By what part of the bound it is missed; 0 if it is met.
    """

    goal: Goal
    value: float
    met: bool
    off_by: float


def values(figure: Figure, samples: Samples, name: str) -> list[float | None]:
    """Return the figure of a contestant in each round."""
    by_probe = samples.get(name, {})
    rounds = max((len(by_probe.get(probe, [])) for probe in figure.probes), default=0)
    found: list[float | None] = []
    for number in range(rounds):
        results = {probe: by_probe[probe][number] for probe in figure.probes if number < len(by_probe.get(probe, []))}
        complete = {probe: result for probe, result in results.items() if result is not None}
        found.append(figure.value(complete) if len(complete) == len(figure.probes) else None)
    return found


def summary(figure: Figure, samples: Samples, name: str) -> Summary | None:
    """Return the median and the quartiles of a contestant, or None when it has no value."""
    found = [value for value in values(figure, samples, name) if value is not None]
    if not found:
        return None
    low, middle, high = quantiles(found, n=4, method="inclusive") if len(found) > 1 else (found[0],) * 3
    return Summary(middle, low, high, len(found))


def times_better(figure: Figure, samples: Samples, other: str) -> float | None:
    """Return how many times better ours is than another contestant: the median of the rounds' ratios."""
    pairs = zip(values(figure, samples, "ours"), values(figure, samples, other), strict=False)
    both = [(ours, theirs) for ours, theirs in pairs if ours is not None and theirs is not None]
    if figure.sense is Sense.LESS:
        ratios = [theirs / ours for ours, theirs in both if ours > 0]
    else:
        ratios = [ours / theirs for ours, theirs in both if theirs > 0]
    return median(ratios) if ratios else None


def best_peer(figure: Figure, samples: Samples) -> str | None:
    """Return the peer with the best median; the vendor is none."""
    summaries = [(peer.name, summary(figure, samples, peer.name)) for peer in PEERS]
    found = [(name, item.median) for name, item in summaries if item is not None]
    if not found or not figure.compares:
        return None
    choose = min if figure.sense is Sense.LESS else max
    return choose(found, key=lambda item: item[1])[0]


def verdicts(figure: Figure, samples: Samples) -> list[Verdict]:
    """Judge the goals of a figure, those that there are values for."""
    judged = []
    ours = summary(figure, samples, "ours")
    for goal in figure.goals:
        value = times_better(figure, samples, goal.against) if goal.against else (ours.median if ours else None)
        if value is None:
            continue
        more = bool(goal.against) or figure.sense is Sense.MORE
        met = value >= goal.bound if more else value <= goal.bound
        off = 0.0 if met else abs(value - goal.bound) / (goal.bound or 1.0)
        judged.append(Verdict(goal, value, met, off))
    return judged


# --- the rows -------------------------------------------------------------------------------------------------------


def _one(probe: str, field: str, scale: float = 1.0) -> Callable[[Mapping[str, Result]], float | None]:
    def value(results: Mapping[str, Result]) -> float | None:
        raw: Any = results[probe].get(field)
        return None if raw is None else float(raw) * scale

    return value


def _minus(probe: str, field: str, less: str, scale: float) -> Callable[[Mapping[str, Result]], float | None]:
    def value(results: Mapping[str, Result]) -> float | None:
        result = results[probe]
        return (result[field] - result[less]) * scale if field in result else None

    return value


def _rate(probe: str) -> Callable[[Mapping[str, Result]], float | None]:
    def value(results: Mapping[str, Result]) -> float | None:
        result = results[probe]
        return 1e9 / result["wall"] if result["received"] == result["expected"] else None

    return value


def _over(probe: str, other: str, field: str) -> Callable[[Mapping[str, Result]], float | None]:
    return lambda results: float(results[probe][field]) / float(results[other][field])


def _unwanted(results: Mapping[str, Result]) -> float:
    return float(len(results["import"]["modules"]))


def _collector(probe: str) -> Callable[[Mapping[str, Result]], float | None]:
    return lambda results: 0.0 if results[probe]["collector_untouched"] else 1.0


US, MS, MB = 1e-3, 1e-6, 1 / 1024

FIGURES = (
    Figure(
        "request",
        "request, every exposure already seen",
        "us",
        ("request-100",),
        _one("request-100", "cpu", US),
        goals=(
            Goal("at least 25 times 1.1.0", 25, against="vendor"),
            Goal("faster than eppo", 1, against="eppo"),
        ),
    ),
    Figure(
        "scaling",
        "request at 1,000 flags over request at 100",
        "ratio",
        ("request-100", "request-1000"),
        _over("request-1000", "request-100", "cpu"),
        goals=(Goal("at most 1.5", 1.5),),
    ),
    Figure(
        "decide-all",
        "decide_all of 100 flags",
        "us",
        ("all-100",),
        _one("all-100", "cpu", US),
        goals=(Goal("at least 40 times 1.1.0", 40, against="vendor"),),
    ),
    Figure(
        "exposure",
        "first exposure, added to the caller",
        "us",
        ("exposure",),
        _minus("exposure", "first", "none", US),
        goals=(Goal("at most 2.5 us", 2.5),),
    ),
    Figure(
        "exposure",
        "repeated exposure, added to the caller",
        "us",
        ("exposure",),
        _minus("exposure", "repeat", "none_again", US),
        goals=(Goal("at most 0.4 us", 0.4),),
    ),
    Figure(
        "exposure",
        "first exposure, caller's wall time, server at 0 ms",
        "us",
        ("exposure",),
        _minus("exposure", "first_wall", "none_wall", US),
        compares=False,
    ),
    Figure(
        "exposure",
        "first exposure, caller's wall time, server at 20 ms",
        "us",
        ("exposure-20ms",),
        _minus("exposure-20ms", "first_wall", "none_wall", US),
        compares=False,
    ),
    Figure(
        "context",
        "context with a User-Agent seen before",
        "us",
        ("context",),
        _one("context", "seen", US),
        goals=(Goal("at most 1 us", 1),),
    ),
    Figure(
        "context",
        "context with a User-Agent never seen",
        "us",
        ("context",),
        _one("context", "never", US),
        goals=(Goal("at most 25 us", 25),),
    ),
    Figure("context", "context without a User-Agent", "us", ("context",), _one("context", "plain", US)),
    Figure(
        "import",
        "import over bare Python",
        "ms",
        ("import",),
        _one("import", "added", MS),
        goals=(Goal("at most 0.4 times 1.1.0", 2.5, against="vendor"),),
    ),
    Figure(
        "import",
        "of httpx, ssl, asyncio and msgspec, imported by it",
        "count",
        ("import",),
        _unwanted,
        goals=(Goal("none", 0),),
        compares=False,
    ),
    Figure(
        "load",
        "load 1,000 flags",
        "ms",
        ("load-1000",),
        _one("load-1000", "load", MS),
        goals=(Goal("at most 6 ms", 6),),
    ),
    Figure(
        "load",
        "load 10,000 flags",
        "ms",
        ("load-10000",),
        _one("load-10000", "load", MS),
        goals=(Goal("at most 90 ms", 90),),
    ),
    Figure(
        "load",
        "settings of the garbage collector changed by it",
        "count",
        ("load-1000",),
        _collector("load-1000"),
        goals=(Goal("none", 0),),
        compares=False,
    ),
    Figure("load", "load 1,000 flags and decide each once", "ms", ("load-1000",), _one("load-1000", "complete", MS)),
    Figure("load", "first load of 1,000 flags in a process", "ms", ("load-1000",), _one("load-1000", "first", MS)),
    Figure(
        "events",
        "events drained, from the first call to the last arrival",
        "/s",
        ("events",),
        _rate("events"),
        sense=Sense.MORE,
        goals=(Goal("at least 100,000 /s", 100_000),),
    ),
    Figure(
        "events",
        "the same on an event loop",
        "/s",
        ("events-loop",),
        _rate("events-loop"),
        sense=Sense.MORE,
    ),
    Figure(
        "events",
        "a full queue drained, without the calls that filled it",
        "/s",
        ("events-full-queue",),
        _rate("events-full-queue"),
        sense=Sense.MORE,
    ),
    Figure(
        "events",
        "events drained, 1.1.0 with an injected HTTP client",
        "/s",
        ("events-injected",),
        _rate("events-injected"),
        sense=Sense.MORE,
    ),
    Figure("events", "CPU time of the process for each event", "us", ("events",), _one("events", "cpu", US)),
    Figure(
        "exit",
        "1,000 events and exit without close(): received",
        "count",
        ("exit",),
        _one("exit", "share"),
        sense=Sense.MORE,
        goals=(Goal("1,000", 1_000),),
        compares=False,
    ),
    Figure(
        "exit",
        "the same, with an event loop that ended before",
        "count",
        ("exit-loop",),
        _one("exit-loop", "share"),
        sense=Sense.MORE,
        goals=(Goal("1,000", 1_000),),
        compares=False,
    ),
    Figure(
        "threads",
        "4 threads over 1 thread, requests a second of wall time",
        "ratio",
        ("threads-1", "threads-4"),
        _over("threads-1", "threads-4", "wall"),
        sense=Sense.MORE,
        goals=(Goal("at least 0.95", 0.95),),
    ),
    Figure(
        "threads",
        "4 threads over 1 thread, requests a second of CPU",
        "ratio",
        ("threads-1", "threads-4"),
        _over("threads-1", "threads-4", "cpu"),
        sense=Sense.MORE,
    ),
    Figure(
        "memory",
        "resident memory after import",
        "MB",
        ("memory-import",),
        _one("memory-import", "loaded", MB),
        goals=(Goal("at most 22 MB", 22),),
    ),
    Figure(
        "memory",
        "resident memory with 1,000 flags, offline",
        "MB",
        ("memory",),
        _one("memory", "loaded", MB),
        goals=(Goal("at most 32 MB", 32),),
    ),
    Figure(
        "memory",
        "resident memory with 1,000 flags, over the network",
        "MB",
        ("memory-network",),
        _one("memory-network", "loaded", MB),
        goals=(Goal("at most 45 MB", 45),),
    ),
    Figure(
        "memory",
        "added by {distinct_users:,} distinct users deciding, offline",
        "MB",
        ("memory-users",),
        _minus("memory-users", "after", "before", MB),
        goals=(Goal("at most 40 MB", 40),),
    ),
    Figure(
        "memory",
        "added by {distinct_users:,} distinct users deciding, exposures sent",
        "MB",
        ("memory-users-network",),
        _minus("memory-users-network", "after", "before", MB),
        goals=(Goal("at most 40 MB", 40),),
    ),
)
ROWS = tuple(dict.fromkeys(figure.row for figure in FIGURES))


def probes_of(rows: tuple[str, ...]) -> frozenset[str]:
    """Return the probes that some rows need."""
    return frozenset(probe for figure in FIGURES if figure.row in rows for probe in figure.probes)
