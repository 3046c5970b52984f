"""Attributes as a person types them: ``plan=pro`` is text, ``age:=30`` is JSON, everywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Return the attributes that ``NAME=TEXT`` and ``NAME:=JSON`` stand for; of two with one name the last holds.

    Raises:
        ValueError: One of them is not an assignment, or what follows ``:=`` is not JSON; the message says which.
    """
    attributes: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or name in {"", ":"}:
            raise ValueError(f"{assignment[:80]!r} is neither NAME=TEXT nor NAME:=JSON")
        if not name.endswith(":"):
            attributes[name] = text
            continue
        name = name[:-1]
        try:
            attributes[name] = json.loads(text)
        except (ValueError, RecursionError) as error:
            told = f"{text[:80]!r}, the value of {name[:80]}, is not JSON ({error})"
            raise ValueError(f"{told}; for text write {name[:80]}={text[:80]}") from None
    return attributes


def parse_attributes(text: str) -> dict[str, Any]:
    """Read what stands in a field of several lines: an assignment in each, or one JSON object.

    Raises:
        ValueError: It is neither; the message says why.
    """
    if not text.lstrip().startswith("{"):
        return parse_assignments(line.strip() for line in text.splitlines() if line.strip())
    try:
        attributes: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the attributes are not JSON: {error}") from None
    return attributes
