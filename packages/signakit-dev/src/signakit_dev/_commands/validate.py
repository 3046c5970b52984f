"""``signakit validate``: everything that is wrong with a file."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from signakit_dev._project.reading import ProjectProblem, check

from .options import DEFAULT_FILE, JsonOption
from .output import CommandError, command, counted, print_json, printable, show


@command
def validate(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The JSON file to check, or a pipe.")
    ] = DEFAULT_FILE,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings fail, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a config file, and list every problem.

    Each comes with its path and line. An error makes the SDK refuse the file or leave a flag out, or decide what nobody
    can have meant, like two variations for one bucket; a warning is what it passes over, or what is only odd. A file
    with errors is not served by signakit dev. The exit code is 1 when there are errors.
    """
    from signakit_flags.integration import read_regular  # would lengthen `signakit --help`

    try:
        problems = check(read_regular(file, or_pipe=True))
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from None
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    failed = bool(errors or (strict and warnings))
    if as_json:
        print_json(
            {
                "file": str(file),
                "ok": not failed,
                "errors": errors,
                "warnings": warnings,
                "problems": [asdict(problem) for problem in problems],
            }
        )
    else:
        for problem in problems:
            show(line(file, problem))
        verdict = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}" if problems else "no problems"
        show(f"{file}: {verdict}", style="red" if failed else "green")
    if failed:
        raise typer.Exit(1)


def line(file: Path, problem: ProjectProblem) -> Text:
    """Return a problem as compilers print it, so that an editor can jump there."""
    where = f"{file}:{problem.line}: " if problem.line is not None else f"{file}: "
    style = "red" if problem.severity == "error" else "yellow"
    text = Text(printable(where)).append(f"{problem.severity}: ", style=style)
    if problem.path:
        text.append(printable(f"{problem.path}: "), style="bold")
    return text.append(printable(problem.message))
