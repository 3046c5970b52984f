"""What a flag is forced to: ``Override``, and how a test may spell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from .. import VariableValue


@dataclass(frozen=True, slots=True)
class Override:
    """What everybody gets for a flag, where a variation alone does not say enough.

    Attributes:
        variation: The variation's key, as ``Decision.variation_key``. True is ``"on"`` or, for a flag whose config
            knows no such variation, the first one that is not ``"off"``; False is ``"off"``.
        variables: Values of variables, whether or not the flag defines them. Those that are not named here have the
            value that the variation has in the config, else the flag's default.
    """

    variation: str | bool
    variables: Mapping[str, VariableValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        variation: object = self.variation
        if not isinstance(variation, (str, bool)):
            raise TypeError(f"a variation must be a str or a bool, not {type(variation).__name__}")
        variables: object = self.variables
        if not isinstance(variables, Mapping) or not all(isinstance(name, str) for name in variables):
            raise TypeError("variables must be a mapping from names to values")


Forced: TypeAlias = "str | bool | Override | None"
"""What a flag is forced to: a variation, on or off, an ``Override``, or None for a flag that is not there."""


def parse(flags: Mapping[str, Forced]) -> dict[str, Override | None]:
    """Return what flags are forced to, checked.

    Raises:
        TypeError: A key is not text, or a value is not a variation.
    """
    if not isinstance(flags, Mapping):
        raise TypeError(f"flags must be a mapping from flags to variations, not {type(flags).__name__}")
    forced: dict[str, Override | None] = {}
    for flag_key, value in flags.items():
        if not isinstance(flag_key, str):
            raise TypeError(f"a flag's key must be a str, not {type(flag_key).__name__}")
        if value is not None and not isinstance(value, (str, bool, Override)):
            raise TypeError(
                f"{flag_key!r} must be forced to a variation, True, False, an Override or None,"
                f" not to a {type(value).__name__}"
            )
        forced[str.__str__(flag_key)] = value if value is None or isinstance(value, Override) else Override(value)
    return forced


def describe(flag_key: str, override: Override | None) -> str:
    """Return an override in words."""
    return f"{flag_key}={None if override is None else override.variation!r}"
