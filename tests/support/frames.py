"""What an error tracker would store of the frames of ours: the ``repr()`` of each local variable."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType


def leaks(secret: str, frames: Iterator[FrameType]) -> list[str]:
    """Return where a secret can be read, in the frames of our packages."""
    found = []
    for frame in frames:
        if frame.f_globals.get("__name__", "").startswith("signakit"):
            for name, value in frame.f_locals.items():
                if secret in repr(value):
                    found.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}: {name}")
    return found


def of_stack() -> Iterator[FrameType]:
    """Return the frames of the code that runs now, the caller's first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def of_error(error: BaseException | None) -> Iterator[FrameType]:
    """Return the frames of an exception, and those of the exceptions that led to it."""
    while error is not None:
        traceback: TracebackType | None = error.__traceback__
        while traceback is not None:
            yield traceback.tb_frame
            traceback = traceback.tb_next
        error = error.__cause__ or error.__context__
