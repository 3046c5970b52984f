"""The context that a client makes: one user, decided by one snapshot of the config.

Rules of the state:

- ``_ruleset`` is None until the first question finds a config. It is set once: a context never sees two configs.
- ``_decisions`` holds what was decided so far, by flag key. Deciding a flag again costs a look-up.
- No lock. Two threads that decide a flag at the same time write equal decisions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _hook
from ._frozen import ReadOnlyDict
from ._hook import hooks
from ._names import OFF
from ._signal_handlers import let_through
from ._types import Decision, Decisions, Explanation, Step
from ._user_context import SignaKitUserContext, check_event, check_key
from ._values import shown_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import SupportsFloat

    from ._evaluation.ruleset import Ruleset
    from ._runtime.engine import Engine


_NO_VARIABLES = ReadOnlyDict()


class PinnedUserContext(SignaKitUserContext):
    """A ``SignaKitUserContext`` that is made by ``SignaKitClient.create_user_context``."""

    __slots__ = ("_attributes", "_decisions", "_engine", "_is_bot", "_ruleset", "_user_id")

    def __init__(
        self,
        engine: Engine,
        user_id: str,
        attributes: dict[str, Any],
        is_bot: bool,  # noqa: FBT001  # made for each request, and a keyword is slower
    ) -> None:
        self._engine = engine
        self._user_id = user_id
        self._attributes = attributes
        self._is_bot = is_bot
        self._ruleset: Ruleset | None = None
        self._decisions: Decisions = {}

    def __repr__(self) -> str:
        # By the public name: this class has none.
        return f"SignaKitUserContext({self._user_id!r}{', bot' if self._is_bot else ''})"

    @property
    def user_id(self) -> str:
        return self._user_id

    @property
    def attributes(self) -> dict[str, Any]:
        return shown_attributes(self._attributes)

    @property
    def is_bot(self) -> bool:
        return self._is_bot

    def decide(self, flag_key: str) -> Decision | None:
        if hooks:
            forced = self._forced_decision(flag_key)
            if forced is not None:
                return forced[0]
        decisions = self._decisions
        if flag_key in decisions:
            return decisions[flag_key]
        if self._is_bot:
            return self._bot_decision(flag_key)
        ruleset = self._ruleset
        if ruleset is None:  # as in `_pinned`
            snapshot = self._engine.feed.snapshot
            if snapshot is None:
                return None
            ruleset = self._ruleset = snapshot.ruleset
        try:
            flag = ruleset.compiled[flag_key]
        except KeyError:
            found = ruleset.flag(flag_key)
            if found is None:
                self._unknown(flag_key, ruleset)
                return None
            flag = found
        # The rest also stands in `_decide_all`: shared in a method, it would cost each decision a call.
        outcome = flag.fixed
        try:
            if outcome is None:
                outcome = flag.outcome(self._user_id, self._attributes)
        except Exception as error:  # noqa: BLE001  # an attribute with an __eq__ of its own may raise anything
            let_through(error)
            self._undecided(flag_key, error)
            return None
        decisions[flag.key] = decision = outcome.decision  # its own key: the caller's may be a subclass of str
        exposed = outcome.exposed
        if exposed is not None and self._user_id in exposed:
            self._engine.exposures_suppressed += 1
        elif outcome.exposure is not None:
            self._engine.expose(self._user_id, self._attributes, outcome)
        return decision

    def _decide_all(self) -> Decisions:
        ruleset = self._pinned()
        if ruleset is None:
            return {}
        if self._is_bot:
            return {flag_key: self._bot_decision(flag_key) for flag_key in ruleset.flags}
        engine, user_id, attributes = self._engine, self._user_id, self._attributes
        suppressed = 0
        decided = self._decisions.copy()
        decisions: Decisions = {}
        for flag_key, flag in ruleset.compile_all():
            if decided and flag_key in decided:
                decisions[flag_key] = decided[flag_key]
                continue
            outcome = flag.fixed
            try:
                if outcome is None:
                    outcome = flag.outcome(user_id, attributes)
            except Exception as error:  # noqa: BLE001  # as in `decide`
                let_through(error)
                self._undecided(flag_key, error)
                continue
            decisions[flag_key] = outcome.decision
            exposed = outcome.exposed
            if exposed is not None and user_id in exposed:
                suppressed += 1
            elif outcome.exposure is not None:
                engine.expose(user_id, attributes, outcome)
        engine.exposures_suppressed += suppressed
        self._decisions.update(decisions)
        return decisions

    def _explain(self, flag_key: str) -> Explanation:
        from ._evaluation.explanation import explain  # rarely needed

        ruleset = self._pinned()
        if self._is_bot:
            step = Step("flag", passed=False, detail="the visitor is a bot: everything is off")
            return Explanation(flag_key, self._user_id, self._bot_decision(flag_key), (step,))
        if ruleset is None:
            step = Step("flag", passed=False, detail="the client has no config yet")
            return Explanation(flag_key, self._user_id, None, (step,))
        try:
            return explain(ruleset, flag_key, self._user_id, self._attributes)
        except Exception as error:  # noqa: BLE001  # as in `decide`
            let_through(error)
            step = Step("flag", passed=False, detail=f"not decided: an attribute raised {type(error).__name__}")
            return Explanation(flag_key, self._user_id, None, (step,))

    async def track_event(
        self, event_key: str, value: SupportsFloat | None = None, metadata: Mapping[str, Any] | None = None
    ) -> None:
        # Where this coroutine is all that a loop runs (`asyncio.run(ctx.track_event(...))`), the loop is about to end
        # and must not become the one that hosts the sender.
        self._track(event_key, value, metadata, may_adopt=not _runs_alone())

    def track(
        self, event_key: str, value: SupportsFloat | None = None, metadata: Mapping[str, Any] | None = None
    ) -> None:
        self._track(event_key, value, metadata, may_adopt=True)

    # --- inside -----------------------------------------------------------------------------------------------

    def _pinned(self) -> Ruleset | None:
        ruleset = self._ruleset
        if ruleset is None:
            snapshot = self._engine.feed.snapshot
            if snapshot is not None:
                ruleset = self._ruleset = snapshot.ruleset
        return ruleset

    def _subject(self) -> _hook.Subject:
        return _hook.Subject(
            self,
            self._user_id,
            self._attributes,
            is_bot=self._is_bot,
            ruleset=self._pinned(),
            engine=self._engine,
        )

    def _undecided(self, flag_key: str, error: Exception) -> None:
        self._engine.outbox.warnings.once("evaluation", "flag %r not decided: an attribute raised %r", flag_key, error)

    def _unknown(self, flag_key: str, ruleset: Ruleset) -> None:
        check_key(flag_key, "flag_key")
        self._engine.unknown_flags.tell(flag_key, ruleset)

    @staticmethod
    def _bot_decision(flag_key: str) -> Decision:
        check_key(flag_key, "flag_key")
        return Decision(flag_key, OFF, enabled=False, rule_key=None, rule_type=None, variables=_NO_VARIABLES)

    def _track(self, event_key: str, value: Any, metadata: Any, *, may_adopt: bool) -> None:
        event_key, number = check_event(event_key, value)
        if self._is_bot:
            return
        decided = self._decisions
        decisions = {key: decision.variation_key for key, decision in decided.copy().items()} if decided else {}
        hook = _hook.active()
        if hook is not None and hook.track(self, event_key, value, metadata, decisions):
            return
        self._engine.track(self._user_id, self._attributes, event_key, decisions, number, metadata, may_adopt=may_adopt)


def _runs_alone() -> bool:
    import asyncio

    try:
        task = asyncio.current_task()
    except RuntimeError:  # trio's loop
        return False
    coroutine = None if task is None else task.get_coro()
    return getattr(coroutine, "cr_code", None) is PinnedUserContext.track_event.__code__
