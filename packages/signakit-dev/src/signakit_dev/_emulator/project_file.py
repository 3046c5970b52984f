"""The file of a project on disk: seeing that it changed, reading it, and replacing it as a whole.

``ProjectFile`` has no lock of its own: ``ProjectStore`` calls it under its lock. It remembers the stamp that the file
had when it was last read or written. So it does not take its own writes for edits by hand.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import time
from pathlib import Path

from signakit_flags.integration import read_regular, replaceable

from .._project.reading import BOM, ProjectError, read

_SETTLED = 100_000_000
"""Nanoseconds. A file written less than this before it was read may be written again without a new time stamp."""


class ProjectFile:
    """The file of a project, or what is found in its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, ...] | None = None
        self._suspect: tuple[int, ...] | None = None
        self._has_bom = False

    def may_have_changed(self) -> bool:
        """Return whether the file may differ from what was read or written last."""
        return self._stamp is None or self._current_stamp() != self._stamp

    def is_newly_broken(self) -> bool:
        """Return whether the file is broken, and was not found broken at this stamp before."""
        stamp = self._current_stamp()
        if stamp == self._suspect or not self._is_broken():
            return False
        self._suspect = stamp
        return True

    def read(self) -> str:
        """Return the text, without a byte order mark.

        Raises:
            ProjectError: It is not UTF-8.
            OSError: It cannot be read, or is not a regular file: a pipe can be read only once, and not be watched.
        """
        stamp = self._current_stamp()
        self._stamp = stamp
        content = self._content()
        if abs(time.time_ns() - stamp[0]) < _SETTLED:
            self._stamp = None
        self._has_bom = content.startswith(BOM)
        try:
            return content.removeprefix(BOM).decode()
        except UnicodeDecodeError:
            read(content)  # raises, and says where
            raise

    def write(self, text: str) -> None:
        """Replace the file by a rename; a byte order mark, the mode and a link to the file stay.

        Raises:
            OSError: It cannot be written, or is not a regular file.
        """
        target = Path(replaceable(self.path))
        content = (BOM if self._has_bom else b"") + text.encode()
        try:
            _replace(target, content)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # A file that is mounted by itself, as containers do it, cannot be replaced.
            target.write_bytes(content)
        self._stamp = self._current_stamp()

    def _current_stamp(self) -> tuple[int, ...]:
        try:
            stat = self.path.stat()
        except OSError:
            return (0,)
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _is_broken(self) -> bool:
        try:
            read(self._content())
        except (OSError, ProjectError):
            return True
        return False

    def _content(self) -> bytes:
        return read_regular(self.path)


def _replace(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    written = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):
            written.chmod(target.stat().st_mode & 0o7777)
        written.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            written.unlink()
        raise
