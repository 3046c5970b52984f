"""The last known good config on disk, for a start while the CDN is away.

One file: a line of JSON (whose config, its ETag, when it was saved, length and digest of what follows), then the config
as it came. It is replaced by an atomic rename, so a reader sees one whole file or the other, and a file cut short by a
crash fails its digest. It is not written where the folder is read-only; that is said once.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .._log import logger

if TYPE_CHECKING:
    from .._sdk_key import SdkKey


_FORMAT = 1
_MAX_HEADER = 10_000


@dataclass(frozen=True, slots=True)
class Stored:
    """A config read back from disk.

    Attributes:
        body: The config as it came from the CDN.
        etag: Its ETag, or None.
        age: Seconds since it was saved, never negative.
    """

    body: bytes
    etag: str | None
    age: float


class FileStore:
    """Keeps the config of one SDK key in one file."""

    def __init__(self, path: str | os.PathLike[str], key: SdkKey, max_size: int) -> None:
        self._path = Path(path)
        # Not the key itself: the file may be less well guarded than the environment.
        self._owner = hashlib.sha256(key.text.encode()).hexdigest()
        self._max_size = max_size
        self._failed = False

    def load(self) -> Stored | None:
        """Return the stored config; None when there is none, it is another key's, or it is damaged. Never raises."""
        try:
            with self._path.open("rb") as file:
                header_line = file.readline(_MAX_HEADER)
                body = file.read(self._max_size + 1)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            logger.warning("snapshot file cannot be read: %s", error)
            return None
        try:
            header = json.loads(header_line)
            if header["format"] != _FORMAT or header["owner"] != self._owner:
                return None
            if header["length"] != len(body) or header["sha256"] != hashlib.sha256(body).hexdigest():
                logger.warning("snapshot file %s is damaged and ignored", self._path)
                return None
            etag = header["etag"] if isinstance(header["etag"], str) else None
            return Stored(body, etag, max(0.0, time.time() - float(header["saved"])))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            logger.warning("snapshot file %s is damaged and ignored", self._path)
            return None

    def save(self, body: bytes, etag: str | None) -> None:
        """Replace the stored config. Never raises: a failure is logged once, until a save succeeds again."""
        header = {
            "format": _FORMAT,
            "owner": self._owner,
            "etag": etag,
            "saved": time.time(),
            "length": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        try:
            self._replace(json.dumps(header).encode() + b"\n" + body)
            self._failed = False
        except (OSError, ValueError) as error:
            if not self._failed:
                self._failed = True
                logger.warning("snapshot file cannot be written: %s", error)

    def _replace(self, data: bytes) -> None:
        # A name of its own for each writer: two processes that save at once must not share a half-written file.
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
