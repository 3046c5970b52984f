"""Requests of an integration's own, such as a command's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._secrets import hide_url

if TYPE_CHECKING:
    import httpx


def http_transport(url: str) -> httpx.HTTPTransport:
    """Return a transport of httpx that reaches ``url`` as clients do: by the proxy and the certificates they would use.

    For requests of your own, such as a command's: ``httpx.Client(transport=http_transport(url))``. The environment is
    read at each call, and this machine is reached without a proxy.

    Args:
        url: The http(s) URL that is requested. URLs of the same scheme, host and port may share the transport.

    Raises:
        ValueError: A proxy or a file that the environment names cannot be used. The message names the variable, and
            shows no password.
    """
    from .._runtime.transport.environment import Environment  # as an import of this package needs none of it

    url = hide_url(url)
    environment = Environment(url)
    return environment.sync_transport(environment.route(url), None)
