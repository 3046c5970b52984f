"""A health check: ``path("health/flags/", signakit_django.views.health)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from signakit_flags.integration import health_check

from . import get_client

if TYPE_CHECKING:
    from django.http import HttpRequest


@never_cache
@require_safe
def health(_request: HttpRequest) -> JsonResponse:
    """Return the client's status as JSON: 200 when there is a config, 503 while there is none or flags are off.

    It names URLs and errors, so restrict it to the people who run the site. A site works without a config, with every
    flag at its default: do not take it out of service for a 503.
    """
    status, code = health_check(get_client(), hint="see manage.py check")
    return JsonResponse(status, status=code)
