"""System checks: what is wrong with the settings, and what to do. They touch no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core import checks

from .conf import MIDDLEWARE, SETTING, conf, place_of, place_of_ours

if TYPE_CHECKING:
    from signakit_flags.integration import Problem

BEFORE_OURS = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)


def check_settings(**_: Any) -> list[checks.CheckMessage]:
    """W002: an unknown option. E002: a value that cannot be used. E003: a path that leads nowhere."""
    return [_message(problem) for problem in conf.options.problems if problem.kind != "missing key"]


def check_deployment(**_: Any) -> list[checks.CheckMessage]:
    """E001: no key, where the site is to be deployed. Elsewhere a site without one is a choice, as in tests."""
    return [
        checks.Error(
            f"{problem.message}.",
            hint=f"Flags are off without a key. {problem.hint}",
            obj=SETTING,
            id="signakit.E001",
        )
        for problem in conf.options.problems
        if problem.kind == "missing key"
    ]


def _message(problem: Problem) -> checks.CheckMessage:
    message = f"{problem.message}."
    if not problem.fatal:
        return checks.Warning(message, hint=problem.hint, obj=SETTING, id="signakit.W002")
    code = "signakit.E003" if problem.kind == "import" else "signakit.E002"
    return checks.Error(message, hint=problem.hint or "Flags are off until this is fixed.", obj=SETTING, id=code)


def check_middleware(**_: Any) -> list[checks.CheckMessage]:
    """W003: the middleware is missing. W004: it comes before a middleware that it needs."""
    listed = list(settings.MIDDLEWARE)
    ours = place_of_ours()
    if ours is None:
        hint = f"Add {MIDDLEWARE!r} after the authentication middleware; without it requests have no flags."
        return [checks.Warning("SignaKitMiddleware is not in MIDDLEWARE.", hint=hint, obj=SETTING, id="signakit.W003")]
    later = [path for path in BEFORE_OURS if (place_of(path, listed) or 0) > ours]
    if not later:
        return []
    hint = "Move it below them: a middleware in between that asks for flags would take everyone for anonymous."
    message = f"SignaKitMiddleware is listed before {' and '.join(path.rpartition('.')[2] for path in later)}."
    return [checks.Warning(message, hint=hint, obj=SETTING, id="signakit.W004")]
