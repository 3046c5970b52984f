"""Variables of the environment that cannot be used, and how a reason shows the path that one names."""

from __future__ import annotations

_MAX_PATH = 160


class VariableError(ValueError):
    """A variable of the environment cannot be used. The text names it, says why, and shows no password."""


def shown_path(path: str) -> str:
    """Return ``path`` as text for a log; of a long one the end, which tells more."""
    text = repr(path)
    return text if len(text) <= _MAX_PATH else f"{text[0]}...{text[4 - _MAX_PATH :]}"
