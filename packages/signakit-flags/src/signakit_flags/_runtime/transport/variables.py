"""Variables of the environment that cannot be used, and how a reason or a log line shows them."""

from __future__ import annotations

from ..._types import short

_MAX_PATH = 160


class VariableError(Exception):
    """A variable of the environment cannot be used. The text names it, says why, and shows no password."""


def without_password(url: str) -> str:
    """Return ``url`` as text for a log, cut, and without a user and a password."""
    scheme, separator, rest = url.rpartition("://")
    # The last "@": a password that was not quoted may contain one, or a slash.
    _, at, host = rest.rpartition("@")
    return short(f"{scheme}{separator}{'***@' if at else ''}{host}").strip("'\"")


def shown_path(path: str) -> str:
    """Return ``path`` as text for a log; of a long one the end, which tells more."""
    text = repr(path)
    return text if len(text) <= _MAX_PATH else f"{text[0]}...{text[4 - _MAX_PATH :]}"
