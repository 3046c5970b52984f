"""Which exposures were sent already: each is sent once per user, flag, variation, rule and client.

State: two generations of 64-bit hashes, ``recent`` and ``_older``. Any thread reads and writes them, without a lock:
every step is one atomic operation of a dict. When ``recent`` is full it becomes ``_older`` and the old ``_older`` is
forgotten, so at least ``capacity`` and at most twice as many exposures are remembered, in bounded memory; one that was
forgotten is sent again. Hashes instead of the ids themselves: 100 bytes an entry whatever the length of the user id,
and two different exposures are confused once in 10**14.
"""

from __future__ import annotations

CAPACITY = 65_536
"""Exposures in one generation; two full generations take about 13 MB."""


class ExposureFilter:
    """Remembers the exposures of one client.

    Attributes:
        recent: The newer generation; a key in it was admitted. Callers look here first, to save a call.
    """

    __slots__ = ("_capacity", "_older", "recent")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self.recent: dict[int, object] = {}
        self._older: dict[int, object] = {}

    def __len__(self) -> int:
        return len(self.recent) + len(self._older)

    def seen(self, key: int) -> bool:
        """Say whether ``key`` was admitted lately; a look-up, and nothing else where it was."""
        if key in self.recent:
            return True
        if key not in self._older:
            return False
        recent = self.recent
        recent[key] = None  # still in use: keep it for another generation
        self._age(recent)
        return True

    def admit(self, key: int, claim: object) -> bool:
        """Say whether the caller is the one that sends the exposure ``key``.

        Args:
            key: Identity of the exposure.
            claim: An object of the caller's alone. Of several threads at once exactly one gets True.
        """
        recent = self.recent
        if recent.setdefault(key, claim) is not claim:
            return False
        recent[key] = None  # the claim was only needed for the race; holding it would hold the event
        self._age(recent)
        return True

    def _age(self, recent: dict[int, object]) -> None:
        if len(recent) >= self._capacity and recent is self.recent:
            # Two threads may both come here: the second then ages a nearly empty generation, and some exposures are
            # sent twice. A lock on this path would cost every caller instead.
            self._older = recent
            self.recent = {}

    def forget(self, key: int) -> None:
        """Let ``key`` be sent again: its exposure was lost."""
        self.recent.pop(key, None)
        self._older.pop(key, None)
