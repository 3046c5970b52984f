"""System checks: what is wrong with the settings, and what to do. They touch no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004  # Django's name
from django.utils.module_loading import import_string

from .conf import SETTING, conf

if TYPE_CHECKING:
    from signakit_flags.integration import Problem

MIDDLEWARE = "signakit_django.middleware.SignaKitMiddleware"
BEFORE_OURS = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)
_MISSING_KEY = "Flags are off without a key. "


def check_settings(**_: Any) -> list[CheckMessage]:
    """W001: no key. W002: an unknown option. E002: a value that cannot be used. E003: a path that leads nowhere."""
    return [_message(problem) for problem in conf.options.problems]


def _message(problem: Problem) -> CheckMessage:
    message = f"{problem.message}."
    if problem.kind == "missing key":
        return Warning(message, hint=f"{_MISSING_KEY}{problem.hint}", obj=SETTING, id="signakit.W001")
    if problem.kind == "unknown":
        return Warning(message, hint=problem.hint, obj=SETTING, id="signakit.W002")
    hint = problem.hint or "Flags are off until this is mended."
    return Error(message, hint=hint, obj=SETTING, id="signakit.E003" if problem.kind == "import" else "signakit.E002")


def check_middleware(**_: Any) -> list[CheckMessage]:
    """W003: the middleware is missing. W004: it comes before a middleware that it needs."""
    listed = list(settings.MIDDLEWARE)
    ours = _place(MIDDLEWARE, listed)
    if ours is None:
        hint = f"Add {MIDDLEWARE!r} after the authentication middleware; without it requests have no flags."
        return [Warning("SignaKitMiddleware is not in MIDDLEWARE.", hint=hint, obj=SETTING, id="signakit.W003")]
    later = [path for path in BEFORE_OURS if (_place(path, listed) or 0) > ours]
    if not later:
        return []
    hint = "Move it below them: a middleware in between that asks for flags would take everyone for anonymous."
    message = f"SignaKitMiddleware is listed before {' and '.join(path.rpartition('.')[2] for path in later)}."
    return [Warning(message, hint=hint, obj=SETTING, id="signakit.W004")]


def _place(path: str, listed: list[str]) -> int | None:
    """Return where a middleware or a subclass of it is listed, or None."""
    if path in listed:
        return listed.index(path)
    return next((place for place, other in enumerate(listed) if _is_subclass(other, path)), None)


def _is_subclass(other: str, path: str) -> bool:
    try:
        kind, base = import_string(other), import_string(path)
    except Exception:  # noqa: BLE001  # what cannot be imported is Django's to tell; that of accounts needs their models
        return False
    return isinstance(kind, type) and issubclass(kind, base)


def check_deployment(**_: Any) -> list[CheckMessage]:
    """E001: no key, where the site is to be deployed."""
    return [
        Error(f"{problem.message}.", hint=f"{_MISSING_KEY}{problem.hint}", obj=SETTING, id="signakit.E001")
        for problem in conf.options.problems
        if problem.kind == "missing key"
    ]
