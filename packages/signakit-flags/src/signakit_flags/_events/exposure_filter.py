"""Which exposures were sent already: each is sent once per user, flag, variation, rule and client.

State: for each exposure (a flag, a variation, a rule) two generations of users. Any thread reads and writes them,
without a lock: every step is one atomic operation of a dict. When the newer generations hold ``capacity`` users
together, they become the older ones, and the old older ones are forgotten. So at least ``capacity`` and at most twice
as many are remembered, in bounded memory; an exposure that was forgotten is sent again. One dict of all, with a hash of
user and exposure for a key, was rejected: to make that key takes half as long again as to look it up.
"""

from __future__ import annotations

from typing import TypeAlias

CAPACITY = 65_536
"""Exposures in one generation; two full generations take about 15 MB, 25 MB where all ids are as long as is kept."""

_KEPT_ID = 64

ExposureKey: TypeAlias = tuple[int, "str | int"]
"""Identity of one user's exposure: that of the exposure, and what stands for the user."""


def exposure_key(exposure: int, user_id: str) -> ExposureKey:
    """Return the identity of a user's exposure: with the id itself, or with a hash of one that takes much memory."""
    plain = str.__str__(user_id)  # an instance of a subclass may refer to anything
    return exposure, plain if len(plain) <= _KEPT_ID and plain.isascii() else hash(plain)


class Exposed:
    """The users that one exposure was sent for lately.

    Attributes:
        recent: The newer generation. Who decides looks here, to save a call: the exposure of a user who is in it is not
            to be sent. Users with long ids are not found by their ids, and take the slower way each time.
        older: The older generation.
    """

    __slots__ = ("older", "recent")

    def __init__(self) -> None:
        self.recent: dict[str | int, object] = {}
        self.older: dict[str | int, object] = {}


class ExposureFilter:
    """Remembers the exposures of one client."""

    __slots__ = ("_capacity", "_exposed", "_size")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._exposed: dict[int, Exposed] = {}
        self._size = 0  # of the newer generations together

    def __len__(self) -> int:
        return sum(len(exposed.recent) + len(exposed.older) for exposed in list(self._exposed.values()))

    def of(self, exposure: int) -> Exposed:
        """Return the users of one exposure."""
        exposed = self._exposed.get(exposure)
        return self._exposed.setdefault(exposure, Exposed()) if exposed is None else exposed

    def admit(self, key: ExposureKey, claim: object) -> bool:
        """Say whether the caller is the one that sends an exposure.

        Args:
            key: Its identity.
            claim: An object of the caller's alone. Of several threads at once exactly one gets True.
        """
        exposure, user = key
        exposed = self.of(exposure)
        recent = exposed.recent
        if user in recent:
            return False
        # One in the older generation is still in use: it is kept for another.
        is_new = user not in exposed.older
        if recent.setdefault(user, claim) is not claim:
            return False
        recent[user] = None  # the claim was only needed for the race; holding it would hold the event
        self._size += 1
        if self._size >= self._capacity:
            self._age()
        return is_new

    def _age(self) -> None:
        # Two threads may both come here: the second then ages nearly empty generations, and some exposures are sent
        # twice. A lock on this path would cost every caller instead.
        self._size = 0
        for exposure, exposed in list(self._exposed.items()):
            if exposed.recent or exposed.older:
                exposed.older, exposed.recent = exposed.recent, {}
            else:
                self._exposed.pop(exposure, None)  # of a rule that is no more

    def forget(self, key: ExposureKey) -> None:
        """Let an exposure be sent again: it was lost."""
        exposure, user = key
        exposed = self._exposed.get(exposure)
        if exposed is not None:
            exposed.recent.pop(user, None)
            exposed.older.pop(user, None)
