"""What the emulator logs, told in the terminal that it runs in."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from .output import printable, say

if TYPE_CHECKING:
    from collections.abc import Iterator

_STYLES = {logging.WARNING: "yellow", logging.ERROR: "red"}


class Terminal(logging.Handler):
    """Says each record on stderr, as one line: what strangers post stands in some of them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        try:
            say(printable(record.getMessage()).replace("\n", "\\n"), style=_STYLES.get(record.levelno, ""))
        except Exception:  # noqa: BLE001  # what a handler does with its own errors, by the rules of logging
            self.handleError(record)


@contextlib.contextmanager
def told(lowest: int) -> Iterator[None]:
    """Say what the emulator logs, from this level on, inside the ``with`` block."""
    logger = logging.getLogger("signakit_dev")
    level, propagates = logger.level, logger.propagate
    handler = Terminal()
    logger.addHandler(handler)
    logger.setLevel(lowest)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates
