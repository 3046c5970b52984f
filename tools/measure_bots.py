"""Measure bot detection against a labelled list of User-Agents.

Usage:
    uv run tools/measure_bots.py PATH_TO_BOTS_JSON

The list is a JSON object with `cases`, each with `ua`, `label` (`bot`, `human`, others) and `src`, the list it came
from. It is not part of this repository. Exit status 1 if under 99 % of the bots are found or any human is called a bot.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from signakit_flags._evaluation import bots
from signakit_flags._evaluation.bots import bot_kind, is_bot

ENOUGH = 0.99
ROUNDS = 5


def main(path: Path) -> int:
    """Print the figures; return the exit status."""
    start = time.perf_counter()
    is_bot("first call")
    first_call = time.perf_counter() - start

    cases: list[dict[str, Any]] = json.loads(path.read_bytes())["cases"]
    found: Counter[tuple[str, str]] = Counter()
    total: Counter[tuple[str, str]] = Counter()
    wronged: list[str] = []
    for case in cases:
        verdict = is_bot(case["ua"])
        for source in ("all", case["src"]):
            total[case["label"], source] += 1
            found[case["label"], source] += verdict
        if verdict and case["label"] == "human":
            wronged.append(case["ua"])

    print(f"{'label':12} {'source':34} {'rows':>5} {'bots':>5} {'share':>8}")
    for label in sorted({label for label, _ in total}, key=lambda label: (label not in {"bot", "human"}, label)):
        sources = sorted(source for other, source in total if other == label and source != "all")
        for source in ["all", *(sources if label in {"bot", "human"} else [])]:
            rows, hits = total[label, source], found[label, source]
            print(f"{label:12} {source:34} {rows:5} {hits:5} {hits / rows:8.2%}")
    kinds = Counter((case["label"], str(bot_kind(case["ua"]))) for case in cases)
    for label, kind in sorted(kinds):
        print(f"{label:12} {kind:34} {kinds[label, kind]:5}")
    for user_agent in wronged:
        print(f"human called a bot: {user_agent!r}")

    print(f"\nfirst call {first_call * 1e3:.1f} ms")
    for label in ("human", "bot"):
        user_agents = [case["ua"] for case in cases if case["label"] == label]
        print(f"{label}: never seen {never_seen(user_agents):.2f} us, seen {seen(user_agents[:500]):.3f} us")

    recall = found["bot", "all"] / total["bot", "all"]
    return 0 if recall >= ENOUGH and not wronged else 1


def never_seen(user_agents: list[str]) -> float:
    """Return the microseconds for a User-Agent that no verdict is kept for; the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        bots._state.recent.clear()  # noqa: SLF001  # the caches are what is to be avoided
        bots._state.older.clear()  # noqa: SLF001
        best = min(best, elapsed(user_agents))
    return best


def seen(user_agents: list[str]) -> float:
    """Return the microseconds for a User-Agent with a kept verdict; the best of some rounds."""
    elapsed(user_agents)
    return min(elapsed(user_agents) for _ in range(ROUNDS))


def elapsed(user_agents: list[str]) -> float:
    """Return the microseconds a User-Agent that one pass over these takes."""
    start = time.perf_counter()
    for user_agent in user_agents:
        is_bot(user_agent)
    return (time.perf_counter() - start) / len(user_agents) * 1e6


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
