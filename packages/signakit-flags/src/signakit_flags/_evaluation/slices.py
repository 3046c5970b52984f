"""Long work in slices: a hostile or very large config must not hold an event loop, or the GIL, in one piece.

Such work is a generator. Each of its steps is a slice of some milliseconds, and the event loop or another thread has
its turn between two of them. Slices are measured in bytes and counts and not by a clock: the steps are the same on
every machine and in every test.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Slices: TypeAlias = Generator[None, None, T]
"""Work that ends with a ``T``, and pauses at each ``yield``."""

SLICE = 65_536
"""Bytes of a config that are one slice. The densest take some 130 ns a byte (empty lists), ordinary ones 10."""


class Budget:
    """Counts work, and says when a slice of it is done."""

    __slots__ = ("_rest", "_size")

    def __init__(self, size: int = SLICE) -> None:
        self._size = self._rest = size

    def spend(self, work: int) -> bool:
        """Count ``work``, and return whether it is time for a pause."""
        self._rest -= work
        if self._rest > 0:
            return False
        self._rest = self._size
        return True


def finish(work: Generator[object, None, T]) -> T:
    """Do all of ``work`` in the calling thread, without pauses, and return what it ends with."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            value: T = end.value
            return value
