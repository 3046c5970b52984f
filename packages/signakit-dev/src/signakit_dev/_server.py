"""Serving the emulator: for the command, and in a thread of a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ._faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class RemoteNotAllowed(ValueError):  # noqa: N818  # reads as what happened
    """The host is reachable from other machines, and that was not asked for."""


class PortTaken(OSError):  # noqa: N818  # as above
    """Somebody listens on the port already.

    Attributes:
        port: The port asked for.
        holder: Who has it, like ``"uvicorn (process 4711)"``, where the system tells.
        free: A port that is free.
    """

    def __init__(self, port: int, *, holder: str | None, free: int) -> None:
        super().__init__(f"port {port} is taken" + (f" by {holder}" if holder else ""))
        self.port = port
        self.holder = holder
        self.free = free


@dataclass(frozen=True, slots=True)
class Options:
    """How the emulator is run.

    Attributes:
        path: The project's file, watched and written; None serves the sample from memory.
        host: Address or name to bind to.
        port: Port, 0 for any that is free.
        allow_remote: Whether ``host`` may be one that other machines reach.
        faults: Faults from the start, by ``"config"`` and ``"events"``.
    """

    path: Path | None
    host: str = "127.0.0.1"
    port: int = 4747
    allow_remote: bool = False
    faults: Mapping[str, Fault] = field(default_factory=dict)


def free_port_after(port: int, host: str = "127.0.0.1") -> int:
    """Return a port above ``port`` that is free now."""
    raise NotImplementedError


def run(options: Options, *, on_started: Callable[[str], None] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM, then stop cleanly and return.

    Args:
        options: What to serve, and where.
        on_started: Called with the URL once requests are answered.

    Raises:
        ProjectError: The file has errors.
        OSError: The file cannot be read, or the address not be bound.
        RemoteNotAllowed: ``host`` is no loopback address and ``allow_remote`` is False.
        PortTaken: Somebody else listens there.
    """
    raise NotImplementedError
