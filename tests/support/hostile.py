"""Objects that raise what they like, whatever is asked of them."""

from __future__ import annotations

from typing import Any


class Counted(list[Any]):
    """A list that counts how many of its items were asked for."""

    asked = 0

    def __iter__(self) -> Any:
        for item in super().__iter__():
            self.asked += 1
            yield item


METHODS = (
    *("__bool__", "__bytes__", "__call__", "__contains__", "__eq__", "__float__", "__format__", "__getattribute__"),
    *("__getitem__", "__hash__", "__index__", "__int__", "__iter__", "__len__", "__lt__", "__repr__", "__str__"),
    *("__class__", "encode", "isspace", "keys", "lower", "strip"),
)
"""What can be asked of a hostile object."""

ERRORS = (RuntimeError, TypeError, ValueError, KeyError, AttributeError, OSError, RecursionError, StopIteration)


def hostile(base: type, methods: frozenset[str], error: type[Exception], *arguments: object) -> Any:
    """Return an instance of a subclass of ``base`` that raises ``error`` where it is asked for one of ``methods``."""

    def refuse(*_arguments: object, **_named: object) -> Any:
        raise error("hostile")

    members = {name: property(refuse) if name == "__class__" else refuse for name in methods}
    return type("Hostile", (base,), members)(*arguments)
