"""Which flags of a config are used: the first of each key that can be compiled (PROTOCOL section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._frozen import CONTAINERS, TooDeepError, count_containers
from .._names import ARCHIVED
from .audience import OPERATORS
from .problems import ConfigError, shown

if TYPE_CHECKING:
    from .config import Flag
    from .problems import Problems


MAX_IN_CONDITIONS = 1_000
"""Lists and objects in the values of a flag's conditions. A value of the service is text, a number, a bool or a list of
text."""

HEAVY = 2_000
"""Items of a flag that take some 2 ms to compile."""

_CONTAINERS = 50_000
_BYTES_A_CONTAINER = 32
"""The values of a config may hold so many lists and objects for a start, and one more in so many bytes: the garbage
collector goes through all of them again and again, for as long as the config is in force."""


class Selection:
    """The flags of one config that can be used.

    Attributes:
        flags: Those that are not archived, by key, in the order of the config.
        archived: Keys of archived flags.
        heavy: Those that take long to compile, and so are compiled with the config and not by the first decision.
        problems: Takes what is left out.

    Args:
        problems: Takes what is left out.
        size: Bytes of the config.
    """

    __slots__ = ("_room", "archived", "flags", "heavy", "problems")

    def __init__(self, problems: Problems, size: int) -> None:
        self.problems: Problems = problems
        self.flags: dict[str, Flag] = {}
        self.archived: set[str] = set()
        self.heavy: list[Flag] = []
        self._room = _CONTAINERS + size // _BYTES_A_CONTAINER

    def add(self, flag: Flag) -> None:
        """Check a flag, and take it.

        Raises:
            ConfigError: The values of all flags together hold too many lists and objects.
        """
        # Of several flags with one key the first counts, in decide and decide_all alike (PROTOCOL section 8).
        if flag.key in self.flags or flag.key in self.archived:
            return
        if flag.status == ARCHIVED:
            self.archived.add(flag.key)
            return
        try:
            items, in_conditions = _weigh_rules(flag, self.problems)
            in_variables = 0
            if flag.variables:
                more, in_variables = _weigh_variables(flag)
                items += more
        except TooDeepError as error:
            self.problems.skip(shown(flag.key), error)
            return
        if in_conditions > MAX_IN_CONDITIONS:
            reason = f"its conditions hold more lists and objects than {MAX_IN_CONDITIONS:,}"
            self.problems.skip(shown(flag.key), reason)
            return
        self._room -= in_conditions + in_variables
        if self._room < 0:
            raise ConfigError("config holds too many lists and objects in the values of its flags")
        self.flags[flag.key] = flag
        if items > HEAVY:
            self.heavy.append(flag)


def _weigh_rules(flag: Flag, problems: Problems) -> tuple[int, int]:
    """Return how many items compiling goes through, and how many containers are in conditions. Note unknown operators.

    Items are ranges, rules, entries of allowlists, conditions and what is in their lists.
    """
    items = len(flag.allocation.ranges)
    containers = 0
    for rule in flag.rules or ():
        items += 1 + len(rule.variation_allocation.ranges)
        if rule.allowlist:
            items += len(rule.allowlist)
        for audience in rule.audiences or ():
            for condition in audience.conditions or ():
                items += 1
                value = condition.value
                if type(value) in CONTAINERS:
                    items += len(value)
                    containers += count_containers(value)
                if condition.operator not in OPERATORS:
                    problems.unknown_operator(condition.operator)
    return items, containers


def _weigh_variables(flag: Flag) -> tuple[int, int]:
    """Return how many variables there are, overrides included, and how many containers are in their values.

    What the flag does not define cannot be asked for, and is not looked into.
    """
    names = set()
    containers = 0
    for variable in flag.variables or ():
        names.add(variable.key)
        if type(variable.default_value) in CONTAINERS:
            containers += 1 + count_containers(variable.default_value)
    items = len(names)
    for variation in flag.variations or ():
        if variation.variables:
            items += len(variation.variables)
            for name, value in variation.variables.items():
                if type(value) in CONTAINERS and name in names:
                    containers += 1 + count_containers(value)
    return items, containers
