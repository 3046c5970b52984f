"""What the flags of a request ask of its response."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._settings import is_loopback

if TYPE_CHECKING:
    from .visitor import SetCookie

_DIRECTIVE = re.compile(r'(?:[^,"]|"[^"]*(?:"|$))+')
_PORT = re.compile(r":\d*$")


@dataclass(frozen=True, slots=True)
class ResponseStart:
    """What the flags of a request ask of its response.

    Attributes:
        cookie: The visitor cookie to set, or None.
        vary: Names to be added to the ``Vary`` header: what the response depends on.
        cache_control: The new value of the ``Cache-Control`` header; None leaves the header as it is.
    """

    cookie: SetCookie | None = None
    vary: tuple[str, ...] = ()
    cache_control: str | None = None


def keep_private(cache_control: str | None) -> tuple[str | None, bool]:
    """Return what ``Cache-Control`` becomes when a response sets a visitor cookie, and whether it said ``public``.

    A shared cache that stored the response would hand one visitor's id to others (RFC 9111, 7.3). So ``private`` is
    added, and takes the place of ``public``.

    Args:
        cache_control: The header of the response, or None without one.

    Returns:
        The new value; None where ``no-store`` or ``private`` does the same already.
    """
    directives = [part.strip() for part in _DIRECTIVE.findall(cache_control or "")]
    names = [directive.lower() for directive in directives]  # `private="x-name"` covers that header alone
    public = "public" in names
    if "no-store" in names or "private" in names:
        return None, public
    kept = [directive for directive in directives if directive and directive.lower() != "public"]
    return ", ".join([*kept, "private"]), public


def not_kept(cookie: SetCookie, *, secure: bool, host: str | None, remedy: str) -> tuple[str, str] | None:
    """Return by which attribute no browser keeps a cookie, and why and what to do; None where browsers do.

    Args:
        cookie: The cookie.
        secure: The request came by https.
        host: Its ``Host`` header, or None without one.
        remedy: What to do where a proxy speaks https and the application does not know.
    """
    name = _PORT.sub("", host or "").strip("[]").rstrip(".").lower()
    if cookie.secure and not secure and not is_loopback(name):  # browsers trust this machine without https
        return "secure", f"it is Secure, and the request came by http; serve https, or {remedy}"
    domain = (cookie.domain or "").strip(".").lower()
    # A name without a dot, and an address, are how a proxy or a health check reaches the application.
    public = "." in name and not name.replace(".", "").isdigit()
    if domain and public and name != domain and not name.endswith(f".{domain}"):
        remedy = "set the cookie's domain to the site's own or to None, or have the proxy pass the host on"
        return "domain", f"its domain is {cookie.domain!r}; {remedy}"
    return None
