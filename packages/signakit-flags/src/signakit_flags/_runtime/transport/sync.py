"""Requests from threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import _hook
from ..._running_loop import loop_is_running
from ..._signal_handlers import let_through
from .bodies import body_of
from .deadline import deadline
from .messages import RequestBuilder, failure_of, response_of
from .network_refusal import check_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import httpx

    from ..flow import Answer, Request
    from .environment import Environment, Route


class SyncTransport:
    """Requests from threads.

    State: a client in ``_own`` is made at the first request of its route, without a lock: a thread that is stuck in
    OpenSSL would hold it, and the exit wait for it.
    """

    def __init__(
        self, injected: httpx.Client | None, environment: Environment, *, timeout: float, max_config_size: int
    ) -> None:
        self._injected = injected
        self._environment = environment
        self._builder = RequestBuilder(injected)
        self._timeout = timeout
        self._max_config_size = max_config_size
        self._own: dict[Route, httpx.Client] = {}
        self._inherited: list[dict[Route, httpx.Client]] = []

    def forget_after_fork(self) -> None:
        """Use new connections from now on. The parent's are kept, unused: collecting them would shut them down."""
        self._inherited.append(self._own)
        self._own = {}

    def prepare(self) -> None:
        """Import, in the calling thread, all that a first request needs, and make the clients.

        On an event loop the thread that makes the request makes them: it may have to make a TLS context.
        """
        from .environment import import_for_threads

        import_for_threads()
        for url in () if loop_is_running() else self._environment.urls:
            try:
                self._client(url)
            except Exception as error:  # noqa: BLE001  # a proxy or a file cannot be used: `send` reports it
                let_through(error)

    def send(self, request: Request, timeout: float | None = None) -> Answer:
        """Make a request. Never raises.

        Args:
            request: The request.
            timeout: Seconds for the whole of it; by default the client's ``timeout``.
        """
        timeout = self._timeout if timeout is None else min(timeout, self._timeout)
        deadline.begin(timeout, one_by_one=self._injected is None)
        try:
            client = self._client(request.url)
            built = self._builder.build(request, timeout)
            built.extensions["trace"] = _trace(built.url.host)
            response = self._open(client, built)
            try:
                body = body_of(response, request, self._max_config_size)
                for chunk in response.iter_raw() if body.wanted else ():
                    if not body.add(chunk):
                        break
                    for _ in body.inflate():
                        deadline.rest()
                    deadline.rest()
                return response_of(response, body.finish())
            finally:
                response.close()
        except Exception as error:  # noqa: BLE001  # an injected client may raise anything
            let_through(error)
            remark = "" if self._injected is not None else self._environment.remark(request.url, error)
            return failure_of(error, timeout, remark)
        finally:
            deadline.end()

    @staticmethod
    def _open(client: httpx.Client, request: httpx.Request) -> httpx.Response:
        import httpx

        while True:
            try:
                return client.send(request, stream=True, follow_redirects=False)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if not deadline.addresses:
                    raise

    def _client(self, url: str) -> httpx.Client:
        if self._injected is not None:
            return self._injected
        route, own = self._environment.route(url), self._own
        client = own.get(route)
        if client is None:
            # Poller and sender may both come first. Of two clients the second is dropped, unused.
            client = own.setdefault(route, self._environment.sync_client(route, deadline.rest()))
        return client

    def close(self) -> None:
        """Close our own connections; an injected client is left alone."""
        own, self._own = self._own, {}
        for client in own.values():
            client.close()


def _trace(host: str) -> Callable[[str, dict[str, Any]], None]:
    if _hook.refuse_network is None:
        return deadline.trace

    def trace(event: str, info: dict[str, Any]) -> None:
        check_network(event, host, info)
        deadline.trace(event, info)

    return trace
