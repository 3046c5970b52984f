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
import re
from collections.abc import Mapping
from typing import Any, TypeVar, overload

from ._log import logger
from ._sdk_key import conceal_key
from ._types import short

ValueT = TypeVar("ValueT")

DEFAULT_CDN_URL = "https://d30l2rkped5b4m.cloudfront.net"
DEFAULT_EVENTS_URL = "https://60amq9ozsf.execute-api.us-east-2.amazonaws.com/v1/flag-events"

_EMULATOR = "SIGNAKIT_EMULATOR_URL"
_EMULATOR_EVENTS_PATH = "/v1/flag-events"
_MAX_WHOLE = 1e15
_MAX_SECONDS = 1e6  # eleven days; beyond 4e6 some systems cannot wait
_MAX_SHOWN = 200
_KEY = "sk_(dev|prod)_"
_MAX_HOST = 63  # a host may be longer, but then it may as well be a token
_HOST = r"([\w-]+\.)+[\w-]+\.?(:\d+)?|[\w-]+:(\d+|\*{3})|localhost"


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


class _Url(str):
    """A URL whose ``repr()`` is shown as ``shown_url`` does: error trackers store that of local variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(shown_url(self))


@overload
def hide_url(url: str) -> str: ...
@overload
def hide_url(url: None) -> None: ...
def hide_url(url: str | None) -> str | None:
    """Return the same URL, whose ``repr()`` shows no secret of it; other values as they are."""
    return _Url(url) if isinstance(url, str) else url


@overload
def conceal(value: str) -> str: ...
@overload
def conceal(value: None) -> None: ...
@overload
def conceal(value: Mapping[str, ValueT]) -> dict[str, ValueT]: ...
@overload
def conceal(value: Any) -> Any: ...
def conceal(value: Any) -> Any:
    """Return an SDK key, or settings that hold one, so that their ``repr()`` does not show secrets.

    Error trackers store the ``repr()`` of the local variables of each frame. Conceal a key in the first statement of a
    function that takes one.

    Args:
        value: A key: the result is equal to it, and still a ``str``. Or settings by name, which are returned in a new
            dict: a value whose name ends in ``sdk_key``, in any case, is concealed as a key, and other text as a URL,
            which is still equal to it and is shown without user name, password and SDK key.
    """
    if not isinstance(value, Mapping):
        return conceal_key(value)
    concealed = {}
    for name, item in value.items():
        if str(name).lower().endswith("sdk_key"):
            concealed[name] = conceal_key(item)
        elif isinstance(item, str) and re.search(f"://|{_KEY}", item, re.IGNORECASE):
            concealed[name] = hide_url(item)
        else:
            concealed[name] = item
    return concealed


def shown_url(url: str) -> str:
    """Return a URL as an error, a reason or a log may show it: ``"http://***@host/path?***"``.

    What may be secret is hidden: user name, password, query, fragment, an SDK key. So is text that does not look like
    a URL or a host, as it may be a secret that was pasted into the wrong place. Of a URL that cannot be read, rather
    too much is hidden than too little: everything before the last ``@``, and a port that is not a number. Text beyond
    200 characters is cut off. Control characters stay: show the ``repr()`` of a URL that was not checked.
    """
    text = url.strip()
    key = re.search(_KEY, text, re.IGNORECASE)
    if key is not None:
        text = f"{text[: key.end()]}***"
    scheme = re.match("[a-z][a-z0-9+.-]*:/{2,}", text, re.IGNORECASE)
    start = "" if scheme is None else scheme.group()
    _, at, rest = text[len(start) :].rpartition("@")
    rest = re.sub("([?#]).*", r"\1***", rest, flags=re.DOTALL)
    host, slash, path = rest.partition("/")
    name, colon, port = host.rpartition(":")
    if colon and "[" not in host and not port.isdecimal():
        host = f"{name}:***"
    if not (start or at or key) and not (len(host) <= _MAX_HOST and re.fullmatch(_HOST, host)):
        return "***"
    shown = f"{start}{'***@' if at else ''}{host}{slash}{path}"
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[: _MAX_SHOWN - 3]}..."


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


def without_secrets(text: str) -> str:
    """Return text of foreign code, such as an exception's, without SDK keys, and its URLs without user and password."""
    text = re.sub("(sk_(dev|prod)_)[A-Za-z0-9_-]*", r"\1***", text)
    return re.sub(r"(://)[^\s/@]*@", r"\1***@", text)


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


def check_http_client(name: str, client: object) -> None:
    """Make sure that ``client`` can serve as the argument ``name``, which is ``async_client`` or ``sync_client``.

    It has to have ``build_request`` and ``send``, as a client of httpx does; it does not have to be one. httpx is not
    imported to find out.

    Raises:
        TypeError: It is not a client, or it is one for the other argument.
    """
    if client is None:
        return
    wanted, other, other_argument = _HTTP_CLIENTS[name]
    kind = type(client).__name__
    if isinstance(client, type):
        raise TypeError(f"{name} must be {wanted}, not the class {client.__name__}: pass an instance")
    if not _has(client, "build_request", "send"):
        raise TypeError(f"{name} must be {wanted}, not {kind}")
    if _is_async(client) is (name == "sync_client"):
        raise TypeError(f"{name} must be {wanted}, not {other} ({kind}): pass that one as {other_argument}")


_HTTP_CLIENTS = {
    "async_client": ("an httpx.AsyncClient", "a sync client", "sync_client"),
    "sync_client": ("an httpx.Client", "an async client", "async_client"),
}


def _is_async(client: Any) -> bool | None:
    """Return whether a client is used by awaiting; None where it cannot be told, as of a double with few methods."""
    from inspect import iscoroutinefunction

    if iscoroutinefunction(client.send):
        return True
    closes = _has(client, "close")
    return None if closes is _has(client, "aclose") else not closes


def check_function(name: str, function: object) -> None:
    """Make sure that the argument ``name`` is None or can be called.

    Raises:
        TypeError: It cannot.
    """
    if function is not None and not callable(function):
        raise TypeError(f"{name} must be a function, not {type(function).__name__}")


def check_snapshot(path: object, store: object) -> None:
    """Make sure that ``snapshot_path`` and ``snapshot_store`` can be used, and that at most one of them is given.

    Raises:
        TypeError: One has the wrong type.
        ValueError: Both are given.
    """
    if path is not None and not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"snapshot_path must be a str or a path, not {type(path).__name__}")
    if store is None:
        return
    if isinstance(store, type):
        raise TypeError(f"snapshot_store must be an instance, not the class {store.__name__}")
    if not _has(store, "load", "save"):
        raise TypeError(f"snapshot_store must have the methods load and save, which {type(store).__name__} has not")
    if path is not None:
        raise ValueError("snapshot_path and snapshot_store exclude each other")


def _has(subject: object, *methods: str) -> bool:
    return all(callable(getattr(subject, method, None)) for method in methods)
