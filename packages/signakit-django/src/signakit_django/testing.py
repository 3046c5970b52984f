"""Flags in tests of Django: what ``signakit_flags.testing`` has, and requests of ``RequestFactory`` with flags.

``override_flags``, ``recorded`` and ``SignaKitMixin`` are those of ``signakit_flags.testing``, which need nothing of
Django. Under a live server, whose threads are others, they want ``scope="process"``; the mixin and pytest's fixture
have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from signakit_flags.integration import Identity
from signakit_flags.testing import Override, SignaKitMixin, override_flags, recorded, use_client

from .conf import conf

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from django.http import HttpRequest

    from .request import FlagsRequest

__all__ = ["Override", "SignaKitMixin", "override_flags", "recorded", "use_client", "with_flags"]


def with_flags(
    request: HttpRequest, user_id: str | None = None, attributes: Mapping[str, Any] | None = None
) -> FlagsRequest:
    """Give a request its flags, as ``SignaKitMiddleware`` does; for ``RequestFactory``, which knows no middleware.

    ::

        with override_flags({"new-checkout": "treatment"}):
            response = checkout(with_flags(RequestFactory().get("/checkout")))

    Args:
        request: The request; it is changed.
        user_id: Whose flags; without it they are those of ``request.user``, or of a visitor.
        attributes: Of that user.

    Returns:
        The same request.
    """
    integration = conf.integration
    flags = integration.context(request) if user_id is None else integration.user(Identity(user_id, attributes or {}))
    changed = cast("FlagsRequest", request)
    changed.flags = flags
    changed.aflags = flags.resolve
    return changed
