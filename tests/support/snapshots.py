"""Stored configs, written and read without a client."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from signakit_flags import parse_sdk_key
from signakit_flags._runtime.flow import Ask
from signakit_flags._runtime.snapshot_keeper import SnapshotKeeper
from signakit_flags._runtime.snapshot_store import FileStore, Kept, KeyedStore
from support.configs import SDK_KEY

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from signakit_flags import SdkKey
    from signakit_flags._runtime.snapshot_store import Header, Stored

KEY = parse_sdk_key(SDK_KEY)
LIMIT = 1_000_000


def done(work: Generator[Any, Any, Any]) -> Any:
    """Do a part of a flow in this thread, and return what it ends with."""
    answer: object = None
    while True:
        try:
            action = work.send(answer)
        except StopIteration as end:
            return end.value
        answer = action.answer() if isinstance(action, Ask) else None


def to_pause(work: Generator[Any, Any, Any]) -> None:
    """Do a part of a flow until its first pause."""
    action = next(work)
    while isinstance(action, Ask):
        action = work.send(action.answer())


def kept(body: bytes) -> Kept:
    return Kept(memoryview(body), hashlib.sha256(body).hexdigest())


class Snapshots:
    """What is kept in a store, for one key."""

    def __init__(self, store: object, key: SdkKey = KEY, max_size: int = LIMIT) -> None:
        self._store = store if isinstance(store, KeyedStore) else KeyedStore(store, key, max_size)

    @classmethod
    def in_file(cls, path: str | Path, key: SdkKey = KEY, max_size: int = LIMIT) -> Snapshots:
        return cls(FileStore(path, key, max_size))

    @property
    def keeper(self) -> SnapshotKeeper:
        return SnapshotKeeper(self._store)

    def resigned(self, data: bytes, **fields: Any) -> bytes:
        """Return what a store with the same secret could have saved, with other values in its header."""
        header, body = data.split(b"\n", 1)
        changed = json.loads(header) | fields
        del changed["signature"]
        return json.dumps(changed | {"signature": self._store._signature(changed)}).encode() + b"\n" + body

    def load(self) -> Stored | None:
        stored: Stored | None = done(self._store.load())
        return stored

    def body(self) -> bytes | None:
        stored = self.load()
        return None if stored is None else bytes(stored.kept.body)

    def look(self) -> Header | None:
        header: Header | None = done(self._store.look())
        return header

    def save(self, body: bytes, etag: str | None, version: int | None = None) -> bool:
        saved: bool = done(self._store.save(kept(body), etag, version))
        return saved
