"""HTTP, through httpx. The only module that imports it, and not before the first request.

Both faces are thin: what is asked and how an answer is read is written once, in ``_build`` and ``_Body``.
"""

from __future__ import annotations

import threading
import time
import zlib
from typing import TYPE_CHECKING

from .._version import __version__
from .protocol import Answer, Failure, Request, Response

if TYPE_CHECKING:
    import httpx

_USER_AGENT = f"signakit-flags-python/{__version__}"
_MAX_INGEST_BODY = 65_536
_CHUNK = 65_536
_MAX_REASON = 200


class _RefusedError(Exception):
    """The answer is not one that we read."""


class _Body:
    """Collects a response body within a limit that also holds after decompression.

    Decompressed here and not by httpx, whose decoders expand a whole chunk at once: 64 kB of gzip make 64 MB.
    """

    __slots__ = ("_inflate", "_limit", "_size", "chunks")

    def __init__(self, response: httpx.Response, limit: int) -> None:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding in {"", "identity"}:
            self._inflate = None
        elif encoding in {"gzip", "x-gzip"}:
            self._inflate = zlib.decompressobj(wbits=31)
        else:
            raise _RefusedError(f"content encoding {encoding[:50]!r} was not asked for")
        self._limit = limit
        self._size = 0
        self.chunks: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        if self._inflate is not None:
            # One byte more than allowed is enough to know.
            chunk = self._inflate.decompress(chunk, self._limit - self._size + 1)
        self._size += len(chunk)
        if self._size > self._limit:
            raise _RefusedError(f"the body is larger than {self._limit} bytes")
        self.chunks.append(chunk)

    def finish(self) -> bytes:
        if self._inflate is not None and not self._inflate.eof:
            raise _RefusedError("the compressed body is incomplete")
        return b"".join(self.chunks)


def _build(client: httpx.Client | httpx.AsyncClient, request: Request, timeout: float) -> httpx.Request:
    # Only gzip: the one encoding whose expansion we bound.
    headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "gzip", **request.headers}
    return client.build_request(request.method, request.url, headers=headers, content=request.body, timeout=timeout)


def _limit(request: Request, max_config_size: int) -> int:
    return max_config_size if request.method == "GET" else _MAX_INGEST_BODY


def _response(response: httpx.Response, request: Request, body: bytes) -> Response:
    return Response(
        response.status_code,
        response.headers.get("etag"),
        response.headers.get("retry-after"),
        body if request.method == "GET" else b"",
    )


def _reads_body(response: httpx.Response, request: Request) -> bool:
    # Any other body is left unread; that costs the connection, and an error is rare.
    return response.status_code == 200 or request.method == "POST"


def _reason(error: BaseException, timeout: float) -> str:
    import httpx  # noqa: PLC0415  # see the module's docstring

    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return f"no answer within {timeout:g} s"
    if isinstance(error, _RefusedError):
        return str(error)
    return f"{type(error).__name__}: {error}"[:_MAX_REASON]


class SyncTransport:
    """Requests from threads.

    State: ``_own`` is made at first use under ``_lock``, since poller and sender may both come first.
    """

    def __init__(self, injected: httpx.Client | None, *, timeout: float, max_config_size: int) -> None:
        self._injected = injected
        self._timeout = timeout
        self._max_config_size = max_config_size
        self._own: httpx.Client | None = None
        self._inherited: list[httpx.Client] = []
        self._lock = threading.RLock()

    def forget_after_fork(self) -> None:
        """Use connections of our own from now on; the parent's are kept, unused, so that nobody shuts them down."""
        self._lock = threading.RLock()
        if self._own is not None:
            self._inherited.append(self._own)
            self._own = None

    @staticmethod
    def prepare() -> None:
        """Import httpx in the calling thread."""
        import httpx  # noqa: F401, PLC0415  # as said

    def send(self, request: Request, timeout: float | None = None) -> Answer:
        """Make a request. Never raises.

        Args:
            request: What to ask.
            timeout: Seconds for the whole of it; by default the client's ``timeout``.
        """
        timeout = self._timeout if timeout is None else min(timeout, self._timeout)
        deadline = time.monotonic() + timeout
        try:
            client = self._client()
            response = client.send(_build(client, request, timeout), stream=True, follow_redirects=False)
            try:
                if not _reads_body(response, request):
                    return _response(response, request, b"")
                body = _Body(response, _limit(request, self._max_config_size))
                for chunk in response.iter_raw(_CHUNK):
                    body.add(chunk)
                    if time.monotonic() > deadline:
                        raise TimeoutError
                return _response(response, request, body.finish())
            finally:
                response.close()
        except Exception as error:  # noqa: BLE001  # an injected client may raise anything; nothing of it is ours to show
            return Failure(_reason(error, timeout))

    def _client(self) -> httpx.Client:
        if self._injected is not None:
            return self._injected
        with self._lock:
            if self._own is None:
                import httpx  # noqa: PLC0415  # see the module's docstring

                self._own = httpx.Client()
            return self._own

    def close(self) -> None:
        """Close our own connections; an injected client is left alone."""
        with self._lock:
            own, self._own = self._own, None
        if own is not None:
            own.close()


class AsyncTransport:
    """Requests from one event loop."""

    def __init__(self, injected: httpx.AsyncClient | None, *, timeout: float, max_config_size: int) -> None:
        self._injected = injected
        self._timeout = timeout
        self._max_config_size = max_config_size
        self._own: httpx.AsyncClient | None = None

    async def send(self, request: Request) -> Answer:
        """Make a request within the client's ``timeout``. Raises nothing but ``CancelledError``."""
        import asyncio  # noqa: PLC0415  # `import signakit_flags` stays light

        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(request)
        except Exception as error:  # noqa: BLE001  # an injected client may raise anything; nothing of it is ours to show
            return Failure(_reason(error, self._timeout))

    async def _send(self, request: Request) -> Answer:
        client = self._client()
        built = _build(client, request, self._timeout)
        response = await client.send(built, stream=True, follow_redirects=False)
        try:
            if not _reads_body(response, request):
                return _response(response, request, b"")
            body = _Body(response, _limit(request, self._max_config_size))
            async for chunk in response.aiter_raw(_CHUNK):
                body.add(chunk)
            return _response(response, request, body.finish())
        finally:
            await response.aclose()

    def _client(self) -> httpx.AsyncClient:
        if self._injected is not None:
            return self._injected
        if self._own is None:
            import httpx  # noqa: PLC0415  # see the module's docstring

            self._own = httpx.AsyncClient()
        return self._own

    async def aclose(self) -> None:
        """Close our own connections; an injected client is left alone."""
        own, self._own = self._own, None
        if own is not None:
            await own.aclose()
