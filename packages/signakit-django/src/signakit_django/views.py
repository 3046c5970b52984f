"""A health check: ``path("health/flags/", signakit_django.views.health)``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.http import JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from . import get_client

if TYPE_CHECKING:
    from django.http import HttpRequest


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:  # noqa: ARG001  # a view
    """Return the client's status as JSON: 200 when there is a config, 503 while there is none or flags are off.

    It names URLs and errors, so it is for those who run the site. A site works without a config, with every flag at its
    default: do not take it out of service for a 503.
    """
    client = get_client()
    status: dict[str, Any] = {"ready": False, "last_error": "flags are off: see manage.py check"}
    if client is not None:
        status = asdict(client.status())
    return JsonResponse(status, status=200 if status["ready"] else 503)
