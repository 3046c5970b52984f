"""What every command prints alike: JSON, messages for people, errors.

Results go to stdout, everything about them to stderr. An exit code of 0 says yes, 1 says no (invalid, unknown,
unreachable), 2 says that the command line is wrong.
"""

import functools
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Command = TypeVar("Command", bound=Callable[..., None])


class CommandError(Exception):
    """The command cannot answer as asked: told on stderr, exit code 1.

    Attributes:
        message: What is wrong, in one sentence.
        hint: What to do about it.
        fields: More for ``--json``.
    """

    def __init__(self, message: str, *, hint: str | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fields = fields


def command(function: Command) -> Command:
    """Make a function a command.

    A ``CommandError`` out of it is told in words, or in JSON where that was asked for. Its docstring is the help: the
    lines of a paragraph are joined, since a terminal breaks them anew.
    """

    @functools.wraps(function)
    def run(**arguments: Any) -> None:
        try:
            function(**arguments)
        except CommandError as error:
            fail(error, as_json=bool(arguments.get("as_json")))

    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    run.__doc__ = "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
    return run  # type: ignore[return-value]  # the same signature, which typer reads through functools.wraps


def fail(error: CommandError, *, as_json: bool) -> NoReturn:
    """Tell what is wrong, and exit with 1."""
    if as_json:
        print_json({"error": error.message, "hint": error.hint, **error.fields})
    else:
        say(f"error: {error.message}", style="red")
        if error.hint is not None:
            say(error.hint)
    raise typer.Exit(1)


def print_json(value: Mapping[str, Any]) -> None:
    """Print a JSON object to stdout, on several lines."""
    print(json.dumps(value, indent=2, ensure_ascii=False), flush=True)


def package_version() -> str:
    """Return the version of signakit-dev."""
    return version("signakit-dev")


def show(result: str | Text | Table, *, style: str = "") -> None:
    """Print a result to stdout: no colours and no line breaks of its own where it is read by a program."""
    if isinstance(result, str):
        result = Text(printable(result), style=style)
    if sys.stdout.isatty():
        Console(highlight=False, soft_wrap=isinstance(result, Text)).print(result)
        return
    out = Console(highlight=False, width=1_000, soft_wrap=True)
    with out.capture() as captured:
        out.print(result)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), flush=True)


def say(message: str, *, style: str = "") -> None:
    """Print a message about the result to stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(printable(message), style=style))


def printable(text: str) -> str:
    """Return the text with control characters written out: names in a config must not steer a terminal."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in text)


def counted(number: int, noun: str) -> str:
    """Return ``1 error`` or ``2 errors``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
