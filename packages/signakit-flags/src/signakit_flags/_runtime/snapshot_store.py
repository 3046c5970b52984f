"""The last known good config outside the process, for a start while the CDN is away.

What is kept is a line of JSON (whose config, its ETag, when it was saved, length and digest of what follows), then the
config as it came. So a store that an application brings (``integration.SnapshotStore``) moves bytes and nothing else:
what is cut short, damaged or another key's is found out here.

A file is replaced by an atomic rename, so a reader sees one whole file or the other. It is not written where the folder
is read-only, and what is not a regular file is neither read nor replaced; each is said once.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .._files import read_regular, replaceable
from .._log import logger
from .._signal_handlers import let_through

if TYPE_CHECKING:
    from .._sdk_key import SdkKey


_FORMAT = 1
_MAX_HEADER = 10_000


class SnapshotStore(Protocol):
    """Keeps one value of bytes between two runs of an application: in a cache, a bucket, a table.

    For ``SignaKitClient(snapshot_store=...)``. The bytes carry their owner, their age and a digest, so a store may be
    shared, may forget, and may hand back something damaged. Both methods may wait for I/O and may raise, which is
    logged once and otherwise ignored. They are called where configs are fetched: in a thread of the client's, or on the
    event loop that awaited ``on_ready()``.
    """

    def load(self) -> bytes | None:
        """Return what was saved last, or None when there is nothing."""
        ...

    def save(self, data: bytes) -> None:
        """Keep ``data`` in place of what was saved before."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """A config read back.

    Attributes:
        body: The config as it came from the CDN.
        etag: Its ETag, or None.
        age: Seconds since it was saved, never negative.
    """

    body: bytes | memoryview
    etag: str | None
    age: float


class KeyedStore:
    """Keeps the config of one SDK key in a store."""

    def __init__(
        self, store: SnapshotStore, key: SdkKey, max_size: int, *, name: str = "snapshot", place: str = ""
    ) -> None:
        self._store = store
        # Not the key itself: what is stored may be less well guarded than the environment.
        self._owner = hashlib.sha256(key.text.encode()).hexdigest()
        self._max_size = max_size
        self._name = name
        self._place = place or type(store).__name__
        self._failed = False

    def load(self) -> Stored | None:
        """Return the stored config; None when there is none, it is another key's, or it is damaged. Never raises."""
        try:
            data = _as_view(self._store.load())
        except Exception as error:  # noqa: BLE001  # the store may be the application's own
            let_through(error)
            logger.warning("%s cannot be read: %s", self._name, error)
            return None
        if data is None:
            return None
        try:
            end = bytes(data[:_MAX_HEADER]).index(b"\n") + 1
            header = json.loads(bytes(data[:end]))
            body = data[end:]
            if header["format"] != _FORMAT or header["owner"] != self._owner:
                return None
            whole = header["length"] == len(body) <= self._max_size
            if not whole or header["sha256"] != hashlib.sha256(body).hexdigest():
                logger.warning("%s %s is damaged and ignored", self._name, self._place)
                return None
            etag = header["etag"] if isinstance(header["etag"], str) else None
            return Stored(body, etag, max(0.0, time.time() - float(header["saved"])))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            logger.warning("%s %s is damaged and ignored", self._name, self._place)
            return None

    def save(self, body: bytes | memoryview, etag: str | None) -> None:
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
            self._store.save(json.dumps(header).encode() + b"\n" + body)
            self._failed = False
        except Exception as error:  # noqa: BLE001  # as above
            let_through(error)
            if not self._failed:
                self._failed = True
                logger.warning("%s cannot be written: %s", self._name, error)


def _as_view(data: bytes | None) -> memoryview | None:
    """Return what a store has loaded as a view of it: it is not copied, and its ``repr()`` shows no SDK key.

    What is not bytes becomes an empty view, which is damaged as it is.
    """
    if data is None:
        return None
    try:
        return memoryview(data)
    except TypeError:
        return memoryview(b"")


class FileStore(KeyedStore):
    """Keeps the config of one SDK key in one file."""

    def __init__(self, path: str | os.PathLike[str], key: SdkKey, max_size: int) -> None:
        file = _File(Path(path), _MAX_HEADER + max_size)
        super().__init__(file, key, max_size, name="snapshot file", place=str(path))


class _File:
    def __init__(self, path: Path, max_size: int) -> None:
        self._path = path
        self._max_size = max_size

    def load(self) -> bytes | None:
        try:
            return read_regular(self._path, self._max_size)
        except FileNotFoundError:
            return None

    def save(self, data: bytes) -> None:
        view = memoryview(data)
        del data  # it names its key, which the repr() of bytes shows, and that of a memoryview does not
        # For what it refuses. A link itself is replaced, and not what it leads to: it may be another user's.
        replaceable(self._path)
        # A name of its own for each writer: two processes that save at once must not share a half-written file.
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(view)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
