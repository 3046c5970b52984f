"""When the stored config is read and replaced. Several processes share a store, and none of them leads.

Each answer of the CDN that gives a config, or confirms the one we have, may be followed by a look into the store:

=============================================  =====================================================================
what the store holds                           what is done
=============================================  =====================================================================
nothing, or nothing that can be used           ours is saved
an older version                               ours is saved
the same version, another text                 ours is saved if it was fetched just now
a newer version                                ours is saved if two answers in a row gave it; once for each config
no version to compare, or we have none         ours is saved if it was fetched just now
another key's, or in another form              ours is saved if it was fetched just now
ours                                           nothing
=============================================  =====================================================================

A newer version is left alone at first, since the CDN has many edges, and one of them may lag behind: what was switched
off by the newer version would be on again for a process that starts from the store. Two answers in a row stand for a
version that was taken back. "Once" keeps two processes at different edges from replacing each other's for ever.

A look follows each config that was fetched and the first answer after a save: two processes may have saved at the same
time, and the store cannot tell which came first. Apart from that there is at most one look in ``LOOK_EVERY`` seconds.

State: all of it belongs to the flow that polls. A flow that was replaced may look once more, which is harmless.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .._log import logger
from .backoff import Due, uniform
from .flow import Failure
from .snapshot_store import comparable, to_keep

if TYPE_CHECKING:
    from .snapshot_store import Asking, Header, Kept, KeyedStore, Stored

LOOK_EVERY = 60.0
"""Seconds between two looks, give or take a tenth, while nothing changes."""


class SnapshotKeeper:
    """Keeps the config of a process in a store, and never replaces a newer one by mistake."""

    def __init__(self, store: KeyedStore) -> None:
        self._store = store
        self._kept: Kept | None = None  # what the CDN gave last, or what was loaded; None where it cannot be stored
        self._etag: str | None = None
        self._version: int | None = None
        self._given = 0  # answers in a row that gave this version
        self._took_back = False  # it has replaced a newer version once
        self._fetched = False  # and no look has followed yet
        self._next_look = Due()
        self._said = False

    @property
    def name(self) -> str:
        """What the store is called in a reason."""
        return self._store.name

    def load(self) -> Asking[Stored | None]:
        """Return what is stored."""
        stored = yield from self._store.load()
        return stored

    def loaded(self, stored: Stored, version: int | None) -> None:
        """Take note that the stored config is in force, which has ``version``."""
        self._take(stored.kept, stored.etag, version)

    def fetched(self, body: bytes | memoryview, etag: str | None, version: int | None) -> None:
        """Take note of a config that the CDN gave."""
        given = self._given if comparable(version) == self._version is not None else 0
        took_back = self._took_back and given > 0
        try:
            kept = to_keep(body)
        except ValueError as error:
            self._kept = None
            if not self._said:
                self._said = True
                logger.warning("%s: the config is not stored: %s", self.name, error)
            return
        self._take(kept, etag, version)
        self._given, self._took_back = given + 1, took_back
        self._fetched = True

    def confirmed(self) -> None:
        """Take note that the CDN confirmed the config."""
        self._given += 1

    def _take(self, kept: Kept, etag: str | None, version: int | None) -> None:
        self._kept, self._etag, self._version = kept, etag, comparable(version)
        self._given, self._took_back = 0, False

    def keep(self) -> Asking[None]:
        """Look into the store if it is time to, and save the config where the store has to have it."""
        kept, fetched = self._kept, self._fetched
        if kept is None or not (fetched or not self._next_look.rest(time.monotonic())):
            return
        self._fetched = False
        self._plan(LOOK_EVERY)
        found = yield from self._store.look()
        if isinstance(found, Failure):
            return  # not saved: it could be an older one than what cannot be read just now
        if found is None or self._is_wanted(found, kept, fetched=fetched):
            saved = yield from self._store.save(kept, self._etag, self._version)
            if saved:
                self._plan(0.0)

    def _is_wanted(self, found: Header, kept: Kept, *, fetched: bool) -> bool:
        if found.digest == kept.digest:
            return False
        ours, theirs = self._version, found.version
        if ours is None or theirs is None or ours == theirs:
            return fetched
        if ours > theirs:
            return True
        if self._given < 2:
            self._plan(0.0)  # the next answer may be the second
            return False
        was_taken_back, self._took_back = self._took_back, True
        return not was_taken_back

    def _plan(self, seconds: float) -> None:
        self._next_look.plan(time.monotonic(), seconds * uniform(0.9, 1.1))
