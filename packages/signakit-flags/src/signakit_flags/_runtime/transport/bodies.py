"""How much of an answer is read: a config within a limit, of anything else no more than is needed."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from ..flow import Request

_MAX_INGEST_BODY = 65_536
_MAX_OVERHEAD = 65_536
"""Bytes that gzip may add to the size of a config: enough for one that cannot be compressed."""


class RefusedError(Exception):
    """The answer cannot be used."""


_PIECE = 262_144
"""Bytes that are decompressed in one go: less than a millisecond."""

_INPUT = 16_384
"""Bytes that the decompressor is given at once. It copies what it does not use, as behind each of many members."""

_MEMBERS = 500
"""Members of gzip that are decompressed in one go; each may be empty."""


class ConfigBody:
    """Collects a config within a limit that also holds after decompression.

    Decompressed here and not by httpx, whose decoders expand a whole chunk at once: 64 kB of gzip make 64 MB. And it is
    done piece by piece, so that an event loop has its turns in between.
    """

    def __init__(self, response: httpx.Response, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._compressed = 0
        self._chunks: list[bytes] = []
        self._inflate = None
        self._pending = memoryview(b"")  # came, and is not decompressed
        self.wanted = not _was_read(response)
        if not self.wanted:
            try:
                self.add(response.content)  # which httpx has decompressed
            except RuntimeError:  # httpx.ResponseNotRead
                raise RefusedError("something else has read the body and not kept it") from None
            return
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding in {"gzip", "x-gzip"}:
            self._inflate = zlib.decompressobj(wbits=31)
        elif encoding not in {"", "identity"}:
            raise RefusedError(f"content encoding {encoding[:50]!r} was not asked for")

    def add(self, chunk: bytes) -> bool:
        """Take a chunk as it came, and return whether to go on, with ``inflate`` first."""
        if self._inflate is None:
            self._keep(chunk)
            return True
        self._compressed += len(chunk)
        if self._compressed > self._limit + _MAX_OVERHEAD:
            raise self._too_large()  # with little in it, it could go on without an end
        self._pending = memoryview(chunk)
        return True

    def inflate(self) -> Iterator[None]:
        """Decompress what came, and pause behind each piece."""
        size, members = self._size, 0
        while self._pending:
            if members >= _MEMBERS or self._size - size >= _PIECE:
                yield
                size, members = self._size, 0
            self._inflate_some()
            members += 1

    def _inflate_some(self) -> None:
        inflate = self._inflate
        assert inflate is not None
        another = inflate.eof
        if another:
            # A gzip file may have several members, one behind the other (RFC 1952, section 2.2).
            inflate = self._inflate = zlib.decompressobj(wbits=31)
        given = self._pending[:_INPUT]
        try:
            # One byte more than allowed is enough to know.
            self._keep(inflate.decompress(given, min(_PIECE, self._limit - self._size + 1)))
        except zlib.error as error:
            reason = "is followed by something else" if another else "cannot be read"
            raise RefusedError(f"the compressed body {reason}: {error}") from None
        unused = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        self._pending = self._pending[len(given) - len(unused) :]

    def _keep(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._limit:
            raise self._too_large()
        self._chunks.append(chunk)

    def _too_large(self) -> RefusedError:
        return RefusedError(f"the body is larger than {self._limit} bytes")

    def finish(self) -> memoryview:
        """Return the whole body."""
        if self._inflate is not None and not self._inflate.eof:
            raise RefusedError("the compressed body is incomplete")
        return memoryview(b"".join(self._chunks))


class UnwantedBody:
    """Stands in where the body is not wanted.

    The answer to a post is read to its end all the same: it only counts when it is whole, and the connection can then
    be used again. An answer that is too long counts without its end. Other answers are left unread.
    """

    def __init__(self, *, wanted: bool) -> None:
        self.wanted = wanted
        self._size = 0

    def add(self, chunk: bytes) -> bool:
        """Take a chunk as it came, and return whether to go on."""
        self._size += len(chunk)
        return self._size <= _MAX_INGEST_BODY

    def inflate(self) -> Iterator[None]:
        """Decompress nothing."""
        return iter(())

    def finish(self) -> bytes:
        """Return nothing."""
        return b""


def _was_read(response: httpx.Response) -> bool:
    """Return whether the body was read already: by a hook of an injected client, or by its transport."""
    return response.is_stream_consumed or response.is_closed


def body_of(response: httpx.Response, request: Request, max_config_size: int) -> ConfigBody | UnwantedBody:
    """Return the reader for the body of an answer: all of a config within the limit, else as little as possible."""
    if request.method == "GET" and response.status_code == 200:
        return ConfigBody(response, max_config_size)
    return UnwantedBody(wanted=request.method == "POST" and not _was_read(response))
