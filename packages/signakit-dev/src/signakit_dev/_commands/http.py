"""Requests of the commands: how a URL is reached, as the environment says.

httpx would read the environment itself. But it would ask a proxy for this machine, and refuse to work with an IPv6
range in ``NO_PROXY`` or with a missing ``SSL_CERT_FILE``, also where neither matters.
"""

from __future__ import annotations

import ipaddress
import os
from urllib.request import getproxies, proxy_bypass

import httpx

_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


class Transport(httpx.BaseTransport):
    """Makes the transport for a URL when that is requested. What cannot be used is a ``ConnectError`` then."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Request a URL."""
        where = (request.url.scheme, request.url.host)
        if where not in self._made:
            try:
                # A context with certificates is made for https alone.
                self._made[where] = httpx.HTTPTransport(verify=where[0] == "https", proxy=_proxy(*where))
            except Exception as error:
                names = [name for name in _VARIABLES if os.environ.get(name) or os.environ.get(name.lower())]
                raise httpx.ConnectError(
                    f"a proxy or a file of the environment cannot be used ({', '.join(names)}): {error}"
                ) from error
        return self._made[where].handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for transport in self._made.values():
            transport.close()


def is_local(host: str) -> bool:
    """Return whether ``host`` is this machine by its name or address."""
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _proxy(scheme: str, host: str) -> str | None:
    if is_local(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(scheme) or proxies.get("all")
