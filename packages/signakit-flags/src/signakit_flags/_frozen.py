"""Read-only JSON containers: one decision serves many users, so its variables must not change under any of them.

``ReadOnlyDict`` is a ``dict`` and ``ReadOnlyList`` a ``list``: ``isinstance``, equality, ``json.dumps`` and every
other reader work. Copies (``copy()``, ``copy.copy``, ``copy.deepcopy``, pickling) are plain, mutable data.
``types.MappingProxyType`` was rejected: it is no ``dict``, and ``json.dumps`` and pickle refuse it.
"""

from __future__ import annotations

from itertools import compress
from typing import Any, NoReturn

MAX_DEPTH = 64
"""Levels of nesting that a JSON value in a config may have; deeper ones would overflow the reader's own recursion."""


class TooDeepError(ValueError):
    """A JSON value is nested deeper than ``MAX_DEPTH`` levels."""

    def __init__(self) -> None:
        super().__init__(f"nested deeper than {MAX_DEPTH} levels")


def _refuse(self: object, *_args: object, **_kwargs: object) -> NoReturn:
    kind = "dict" if isinstance(self, dict) else "list"
    raise TypeError(f"flag variables are shared between users and read-only; change a copy: {kind}.copy()")


class ReadOnlyDict(dict[str, Any]):
    """A ``dict`` that raises ``TypeError`` when it is changed in place."""

    __slots__ = ()

    __setitem__ = __delitem__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse
    __ior__ = _refuse

    def copy(self) -> dict[str, Any]:
        """Return plain, mutable data, all the way down."""
        return {key: thaw(value) for key, value in self.items()}

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self.copy(),)


class ReadOnlyList(list[Any]):
    """A ``list`` that raises ``TypeError`` when it is changed in place."""

    __slots__ = ()

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def copy(self) -> list[Any]:
        """Return plain, mutable data, all the way down."""
        return [thaw(value) for value in self]

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (self.copy(),)


CONTAINERS = frozenset({dict, list})
"""The types of decoded JSON that hold other values."""

_MANY = 100
"""Items of a container for which it pays to look at their types first."""


def check_depth(container: Any, depth: int = 0) -> int:
    """Make sure that a container of decoded JSON can be walked, and return how many it is with those in it.

    Raises:
        TooDeepError: It is nested deeper than ``MAX_DEPTH``.
    """
    if depth >= MAX_DEPTH:
        raise TooDeepError
    items = container.values() if type(container) is dict else container
    if len(container) > _MANY:
        # At half the cost of the loop: a list in a config may have a million numbers.
        items = compress(items, map(CONTAINERS.__contains__, map(type, items)))
    count = 1
    for item in items:
        if type(item) in CONTAINERS:
            count += check_depth(item, depth + 1)
    return count


def freeze(value: Any) -> Any:
    """Return ``value`` (decoded JSON of checked depth) with every container in it read-only."""
    if isinstance(value, dict):
        return ReadOnlyDict({key: freeze(item) if type(item) in CONTAINERS else item for key, item in value.items()})
    if isinstance(value, list):
        return ReadOnlyList([freeze(item) if type(item) in CONTAINERS else item for item in value])
    return value


def thaw(value: Any) -> Any:
    """Return ``value`` with every read-only container in it replaced by a plain one."""
    return value.copy() if isinstance(value, (ReadOnlyDict, ReadOnlyList)) else value
