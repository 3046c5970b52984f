"""Read-only containers, which refuse changes that would reach another user, or no decision at all.

``ReadOnlyDict`` and ``ReadOnlyList`` hold the variables of a decision: one decision serves many users. The two classes
under them hold the attributes that a user context shows: its decisions do not see a change of those.

``ReadOnlyDict`` is a ``dict`` and ``ReadOnlyList`` a ``list``: ``isinstance``, equality, ``json.dumps`` and nearly
every other reader work. Copies (``copy()``, ``copy.copy``, ``copy.deepcopy``, pickling) are plain, mutable data.
``types.MappingProxyType`` was rejected: it is no ``dict``, and ``json.dumps`` and pickle refuse it.

PyYAML and ``marshal`` look up the exact type, and need ``copy()``. PyYAML can be told of a type by importing it alone,
which is not for a package that does not use it.
"""

from __future__ import annotations

from copy import deepcopy
from itertools import compress
from typing import Any, ClassVar, NoReturn

MAX_DEPTH = 64
"""Levels of nesting that a JSON value in a config may have; deeper ones would overflow the reader's own recursion."""


class TooDeepError(ValueError):
    """A JSON value is nested deeper than ``MAX_DEPTH`` levels."""

    def __init__(self) -> None:
        super().__init__(f"nested deeper than {MAX_DEPTH} levels")


_SHARED = "flag variables are shared between users and read-only; change a copy: "

_NOT_SEEN = (
    "attributes of a user context are read-only, as its decisions would not see the change;"
    " make a context with other attributes: client.create_user_context(ctx.user_id, {**ctx.attributes, "
)
_AGENT_AGAIN = ', and give it "$userAgent" again'


def _refuse(self: ReadOnlyDict | ReadOnlyList, *_args: object, **_kwargs: object) -> NoReturn:
    raise TypeError(self._refusal)


class ReadOnlyDict(dict[str, Any]):
    """A ``dict`` that raises ``TypeError`` when it is changed in place."""

    __slots__ = ()

    _refusal: ClassVar[str] = f"{_SHARED}dict.copy()"

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

    _refusal: ClassVar[str] = f"{_SHARED}list.copy()"

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


class ReadOnlyAttributes(ReadOnlyDict):
    """The attributes that a user context shows. Values that have no form in JSON are in it as they were handed in."""

    __slots__ = ()

    _refusal: ClassVar[str] = f'{_NOT_SEEN}"name": value}}){_AGENT_AGAIN}'

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return deepcopy(self.copy(), memo)  # not only JSON, as in the base


class ReadOnlyItems(ReadOnlyList):
    """The items of an attribute that is a list; see ``ReadOnlyAttributes``."""

    __slots__ = ()

    _refusal: ClassVar[str] = f'{_NOT_SEEN}"name": [*items, item]}}){_AGENT_AGAIN}'

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return deepcopy(self.copy(), memo)


CONTAINERS = frozenset({dict, list})
"""The types of decoded JSON that hold other values."""

_MANY = 100
"""Items of a container for which it pays to look at their types first."""


def count_containers(container: Any, depth: int = 0) -> int:
    """Return how many lists and dicts a container of decoded JSON holds, and make sure that it can be walked.

    Raises:
        TooDeepError: It is nested deeper than ``MAX_DEPTH``.
    """
    if depth >= MAX_DEPTH:
        raise TooDeepError
    items = container.values() if type(container) is dict else container
    if len(container) > _MANY:
        # At half the cost of the loop: a list in a config may have a million numbers.
        items = compress(items, map(CONTAINERS.__contains__, map(type, items)))
    count = 0
    for item in items:
        if type(item) in CONTAINERS:
            count += 1 + count_containers(item, depth + 1) if item else 1
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
