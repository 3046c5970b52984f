"""What ``dev`` and ``demo`` share: options, and what they say when the emulator cannot start."""

import logging
from collections.abc import Callable
from pathlib import Path

import typer

from signakit_dev._emulator.faults import Fault, parse_fault
from signakit_dev._emulator.ports import PortTakenError, RemoteNotAllowedError
from signakit_dev._project.reading import ProjectError, read
from signakit_dev._project.sample import ANY_KEY, SAMPLE, sdk_key_of
from signakit_dev._serving.server import ServerOptions, run

from .log import told
from .output import CommandError

FAULT_HELP = (
    "latency=SECONDS, hang, refuse, status=503,retry_after=2, garbage or truncated; ,times=3 ends it after three."
)


def create_sample(path: Path) -> bool:
    """Write the sample project where there is no file yet, and say whether that was so.

    Raises:
        CommandError: It cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(SAMPLE)
    except FileExistsError:
        return False
    except OSError as error:
        raise CommandError(f"{path} cannot be created: {error.strerror}") from None
    return True


def fault_option(option: str, text: str | None) -> Fault | None:
    """Read the value of an option that sets a fault."""
    if text is None:
        return None
    try:
        return parse_fault(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}. {FAULT_HELP}", param_hint=option) from None


def sdk_key_in(path: Path | None) -> str:
    """Return the key that the project in a file names, or one that does as well."""
    try:
        return sdk_key_of({} if path is None else read(path.read_bytes())[0])
    except (OSError, ProjectError):  # told by whoever serves it
        return ANY_KEY


def serve(options: ServerOptions, *, command: str, on_started: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; what can keep the emulator from it becomes a message that says what to do.

    Raises:
        CommandError: It could not start.
    """
    try:
        # Without a file it is the page alone that changes things, and whoever changed them sees it there.
        with told(logging.WARNING if options.path is None else logging.INFO):
            run(options, on_started=on_started)
    except ProjectError as error:
        problems = [
            {"path": problem.path, "message": problem.message, "line": problem.line, "severity": problem.severity}
            for problem in error.problems
        ]
        lines = "\n".join(f"  {problem}" for problem in error.problems)
        raise CommandError(f"{options.path} cannot be served:\n{lines}", problems=problems) from None
    except RemoteNotAllowedError as error:
        hint = "The emulator asks nobody for a password. With --allow-remote it listens there all the same."
        raise CommandError(str(error), hint=hint) from None
    except PortTakenError as error:
        hint = f"This one is free: {command} --port {error.free}"
        raise CommandError(str(error), hint=hint, holder=error.holder, free=error.free) from None
    except OSError as error:
        raise CommandError(f"the emulator cannot start: {error.strerror or error}") from None
