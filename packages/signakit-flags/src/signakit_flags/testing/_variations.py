"""The variations of a flag, for tests that run with each of them."""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import TYPE_CHECKING

from .._files import read_regular

if TYPE_CHECKING:
    from pathlib import Path

    from .._evaluation.config import Allocation, Flag


def variations_of(path: Path, flag_key: str) -> list[str]:
    """Return the variations of a flag of a config: those that it lists, and those that it gives anybody.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no config.
        LookupError: There is no such flag, or it is archived.
    """
    flags = _flags(path, path.stat().st_mtime_ns)
    if flag_key not in flags:
        near = difflib.get_close_matches(flag_key, flags, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, flags)) or 'none'}"
        raise LookupError(f"{path.name} has no flag {flag_key!r}; {hint}")
    flag = flags[flag_key]
    found = [item.key for item in flag.variations or () if item.key is not None]
    for rule in flag.rules or ():
        found += [entry.variation for entry in rule.allowlist or () if entry.variation is not None]
        found += _of_allocation(rule.variation_allocation)
    found += _of_allocation(flag.allocation)
    return list(dict.fromkeys(found))


@lru_cache(maxsize=8)
def _flags(path: Path, _changed: int) -> dict[str, Flag]:
    from .._evaluation.config import decode_config  # msgspec, only where it is asked
    from .._evaluation.ruleset import compile_ruleset

    return compile_ruleset(decode_config(read_regular(path))).flags


def _of_allocation(allocation: Allocation) -> list[str]:
    return [item.variation for item in allocation.ranges]
