"""The logger of this package. What a handler raises ends here: it must stop neither a poller nor a request."""

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
