"""Settings of a client: where each URL comes from, which hosts are this machine, and which numbers are accepted.

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

from ._types import short

DEFAULT_CDN_URL = "https://d30l2rkped5b4m.cloudfront.net"
DEFAULT_EVENTS_URL = "https://60amq9ozsf.execute-api.us-east-2.amazonaws.com/v1/flag-events"

_EMULATOR_EVENTS_PATH = "/v1/flag-events"
_MAX_WHOLE = 1e15
_MAX_SECONDS = 1e6  # eleven days; beyond 4e6 some systems cannot wait


def urls(cdn_url: str | None, events_url: str | None) -> tuple[str, str]:
    """Return where configs come from, without a slash at the end, and where events are posted.

    Args:
        cdn_url: The argument of the client, or None.
        events_url: The argument of the client, or None.

    Raises:
        ValueError: The first one that is given is not an http(s) URL. The message names the argument or the variable.
    """
    emulator = os.environ.get("SIGNAKIT_EMULATOR_URL", "").strip().rstrip("/")
    cdn = _first_url(
        ("cdn_url", cdn_url),
        ("SIGNAKIT_CDN_URL", os.environ.get("SIGNAKIT_CDN_URL")),
        ("SIGNAKIT_EMULATOR_URL", emulator),
        ("the default", DEFAULT_CDN_URL),
    )
    events = _first_url(
        ("events_url", events_url),
        ("SIGNAKIT_EVENTS_URL", os.environ.get("SIGNAKIT_EVENTS_URL")),
        ("SIGNAKIT_EMULATOR_URL", emulator and emulator + _EMULATOR_EVENTS_PATH),
        ("the default", DEFAULT_EVENTS_URL),
    )
    return cdn.rstrip("/"), events


def _first_url(*choices: tuple[str, str | None]) -> str:
    """Return the first URL that is given, checked; an error names where it came from."""
    name, url = next((name, url) for name, url in choices if url and str(url).strip())
    _check_url(name, url)
    return url.strip()


def _check_url(name: str, url: object) -> None:
    from urllib.parse import urlsplit  # would cost every import 4 ms

    try:
        parts = urlsplit(str(url).strip())
        # Checked on the text: urlsplit drops tabs and line breaks.
        printable = all("!" <= character <= "~" for character in str(url).strip())
        fine = isinstance(url, str) and printable and parts.scheme in {"http", "https"} and bool(parts.hostname)
        # `port` raises ValueError for a port that is not a number. The config's path is appended to the CDN's URL, so
        # that one must not have a query.
        fine = fine and parts.port != 0
        if name not in {"events_url", "SIGNAKIT_EVENTS_URL"}:
            fine = fine and not parts.query and not parts.fragment
    except ValueError:
        fine = False
    if not fine:
        raise ValueError(f"{name} must be an http(s) URL, not {url!r}")


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
    if not host.startswith("127.") and ":" not in host:
        return False
    from ipaddress import IPv6Address, ip_address  # most hosts have a name

    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # Python looks into it from 3.13 on
    return address.is_loopback


def check_sizes(**sizes: object) -> None:
    """Make sure that each of ``sizes``, by the name of its argument, is a whole number of at least 1.

    Raises:
        ValueError: One is not; the message names it.
    """
    for name, size in sizes.items():
        check_number(name, size, at_least=1, whole=True)


def check_number(
    name: str, value: object, *, at_least: float | None = None, above: float | None = None, whole: bool = False
) -> None:
    """Make sure that the argument ``name`` is a finite number in its range; without ``whole`` it counts seconds.

    Raises:
        ValueError: It is not a number, or out of range; the message names it.
    """
    kinds = int if whole else (int, float)
    limit = _MAX_WHOLE if whole else _MAX_SECONDS
    if isinstance(value, bool) or not isinstance(value, kinds) or not -limit < value < limit:
        raise ValueError(f"{name} must be a finite {'whole ' if whole else ''}number, not {short(value)}")
    if at_least is not None and value < at_least:
        raise ValueError(f"{name} must be at least {at_least}, not {value!r}")
    if above is not None and value <= above:
        raise ValueError(f"{name} must be more than {above}, not {value!r}")
