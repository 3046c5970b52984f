"""HTTP, through httpx. The only module that imports it, and not before the first request.

Both faces are thin: what is asked and how an answer is read is written once, in ``_Builder`` and ``_Body``.
"""

from __future__ import annotations

import importlib
import threading
import time
import zlib
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from .. import _hook
from .._version import __version__
from .flow import Answer, Failure, Request, Response, usable_etag

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from http.cookiejar import CookieJar

    import httpx

_USER_AGENT = f"signakit-flags-python/{__version__}"
_MAX_INGEST_BODY = 65_536
_MAX_REASON = 200
_MIN_CONNECT = 0.5
"""Seconds for connecting to one of several addresses, at least, while there are as many."""
_PIECE = 65_536
_STALE = 2
"""Connections that poller and sender may have left in the pool of an injected client, on a loop that has ended."""
_MAX_OVERHEAD = 65_536
"""Bytes that gzip may make of a config above its size: enough for one that cannot be compressed."""


class _RefusedError(Exception):
    """The answer is not one that we read."""


class _ForbiddenError(Exception):
    """The request must not be made."""


_GOES_OUT = ("connect_tcp.started", "connect_unix_socket.started", "send_request_headers.started")


def _check_network(event: str, host: str) -> None:
    """Ask, at the steps of httpx's ``trace`` extension by which a request leaves, whether it may.

    Not before: a transport that a test has put into httpx, which answers by itself, comes to none of them.
    """
    refuse = _hook.refuse_network
    if refuse is not None and event.endswith(_GOES_OUT):
        reason = refuse(host)
        if reason is not None:
            raise _ForbiddenError(reason)


class _Body:
    """Collects a config within a limit that also holds after decompression.

    Decompressed here and not by httpx, whose decoders expand a whole chunk at once: 64 kB of gzip make 64 MB.
    """

    def __init__(self, response: httpx.Response, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._compressed = 0
        self._chunks: list[bytes] = []
        self._inflate = None
        self.wanted = not _was_read(response)
        if not self.wanted:
            try:
                self.add(response.content)  # which httpx has decompressed
            except RuntimeError:  # httpx.ResponseNotRead
                raise _RefusedError("something else has read the body and not kept it") from None
            return
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding in {"gzip", "x-gzip"}:
            self._inflate = zlib.decompressobj(wbits=31)
        elif encoding not in {"", "identity"}:
            raise _RefusedError(f"content encoding {encoding[:50]!r} was not asked for")

    def add(self, chunk: bytes) -> bool:
        """Take a chunk as it came, and say whether to go on."""
        inflate = self._inflate
        if inflate is None:
            self._keep(chunk)
            return True
        self._compressed += len(chunk)
        if self._compressed > self._limit + _MAX_OVERHEAD:
            raise self._too_large()  # with little in it, it could go on without an end
        while chunk:
            another = inflate.eof
            if another:
                # A gzip file may have several members, one behind the other (RFC 1952, section 2.2).
                inflate = self._inflate = zlib.decompressobj(wbits=31)
            try:
                # One byte more than allowed is enough to know.
                self._keep(inflate.decompress(chunk, self._limit - self._size + 1))
            except zlib.error as error:
                reason = "is followed by something else" if another else "cannot be read"
                raise _RefusedError(f"the compressed body {reason}: {error}") from None
            chunk = inflate.unused_data
        return True

    def _keep(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._limit:
            raise self._too_large()
        self._chunks.append(chunk)

    def _too_large(self) -> _RefusedError:
        return _RefusedError(f"the body is larger than {self._limit} bytes")

    def finish(self) -> bytes:
        """Return the whole."""
        if self._inflate is not None and not self._inflate.eof:
            raise _RefusedError("the compressed body is incomplete")
        return b"".join(self._chunks)


class _NoBody:
    """Stands in where nobody wants the body.

    The answer to a post is read to its end all the same: it only counts when it is whole, and the connection can then
    be used again. One that is too long is believed without its end. Other answers are left unread.
    """

    def __init__(self, *, wanted: bool) -> None:
        self.wanted = wanted
        self._size = 0

    def add(self, chunk: bytes) -> bool:
        """Take a chunk as it came, and say whether to go on."""
        self._size += len(chunk)
        return self._size <= _MAX_INGEST_BODY

    def finish(self) -> bytes:
        """Return nothing."""
        return b""


def _was_read(response: httpx.Response) -> bool:
    """Say whether nothing is left to read: an injected client may have hooks that do it, or a transport that does."""
    return response.is_stream_consumed or response.is_closed


def _reader(response: httpx.Response, request: Request, max_config_size: int) -> _Body | _NoBody:
    if request.method == "GET" and response.status_code == 200:
        return _Body(response, max_config_size)
    return _NoBody(wanted=request.method == "POST" and not _was_read(response))


class _Builder:
    """Makes httpx's requests out of ours.

    For a client that was injected it asks that client, whose headers, cookies and parameters belong into them. For one
    of our own it knows all there is to add, which costs a third.
    """

    def __init__(self, injected: httpx.Client | httpx.AsyncClient | None) -> None:
        self._injected = injected
        self._urls: dict[str, httpx.URL] = {}  # those of the config and of the events, parsed once

    def build(self, request: Request, timeout: float) -> httpx.Request:
        """Return a request."""
        # Only gzip: the one encoding whose expansion we bound.
        headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "gzip", **request.headers}
        if self._injected is not None:
            return self._injected.build_request(
                request.method, request.url, headers=headers, content=request.body, timeout=timeout
            )
        import httpx

        url = self._urls.get(request.url)
        if url is None:
            url = self._urls[request.url] = httpx.URL(request.url)
        return httpx.Request(
            request.method,
            url,
            headers={"Accept": "*/*", **headers},
            content=request.body,
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout)},
        )


