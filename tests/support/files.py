"""What can stand in the place of a file."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPECIAL = {"FIFO": "a FIFO", "socket": "a socket", "folder": "a folder"}
"""Kinds of what is not a regular file, and how an error calls them. No devices: as root a test could replace one."""


@contextlib.contextmanager
def special_file(kind: str, path: Path) -> Iterator[Path]:
    """Put what is not a regular file at ``path``."""
    match kind:
        case "FIFO":
            os.mkfifo(path)
            yield path
        case "folder":
            path.mkdir()
            yield path
        case "socket":
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                with socket.socket(socket.AF_UNIX) as server:
                    # The name of a socket has room for 107 characters, and folders of tests have long names.
                    server.bind(f"/proc/self/fd/{folder}/{path.name}")
                    yield path
            finally:
                os.close(folder)
