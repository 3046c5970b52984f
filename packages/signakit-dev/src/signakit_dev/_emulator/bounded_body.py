"""The body of a request, read up to a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request


class BodyTooLongError(Exception):
    """The body is over the limit; the message says which."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is over {limit} bytes")


async def read_body(request: Request, *, limit: int) -> bytes:
    """Return the body of ``request``. A body of more than ``limit`` bytes is not read to its end.

    Raises:
        BodyTooLongError: The body is over ``limit``.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLongError(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def check_declared_length(request: Request, *, limit: int) -> None:
    """Check the length that the headers of ``request`` declare, before its body is read.

    Raises:
        BodyTooLongError: The headers declare more than ``limit`` bytes.
    """
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and len(length) < 20 and int(length) > limit:
        raise BodyTooLongError(limit)
