"""What a log, an error or a traceback may show of SDK keys and of URLs with passwords in them.

Error trackers store the ``repr()`` of the local variables of each frame. So keys and URLs are concealed where they come
in: they stay text, equal to what was given, and their ``repr()`` is redacted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar, overload

from ._sdk_key import conceal_key

ValueT = TypeVar("ValueT")

_KEY = "sk_(dev|prod)_"
_MAX_SHOWN = 200
_MAX_HOST = 63  # a host may be longer, but then it may as well be a token
_HOST = r"([\w-]+\.)+[\w-]+\.?(:\d+)?|[\w-]+:(\d+|\*{3})|localhost"


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
    a URL or a host, as it may be a secret that was pasted into the wrong place. Rather too much is hidden than too
    little: everything before the last ``@``, or, where there is none, a port that is not a number. Text beyond 200
    characters is cut off. Control characters stay: show the ``repr()`` of a URL that was not checked.
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
    if colon and not at and "[" not in host and not port.isdecimal():
        host = f"{name}:***"
    if not (start or at or key) and not (len(host) <= _MAX_HOST and re.fullmatch(_HOST, host)):
        return "***"
    shown = f"{start}{'***@' if at else ''}{host}{slash}{path}"
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[: _MAX_SHOWN - 3]}..."


def without_secrets(text: str) -> str:
    """Return text of foreign code, such as an exception's, without SDK keys, and its URLs without user and password."""
    text = re.sub(f"({_KEY})[A-Za-z0-9_-]*", r"\1***", text)
    return re.sub(r"(://)[^\s/@]*@", r"\1***@", text)
