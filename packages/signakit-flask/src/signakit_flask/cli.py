"""``flask signakit list | decide | status``: the arguments of ``signakit_flags.integration.Commands``."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup

from signakit_flags.integration import Commands, FlagsUnavailableError, parse_attribute

from .state import NAME, state_of

if TYPE_CHECKING:
    from collections.abc import Callable

commands: AppGroup = AppGroup(NAME, help="List flags, decide them for a user, or show the state of the client.")


def _command(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that each command has, and turn its error into click's."""

    def command(*, timeout: float, as_json: bool, **arguments: Any) -> None:
        try:
            prepared = Commands(state_of().integration, click.echo, timeout=timeout, as_json=as_json)
            function(prepared, **arguments)
        except FlagsUnavailableError as error:
            raise click.ClickException(str(error)) from error

    seconds = click.FloatRange(min=0)
    timeout = click.option("--timeout", type=seconds, default=10.0, metavar="SECONDS", help="Wait for the config.")
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    return as_json(timeout(functools.update_wrapper(command, function)))


def _attributes(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    try:
        return dict(map(parse_attribute, given))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@commands.command("list")
@_command
def list_flags(prepared: Commands) -> None:
    """Print the keys of all flags that are not archived."""
    prepared.list_flags()


@commands.command()
@click.argument("user_id")
@click.argument("flag_key", nargs=-1)
@click.option(
    "-a",
    "--attribute",
    "attributes",
    multiple=True,
    callback=_attributes,
    metavar="NAME=VALUE",
    help="An attribute of the user; the value is JSON, else text.",
)
@_command
def decide(prepared: Commands, user_id: str, flag_key: tuple[str, ...], attributes: dict[str, Any]) -> None:
    """Print what a user gets, and why: for these flags, or for all. Sends no exposure."""
    prepared.decide(user_id, flag_key, attributes)


@commands.command()
@_command
def status(prepared: Commands) -> None:
    """Print where the config came from, how old it is, and what is queued; also when there is none."""
    prepared.status()
