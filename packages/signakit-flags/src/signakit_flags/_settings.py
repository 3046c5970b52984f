"""Settings of a client: where each URL comes from, and which hosts are this machine.

Each URL is the first of these that is given:

1. the argument: ``cdn_url``, ``events_url``;
2. its environment variable: ``SIGNAKIT_CDN_URL``, ``SIGNAKIT_EVENTS_URL``;
3. ``SIGNAKIT_EMULATOR_URL``: as it is for configs, with ``/v1/flag-events`` after it for events;
4. the service itself: ``DEFAULT_CDN_URL``, ``DEFAULT_EVENTS_URL``.

The environment is read when a client is made, not at import. Other defaults stand in the signature of
``SignaKitClient``, where a reader of the documentation sees them.
"""

from __future__ import annotations

import os

from ._log import logger
from ._secrets import hide_url, shown_url

DEFAULT_CDN_URL = "https://d30l2rkped5b4m.cloudfront.net"
DEFAULT_EVENTS_URL = "https://60amq9ozsf.execute-api.us-east-2.amazonaws.com/v1/flag-events"

_EMULATOR = "SIGNAKIT_EMULATOR_URL"
_EMULATOR_EVENTS_PATH = "/v1/flag-events"
_NUMERIC = frozenset("0123456789abcdefx.")
"""Characters of an IPv4 address in all its forms."""


def urls(cdn_url: str | None, events_url: str | None, *, production: bool = False) -> tuple[str, str]:
    """Return where configs come from, without a slash at the end, and where events are posted.

    Args:
        cdn_url: The argument of the client, or None.
        events_url: The argument of the client, or None.
        production: The key is a production key. Then a WARNING names each URL that such a key should not meet: one of
            the emulator's variable, and one by which key and users could be read on the way.

    Raises:
        TypeError: The argument is not text.
        ValueError: The first one that is given is not an http(s) URL. The message names the argument or the variable.
    """
    emulator = hide_url(os.environ.get("SIGNAKIT_EMULATOR_URL", "").strip().rstrip("/"))
    cdn_name, cdn = _first_url(
        ("cdn_url", cdn_url),
        ("SIGNAKIT_CDN_URL", hide_url(os.environ.get("SIGNAKIT_CDN_URL"))),
        (_EMULATOR, emulator),
        ("the default", DEFAULT_CDN_URL),
    )
    events_name, events = _first_url(
        ("events_url", events_url),
        ("SIGNAKIT_EVENTS_URL", hide_url(os.environ.get("SIGNAKIT_EVENTS_URL"))),
        (_EMULATOR, emulator and hide_url(emulator + _EMULATOR_EVENTS_PATH)),
        ("the default", DEFAULT_EVENTS_URL),
    )
    if production:
        # By name: one variable may stand for both.
        for name, url in {events_name: events, cdn_name: cdn}.items():
            _warn_of_production(name, url)
    return hide_url(cdn.rstrip("/")), events


def _warn_of_production(name: str, url: str) -> None:
    from urllib.parse import urlsplit  # as below

    parts = urlsplit(url)
    if name == _EMULATOR:
        logger.warning(
            "a production key (sk_prod_***) is used with %s (%s): unset the variable, or use a development key",
            name,
            shown_url(url),
        )
    elif parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        logger.warning(
            "a production key (sk_prod_***) is used over http, where others can read it: %s is %s", name, shown_url(url)
        )


def _first_url(*choices: tuple[str, object]) -> tuple[str, str]:
    """Return where the first URL that is given comes from, and the URL, checked; an error names where it came from."""
    given = ((name, url) for name, url in choices if not (url is None or (isinstance(url, str) and not url.strip())))
    name, url = next(given)
    if not isinstance(url, str):
        raise TypeError(f"{name} must be an http(s) URL as a str, not {type(url).__name__}")
    url = hide_url(url.strip())
    # The config's path is appended to the CDN's URL, so that one must not have a query.
    if not _is_http(url, may_have_query=name in {"events_url", "SIGNAKIT_EVENTS_URL"}):
        raise ValueError(f"{name} must be an http(s) URL, not {shown_url(url)!r}")
    return name, url


def _is_http(url: str, *, may_have_query: bool) -> bool:
    """Return whether requests can be made to a URL. Raises nothing, since its local variables show the whole URL."""
    from urllib.parse import urlsplit  # would cost every import 4 ms

    try:
        parts = urlsplit(url)
        # Checked on the text: urlsplit drops tabs and line breaks.
        printable = all("!" <= character <= "~" for character in url)
        fine = printable and parts.scheme in {"http", "https"} and bool(parts.hostname)
        # `port` raises ValueError for a port that is not a number.
        fine = fine and parts.port != 0 and (may_have_query or not (parts.query or parts.fragment))
    except ValueError:
        fine = False
    return fine


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is this machine by its name or address alone; no name is looked up.

    ``localhost``, any name under it (RFC 6761), 127.0.0.0/8 and ::1 are, also as IPv4 within IPv6. ``0.0.0.0`` is not:
    it is where a server listens.

    Args:
        host: A name or an address, with or without brackets, in any case.
    """
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    if host[:1].isdigit() and _NUMERIC.issuperset(host):
        import socket  # knows all forms of an IPv4 address that a system connects to, such as 127.1

        try:
            return socket.inet_aton(host)[0] == 127
        except OSError:
            return False
    if ":" not in host:
        return False
    from ipaddress import IPv6Address, ip_address  # most hosts have a name

    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # Python looks into it from 3.13 on
    return address.is_loopback
