"""Middlewares of the project's own."""

from __future__ import annotations

from django.utils.decorators import async_only_middleware

FINDING_OUT = f"{__name__}.finding_out"


@async_only_middleware
def finding_out(get_response):
    """Finds out who asks, and asks nothing."""

    async def middleware(request):
        await request.aflags()
        return await get_response(request)

    return middleware
