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
    """Says each thing once.

    State: ``_said`` has the names that were given of each topic. Any thread reads and writes it, without a lock: of two
    threads that come first at the same time, both may log. Bounded: an application that names attributes by user would
    fill the memory otherwise.
    """

    __slots__ = ("_said",)

    _LIMIT = 1_000

    def __init__(self) -> None:
        self._said: dict[str, set[str]] = {}

    def once(self, topic: str, message: str, *args: object, name: str = "") -> None:
        """Log ``message`` at WARNING unless something was said on ``topic`` before.

        Args:
            topic: What it is about, of a few.
            message: What to log, with ``args``.
            args: For the message.
            name: Which of the topic, of any number. After 1,000 of them one line says that there are more.
        """
        said = self._said.setdefault(topic, set())
        if name in said or len(said) > self._LIMIT:
            return
        said.add(name)
        if len(said) > self._LIMIT:
            logger.warning("%s: more than the %d that are named", topic, self._LIMIT)
        else:
            logger.warning(message, *args)
