"""Attributes as a person types them."""

from __future__ import annotations

import json
from typing import Any


def parse_attributes(text: str) -> dict[str, Any]:
    """Read attributes: a JSON object, or lines of ``key=value``.

    A value that is JSON (a number, ``true``, ``["a", "b"]``, text in quotes) is that; anything else is text.

    Raises:
        ValueError: It is neither; the message says why.
    """
    if text.lstrip().startswith("{"):
        try:
            attributes: dict[str, Any] = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the attributes are not JSON: {error}") from None
        return attributes
    attributes = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if not line.strip():
            continue
        if not equals or not name.strip():
            raise ValueError(f"attributes are lines of key=value, or JSON; this is neither: {line.strip()[:80]!r}")
        attributes[name.strip()] = _value(value.strip())
    return attributes


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
