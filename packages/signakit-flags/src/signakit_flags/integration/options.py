"""Settings of an integration, read without ever raising: what is wrong with them becomes a list of problems."""

from __future__ import annotations

import difflib
import inspect
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any, Literal, TypeAlias

from .. import SignaKitClient, parse_sdk_key
from .._secrets import conceal
from .._types import short
from .client import LazyClient
from .identity import AnyIdentityResolver, is_async
from .visitor import VisitorCookie

_logger: logging.Logger = logging.getLogger("signakit_flags")

READY_TIMEOUT: float = 2.0
"""Seconds that a start waits for the first config, at most."""

CLIENT_KEYWORDS: tuple[str, ...] = tuple(inspect.signature(SignaKitClient).parameters)[1:]
"""Keywords of ``SignaKitClient``, each of which is an option of the same name."""

_OWN = ("sdk_key", "identify", "visitor_cookie", "ready_timeout")
_COOKIE_FIELDS = tuple(field.name for field in fields(VisitorCookie))
_ANY_KEY = "sk_dev_any_any_any"

ProblemKind: TypeAlias = Literal["missing key", "invalid", "import", "unknown"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with the settings.

    Attributes:
        kind: ``"missing key"``; ``"invalid"``, a value that cannot be used; ``"import"``, a dotted path that leads
            nowhere; or ``"unknown"``, an option that does not exist, and is ignored. Flags are off with any but it.
        option: Its name, as the framework spells it.
        message: What is wrong, in a sentence that names the option. Never holds an SDK key.
        hint: What to do, or None.
    """

    kind: ProblemKind
    option: str
    message: str
    hint: str | None = None

    @property
    def fatal(self) -> bool:
        """True when flags are off because of it."""
        return self.kind != "unknown"


@dataclass(frozen=True, slots=True)
class Options:
    """The settings of an integration, by ``parse_options``.

    Attributes:
        sdk_key: The key, or None without one.
        identify: Says who a request is from, or None.
        identify_is_async: Whether what ``identify`` returns has to be awaited.
        visitor_cookie: How visitors without an account are known again; None when they are not.
        ready_timeout: Seconds that a start waits for the first config, at most.
        client: Keywords for ``SignaKitClient``.
        extra: The framework's own options, as they were given.
        problems: What is wrong.
    """

    sdk_key: str | None = None
    identify: AnyIdentityResolver[Any] | None = None
    identify_is_async: bool = False
    visitor_cookie: VisitorCookie | None = None
    ready_timeout: float = READY_TIMEOUT
    client: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def usable(self) -> bool:
        """False when flags are off, because something was asked for that cannot be done."""
        return not any(problem.fatal for problem in self.problems)

    def log_problems(self, logger: logging.Logger = _logger, *, missing_key: bool = True) -> None:
        """Log what is wrong with the settings: at ERROR what is given and cannot be used, the rest at WARNING.

        Args:
            logger: Where to log it.
            missing_key: Log a missing key, too.
        """
        for problem in self.problems:
            missing = problem.kind == "missing key"
            if missing and not missing_key:
                continue
            # A team that has no key yet has made no mistake.
            level = logging.ERROR if problem.fatal and not missing else logging.WARNING
            hint = "" if problem.hint is None else f" {problem.hint}"
            logger.log(level, "%s%s.%s", problem.message, "; flags are off" if problem.fatal else "", hint)

    def make_client(self, *, may_load: Callable[[], bool] | None = None, **defaults: Any) -> LazyClient | None:
        """Return a new client, or None when the settings do not allow one: flags are off. Touches no network.

        Args:
            may_load: As for ``LazyClient``.
            defaults: Keywords for ``SignaKitClient`` that the settings go before.
        """
        if not self.usable:
            return None
        keywords = {**defaults, **self.client}
        return LazyClient(self.sdk_key, ready_timeout=self.ready_timeout, may_load=may_load, **keywords)


def parse_options(
    given: Mapping[str, Any],
    *,
    extra: tuple[str, ...] = (),
    spell: Callable[[str], str] = str,
    import_paths: bool = True,
) -> Options:
    """Read settings. Never raises: see ``Options.problems``.

    Options are the keywords of ``SignaKitClient`` and:

    - ``sdk_key``: without it, ``SIGNAKIT_SDK_KEY`` of the environment.
    - ``identify``: a function from a request to an ``Identity`` or None, sync or async, or its dotted path.
    - ``visitor_cookie``: the fields of ``VisitorCookie`` in a mapping; None switches the cookie off.
    - ``ready_timeout``: seconds that a start waits for the first config, at most.

    ``bot_detector`` may be a dotted path, too. A client keyword that is None counts as not given.

    Args:
        given: Options by name, in lower case.
        extra: Names of options that the framework has besides, and reads by itself.
        spell: How the framework spells an option, for messages.
        import_paths: Import what stands behind a dotted path now; else at the first call, which raises where the path
            leads nowhere.
    """
    given = conceal(given)
    reader = _Reader(given, spell, import_paths=import_paths)
    known = (*_OWN, *CLIENT_KEYWORDS, *extra)
    reader.unknown(given, known)
    identify = reader.function("identify")
    return Options(
        sdk_key=reader.sdk_key(),
        identify=identify,
        identify_is_async=is_async(identify),
        visitor_cookie=reader.visitor_cookie(),
        ready_timeout=reader.ready_timeout(),
        client=reader.client(),
        extra={name: given[name] for name in extra if name in given},
        problems=tuple(reader.problems),
    )


class _Reader:
    """Reads the options one by one and notes what is wrong."""

    def __init__(self, given: Mapping[str, Any], spell: Callable[[str], str], *, import_paths: bool) -> None:
        self._given = given
        self._spell = spell
        self._import_paths = import_paths
        self.problems: list[Problem] = []

    def _problem(self, kind: ProblemKind, name: str, message: str, hint: str | None = None) -> None:
        option = self._spell(name)
        self.problems.append(Problem(kind, option, f"{option} {message}", hint))

    def unknown(self, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, 1)
                hint = f"Did you mean {self._spell(near[0])}?" if near else f"Options are {', '.join(known)}."
                self._problem("unknown", str(name), "is no option, and is ignored", hint)

    def sdk_key(self) -> str | None:
        key = self._given.get("sdk_key") or conceal(os.environ.get("SIGNAKIT_SDK_KEY"))
        if not key or (isinstance(key, str) and not key.strip()):
            hint = "Set it, or SIGNAKIT_SDK_KEY in the environment."
            self._problem("missing key", "sdk_key", "is missing", hint)
            return None
        try:
            return parse_sdk_key(key).text
        except ValueError as error:
            self._problem("invalid", "sdk_key", f"is malformed: {error}")
            return None

    def function(self, name: str) -> Any:
        """Return a function that is given as it is or by its dotted path."""
        value = self._given.get(name)
        if isinstance(value, str):
            if not self._import_paths:
                return _later(value)
            try:
                value = _at(value)
            except Exception as error:  # noqa: BLE001  # the module is the application's own, and may raise anything
                if _too_early(error):
                    return _later(value)
                reason = f"{type(error).__name__}: {error}"
                self._problem("import", name, f"is {value!r}, which cannot be imported: {reason}")
                return None
        if value is not None and not callable(value):
            self._problem("invalid", name, f"must be a function or its dotted path, not {type(value).__name__}")
            return None
        return value

    def visitor_cookie(self) -> VisitorCookie | None:
        value = self._given.get("visitor_cookie", {})
        if value is None or isinstance(value, VisitorCookie):
            return value
        if not isinstance(value, Mapping):
            self._problem("invalid", "visitor_cookie", f"must be a dict or None, not {type(value).__name__}")
            return None
        settings = {str(name).lower(): setting for name, setting in value.items()}
        for name in settings.keys() - set(_COOKIE_FIELDS):
            near = difflib.get_close_matches(name, _COOKIE_FIELDS, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(_COOKIE_FIELDS)}."
            self._problem("unknown", "visitor_cookie", f"has no {name!r}, which is ignored", hint)
            del settings[name]
        try:
            return VisitorCookie(**settings)
        except (TypeError, ValueError) as error:
            self._problem("invalid", "visitor_cookie", f"cannot be used: {error}")
            return None

    def ready_timeout(self) -> float:
        value = self._given.get("ready_timeout", READY_TIMEOUT)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number and 0 <= value < 1e6:  # which neither infinity nor NaN is
            return float(value)
        self._problem("invalid", "ready_timeout", f"must be a number of seconds, not {short(value)}")
        return READY_TIMEOUT

    def client(self) -> dict[str, Any]:
        keywords = {name: self._given[name] for name in CLIENT_KEYWORDS if self._given.get(name) is not None}
        if "bot_detector" in keywords:
            keywords["bot_detector"] = self.function("bot_detector")
        if _error_of(keywords) is None:
            return keywords
        # Something is wrong. Asked one by one, each says for itself.
        if (error := _error_of({})) is not None:
            # A variable of the environment, which the error names.
            self.problems.append(Problem("invalid", "environment", error))
            return keywords
        alone = {name: error for name in keywords if (error := _error_of({name: keywords[name]})) is not None}
        for name, reason in alone.items():
            self._problem("invalid", name, self._spelled(reason.removeprefix(f"{name} ")))
        if not alone:
            self._problem("invalid", ", ".join(keywords), f"cannot be used together: {_error_of(keywords)}")
        return keywords

    def _spelled(self, reason: str) -> str:
        """Return a reason of the client's, with the options that it names as the framework spells them."""
        for name in ("async_client", "sync_client"):
            reason = reason.replace(name, self._spell(name))
        return reason


def _at(path: str) -> Any:
    module, _, attribute = path.rpartition(".")
    return getattr(import_module(module), attribute)


def _too_early(error: Exception) -> bool:
    """Say whether a name is only missing because its module is being imported, by whoever reads the settings now."""
    module = getattr(error, "obj", None) if isinstance(error, AttributeError) else None
    if isinstance(error, ImportError) and error.name is not None:
        module = sys.modules.get(error.name)
    # Python's own mark, by which it writes "partially initialized module" in the message.
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def _later(path: str) -> Callable[..., Any]:
    """Return a function that follows ``path`` when it is called, and raises then if it leads nowhere."""

    def call(*arguments: Any) -> Any:
        return _at(path)(*arguments)

    return call


def _error_of(keywords: Mapping[str, Any]) -> str | None:
    """Return why no client can be made with these keywords, or None; making one touches no network."""
    try:
        SignaKitClient(_ANY_KEY, **keywords)
    except (ValueError, TypeError) as error:
        return str(error)
    return None