def _no_cookies() -> CookieJar:
    """Return a jar that stays empty: nothing of ours needs cookies, and httpx looks for them in every answer."""
    from http.cookiejar import CookieJar

    class NoCookies(CookieJar):
        """Takes no cookies."""

        def extract_cookies(self, response: Any, request: Any) -> None:
            """Do nothing."""

    return NoCookies()


def _response(response: httpx.Response, body: bytes) -> Response:
    etag = usable_etag(response.headers.get("etag"))
    return Response(response.status_code, etag, response.headers.get("retry-after"), body)


def _failure(error: BaseException, timeout: float) -> Failure:
    if isinstance(error, _ForbiddenError):
        return Failure(str(error), final=True)
    return Failure(_reason(error, timeout))


def _reason(error: BaseException, timeout: float) -> str:
    import httpx

    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return f"no answer within {timeout:g} s"
    if isinstance(error, _RefusedError):
        return str(error)
    return f"{type(error).__name__}: {error}"[:_MAX_REASON]


class _Deadline(threading.local):
    """When the request of this thread has to be over, and what is left of the time meanwhile.

    httpx's timeouts start anew with every address that is tried and with every byte, so that a server which drips its
    headers could hold a thread for days. Its ``trace`` extension shows us each step of connecting before it is taken,
    with the arguments that it takes, and each stream as it is opened. On a loop ``asyncio.timeout`` does the same.

    Attributes:
        at: In seconds of ``time.monotonic()``; infinite between our requests: what comes then is the application's own,
            on a client that was injected.
        one_by_one: Connect to one address at a time. Who sends has to try again for as long as there is another.
        addresses: Those of the host that are still to be tried; None before it was looked up.
    """

    at = inf
    one_by_one = False
    addresses: list[str] | None = None

    def begin(self, timeout: float, *, one_by_one: bool) -> None:
        """Set the deadline, in so many seconds."""
        self.at = time.monotonic() + timeout
        self.one_by_one = one_by_one
        self.addresses = None

    def end(self) -> None:
        """Let things take the time they take."""
        self.at = inf

    def rest(self, timeout: float | None = None) -> float | None:
        """Return the seconds that something may take which may take ``timeout`` by itself.

        Raises:
            TimeoutError: None are left.
        """
        if self.at == inf:
            return timeout
        rest = self.at - time.monotonic()
        if rest <= 0:
            raise TimeoutError
        return rest if timeout is None else min(timeout, rest)

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Take note of a step of connecting; see httpx's documentation of request extensions."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._bound(info["return_value"])
        elif event.endswith(("connect_tcp.started", "start_tls.started")) and "timeout" in info:
            info["timeout"] = rest = self.rest(info["timeout"])
            if rest is not None and self.one_by_one and "host" in info:
                self._choose(info, rest)

    def _choose(self, info: dict[str, Any], rest: float) -> None:
        """Connect to the next address, and leave time for the others; dead ones may come first."""
        import socket

        import httpx

        if self.addresses is None:
            try:
                found = socket.getaddrinfo(info["host"], info["port"], 0, socket.SOCK_STREAM)
            except OSError as error:
                raise httpx.ConnectError(str(error)) from error
            self.addresses = [str(address[4][0]) for address in found]
        if self.addresses:
            info["timeout"] = max(rest / len(self.addresses), min(rest, _MIN_CONNECT))
            info["host"] = self.addresses.pop(0)

    def _bound(self, stream: Any) -> None:
        """Let reads from a network stream, and writes to it, end at the deadline."""
        read, write = stream.read, stream.write

        def read_in_time(max_bytes: int, timeout: float | None = None) -> bytes:
            data: bytes = read(max_bytes, self.rest(timeout))
            return data

        def write_in_time(buffer: bytes, timeout: float | None = None) -> None:
            # In pieces, as the timeout starts anew whenever a part was taken.
            for start in range(0, len(buffer), _PIECE):
                write(buffer[start : start + _PIECE], self.rest(timeout))

        stream.read, stream.write = read_in_time, write_in_time


