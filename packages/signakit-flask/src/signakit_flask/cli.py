"""``flask signakit list | decide | status``: looks at flags without counting anybody into an experiment."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup

from .proxy import NAME, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from signakit_flags import Decision, SignaKitClient

commands: AppGroup = AppGroup(NAME, help="List flags, decide them for a user, or show the state of the client.")


def _command(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that each has."""
    seconds = click.FloatRange(min=0)
    timeout = click.option("--timeout", type=seconds, default=10.0, metavar="SECONDS", help="Wait for the config.")
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    return as_json(timeout(function))


@commands.command("list")
@_command
def list_flags(*, as_json: bool, timeout: float) -> None:
    """Print the keys of all flags that are not archived."""
    keys = _ready(timeout).flag_keys()
    click.echo(json.dumps(keys) if as_json else "\n".join(keys))


@commands.command()
@click.argument("user_id")
@click.argument("flag_key", nargs=-1)
@click.option(
    "-a",
    "--attribute",
    "attributes",
    multiple=True,
    metavar="NAME=VALUE",
    help="An attribute of the user; the value is JSON, else text.",
)
@_command
def decide(
    user_id: str, flag_key: tuple[str, ...], *, attributes: tuple[str, ...], as_json: bool, timeout: float
) -> None:
    """Print what a user gets, and why: for these flags, or for all. Sends no exposure."""
    given = dict(_attribute(text) for text in attributes)
    client = _ready(timeout)
    user = client.create_user_context(user_id, given)
    assert user is not None  # it is ready
    explanations = [user.explain(key) for key in flag_key or client.flag_keys()]
    if as_json:
        decided = {explanation.flag_key: _as_json(explanation.decision) for explanation in explanations}
        click.echo(json.dumps(decided))
        return
    for explanation in explanations:
        click.echo(str(explanation))


@commands.command()
@_command
def status(*, as_json: bool, timeout: float) -> None:
    """Print where the config came from, how old it is, and what is queued; also when there is none."""
    client, reason = _loaded(timeout)
    values = asdict(client.status())
    click.echo(json.dumps(values) if as_json else "\n".join(f"{name:20} {value}" for name, value in values.items()))
    _require_config(client, reason)


def _ready(timeout: float) -> SignaKitClient:
    client, reason = _loaded(timeout)
    _require_config(client, reason)
    return client


def _loaded(timeout: float) -> tuple[SignaKitClient, str | None]:
    """Return the client after an attempt to load, and why that failed."""
    integration = state().integration
    client = integration.made
    if client is None:
        problems = [problem.message for problem in integration.options.problems if problem.kind != "unknown"]
        raise click.ClickException(f"flags are off: {'; '.join(problems)}")
    if not integration.may_load():
        return client, "the network is left alone under test"
    return client, client.on_ready_sync(timeout).reason


def _require_config(client: SignaKitClient, reason: str | None) -> None:
    if not client.is_ready:
        raise click.ClickException(f"no config: {reason}")


def _attribute(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"an attribute is written NAME=VALUE, not {text!r}")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def _as_json(decision: Decision | None) -> dict[str, Any] | None:
    return None if decision is None else asdict(decision)
