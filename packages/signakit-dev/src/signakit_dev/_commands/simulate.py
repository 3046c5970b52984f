"""``signakit simulate``: how a flag splits many users."""

import csv
import random
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.progress_bar import ProgressBar
from rich.table import Table

from signakit_flags import SignaKitClient

from .config_source import load
from .loaded_config import LoadedConfig
from .options import AttributeOption, ConfigFileOption, JsonOption, SdkKeyOption, attributes_of
from .output import CommandError, command, print_json, printable, show
from .shares import Outcome, configured_shares, with_rule_names

STEP = 1_000
BAR_WIDTH = 30


@dataclass(frozen=True, slots=True)
class Row:
    """What one variation got by one rule.

    Attributes:
        variation: The variation.
        rule: The rule's key, or its position, like ``"#2"``, where it has none; None for the default allocation.
        users: How many users.
        observed: Their share, 0 to 1.
        configured: The share that the config gives them, 0 to 1.
    """

    variation: str
    rule: str | None
    users: int
    observed: float
    configured: float


@command
def simulate(
    flag: Annotated[str, typer.Argument(metavar="FLAG", help="The flag's key.")],
    *,
    users: Annotated[int, typer.Option("--users", min=1, max=100_000_000, help="How many users.")] = 100_000,
    attr: AttributeOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Other users: the same number gives the same ids.")] = 0,
    config: ConfigFileOption = None,
    sdk_key: SdkKeyOption = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of text.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Decide one flag for many users, and show the split.

    All users have the attributes that are given, and random ids. Next to the share that was counted stands the one that
    the config gives: a difference beyond chance means that the buckets are not dealt out as you think. Sends no events.

    Example: signakit simulate new-checkout --users 100000 --attr plan=pro
    """
    if as_csv and as_json:
        raise typer.BadParameter("give either --csv or --json", param_hint="--csv")
    attributes = attributes_of(attr)
    source = load(config, sdk_key)
    rows = split(source, flag, attributes, users, seed)
    if as_json:
        split_rows = [asdict(row) for row in rows]
        print_json({"source": source.name, "flag": flag, "users": users, "seed": seed, "split": split_rows})
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(Row.__slots__)
        writer.writerows(asdict(row).values() for row in rows)
    else:
        show(chart(rows, f"{flag} for {users:,} users"))


def split(source: LoadedConfig, flag: str, attributes: Mapping[str, Any], users: int, seed: int) -> list[Row]:
    """Count what the users get, largest share of each rule in the order of the config.

    Raises:
        CommandError: There is no such flag, or the SDK leaves it out.
    """
    with source.client():  # says what is wrong where the config cannot be read at all
        written = source.flag(flag)
    definition = with_rule_names(written)
    with source.client() if definition is written else SignaKitClient.offline({"flags": [definition]}) as client:
        probe = client.create_user_context("")
        assert probe is not None, "an offline client is ready"
        if probe.explain(flag).decision is None:  # `decide` would log what is raised here
            raise CommandError(f"the flag {flag!r} of {source.name} is archived, or not one that the SDK can read")
        counted: Counter[Outcome] = Counter()
        for user in counting(user_ids(users, seed), users):
            context = client.create_user_context(user, attributes)
            decision = context.decide(flag) if context is not None else None
            assert decision is not None, "it had one for the first user"
            counted[decision.variation_key, decision.rule_key] += 1
    configured = configured_shares(definition, attributes)
    # An allowlist can give what no allocation gives.
    outcomes = [*configured, *(outcome for outcome in counted if outcome not in configured)]
    return [
        Row(
            variation,
            rule,
            counted[variation, rule],
            counted[variation, rule] / users,
            configured.get((variation, rule), 0.0),
        )
        for variation, rule in outcomes
    ]


def user_ids(number: int, seed: int) -> Iterator[str]:
    """Yield user ids of the form that visitors have: UUIDs, the same ones for the same seed."""
    source = random.Random(seed)
    for _ in range(number):
        yield str(uuid.UUID(int=source.getrandbits(128), version=4))


def counting(users: Iterator[str], total: int) -> Iterator[str]:
    """Yield the users, with a progress bar on stderr where that is a terminal."""
    stderr = Console(stderr=True)
    columns = (TextColumn("deciding"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        task = progress.add_task("", total=total)
        for number, user in enumerate(users, start=1):
            yield user
            if number % STEP == 0:
                progress.update(task, completed=number)


def chart(rows: list[Row], title: str) -> Table:
    """Return the split as a table with bars."""
    table = Table(box=None, title=escape(printable(title)), title_justify="left", title_style="bold", pad_edge=False)
    for heading in ("variation", "rule"):
        table.add_column(heading)
    for heading in ("users", "observed", "configured"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in rows:
        table.add_row(
            escape(printable(row.variation)),
            escape(printable(row.rule)) if row.rule is not None else "(default)",
            f"{row.users:,}",
            f"{row.observed:.2%}",
            f"{row.configured:.2%}",
            ProgressBar(total=1, completed=row.observed, width=BAR_WIDTH, finished_style="bar.complete"),
        )
    return table
