"""Requests from threads."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from ... import _hook
from ..._signal_handlers import let_through
from .bodies import body_of
from .deadline import deadline
from .environment import import_for_threads, sync_client
from .messages import RequestBuilder, failure_of, response_of
from .network_refusal import check_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import httpx

    from ..flow import Answer, Request


class SyncTransport:
    """Requests from threads.

    State: ``_own`` is made at first use under ``_lock``, since poller and sender may both come first.
    """

    def __init__(self, injected: httpx.Client | None, *, timeout: float, max_config_size: int) -> None:
        self._injected = injected
        self._builder = RequestBuilder(injected)
        self._timeout = timeout
        self._max_config_size = max_config_size
        self._own: httpx.Client | None = None
        self._inherited: list[httpx.Client] = []
        self._lock = threading.RLock()

    def forget_after_fork(self) -> None:
        """Use new connections from now on. The parent's are kept, unused: collecting them would shut them down."""
        self._lock = threading.RLock()
        if self._own is not None:
            self._inherited.append(self._own)
            self._own = None

    def prepare(self) -> None:
        """Import, in the calling thread, all that a first request needs, and make the client."""
        import_for_threads()
        with suppress(Exception):  # a proxy or a certificate that cannot be used: `send` reports it
            self._client()

    def send(self, request: Request, timeout: float | None = None) -> Answer:
        """Make a request. Never raises.

        Args:
            request: The request.
            timeout: Seconds for the whole of it; by default the client's ``timeout``.
        """
        timeout = self._timeout if timeout is None else min(timeout, self._timeout)
        deadline.begin(timeout, one_by_one=self._injected is None)
        try:
            client = self._client()
            built = self._builder.build(request, timeout)
            built.extensions["trace"] = _trace(built.url.host)
            response = self._open(client, built)
            try:
                body = body_of(response, request, self._max_config_size)
                for chunk in response.iter_raw() if body.wanted else ():
                    if not body.add(chunk):
                        break
                    deadline.rest()
                return response_of(response, body.finish())
            finally:
                response.close()
        except Exception as error:  # noqa: BLE001  # an injected client may raise anything
            let_through(error)
            return failure_of(error, timeout)
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

    def _client(self) -> httpx.Client:
        if self._injected is not None:
            return self._injected
        with self._lock:
            if self._own is None:
                self._own = sync_client()
            return self._own

    def close(self) -> None:
        """Close our own connections; an injected client is left alone."""
        with self._lock:
            own, self._own = self._own, None
        if own is not None:
            own.close()


def _trace(host: str) -> Callable[[str, dict[str, Any]], None]:
    if _hook.refuse_network is None:
        return deadline.trace

    def trace(event: str, info: dict[str, Any]) -> None:
        check_network(event, host)
        deadline.trace(event, info)

    return trace
