"""SignaKit feature flags in Django.

``INSTALLED_APPS += ["signakit_django"]``, ``MIDDLEWARE += ["signakit_django.middleware.SignaKitMiddleware"]``, and
``request.flags`` is this request's user context. Outside of requests there are ``get_client()`` and ``flags_for()``.
``flag_required`` and ``FlagRequiredMixin`` restrict a view with a flag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

    from signakit_flags import SignaKitClient, SignaKitUserContext
    from signakit_flags.integration import Identity

    from .decorators import FlagRequiredMixin, flag_required
else:
    # Imported when they are asked for: Django imports this package before settings and apps are ready.
    def __getattr__(name: str) -> object:
        if name == "Identity":
            from signakit_flags.integration import Identity

            return Identity
        if name in {"FlagRequiredMixin", "flag_required"}:
            from . import decorators

            return getattr(decorators, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = ["FlagRequiredMixin", "Identity", "__version__", "flag_required", "flags_for", "get_client"]


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
    user: AbstractBaseUser | AnonymousUser | None, attributes: Mapping[str, Any] | None = None
) -> SignaKitUserContext:
    """Return the flags of a user outside of requests: in a task, a command, a signal handler.

    Args:
        user: Whose; ``str(user.pk)`` is the user id, as in requests. An anonymous or unsaved one, or None, is nobody,
            who gets None and defaults.
        attributes: Matched against audience rules. The User-Agent of a request is not known here.

    Returns:
        The context, never None. While there is no config it gives None and defaults. The first use in a process waits
        for the config, for ``READY_TIMEOUT`` seconds at most.

    Raises:
        TypeError: ``user`` is something else, as when the primary key is given, or ``attributes`` no mapping.
    """
    if user is not None and not hasattr(user, "is_authenticated"):
        raise TypeError(f"user must be a user of Django's, or None, not {type(user).__name__}")
    from .conf import conf
    from .integration import identity_of

    return conf.integration.user(identity_of(user, attributes))
