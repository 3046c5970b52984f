"""Which requests are answered: not those of other sites' pages, though the browser runs on this machine too.

Two ways lead a foreign page to a server on loopback. It can post to it, or show a form that does: the browser then says
where the request comes from, in ``Origin`` and ``Sec-Fetch-Site``. And it can point a name of its own at 127.0.0.1 (DNS
rebinding), so that the browser takes the emulator for the page's own server: then ``Host`` is that name. Programs that
are not browsers send neither header, and are answered.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_HEADERS = [
    (b"content-security-policy", b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # Not "no-referrer": with it a form's post would say "Origin: null".
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
]
ANY_ADDRESS = "*"
"""In ``allowed_hosts``: every IP address. An address cannot be rebound, only a name can."""


class Guard:
    """Refuses, with 403, requests to another host and changes from another site."""

    def __init__(self, app: ASGIApp, *, allowed_hosts: Collection[str]) -> None:
        self.app = app
        self.allowed_hosts = frozenset(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application do it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self.refusal(scope["method"], headers)
        if refusal is not None:
            await PlainTextResponse(f"{refusal}\n", 403)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def refusal(self, method: str, headers: Headers) -> str | None:
        """Return why a request is refused, or None."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.is_ours(hosts[0]):
            return f"This is not {', '.join(hosts)[:100] or 'a host without a name'}. Ask for 127.0.0.1 or localhost."
        if method in _SAFE_METHODS:
            return None
        site = headers.get("sec-fetch-site")
        if site is not None and site not in {"same-origin", "none"}:
            return "A page of another site may not change anything here."
        for origin in headers.getlist("origin"):
            if origin.lower() not in {f"http://{hosts[0].lower()}", f"https://{hosts[0].lower()}"}:
                return f"A page of {origin[:100]} may not change anything here."
        return None

    def is_ours(self, host: str) -> bool:
        """Say whether the header ``Host`` names this server, whatever the port."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if any(character in host for character in "@/?#\\") or not name:
            return False
        if name == "localhost" or name in self.allowed_hosts:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or ANY_ADDRESS in self.allowed_hosts
