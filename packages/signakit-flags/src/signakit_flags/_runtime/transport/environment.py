"""The environment of one client, read once, and the clients of httpx that we make ourselves.

It is read when the client is made, and so before a fork: asking the system for its proxies kills a forked child on a
Mac. httpx would read it each time it makes a client, refuse entries of NO_PROXY that it cannot read, and make a TLS
context for ``http://``, too. So it is told to read nothing (``trust_env=False``).
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, cast

from .proxies import Proxy, find_proxies
from .tls import TlsContext
from .variables import VariableError

if TYPE_CHECKING:
    import ssl
    from http.cookiejar import CookieJar

    import httpx

_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


class Route(NamedTuple):
    """How a URL is reached. URLs with the same route share a client of httpx.

    Attributes:
        proxy: The proxy in between, or None.
        tls: The URL or its proxy is https.
    """

    proxy: Proxy | None
    tls: bool


class Environment:
    """How the URLs of one client are reached, with which certificates.

    Attributes:
        urls: What was read for.
        tls: The TLS context.
    """

    def __init__(self, *urls: str) -> None:
        self.urls: tuple[str, ...] = urls
        self.tls: TlsContext = TlsContext()
        self._routes = {
            url: Route(proxy, url.lower().startswith("https:") or (proxy is not None and proxy.scheme == "https"))
            for url, proxy in find_proxies(*urls).items()
        }

    def route(self, url: str) -> Route:
        """Return how one of ``urls`` is reached."""
        return self._routes[url]

    def remark(self, url: str, error: BaseException) -> str:
        """Return what a reason says of the environment where a request to ``url`` has failed; "" for nothing."""
        route = self._routes[url]
        remark = "" if route.proxy is None else f" (through the proxy {route.proxy})"
        if self.tls.variable is not None and "CERTIFICATE_VERIFY_FAILED" in str(error):
            remark += f" (the trusted certificates are those of {self.tls.variable})"
        return remark

    def sync_client(self, route: Route, timeout: float | None) -> httpx.Client:
        """Return a new client for threads, which may wait ``timeout`` seconds for the TLS context.

        Raises:
            VariableError: A proxy or a file of the environment cannot be used.
            TimeoutError: Another thread took too long to make the context.
        """
        import httpx

        return httpx.Client(transport=self.sync_transport(route, timeout), trust_env=False, cookies=_no_cookies())

    def sync_transport(self, route: Route, timeout: float | None) -> httpx.HTTPTransport:
        """Return what a client for threads sends requests through. Raises as ``sync_client``."""
        import httpx

        context = self.tls.make(timeout) if route.tls else None
        try:
            return httpx.HTTPTransport(**_options(route, context))
        except Exception as error:  # httpx raises what it likes, and socksio may be missing
            raise _explained(route, error) from error

    async def async_client(self, route: Route, timeout: float) -> httpx.AsyncClient:
        """Return a new client for the running loop, as ``sync_client`` does."""
        import httpx

        context = await self.tls.make_off_loop(timeout) if route.tls else None
        try:
            transport = httpx.AsyncHTTPTransport(**_options(route, context))
        except Exception as error:  # as above
            raise _explained(route, error) from error
        return httpx.AsyncClient(transport=transport, trust_env=False, cookies=_no_cookies())


def import_for_threads() -> None:
    """Import, in the calling thread, all that a first request of a thread needs: httpx, and what it imports late."""
    for module in ("httpx", "httpcore", "certifi"):
        importlib.import_module(module)
    "signakit".encode("idna")


def import_for_loops() -> None:
    """The same for a first request on an event loop."""
    for module in ("httpx", "httpcore", "certifi", "httpcore._backends.anyio", "anyio._backends._asyncio"):
        with suppress(ImportError):
            importlib.import_module(module)


class _Options(TypedDict):
    verify: ssl.SSLContext
    proxy: httpx.Proxy | None
    trust_env: bool


def _options(route: Route, context: ssl.SSLContext | None) -> _Options:
    import httpx

    proxy = None
    if route.proxy is not None:
        of_proxy = context if route.proxy.scheme == "https" else None  # httpcore refuses one for http
        proxy = httpx.Proxy(route.proxy.url, ssl_context=of_proxy)
        port = proxy.url.port
        if not proxy.url.host or (port is not None and not 0 < port < 65_536):  # httpx takes any
            raise httpx.InvalidURL("no host or no port")
    # httpx hands None on, which its annotations do not know. An https URL never comes with it.
    return {"verify": cast("ssl.SSLContext", context), "proxy": proxy, "trust_env": False}


def _explained(route: Route, error: Exception) -> Exception:
    """Return what to raise where httpx refused a proxy; its own words may contain the password."""
    proxy = route.proxy
    if proxy is None:
        return error
    if isinstance(error, ImportError):
        why = "SOCKS needs the package socksio: pip install 'httpx[socks]'"
    elif proxy.scheme not in _PROXY_SCHEMES:
        why = f"its scheme must be one of {', '.join(_PROXY_SCHEMES)}"
    else:
        why = "it is not a URL with a host and a port"
    return VariableError(f"the proxy {proxy} cannot be used: {why}")


def _no_cookies() -> CookieJar:
    """Return a jar that stays empty: nothing of ours needs cookies, and httpx looks for them in every answer."""
    from http.cookiejar import CookieJar

    class NoCookies(CookieJar):
        """Takes no cookies."""

        def extract_cookies(self, response: Any, request: Any) -> None:
            """Do nothing."""

    return NoCookies()
