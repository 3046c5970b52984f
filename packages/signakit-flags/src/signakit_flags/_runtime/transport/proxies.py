"""Which proxy a URL is reached through, as the environment or the system says.

State: ``_named``, entries that the log has named. Two threads may name the same one at once, which does no harm.
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from ..._log import logger
from ..._secrets import hide_url, shown_url
from ..._settings import is_loopback
from ..._types import short

_KEYS = ("http", "https", "all")
_VARIABLES = {f"{key}_proxy" for key in _KEYS}
_MAX_NAMED = 3
"""Entries of NO_PROXY that a log line names, at most."""
MAX_REMEMBERED = 100
"""Entries that are named in all, at most: the variable may change."""

_named: set[str] = set()


class Proxy(NamedTuple):
    """A proxy.

    Attributes:
        url: With a scheme. It may contain a password.
        variable: The variable of the environment that names it.
    """

    url: str
    variable: str

    @property
    def scheme(self) -> str:
        """The scheme of its URL, in lower case."""
        return self.url.partition("://")[0].lower()

    def __repr__(self) -> str:
        """Return it without its password: for a log, and for tools that print the variables of a traceback."""
        return f"{self.variable}={repr(shown_url(self.url))[1:-1]}"


def find_proxies(*urls: str) -> dict[str, Proxy | None]:
    """Return the proxy for each of ``urls``, or None for one that is reached directly.

    This machine is always reached directly: a proxy would connect to itself instead, and learn what it is asked.
    Entries of NO_PROXY that cannot be read are skipped and named in the log, once a process and where there is a proxy.
    """
    from urllib.parse import urlsplit  # would cost every import 4 ms

    elsewhere = [url for url in urls if not is_loopback(urlsplit(url).hostname or "")]
    settings = _read() if elsewhere else {}
    found = dict.fromkeys(urls) | {url: _choose(settings, urlsplit(url).scheme) for url in elsewhere}
    if any(found.values()) and settings.get("no"):
        from .no_proxy import parse

        exemptions, unreadable = parse(settings["no"])
        if unreadable:
            _complain(unreadable)
        for url in elsewhere:
            if any(exemption.covers(url) for exemption in exemptions):
                found[url] = None
    return found


def _read() -> dict[str, str]:
    """Return what the environment or the system sets, by ``http``, ``https``, ``all`` and ``no``."""
    # The system of a Mac and of Windows has settings of its own. Elsewhere the import is for nothing as a rule.
    if sys.platform not in {"darwin", "win32"} and not any(name.lower() in _VARIABLES for name in os.environ):
        return {}
    from urllib.request import getproxies

    return {key: hide_url(value) for key, value in getproxies().items()}


def _choose(settings: dict[str, str], scheme: str) -> Proxy | None:
    for key in (scheme, "all"):
        value = settings.get(key, "").strip()
        if value:
            return Proxy(value if "://" in value else f"http://{value}", _variable(key, settings[key]))
    return None


def _variable(key: str, value: str) -> str:
    """Return the name of the variable that has set ``value``: it may be in any case."""
    name = f"{key}_proxy"
    names = [other for other in os.environ if other.lower() == name and os.environ[other] == value]
    return min(names, key=lambda other: other != name, default=f"the system's {key} proxy")


def _complain(unreadable: list[str]) -> None:
    new = [entry for entry in dict.fromkeys(unreadable) if entry not in _named][: MAX_REMEMBERED - len(_named)]
    if not new:
        return
    _named.update(new)
    named = ", ".join(map(_shown, new[:_MAX_NAMED]))
    more = len(new) - _MAX_NAMED
    logger.warning(
        "entries of NO_PROXY that cannot be read are skipped: %s%s", named, f" and {more} more" if more > 0 else ""
    )


def _shown(entry: str) -> str:
    """Return an entry of NO_PROXY as text for a log; where it may be a URL with a password, as a URL is shown."""
    return short(shown_url(entry) if "@" in entry or "://" in entry else str(entry)).strip("'\"")
