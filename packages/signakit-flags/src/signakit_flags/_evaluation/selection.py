"""Which flags of a config are used: the first of each key that can be compiled (PROTOCOL section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._frozen import CONTAINERS, TooDeepError, check_depth
from .._names import ARCHIVED
from .audience import OPERATORS
from .problems import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .config import Flag
    from .problems import Problems

MAX_CONTAINERS_IN_ALL = 100_000
"""Lists and objects in the values of all flags together.

Python's garbage collector walks all of them at once, now and then: 100,000 take it some 10 ms. A flag that
goes beyond it is skipped.
"""


class Selection:
    """The flags of one config that can be used.

    Attributes:
        flags: Those that are not archived, by key, in the order of the config.
        archived: Keys of archived flags.
        problems: Takes what is left out.
    """

    __slots__ = ("_containers", "archived", "flags", "problems")

    def __init__(self, problems: Problems) -> None:
        self.problems: Problems = problems
        self.flags: dict[str, Flag] = {}
        self.archived: set[str] = set()
        self._containers = 0

    def add(self, flags: Iterable[Flag]) -> None:
        """Check flags, and take them."""
        taken, archived = self.flags, self.archived
        for flag in flags:
            key = flag.key
            # Of several flags with one key the first counts, in decide and decide_all alike (PROTOCOL section 8).
            if key in taken or key in archived:
                continue
            if flag.status == ARCHIVED:
                archived.add(key)
                continue
            if flag.rules or flag.variables:
                try:
                    self._containers += _check(flag, self.problems)
                except TooDeepError as error:
                    self.problems.skip(shown(key), error)
                    continue
                if self._containers > MAX_CONTAINERS_IN_ALL:
                    self._skip(flag)
                    continue
            taken[key] = flag

    def _skip(self, flag: Flag) -> None:
        self._containers -= _check(flag, self.problems)
        reason = f"the config holds more lists and objects in values than {MAX_CONTAINERS_IN_ALL:,}"
        self.problems.skip(shown(flag.key), reason)


def _check(flag: Flag, problems: Problems) -> int:
    """Make sure that compiling a flag cannot fail, and note its unknown operators.

    Returns:
        How many lists and objects its values hold.
    """
    containers = 0
    for rule in flag.rules or ():
        for audience in rule.audiences or ():
            for condition in audience.conditions or ():
                if type(condition.value) in CONTAINERS:
                    containers += check_depth(condition.value)
                if condition.operator not in OPERATORS:
                    problems.unknown_operator(condition.operator)
    if flag.variables:
        for variable in flag.variables:
            if type(variable.default_value) in CONTAINERS:
                containers += check_depth(variable.default_value)
        names = {variable.key for variable in flag.variables}
        for variation in flag.variations or ():
            if variation.variables:
                for name, value in variation.variables.items():
                    if type(value) in CONTAINERS and name in names:
                        containers += check_depth(value)
    return containers
