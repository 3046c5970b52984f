"""Lets an exception of a signal handler through, where every other exception of foreign code is caught.

A time limit of Celery or RQ, and many a ``signal.alarm``, raises an exception wherever the main thread happens to be.
Where that is in a decision or a request of ours, the exception is the application's, and not a failure of ours.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType, FrameType, TracebackType


def let_through(error: BaseException) -> None:
    """Raise the exception of a signal handler that ``error`` is, or that ``error`` came of; else do nothing.

    Call it in the ``except`` clause itself: an exception that the application was handling as it called us is none of
    ours, and is told by the frames outside of that clause.

    A handler is recognised by its frame in the traceback, as its exception may be of any kind: libraries turn a
    ``TimeoutError`` into one of their own. One that has been replaced meanwhile, as by itself, is not recognised.
    """
    signal: Any = sys.modules.get("signal")  # without it there are no handlers
    handlers = set() if signal is None else {_code(signal.getsignal(number)) for number in signal.valid_signals()}
    handlers.discard(None)
    if not handlers:
        return
    outside = set()
    frame = sys._getframe(1).f_back  # noqa: SLF001  # the only way to the frames of the callers
    while frame is not None:
        outside.add(frame)
        frame = frame.f_back
    chain: list[BaseException | None] = [error]
    met: set[int] = set()
    while chain:
        link = chain.pop()
        if link is None or id(link) in met:
            continue
        met.add(id(link))
        frames = _frames(link.__traceback__)
        if not outside.isdisjoint(frames):
            continue  # it was being handled before, and so was what it came of
        if any(frame.f_code in handlers and _is_called_as_handler(frame) for frame in frames):
            raise link
        chain += (link.__context__, link.__cause__)


def _frames(traceback: TracebackType | None) -> list[FrameType]:
    frames = []
    while traceback is not None:
        frames.append(traceback.tb_frame)
        traceback = traceback.tb_next
    return frames


def _code(handler: Any) -> CodeType | None:
    """Return the code that runs when ``handler`` is called; None for a default, which is a number or written in C."""
    from functools import partial

    while isinstance(handler, partial):
        handler = handler.func
    if not callable(handler):
        return None
    code: CodeType | None = getattr(handler, "__code__", None)
    return code or getattr(type(handler).__call__, "__code__", None)


def _is_called_as_handler(frame: FrameType) -> bool:
    """Return whether a number and a frame come last: what a decorator returns shares its code with its other uses."""
    from inspect import CO_VARARGS

    code, values = frame.f_code, frame.f_locals
    arguments = [values.get(name) for name in code.co_varnames[: code.co_argcount]]
    if code.co_flags & CO_VARARGS:
        arguments += values.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount], ())
    if len(arguments) < 2:
        return False
    number, interrupted = arguments[-2:]
    return isinstance(number, int) and (interrupted is None or isinstance(interrupted, type(frame)))
