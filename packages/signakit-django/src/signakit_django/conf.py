"""The ``SIGNAKIT`` setting, read when it is needed and not before, and what is made of it.

State: ``Conf`` keeps the one integration of this process, with the client, until the setting changes. It is set by
``dict.setdefault``, which is atomic: of two threads that come first, both go on with the same one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string

from signakit_flags.integration import Options, Problem, conceal, parse_options

from .integration import DjangoIntegration

SETTING = "SIGNAKIT"
MIDDLEWARE = "signakit_django.middleware.SignaKitMiddleware"
OWN_OPTIONS = ("load_in_tests", "snapshot_cache")


class Conf:
    """The settings."""

    def __init__(self) -> None:
        self._made: dict[str, DjangoIntegration] = {}

    @property
    def given(self) -> Any:
        """The setting as it stands."""
        return getattr(settings, SETTING, {})

    @property
    def options(self) -> Options:
        """The setting, read and checked. See ``integration`` for the one that is in force."""
        given = conceal(self.given) if isinstance(self.given, (dict, str)) else self.given
        if not isinstance(given, dict):
            problem = Problem("invalid", SETTING, f"{SETTING} must be a dict, not {type(given).__name__}")
            return Options(problems=(problem,))
        values = {str(name).lower(): value for name, value in given.items()}
        # Where a path leads there may be models, and those cannot be imported yet: `get_client()` in a module of models
        # must not switch flags off for good.
        options = parse_options(values, extra=OWN_OPTIONS, spell=spell, import_paths=apps.ready)
        return replace(options, problems=(*options.problems, *_own_problems(options)))

    @property
    def integration(self) -> DjangoIntegration:
        """What serves the requests of this process. Made at the first use, anew after the setting has changed."""
        made = self._made.get(SETTING)
        if made is None:
            made = self._made.setdefault(SETTING, DjangoIntegration(self.options))
        return made

    def reset(self, *, setting: str = SETTING, **_: object) -> None:
        """Forget everything, for ``setting_changed``. The client sends what it has and ends; the next use makes one."""
        if setting == SETTING:
            self._made.clear()


def spell(name: str) -> str:
    """Return an option as it stands in the settings."""
    return f'{SETTING}["{name.upper()}"]'


def place_of_ours() -> int | None:
    """Return where ``MIDDLEWARE`` lists ours, or None."""
    return place_of(MIDDLEWARE, list(settings.MIDDLEWARE))


def place_of(path: str, listed: list[str]) -> int | None:
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


def _own_problems(options: Options) -> list[Problem]:
    problems = []
    if not isinstance(options.extra.get("load_in_tests", False), bool):
        option = spell("load_in_tests")
        problems.append(Problem("invalid", option, f"{option} must be True or False"))
    alias = options.extra.get("snapshot_cache")
    if alias is not None:
        option = spell("snapshot_cache")
        if not isinstance(alias, str) or alias not in settings.CACHES:
            hint = f"Caches are {', '.join(settings.CACHES)}."
            problems.append(Problem("invalid", option, f"{option} must be the alias of a cache in CACHES", hint))
        elif options.client.keys() & {"snapshot_path", "snapshot_store"}:
            problems.append(Problem("invalid", option, f"{option} excludes a snapshot of another kind"))
    return problems


conf: Conf = Conf()
