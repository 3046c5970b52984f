"""Counts the instructions of the hot path with valgrind: figures that repeat, also on a busy machine.

uv run benchmarks/instructions.py [--output FILE]

Prints a table and writes instructions.json next to this file. Each operation runs in a loop of two lengths, under
`valgrind --tool=callgrind` and with PYTHONHASHSEED=0; the difference of the counts, by the difference of the lengths,
is what one operation takes. Steps are differences of operations. All of it is one process, as starting Python under
valgrind takes longer than the rest: it calls `getppid`, which nothing else does, between one loop and the next, and
valgrind writes its count down there.

Counts depend on the build of Python and on the versions of some packages, which are written along. They change with
these, and not from run to run.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from suite import machine, workload

from signakit_flags import SignaKitClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FLAGS = 100
LOADED = 1_000
PACKAGES = ("mmh3", "msgspec")
ATTRIBUTES = workload.attributes_of(0)
ON_OFF, TARGETED, AB = (workload.keys_of(kind, FLAGS)[0] for kind in workload.KINDS)


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that is counted.

    Attributes:
        run: Does it so many times.
        short, long: The two lengths of the loop.
    """

    run: Callable[[int], None]
    short: int = 100
    long: int = 600


def client_of(*, exposing: bool = True) -> SignaKitClient:
    """Return a client; without ``exposing`` its A/B rules are targeted ones."""
    return SignaKitClient.offline(workload.signakit_config(workload.flag_specs(FLAGS), exposing=exposing))


def deciding(client: SignaKitClient, keys: tuple[str, ...], *, new_users: bool = False) -> Operation:
    """Return making a context and deciding flags: for one user, whose exposures were seen, or for new users."""
    serial = iter(range(1_000_000))

    def run(count: int) -> None:
        users = [f"user-{next(serial) if new_users else 0:06d}" for _ in range(count)]
        for user_id in users:
            user = client.create_user_context(user_id, ATTRIBUTES)
            assert user is not None
            for key in keys:
                user.decide(key)

    return Operation(run)


def deciding_all(client: SignaKitClient) -> Operation:
    """Return making a context and deciding all flags."""

    def run(count: int) -> None:
        for _ in range(count):
            user = client.create_user_context("user-000000", ATTRIBUTES)
            assert user is not None
            user.decide_all()

    return Operation(run, 2, 12)


def loading() -> Operation:
    """Return loading a project."""
    config = json.dumps(workload.signakit_config(workload.flag_specs(LOADED))).encode()

    def run(count: int) -> None:
        for _ in range(count):
            SignaKitClient.offline(config)

    return Operation(run, 1, 3)


def operations() -> Iterator[tuple[str, Operation]]:
    """Give the operations, each made when its turn comes."""
    client = client_of()
    yield "context", deciding(client, ())
    yield "on-off", deciding(client, (ON_OFF,))
    yield "targeted", deciding(client, (TARGETED,))
    yield "ab", deciding(client, (AB,))
    yield "ab-again", deciding(client, (AB, AB))
    yield "request", deciding(client, (ON_OFF, TARGETED, AB))
    yield "all", deciding_all(client)
    yield "ab-silent", deciding(client_of(exposing=False), (AB,))
    yield "context-new", deciding(client, (), new_users=True)
    yield "ab-new", deciding(client_of(), (AB,), new_users=True)
    yield "load", loading()


def run_all() -> None:
    """Run the loops with marks between them: of three stretches for each, the second and third are the loops."""
    for _name, operation in operations():
        operation.run(operation.short)  # what happens only once has happened
        gc.collect()
        gc.freeze()
        os.getppid()
        operation.run(operation.short)
        os.getppid()
        operation.run(operation.long)
        os.getppid()


def count() -> dict[str, float]:
    """Return the instructions that each operation takes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        valgrind = ("valgrind", "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={out}")
        done = subprocess.run(
            [*valgrind, sys.executable, "-B", str(Path(__file__).resolve()), "--run"],
            env={name: value for name, value in os.environ.items() if not name.startswith("SIGNAKIT_")}
            | {"PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        dumps = sorted(Path(folder).glob("out.*"), key=lambda path: int(path.suffix[1:]))
        counts = [int(re.findall(r"^totals: (\d+)", dump.read_text(), re.MULTILINE)[0]) for dump in dumps]
    found = list(operations())
    if done.returncode or len(counts) != 3 * len(found):
        raise RuntimeError(f"valgrind counted {len(counts)} stretches, not {3 * len(found)}:\n{done.stderr[-3000:]}")
    return {
        name: (counts[3 * number + 2] - counts[3 * number + 1]) / (operation.long - operation.short)
        for number, (name, operation) in enumerate(found)
    }


def steps(counts: dict[str, float]) -> dict[str, int]:
    """Return the rows of the table from the counts of the operations."""
    context = counts["context"]
    rows = {
        "context": context,
        "request, every exposure seen": counts["request"],
        "decide on/off, exposure seen": counts["on-off"] - context,
        "decide targeted": counts["targeted"] - context,
        "decide A/B, exposure seen": counts["ab"] - context,
        "decide A/B, no exposure": counts["ab-silent"] - context,
        "decide A/B, first exposure": counts["ab-new"] - counts["context-new"],
        "decide again": counts["ab-again"] - counts["ab"],
        "decide_all, each flag": (counts["all"] - context) / FLAGS,
        "load, each flag": counts["load"] / LOADED,
    }
    return {name: round(value) for name, value in rows.items()}


def main() -> int:
    """Count, print and write; 2 if there is no valgrind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("instructions.json"), metavar="FILE")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run_all()
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is not installed (on Debian: apt-get install valgrind): nothing was counted", file=sys.stderr)
        return 2
    rows = steps(count())
    print(f"{'':>10}  instructions for each")
    for name, number in rows.items():
        print(f"{number:10,}  {name}")
    document = {
        "unit": "instructions",
        "python": machine.describe()["Python"],
        "build": machine.describe()["Python build"],
        "packages": {name: version(name) for name in PACKAGES},
        "counts": rows,
    }
    arguments.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"written: {arguments.output.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
