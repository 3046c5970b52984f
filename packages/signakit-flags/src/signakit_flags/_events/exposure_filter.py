"""Which exposures were sent already: each is sent once per user, flag, variation, rule and client.

State: for each exposure (a flag, a variation, a rule) two generations of users. Any thread reads and writes them,
without a lock: every step is one atomic operation of a dict. When the newer generations hold ``capacity`` users
together, they become the older ones, and the old older ones are forgotten. So at least ``capacity`` and at most twice
as many are remembered, in bounded memory; an exposure that was forgotten is sent again.

The newer generation of an exposure is one dict for good, and who decides keeps hold of it: the look-up of a user in it
is all that an exposure costs which was sent before. One dict for all exposures, with a hash of user and exposure for a
key, was rejected: to make that key takes half as long again as to look it up.
"""

from __future__ import annotations

from typing import TypeAlias

CAPACITY = 65_536
"""Exposures in one generation; two full generations take about 15 MB, 25 MB where all ids are as long as is kept."""

_KEPT_ID = 64

Users: TypeAlias = "dict[str | int, object]"

ExposureKey: TypeAlias = tuple[int, "str | int"]
"""Identity of one user's exposure: that of the exposure, and what stands for the user."""


def exposure_key(exposure: int, user_id: str) -> ExposureKey:
    """Return the identity of a user's exposure: with the id itself, or with a hash of one that takes much memory."""
    plain = str.__str__(user_id)  # an instance of a subclass may refer to anything
    return exposure, plain if len(plain) <= _KEPT_ID and plain.isascii() else hash(plain)


class ExposureFilter:
    """Remembers the exposures of one client."""

    __slots__ = ("_capacity", "_older", "_recent", "_size")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._recent: dict[int, Users] = {}
        self._older: dict[int, Users] = {}
        self._size = 0  # of the newer generations together

    def __len__(self) -> int:
        return sum(len(users) for users in [*self._recent.values(), *self._older.values()])

    def of(self, exposure: int) -> Users:
        """Return the users that an exposure was sent for lately: it is not to be sent for one who is in there.

        Users with long ids are not in there by their ids; and users of the older generation are not in there.
        """
        users = self._recent.get(exposure)
        return self._recent.setdefault(exposure, {}) if users is None else users

    def admit(self, key: ExposureKey, claim: object) -> bool:
        """Say whether the caller is the one that sends an exposure.

        Args:
            key: Its identity.
            claim: An object of the caller's alone. Of several threads at once exactly one gets True.
        """
        exposure, user = key
        users = self.of(exposure)
        if user in users:
            return False
        # One in the older generation is still in use: it is kept for another.
        is_new = user not in self._older.get(exposure, ())
        if users.setdefault(user, claim) is not claim:
            return False
        users[user] = None  # the claim was only needed for the race; holding it would hold the event
        self._size += 1
        if self._size >= self._capacity:
            self._age()
        return is_new

    def _age(self) -> None:
        # Two threads may both come here, or one may add a user between the copy and the clearing: then some exposures
        # are sent twice. A lock on this path would cost every caller instead.
        self._size = 0
        older: dict[int, Users] = {}
        for exposure, users in list(self._recent.items()):
            if users:
                older[exposure] = users.copy()
                users.clear()
            else:
                self._recent.pop(exposure, None)  # of a rule that is no more
        self._older = older

    def forget(self, key: ExposureKey) -> None:
        """Let an exposure be sent again: it was lost."""
        exposure, user = key
        for generation in (self._recent, self._older):
            generation.get(exposure, {}).pop(user, None)
