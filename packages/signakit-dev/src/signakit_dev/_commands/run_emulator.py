"""Running the emulator for ``dev`` and ``demo``, and what they say when it cannot start."""

import logging
from collections.abc import Callable
from pathlib import Path

from signakit_dev._emulator.ports import PortTakenError, RemoteNotAllowedError
from signakit_dev._project.reading import ProjectError, read
from signakit_dev._project.sample import ANY_KEY, SAMPLE, sdk_key_of
from signakit_dev._serving.server import ServerOptions, run
from signakit_flags.integration import read_regular

from .output import CommandError
from .terminal_log import told


def create_sample(path: Path) -> bool:
    """Write the sample project where there is no file yet; return whether it was written.

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


def sdk_key_in(path: Path | None) -> str:
    """Return the key that the project in a file names, or one that does as well."""
    try:
        return sdk_key_of({} if path is None else read(read_regular(path))[0])
    except (OSError, ProjectError):  # `serve` tells it
        return ANY_KEY


def serve(options: ServerOptions, *, command: str, on_started: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; what can keep the emulator from it becomes a message that says what to do.

    Raises:
        CommandError: It could not start.
    """
    try:
        # Without a file only the page changes things, and it shows them, too.
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
