"""SignaKit feature flags in Django.

``INSTALLED_APPS += ["signakit_django"]``, ``MIDDLEWARE += ["signakit_django.middleware.SignaKitMiddleware"]``, and
``request.flags`` is this request's user context. Where the middleware has not run, ``flags_of(request)`` makes one.
Outside of requests there are ``get_client()``, ``flags_for()`` and ``await aflags_for()``.
``flag_required`` and ``FlagRequiredMixin`` restrict a view with a flag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any
    from uuid import UUID

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

    from signakit_flags import SignaKitClient, SignaKitUserContext
    from signakit_flags.integration import Identity

    from .decorators import FlagRequiredMixin, flag_required
    from .request import aflags_of, flags_of
else:
    # Imported when they are asked for: Django imports this package before settings and apps are ready.
    def __getattr__(name: str) -> object:
        if name == "Identity":
            from signakit_flags.integration import Identity

            return Identity
        if name in {"FlagRequiredMixin", "flag_required"}:
            from . import decorators

            return getattr(decorators, name)
        if name in {"aflags_of", "flags_of"}:
            from . import request

            return getattr(request, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "FlagRequiredMixin",
    "Identity",
    "__version__",
    "aflags_for",
    "aflags_of",
    "flag_required",
    "flags_for",
    "flags_of",
    "get_client",
]


def get_client() -> SignaKitClient | None:
    """Return the client of this process, for management commands, tasks and whatever else is no request.

    It is made at the first call, which touches no network, so this may stand at the top of a module. It begins to load
    when the request handler is built or when the first user context is made, whichever is first.

    Returns:
        The client; None when the settings do not allow one, which ``manage.py check`` explains, and flags are off.
    """
    # Not at import: Django's settings must not be read before the project has set them up.
    from .conf import conf

    return conf.integration.client()


def flags_for(
    user: AbstractBaseUser | AnonymousUser | Identity | str | int | UUID | None,
    attributes: Mapping[str, Any] | None = None,
) -> SignaKitUserContext:
    """Return the flags of a user outside of requests: in a task, a command, a signal handler.

    In async code await ``aflags_for`` instead: nothing waits for a config on an event loop, so the first flags of a
    process would be defaults.

    Args:
        user: One of Django's, where ``str(user.pk)`` is the user id, as in requests; an ``Identity``; or an id, such as
            a visitor's that was kept with an order. An anonymous or unsaved user, or None, gets None and defaults.
        attributes: Matched against audience rules. The User-Agent of a request is not known here.

    Returns:
        The context, never None. While there is no config it gives None and defaults. The first use in a process waits
        for the config, for ``READY_TIMEOUT`` seconds at most.

    Raises:
        TypeError: ``user`` is something else, ``attributes`` is not a mapping, or an ``Identity`` comes with
            attributes beside its own.
    """
    from .conf import conf

    return conf.integration.flags_for(user, attributes)


async def aflags_for(
    user: AbstractBaseUser | AnonymousUser | Identity | str | int | UUID | None,
    attributes: Mapping[str, Any] | None = None,
) -> SignaKitUserContext:
    """Return the same for async code: a consumer, an async task, an async view that asks about another user.

    It waits for what ``flags_for`` waits for, and leaves the loop free. The user may be a lazy one, such as
    ``request.user``, which is loaded in a thread.

    Args:
        user: As for ``flags_for``.
        attributes: As for ``flags_for``.

    Raises:
        TypeError: As from ``flags_for``.
    """
    from .conf import conf

    return await conf.integration.aflags_for(user, attributes)
