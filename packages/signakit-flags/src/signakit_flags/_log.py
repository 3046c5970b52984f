"""The logger of this package. What a handler raises ends here: it must stop neither a poller nor a request."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any


class _Guarded(logging.LoggerAdapter[logging.Logger]):
    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        with suppress(Exception):
            super().log(level, msg, *args, **{"stacklevel": 2, **kwargs})  # 2: the caller's line, not this one


logger = _Guarded(logging.getLogger("signakit_flags"))
