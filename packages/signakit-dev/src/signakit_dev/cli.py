"""The ``signakit`` command."""

import sys
from typing import Annotated

import typer

from signakit_flags import __version__ as sdk_version

from ._commands.decide import decide
from ._commands.demo import demo
from ._commands.dev import dev
from ._commands.output import package_version
from ._commands.simulate import simulate
from ._commands.status import status
from ._commands.validate import validate

__all__ = ["app", "main"]

# Boxes and colours only for people: the help of a pipe or a log is plain text.
app: typer.Typer = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(*, wanted: bool) -> None:
    """Print the versions, and end."""
    if wanted:
        print(f"signakit-dev {package_version()}, signakit-flags {sdk_version}")
        raise typer.Exit


@app.callback()
def signakit(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the versions and exit.")
    ] = False,
) -> None:
    """Feature flags of SignaKit on this machine: a server to develop against, and tools to look into flags."""


for _command in (demo, dev, decide, simulate, validate, status):
    app.command()(_command)


def main() -> None:
    """Run the command line."""
    app(prog_name="signakit")
