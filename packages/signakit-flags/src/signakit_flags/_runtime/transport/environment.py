"""The clients of httpx that we make ourselves. Making one reads the proxies and CA files of the environment."""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    import httpx


def sync_client() -> httpx.Client:
    """Return a new client for threads.

    Raises:
        Exception: A proxy or a CA file of the environment cannot be used.
    """
    import httpx

    return httpx.Client(cookies=_no_cookies())


def async_client() -> httpx.AsyncClient:
    """Return a new client for the running loop; raises as ``sync_client``."""
    import httpx

    return httpx.AsyncClient(cookies=_no_cookies())


def import_for_threads() -> None:
    """Import, in the calling thread, all that a first request of a thread needs: httpx, and what it imports late."""
    importlib.import_module("httpx")
    "signakit".encode("idna")


def import_for_loops() -> None:
    """The same for a first request on an event loop."""
    for module in ("httpx", "httpcore", "httpcore._backends.anyio", "anyio._backends._asyncio"):
        with suppress(ImportError):
            importlib.import_module(module)


def _no_cookies() -> CookieJar:
    """Return a jar that stays empty: nothing of ours needs cookies, and httpx looks for them in every answer."""
    from http.cookiejar import CookieJar

    class NoCookies(CookieJar):
        """Takes no cookies."""

        def extract_cookies(self, response: Any, request: Any) -> None:
            """Do nothing."""

    return NoCookies()
