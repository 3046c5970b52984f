"""What is wrong with a config: what refuses it whole, and the bounded list of what was left out of it."""

from __future__ import annotations

MAX_PROBLEMS = 1_000
"""Lines that are kept for one config, and unknown operators that are remembered."""

MAX_BAD_FLAGS = 10_000
"""A config in which more flags cannot be used is refused: it comes from something else than the service."""

_SHOWN = 100  # characters of a name


class ConfigError(ValueError):
    """The config cannot be read at all; the message says why."""


class NotJsonError(ConfigError):
    """What should be a config is not JSON."""


class Problems:
    """What was left out of one config.

    Attributes:
        lines: One line for each flag left out and each unknown operator, the first ``MAX_PROBLEMS`` of them.
        more: How many lines are missing.
    """

    __slots__ = ("_bad_flags", "_operators", "lines", "more")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.more: int = 0
        self._bad_flags = 0
        self._operators: set[str] = set()

    def skip(self, name: str, reason: object) -> None:
        """Note that a flag is left out.

        Raises:
            ConfigError: There are more than ``MAX_BAD_FLAGS`` of them.
        """
        self._bad_flags += 1
        if self._bad_flags > MAX_BAD_FLAGS:
            raise ConfigError(f"config has more than {MAX_BAD_FLAGS:,} flags that cannot be used")
        if len(self.lines) < MAX_PROBLEMS:
            self.lines.append(f"flag {name} skipped: {reason}")
        else:
            self.more += 1

    def unknown_operator(self, operator: str) -> None:
        """Note an operator that no condition can have."""
        if len(self._operators) < MAX_PROBLEMS:
            self._operators.add(operator[:_SHOWN])

    def close(self) -> None:
        """Add the unknown operators to the lines, behind the flags."""
        names = [f"unknown operator {name!r}: its conditions never match" for name in sorted(self._operators)]
        room = MAX_PROBLEMS - len(self.lines)
        self.lines += names[:room]
        self.more += len(names[room:])
        self._operators.clear()


def shown(name: str) -> str:
    """Return the key of a flag as a line names it."""
    return repr(name[:_SHOWN])
