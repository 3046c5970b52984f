"""The logger of this package, and what is said once.

What a handler of the log raises ends here: it must stop neither a poller nor a request.
"""

from __future__ import annotations

import logging
from typing import Any

from ._signal_handlers import let_through


class _Guarded(logging.LoggerAdapter[logging.Logger]):
    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        try:
            super().log(level, msg, *args, **{"stacklevel": 2, **kwargs})  # 2: the caller's line, not this one
        except Exception as error:  # noqa: BLE001  # a handler is the application's own
            let_through(error)


logger = _Guarded(logging.getLogger("signakit_flags"))


class Warnings:
    """Says each thing once. Bounded: an application that names attributes by user would fill the memory otherwise."""

    __slots__ = ("_said",)

    _LIMIT = 1_000

    def __init__(self) -> None:
        self._said: set[str] = set()

    def once(self, topic: str, message: str, *args: object) -> None:
        """Log ``message`` at WARNING unless something was said on ``topic`` before."""
        if topic in self._said or len(self._said) >= self._LIMIT:
            return
        self._said.add(topic)
        logger.warning(message, *args)
