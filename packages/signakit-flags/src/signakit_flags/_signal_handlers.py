"""Lets an exception of a signal handler through, where every other exception of foreign code is caught.

A time limit of Celery or RQ, and many a ``signal.alarm``, raises an exception wherever the main thread happens to be.
Where that is in a decision or a request of ours, the exception is the application's, and not a failure of ours.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType


def let_through(error: BaseException) -> None:
    """Raise the exception of a signal handler that ``error`` is, or that ``error`` came of; else do nothing.

    Call it in an ``except`` clause. It costs nothing where there is no exception.

    A handler is recognised by its frame in the traceback, as its exception may be of any kind: libraries turn a
    ``TimeoutError`` into one of their own.
    """
    signal: Any = sys.modules.get("signal")  # without it there are no handlers
    handlers = set() if signal is None else {_code(signal.getsignal(number)) for number in signal.valid_signals()}
    handlers.discard(None)
    met: set[int] = set()
    chain: list[BaseException | None] = [error]
    while handlers and chain:
        link = chain.pop()
        if link is None or id(link) in met:
            continue
        met.add(id(link))
        chain += (link.__context__, link.__cause__)
        place = link.__traceback__
        while place is not None:
            if place.tb_frame.f_code in handlers:
                raise link
            place = place.tb_next


def _code(handler: Any) -> CodeType | None:
    """Return the code that runs when ``handler`` is called; None for a default, which is a number or written in C."""
    from functools import partial

    while isinstance(handler, partial):
        handler = handler.func
    if not callable(handler):
        return None
    code: CodeType | None = getattr(handler, "__code__", None)
    return code or getattr(type(handler).__call__, "__code__", None)
