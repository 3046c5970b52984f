"""Visitors without an account, and the cookie that knows them again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from .._types import short

_VISITOR_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 6265, 4.1.1
_ATTRIBUTE = re.compile(r"[ -:<-~]*")  # printable ASCII but the semicolon
_MAX_NAME = 256
_MAX_AGE = 2**31 - 1  # of a cookie: beyond it lie dates that no header can name
_RESERVED = frozenset(
    # Attributes of a cookie, which Python's http.cookies takes for no name.
    ("comment", "domain", "expires", "httponly", "max-age", "partitioned", "path", "samesite", "secure", "version")
)


def new_visitor_id() -> str:
    """Return a new visitor id: a random UUID (version 4), from the system's randomness, so forks do not share it."""
    return str(uuid4())


def is_visitor_id(text: object) -> bool:
    """Say whether ``text`` is a visitor id in the one form in which ``new_visitor_id`` writes it."""
    return isinstance(text, str) and len(text) == 36 and _VISITOR_ID.fullmatch(text) is not None


def cookie_values(header: str, name: str) -> list[str]:
    """Return the values of all cookies of one name, in the order of the ``Cookie`` header.

    For frameworks that keep one value a name: see ``Integration.cookies``. A pair of quotes around a value is removed;
    nothing else is decoded.

    Args:
        header: The ``Cookie`` header. Several are joined with a semicolon.
        name: The cookie's name.
    """
    values = []
    if name in header:
        for pair in header.split(";"):
            key, _, value = pair.partition("=")
            if key.strip() == name:
                value = value.strip()
                quoted = len(value) >= 2 and value[0] == value[-1] == '"'
                values.append(value[1:-1] if quoted else value)
    return values


@dataclass(frozen=True, slots=True)
class SetCookie:
    """A cookie to be set. The fields are named as the parameters of ``set_cookie`` in Django, Flask and Starlette.

    Attributes:
        key: Its name.
        value: Its value.
        max_age: Seconds that it lives.
        path: Below which path it is sent back.
        domain: To which hosts; None means to this one alone.
        secure: By https only.
        httponly: Out of reach of scripts.
        samesite: Whether other sites' requests carry it.
    """

    key: str
    value: str
    max_age: int
    path: str
    domain: str | None
    secure: bool
    httponly: bool
    samesite: Literal["Lax", "Strict", "None"]

    def header(self) -> str:
        """Return the value of a ``Set-Cookie`` header (RFC 6265), for frameworks that take no less."""
        parts = [f"{self.key}={self.value}", f"Max-Age={self.max_age}", f"Path={self.path}"]
        if self.domain is not None:
            parts.append(f"Domain={self.domain}")
        parts.append(f"SameSite={self.samesite}")
        if self.secure:
            parts.append("Secure")
        if self.httponly:
            parts.append("HttpOnly")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class VisitorCookie:
    """How the visitor cookie is set.

    Attributes:
        name: Its name.
        max_age: Seconds that it lives, fewer than 2**31; a year unless said otherwise. It is not sent again while the
            visitor has it.
        path: Below which path it is sent back.
        domain: To which hosts, to share visitors between subdomains; None means to this one alone.
        secure: By https only; None means if the request came by https.
        httponly: Out of reach of scripts.
        samesite: Whether other sites' requests carry it.

    Raises:
        TypeError: A value is of another type.
        ValueError: A value cannot stand in a cookie, or browsers would refuse the combination.
    """

    name: str = "visitor_id"
    max_age: int = 31_536_000
    path: str = "/"
    domain: str | None = None
    secure: bool | None = None
    httponly: bool = True
    samesite: Literal["Lax", "Strict", "None"] = "Lax"

    def __post_init__(self) -> None:
        _check_type("name", self.name, str)
        name = self.name.lower()
        if len(name) > _MAX_NAME or not _TOKEN.fullmatch(name) or name in _RESERVED:
            raise ValueError(f"name is not a cookie's: {self.name[:80]!r}")
        if isinstance(self.max_age, bool):
            raise TypeError("max_age must be a number of seconds, not bool")
        _check_type("max_age", self.max_age, int)
        if not 0 < self.max_age <= _MAX_AGE:
            raise ValueError(f"max_age must be 1 to {_MAX_AGE} seconds, not {short(self.max_age)}")
        _check_type("path", self.path, str)
        if not self.path.startswith("/") or not _ATTRIBUTE.fullmatch(self.path):
            raise ValueError(f"path must begin with a slash, not {self.path[:80]!r}")
        if self.domain is not None:
            _check_type("domain", self.domain, str)
            if not self.domain or not _ATTRIBUTE.fullmatch(self.domain):
                raise ValueError(f"domain is no host's name: {self.domain[:80]!r}")
        if self.secure is not None:
            _check_type("secure", self.secure, bool)
        _check_type("httponly", self.httponly, bool)
        if self.samesite not in {"Lax", "Strict", "None"}:
            raise ValueError(f'samesite must be "Lax", "Strict" or "None", not {self.samesite!r}')
        if self.samesite == "None" and self.secure is not True:
            raise ValueError('samesite "None" needs secure=True: browsers refuse the cookie otherwise')
        if name.startswith(("__host-", "__secure-")) and self.secure is not True:
            raise ValueError(f"name {self.name!r} needs secure=True: browsers refuse the cookie otherwise")
        if name.startswith("__host-") and (self.domain is not None or self.path != "/"):
            raise ValueError(f'name {self.name!r} allows no domain, and no path but "/": browsers refuse the cookie')

    def set_cookie(self, visitor_id: str, *, secure: bool) -> SetCookie:
        """Return the cookie that makes ``visitor_id`` come back.

        Args:
            visitor_id: From ``new_visitor_id``.
            secure: Whether the request came by https; what the policy says goes before.
        """
        return SetCookie(
            key=self.name,
            value=visitor_id,
            max_age=self.max_age,
            path=self.path,
            domain=self.domain,
            secure=secure if self.secure is None else self.secure,
            httponly=self.httponly,
            samesite=self.samesite,
        )


def _check_type(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, not {type(value).__name__}")
