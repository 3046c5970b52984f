"""Asks, in test runs, whether a request may leave: the pytest plugin refuses the network to tests (see ``_hook``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import _hook

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping


class ForbiddenError(Exception):
    """The request must not be made."""


_GOES_OUT = ("connect_tcp.started", "connect_unix_socket.started", "send_request_headers.started")


def check_network(event: str, host: str, info: Mapping[str, Any]) -> None:
    """Raise ``ForbiddenError`` at the steps of httpx's ``trace`` extension by which a refused request would leave.

    Not before: a transport that a test has put into httpx, which answers by itself, comes to none of these steps.

    Args:
        event: The step.
        host: The host of the request's URL.
        info: The arguments of the step. Of the first it has the host that is connected to, which may be a proxy's.
    """
    refuse = _hook.refuse_network
    if refuse is not None and event.endswith(_GOES_OUT):
        reason = refuse(host)
        if reason is None and "host" in info:
            reason = refuse(info["host"])
        if reason is not None:
            raise ForbiddenError(reason)


def async_trace(host: str) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
    """Return a function for the ``trace`` extension of a request to ``host`` on an event loop."""

    async def trace(event: str, info: Mapping[str, Any]) -> None:  # as httpx wants it
        check_network(event, host, info)

    return trace
