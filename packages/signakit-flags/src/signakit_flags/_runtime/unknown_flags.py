"""Flags that the application asks for and the config does not have: one WARNING for each, so that a misspelt key shows.

State: ``_told`` grows to ``MAX_TOLD`` keys and one mark. It changes by ``dict.setdefault``, which is atomic: of two
threads that ask for the same key, one logs. No lock, since decisions come here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._log import logger
from .._types import plain_text, short

if TYPE_CHECKING:
    from .._evaluation.ruleset import Ruleset

MAX_TOLD = 100
"""Keys that a client names; keys that are made at random, or come from browsers, would fill the log otherwise."""

_MORE = "more"  # not the key of any flag as it is shown, which has quotes


class UnknownFlags:
    """What one client has told of flags that its config does not have.

    Args:
        handed_in: The config is not the CDN's. Without any flag it then stands for no config, as in tests, and there
            is nothing to tell.
    """

    __slots__ = ("_handed_in", "_told")

    def __init__(self, *, handed_in: bool) -> None:
        self._handed_in = handed_in
        self._told: dict[str, object] = {}

    def tell(self, flag_key: str, ruleset: Ruleset) -> None:
        """Log a WARNING, unless one was logged for this key, that ``ruleset`` has no such flag, or an archived one."""
        shown = short(plain_text(flag_key))
        if shown in self._told:
            return
        if self._handed_in and not (ruleset.flags or ruleset.archived):
            return
        full = len(self._told) >= MAX_TOLD
        mark = object()
        if self._told.setdefault(_MORE if full else shown, mark) is not mark:
            return  # another thread was first
        if full:
            logger.warning("more unknown flags were asked for than the %d that are named", MAX_TOLD)
        elif flag_key in ruleset.archived:
            logger.warning("flag %s is archived: it is not decided, and defaults stand in", shown)
        else:
            logger.warning("unknown flag %s: it is not in the config, and defaults stand in", shown)
