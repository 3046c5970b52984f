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
another key's, of another secret or form       ours is saved if it was fetched just now
ours                                           nothing
=============================================  =====================================================================

A newer version is left alone at first, since the CDN has many edges, and one of them may lag behind: what was switched
off by the newer version would be on again for a process that starts from the store. Two answers in a row stand for a
version that was taken back. "Once" keeps two processes at different edges from replacing each other's for ever.

A look follows each config that was fetched and the first answer after a save: two processes may have saved at the same
time, and the store cannot tell which came first. Apart from that there is at most one look in ``LOOK_EVERY`` seconds.

State: all of it belongs to the flow that polls. A flow that was replaced may come back from a look, or may never come
back from one. So the config is one value, which is compared before anything follows from a look; and a config is not
settled before the store was seen to be in order.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from .._log import logger
from .._signal_handlers import let_through
from .backoff import Due, uniform
from .flow import Failure
from .snapshot_store import comparable, to_keep

if TYPE_CHECKING:
    from .snapshot_store import Asking, Header, Kept, KeyedStore, Stored

LOOK_EVERY = 60.0
"""Seconds between two looks, give or take a tenth, while nothing changes."""


class Current(NamedTuple):
    """The config that the CDN gave last, or that was loaded, as it is stored. Replaced as a whole.

    Attributes:
        kept: The config.
        etag: Its ETag, or None.
        version: Its version where that can be compared, else None.
    """

    kept: Kept
    etag: str | None
    version: int | None


class SnapshotKeeper:
    """Keeps the config of a process in a store, and never replaces a newer one by mistake."""

    def __init__(self, store: KeyedStore) -> None:
        self._store = store
        self._current: Current | None = None
        self._given = 0  # answers in a row that gave this version
        self._fresh = False  # it was fetched, and the store has not been seen to be in order since
        self._took_back = False  # it has replaced a newer version once
        self._next_look = Due()

    @property
    def name(self) -> str:
        """What the store is called in a reason."""
        return self._store.name

    def forget_after_fork(self) -> None:
        """Leave what is under way in the store to the parent."""
        self._store.forget_after_fork()

    def load(self) -> Asking[Stored | None]:
        """Return what is stored."""
        return self._store.load()

    def loaded(self, stored: Stored, version: int | None) -> None:
        """Take note that the stored config is in force, which has ``version``."""
        self._current = Current(stored.kept, stored.etag, comparable(version))

    def fetched(self, body: bytes | memoryview, etag: str | None, version: int | None) -> None:
        """Take note of a config that the CDN gave, and that was read."""
        before, self._current = self._current, None
        try:
            self._current = Current(to_keep(body), etag, comparable(version))
        except Exception as error:
            let_through(error)
            # Unexpected, so a bug of ours: this config is not stored, and polling goes on.
            logger.exception("a config cannot be stored")
            return
        again = before is not None and before.version is not None and before.version == self._current.version
        self._given = self._given + 1 if again else 1
        self._took_back = self._took_back and again
        self._fresh = True
        self._next_look = Due()

    def confirmed(self) -> None:
        """Take note that the CDN confirmed the config."""
        self._given += 1

    def keep(self) -> Asking[None]:
        """Look into the store if it is time to, and save the config where the store has to have it."""
        current = self._current
        if current is None or self._next_look.rest(time.monotonic()):
            return
        found = yield from self._store.look()
        if current is not self._current:
            return  # another flow has fetched a config meanwhile, and sees to the store
        if isinstance(found, Failure):
            self._plan(LOOK_EVERY)  # not saved: what cannot be read just now may be a newer one
            return
        wanted = found is None or self._is_wanted(found, current)
        saved = wanted and (yield from self._store.save(*current))
        if current is not self._current:
            self._fresh, self._next_look = True, Due()  # ours may have replaced what the other flow has saved
            return
        if saved and found is not None and _is_older(current, found):
            self._took_back = True
        if saved or not wanted:
            self._fresh = False
        # The next answer is the second one for an older version; after a save, another process may have saved as well.
        soon = saved or (found is not None and self._given < 2 and _is_older(current, found))
        self._plan(0.0 if soon else LOOK_EVERY)

    def _is_wanted(self, found: Header, current: Current) -> bool:
        if found.digest == current.kept.digest:
            return False
        if _is_older(current, found):
            return self._given >= 2 and not self._took_back
        if current.version is None or found.version is None or current.version == found.version:
            return self._fresh
        return True

    def _plan(self, seconds: float) -> None:
        self._next_look.plan(time.monotonic(), seconds * uniform(0.9, 1.1))


def _is_older(current: Current, found: Header) -> bool:
    return current.version is not None and found.version is not None and current.version < found.version
