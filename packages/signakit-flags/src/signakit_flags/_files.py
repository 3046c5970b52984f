"""Regular files: opened without waiting, read up to a limit, found behind links to be replaced.

A path may lead to a FIFO, and to open one is to wait for a writer. It may lead to a device, which can be read without
an end, and which every program of the machine uses. Each file that we read or replace goes through this module.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import FileIO

MAX_SIZE = 256 * 1024 * 1024
"""Bytes that are read of one file where a caller sets no limit: many times what a client takes as a config."""

_PIECE = 1024 * 1024

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}

# What of these a system does not have, it does not need. O_NOCTTY: a terminal does not become that of this process.
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0)


def open_regular(path: str | os.PathLike[str], *, or_pipe: bool = False) -> FileIO:
    """Open a regular file, or a link to one, for reading. Never waits, unless ``or_pipe`` is given.

    Args:
        path: The file.
        or_pipe: Take a pipe as well, and wait until something writes to it. For a command that a person starts, who
            may give it ``/dev/stdin`` or ``<(...)`` and can stop it; not for a process that has to go on.

    Raises:
        OSError: It cannot be opened, or is something else; the message says what.
    """
    # Looked at twice. The second look is at what is really open. The first one spares what is not to be opened at all:
    # a socket cannot be, and some devices act on it.
    _check(os.stat(path), path, or_pipe=or_pipe)  # noqa: PTH116  # pathlib would take "" for the current folder
    descriptor = os.open(path, _FLAGS if or_pipe else _FLAGS | _WITHOUT_WAITING)
    try:
        _check(os.fstat(descriptor), path, or_pipe=or_pipe)
        return os.fdopen(descriptor, "rb", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | os.PathLike[str], limit: int = MAX_SIZE, *, or_pipe: bool = False) -> bytes:
    """Return the content of a regular file, or of a link to one. Never waits, unless ``or_pipe`` is given.

    Args:
        path: The file.
        limit: Bytes to read, at most.
        or_pipe: Read a pipe to its end as well. For a command that a person starts, who may give it ``/dev/stdin`` or
            ``<(...)`` and can stop it; not for a process that has to go on.

    Raises:
        OSError: It cannot be read, is larger than ``limit``, or is a FIFO, a socket, a device or a folder; the message
            says which.
    """
    # As views: error trackers store the local variables of each frame, and the bytes of a config name its key.
    pieces: list[memoryview] = []
    room = limit
    with open_regular(path, or_pipe=or_pipe) as file:
        while piece := memoryview(file.read(min(_PIECE, room + 1)) or b""):  # None of a file of /proc that would wait
            room -= len(piece)
            if room < 0:
                raise OSError(errno.EFBIG, f"is larger than {limit:,} bytes", os.fspath(path))
            pieces.append(piece)
    return b"".join(pieces)


def replaceable(path: str | os.PathLike[str]) -> str:
    """Return the path of the regular file that is to be replaced: that of ``path``, or where its links lead.

    A link stays, since a file that is kept elsewhere was linked on purpose. The file does not have to exist.

    Raises:
        OSError: A FIFO, a socket, a device or a folder is in its place (the message says which), or this process may
            not follow the link.
    """
    try:
        # By way of `path`: the kernel may refuse a link that another user has put into a folder like /tmp.
        found = Path(path).stat()
    except FileNotFoundError:
        pass
    else:
        _check(found, path, or_pipe=False)
    return os.path.realpath(path)


def is_fifo(path: str | os.PathLike[str]) -> bool:
    """Say whether a FIFO is at ``path``: what opens it would wait for the other end."""
    try:
        return stat.S_ISFIFO(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def _check(found: os.stat_result, path: str | os.PathLike[str], *, or_pipe: bool) -> None:
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFREG or (or_pipe and kind == stat.S_IFIFO):
        return
    wanted = "neither a regular file nor a pipe" if or_pipe else "not a regular file"
    number = errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL
    raise OSError(number, f"is {_KINDS.get(kind, 'something else')} and {wanted}", os.fspath(path))