_deadline = _Deadline()
"""One for the process: several clients may share a connection of one that was injected."""


def _traced(host: str) -> Callable[[str, dict[str, Any]], None]:
    if _hook.refuse_network is None:
        return _deadline.trace

    def trace(event: str, info: dict[str, Any]) -> None:
        _check_network(event, host)
        _deadline.trace(event, info)

    return trace


def _atraced(host: str) -> Callable[[str, object], Awaitable[None]]:
    async def trace(event: str, _info: object) -> None:  # as httpx wants it
        _check_network(event, host)

    return trace


class SyncTransport:
    """Requests from threads.

    State: ``_own`` is made at first use under ``_lock``, since poller and sender may both come first.
    """

    def __init__(self, injected: httpx.Client | None, *, timeout: float, max_config_size: int) -> None:
        self._injected = injected
        self._builder = _Builder(injected)
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

    def prepare(self) -> None:
        """Import, in the calling thread, all that a first request needs: httpx and what it imports when it is used."""
        import httpx  # noqa: F401  # as said

        with suppress(Exception):  # a proxy or a certificate that cannot be used: `send` says so
            self._client()
        "signakit".encode("idna")

    def send(self, request: Request, timeout: float | None = None) -> Answer:
        """Make a request. Never raises.

        Args:
            request: What to ask.
            timeout: Seconds for the whole of it; by default the client's ``timeout``.
        """
        timeout = self._timeout if timeout is None else min(timeout, self._timeout)
        _deadline.begin(timeout, one_by_one=self._injected is None)
        try:
            client = self._client()
            built = self._builder.build(request, timeout)
            built.extensions["trace"] = _traced(built.url.host)
            response = self._open(client, built)
            try:
                body = _reader(response, request, self._max_config_size)
                for chunk in response.iter_raw() if body.wanted else ():
                    if not body.add(chunk):
                        break
                    _deadline.rest()
                return _response(response, body.finish())
            finally:
                response.close()
        except Exception as error:  # noqa: BLE001  # an injected client may raise anything; nothing of it is ours to show
            return _failure(error, timeout)
        finally:
            _deadline.end()

    @staticmethod
    def _open(client: httpx.Client, request: httpx.Request) -> httpx.Response:
        import httpx

        while True:
            try:
                return client.send(request, stream=True, follow_redirects=False)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if not _deadline.addresses:
                    raise

    def _client(self) -> httpx.Client:
        if self._injected is not None:
            return self._injected
        with self._lock:
            if self._own is None:
                import httpx

                self._own = httpx.Client(cookies=_no_cookies())
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
        self._builder = _Builder(injected)
        self._timeout = timeout
        self._max_config_size = max_config_size
        self._own: httpx.AsyncClient | None = None

    @staticmethod
    def prepare() -> None:
        """Import, in the calling thread, all that a first request needs: httpx and what it imports when it is used."""
        for module in ("httpx", "httpcore", "httpcore._backends.anyio", "anyio._backends._asyncio"):
            with suppress(ImportError):
                importlib.import_module(module)

    async def send(self, request: Request) -> Answer:
        """Make a request within the client's ``timeout``. Raises nothing but ``CancelledError``."""
        import asyncio

        try:
            async with asyncio.timeout(self._timeout):
                for _ in range(0 if self._injected is None else _STALE):
                    # A client that was used on another loop, as by tests with a loop each, still has connections of
                    # that one. Who comes upon such a connection gets "Event loop is closed", and it is gone.
                    with suppress(RuntimeError):
                        return await self._send(request)
                return await self._send(request)
        except Exception as error:  # noqa: BLE001  # an injected client may raise anything; nothing of it is ours to show
            return _failure(error, self._timeout)

    async def _send(self, request: Request) -> Answer:
        client = self._client()
        built = self._builder.build(request, self._timeout)
        if _hook.refuse_network is not None:
            built.extensions["trace"] = _atraced(built.url.host)
        response = await client.send(built, stream=True, follow_redirects=False)
        try:
            body = _reader(response, request, self._max_config_size)
            if body.wanted:
                async for chunk in response.aiter_raw():
                    if not body.add(chunk):
                        break
            return _response(response, body.finish())
        finally:
            await response.aclose()

    def _client(self) -> httpx.AsyncClient:
        if self._injected is not None:
            return self._injected
        if self._own is None:
            import httpx

            self._own = httpx.AsyncClient(cookies=_no_cookies())
        return self._own

    async def aclose(self) -> None:
        """Close our own connections; an injected client is left alone."""
        own, self._own = self._own, None
        if own is not None:
            await own.aclose()
