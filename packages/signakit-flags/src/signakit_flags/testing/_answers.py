"""Answers what the core asks while something of a test is in force; see ``signakit_flags._hook``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._frozen import ReadOnlyDict, freeze
from .._names import OFF
from .._pinned_context import PinnedUserContext
from .._signal_handlers import let_through
from .._types import Decision, Explanation, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .. import Decisions, SignaKitClient
    from .._evaluation.ruleset import Ruleset
    from .._hook import Context, Subject
    from ._forced import Override
    from ._layers import InForce

ON = "on"

_DRIVERS = ("python-httpx", "python-requests/", "python-urllib/", "headlesschrome/")
"""How those introduce themselves by whom an application is tested: in production they are bots, here they are people.

httpx over an ASGI application, requests, urllib and headless browsers against a live server. The test clients of
Django, Flask and Starlette name nothing that is taken for a bot.
"""


class Answers:
    """Answers by what is in force for the code that asks.

    Args:
        in_force: Returns what is in force for the calling code; None when nothing is.
    """

    def __init__(self, in_force: Callable[[], InForce | None]) -> None:
        self._in_force = in_force

    def in_scope(self) -> bool:
        """Say whether anything is in force."""
        return self._in_force() is not None

    def client(self) -> SignaKitClient | None:
        """Return the client that is to serve requests."""
        found = self._in_force()
        return None if found is None or found.client is None else found.client()

    def drives_tests(self, user_agent: str) -> bool:
        """Say whether a User-Agent is that of a test, which is not to be taken for a bot."""
        return any(driver in user_agent.lower() for driver in _DRIVERS) and self._in_force() is not None

    def decide(self, context: Context, flag_key: str) -> tuple[Decision | None] | None:
        """Return what is forced, or what is decided otherwise and was recorded."""
        found = self._in_force()
        if found is None or not isinstance(flag_key, str):
            return None
        if flag_key in found.forced:
            override = found.forced[flag_key]
            return (None if override is None else _forced(found, context, flag_key, override),)
        return _recorded(found, context, flag_key) if found.recordings else None

    def decide_all(self, context: Context) -> Decisions | None:
        """Return what is decided for every flag, those that are forced and not in the config at the end."""
        found = self._in_force()
        if found is None:
            return None
        ruleset = context._subject().ruleset
        keys = [*(() if ruleset is None else ruleset.flags), *found.forced]
        decisions = {flag_key: context.decide(flag_key) for flag_key in dict.fromkeys(keys)}
        return {flag_key: decision for flag_key, decision in decisions.items() if decision is not None}

    def explain(self, context: Context, flag_key: str) -> Explanation | None:
        """Return that a flag is forced."""
        found = self._in_force()
        if found is None or flag_key not in found.forced:
            return None
        override = found.forced[flag_key]
        subject = context._subject()
        decision = None if override is None else _decision(subject.ruleset, flag_key, override)
        detail = "taken away by a test" if decision is None else f"forced by a test: {decision.variation_key}"
        step = Step("override", passed=decision is not None, detail=detail)
        return Explanation(flag_key, subject.user_id or "", decision, (step,))

    def track(self, context: Context, event_key: str, value: Any, metadata: Any, decisions: dict[str, str]) -> bool:
        """Record a conversion, and say whether that was all; put right what it is told to have been decided."""
        found = self._in_force()
        if found is None:
            return False
        subject = context._subject()
        for flag_key in found.forced:
            decisions.pop(flag_key, None)
        forced = {
            flag_key: decision.variation_key
            for flag_key, (override, decision) in getattr(context, "_forced", {}).items()
            if found.forced.get(flag_key) is override
        }
        if found.recordings and subject.user_id is not None and not subject.is_bot:
            for recording in found.recordings:
                recording._track(subject, event_key, value, metadata, {**decisions, **forced})
        if subject.engine is None or subject.engine.posts:
            # What a test forces is nobody's variation: it is not told to the service, not even with a conversion.
            return bool(found.recordings)
        decisions.update(forced)
        return False


def _forced(found: InForce, context: Context, flag_key: str, override: Override) -> Decision:
    subject = context._subject()
    keeper = subject.context
    kept: dict[str, tuple[object, Decision]] = getattr(keeper, "_forced", None) or {}
    keeper._forced = kept
    last = kept.get(flag_key)
    if last is not None and last[0] is override:
        decision = last[1]
    else:
        decision = _decision(subject.ruleset, flag_key, override)
        kept[decision.flag_key] = override, decision
        _warn_of_unknown(subject, decision)
    if subject.user_id is None or subject.is_bot:
        for recording in found.recordings:
            recording._pass_over(subject, decision, "a bot" if subject.is_bot else "nobody")
        return decision
    for recording in found.recordings:
        recording._expose(subject, decision, forced=True)
    if subject.engine is not None:
        subject.engine.expose_forced(subject.user_id, subject.attributes, decision)
    return decision


def _decision(ruleset: Ruleset | None, flag_key: str, override: Override) -> Decision:
    flag_key = str.__str__(flag_key)
    variation = override.variation
    if isinstance(variation, bool):
        variation = _switched_on(_variations(ruleset, flag_key)) if variation else OFF
    known: Mapping[str, Any] = {} if ruleset is None else ruleset.variables(flag_key, variation)
    variables = ReadOnlyDict({**known, **{name: freeze(value) for name, value in override.variables.items()}})
    return Decision(flag_key, variation, variation != OFF, None, None, variables)


def _switched_on(variations: list[str]) -> str:
    if not variations or ON in variations:
        return ON
    return next((variation for variation in variations if variation != OFF), ON)


def _variations(ruleset: Ruleset | None, flag_key: str) -> list[str]:
    flag = None if ruleset is None else ruleset.flags.get(flag_key)
    return [] if flag is None else [item.key for item in flag.variations or () if item.key is not None]


def _warn_of_unknown(subject: Subject, decision: Decision) -> None:
    known = _variations(subject.ruleset, decision.flag_key)
    if subject.engine is not None and known and decision.variation_key not in {*known, OFF}:
        subject.engine.outbox.warnings.once(
            "overrides with an unknown variation",
            "a test forces %r to %r, and its variations are %s",
            decision.flag_key,
            decision.variation_key,
            ", ".join(map(repr, known)),
            name=f"{decision.flag_key} {decision.variation_key}",
        )


def _recorded(found: InForce, context: Context, flag_key: str) -> tuple[Decision | None] | None:
    """Decide a flag that is not forced, and give the exposure to the recordings instead of sending it.

    Whether it had been sent before does not matter: what a test sees must not depend on the tests before it.
    """
    if not isinstance(context, PinnedUserContext):
        return None  # of a framework's: it asks the core's context, and that one comes here again
    subject = context._subject()
    ruleset, engine = subject.ruleset, subject.engine
    if ruleset is None or engine is None:
        return None
    if subject.is_bot:
        decision = context._bot_decision(flag_key)
        for recording in found.recordings:
            recording._pass_over(subject, decision, "a bot")
        return (decision,)
    flag = ruleset.flag(flag_key)
    if flag is None:
        context._unknown(flag_key, ruleset)
        return (None,)
    try:
        outcome = flag.outcome(context._user_id, subject.attributes)
    except Exception as error:  # noqa: BLE001  # an attribute with an __eq__ of its own may raise anything
        let_through(error)
        context._undecided(flag_key, error)
        return (None,)
    context._decisions[flag.key] = decision = outcome.decision
    for recording in found.recordings:
        if outcome.exposure is not None:
            recording._expose(subject, decision, forced=False)
        else:
            recording._pass_over(subject, decision, "a targeted rule" if flag.running else "not running")
    if outcome.exposure is not None and not engine.posts:
        engine.expose(context._user_id, subject.attributes, outcome)
    return (decision,)
