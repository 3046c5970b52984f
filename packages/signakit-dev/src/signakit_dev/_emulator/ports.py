"""Binding a port, and naming the process that has it when it is taken."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
from pathlib import Path


class RemoteNotAllowedError(ValueError):
    """The host is reachable from other machines, and that was not asked for."""


class PortTakenError(OSError):
    """Another process listens on the port already.

    Attributes:
        port: The port asked for.
        holder: The process that has it, like ``"uvicorn (process 4711)"``, where the system tells.
        free: A port that is free.
    """

    def __init__(self, port: int, *, holder: str | None, free: int) -> None:
        super().__init__(f"port {port} is taken" + (f" by {holder}" if holder else ""))
        self.port = port
        self.holder = holder
        self.free = free


def bind(host: str, port: int, *, allow_remote: bool) -> socket.socket:
    """Return a socket bound to ``host`` and ``port``.

    Raises:
        RemoteNotAllowedError: Other machines could reach it, and ``allow_remote`` is False.
        PortTakenError: Another process listens there.
        OSError: There is no such host, or it is not of this machine.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # "localhost" may be ::1 and 127.0.0.1; clients try both, so the one that works everywhere will do.
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    if not allow_remote and not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise RemoteNotAllowedError(f"{host} can be reached from other machines")
    # With the protocol named: asyncio sets TCP_NODELAY only then, and without it each answer waits 40 ms for an ACK.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # Now, not when the loop starts: of two sockets with SO_REUSEADDR the second fails only here.
        bound.listen(512)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(port, holder=holder_of(port), free=free_port_after(port, host)) from None
        raise
    bound.settimeout(0)  # not blocking
    return bound


def free_port_after(port: int, host: str = "127.0.0.1") -> int:
    """Return the next port above ``port`` that is free now; any free one when the next hundred are taken."""
    for candidate in [*range(port + 1, min(port + 101, 65_536)), 0]:
        with contextlib.suppress(OSError), socket.socket(_family(host), socket.SOCK_STREAM) as probe:
            probe.bind((host, candidate))
            return int(probe.getsockname()[1])
    raise OSError(errno.EADDRINUSE, "no port is free")


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def holder_of(port: int) -> str | None:
    """Return the process that listens on a port; None where the system does not tell: other systems, other users."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening(Path("/proc/net") / table, port)}
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(descriptor.readlink()) in wanted for descriptor in process.joinpath("fd").iterdir()):
                return f"{process.joinpath('comm').read_text().strip()} (process {process.name})"
    return None


def _listening(table: Path, port: int) -> list[str]:
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return []
    rows = [line.split() for line in lines]
    return [row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port]
