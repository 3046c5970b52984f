"""For ``OPTIONS["context_processors"]`` of a template engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .request import flags_of

if TYPE_CHECKING:
    from django.http import HttpRequest


def flags(request: HttpRequest) -> dict[str, Any]:
    """Put ``flags`` into every template: the request's user context, untouched until a template asks it."""
    return {"flags": flags_of(request)}
