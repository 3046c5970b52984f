"""The body of a request, read up to a limit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from starlette.requests import Request

from signakit_dev._emulator.bounded_body import BodyTooLongError, check_declared_length, read_body

if TYPE_CHECKING:
    from starlette.types import Message


def request_of(*chunks: bytes, length: str | None = None) -> Request:
    headers = [] if length is None else [(b"content-length", length.encode())]
    waiting = list(chunks)

    async def receive() -> Message:
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


@pytest.mark.parametrize("chunks", [(b"",), (b"abcd",), (b"ab", b"", b"cd")])
def test_a_body_up_to_the_limit_is_read_whole(chunks: tuple[bytes, ...]) -> None:
    assert asyncio.run(read_body(request_of(*chunks), limit=4)) == b"".join(chunks)


def test_a_longer_body_is_not_read_to_its_end() -> None:
    request = request_of(b"abc", b"de", b"never read")
    with pytest.raises(BodyTooLongError, match=r"^the body is over 4 bytes$"):
        asyncio.run(read_body(request, limit=4))
    assert asyncio.run(request.receive())["body"] == b"never read"


@pytest.mark.parametrize("length", [None, "0", "4", "+5", "nonsense", "9" * 20])
def test_a_declared_length_within_the_limit_or_not_readable_passes(length: str | None) -> None:
    check_declared_length(request_of(length=length), limit=4)


@pytest.mark.parametrize("length", ["5", "9" * 19])
def test_a_declared_length_over_the_limit_is_refused(length: str) -> None:
    with pytest.raises(BodyTooLongError, match=r"^the body is over 4 bytes$"):
        check_declared_length(request_of(length=length), limit=4)
