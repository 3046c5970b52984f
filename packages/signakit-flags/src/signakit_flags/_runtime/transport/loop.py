"""Requests from one event loop."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ... import _hook
from .bodies import body_of
from .messages import RequestBuilder, failure_of, response_of
from .network_refusal import async_trace

if TYPE_CHECKING:
    import httpx

    from ..flow import Answer, Request
    from .environment import Environment, Route

_STALE = 2
"""Connections that poller and sender may have left in the pool of an injected client, on a loop that has ended."""


class AsyncTransport:
    """Requests from one event loop."""

    def __init__(
        self, injected: httpx.AsyncClient | None, environment: Environment, *, timeout: float, max_config_size: int
    ) -> None:
        self._injected = injected
        self._environment = environment
        self._builder = RequestBuilder(injected)
        self._timeout = timeout
        self._max_config_size = max_config_size
        self._own: dict[Route, httpx.AsyncClient] = {}

    @staticmethod
    def prepare() -> None:
        """Import, in the calling thread, all that a first request needs."""
        from .environment import import_for_loops

        import_for_loops()

    async def send(self, request: Request) -> Answer:
        """Make a request within the client's ``timeout``. Raises nothing but ``CancelledError``."""
        import asyncio

        try:
            async with asyncio.timeout(self._timeout):
                for _ in range(0 if self._injected is None else _STALE):
                    # A client that was used on another loop, as by tests with a loop each, still has connections of
                    # that loop. A request that takes one fails with "Event loop is closed", and the connection is gone.
                    with suppress(RuntimeError):
                        return await self._send(request)
                return await self._send(request)
        except Exception as error:  # noqa: BLE001  # an injected client may raise anything
            remark = "" if self._injected is not None else self._environment.remark(request.url, error)
            return failure_of(error, self._timeout, remark)

    async def _send(self, request: Request) -> Answer:
        import asyncio

        client = await self._client(request.url)
        built = self._builder.build(request, self._timeout)
        if _hook.refuse_network is not None:
            built.extensions["trace"] = async_trace(built.url.host)
        response = await client.send(built, stream=True, follow_redirects=False)
        try:
            body = body_of(response, request, self._max_config_size)
            if body.wanted:
                async for chunk in response.aiter_raw():
                    if not body.add(chunk):
                        break
                    for _ in body.inflate():
                        await asyncio.sleep(0)
            return response_of(response, body.finish())
        finally:
            await response.aclose()

    async def _client(self, url: str) -> httpx.AsyncClient:
        if self._injected is not None:
            return self._injected
        route, own = self._environment.route(url), self._own
        client = own.get(route)
        if client is None:
            # As for threads: poller and sender may both come first.
            client = own.setdefault(route, await self._environment.async_client(route, self._timeout))
        return client

    async def aclose(self) -> None:
        """Close our own connections; an injected client is left alone."""
        own, self._own = self._own, {}
        for client in own.values():
            await client.aclose()
