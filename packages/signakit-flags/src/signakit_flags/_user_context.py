"""One user, and everything that can be asked about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from . import _hook
from ._events.payloads import is_decimal
from ._frozen import ReadOnlyDict
from ._hook import hooks
from ._names import BEYOND_DOUBLES, OFF
from ._types import Decision, Decisions, Explanation, Step, VariableValue, plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal
    from typing import Never

    from ._evaluation.ruleset import Ruleset
    from ._runtime.engine import Engine


T = TypeVar("T")

_NO_VARIABLES = ReadOnlyDict()


class SignaKitUserContext:
    """One user, made by ``SignaKitClient.create_user_context`` and meant to live as long as one request.

    The first decision pins the config: a context never sees two of them. Deciding a flag again gives the same decision
    at the cost of a look-up. Nothing here waits for the network or raises because of it.

    A context may be used from several threads; a flag may then be evaluated twice, with the same result.
    """

    # `_forced` is not there but in tests: what a test forced in this context, by flag.
    __slots__ = ("_attributes", "_decisions", "_engine", "_forced", "_is_bot", "_ruleset", "_user_id")

    _forced: dict[str, tuple[object, Decision]]

    def __init__(
        self,
        engine: Engine,
        user_id: str,
        attributes: Mapping[str, Any],
        is_bot: bool,  # noqa: FBT001
    ) -> None:
        self._engine = engine
        self._user_id = user_id
        self._attributes = attributes
        self._is_bot = is_bot
        self._ruleset: Ruleset | None = None
        self._decisions: Decisions = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._user_id!r}{', bot' if self._is_bot else ''})"

    def __reduce__(self) -> Never:
        raise TypeError(
            f"a {type(self).__name__} can be neither copied nor pickled: pass on its user_id and attributes"
        )

    @property
    def user_id(self) -> str:
        """The user's id; plain text, also where that of a subclass was given."""
        return self._user_id

    @property
    def attributes(self) -> dict[str, Any]:
        """The user's attributes, without ``$userAgent``; a copy."""
        return dict(self._attributes)

    @property
    def is_bot(self) -> bool:
        """True when ``$userAgent`` is a bot's: it gets ``off`` for every flag and sends no events."""
        return self._is_bot

    def decide(self, flag_key: str) -> Decision | None:
        """Decide one flag, and send an exposure if it is the first of its kind.

        Args:
            flag_key: The flag's key.

        Returns:
            The decision; None when there is no such flag or it is archived. A bot gets ``off`` for any key.

        Raises:
            TypeError: ``flag_key`` is no text.
        """
        if hooks:
            hook = _hook.active()
            forced = None if hook is None else hook.decide(self, flag_key)
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
                _check_key(flag_key, "flag_key")
                return None
            flag = found
        # The rest also stands in `decide_all`: shared in a method, it would cost each decision a call.
        outcome = flag.fixed
        try:
            if outcome is None:
                outcome = flag.outcome(self._user_id, self._attributes)
        except Exception as error:  # noqa: BLE001  # an attribute with an __eq__ of its own may raise anything
            self._undecided(flag_key, error)
            return None
        decisions[flag.key] = decision = outcome.decision  # its own key: the caller's may be a subclass of str
        exposed = outcome.exposed
        if exposed is not None and self._user_id in exposed:
            self._engine.exposures_suppressed += 1
        elif outcome.exposure is not None:
            self._engine.expose(self._user_id, self._attributes, outcome)
        return decision

    def decide_all(self) -> Decisions:
        """Decide every flag that is not archived, and send an exposure for each that has one to send.

        Meant for handing all flags to a front end. In code that runs for every request, decide the flags it needs:
        each exposure counts the user into an experiment.

        Returns:
            Decisions by flag key, in the order of the config, those of the default allocation included.
        """
        hook = _hook.active()
        if hook is not None:
            forced = hook.decide_all(self)
            if forced is not None:
                return forced
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

    def is_enabled(self, flag_key: str, default: bool = False) -> bool:  # noqa: FBT001, FBT002  # fixed surface
        """Say whether a flag is on for this user; ``default`` when there is no decision. Exposes as ``decide`` does."""
        decision = self.decide(flag_key)
        return default if decision is None else decision.enabled

    def variation(self, flag_key: str, default: str = OFF) -> str:
        """Return the variation's key; ``default`` when there is no decision. Exposes as ``decide`` does."""
        decision = self.decide(flag_key)
        return default if decision is None else decision.variation_key

    @overload
    def variable(self, flag_key: str, variable_key: str, default: None) -> VariableValue: ...
    @overload
    def variable(self, flag_key: str, variable_key: str, default: T) -> T: ...
    def variable(self, flag_key: str, variable_key: str, default: Any) -> Any:
        """Return a variable of the variation. Exposes as ``decide`` does.

        Args:
            flag_key: The flag's key.
            variable_key: The variable's name.
            default: Stands in when there is no decision, no such variable, or a value of another type than this one's:
                a bool is no number; an ``int`` default takes whole numbers only, a ``float`` default takes any number.
                With None, any value is returned.

        Returns:
            The value, read-only where it is a container, or ``default``.
        """
        decision = self.decide(flag_key)
        if decision is None or variable_key not in decision.variables:
            return default
        value = decision.variables[variable_key]
        if default is None:
            return value
        if isinstance(default, bool) or isinstance(value, bool):
            return value if isinstance(default, bool) and isinstance(value, bool) else default
        if isinstance(default, int):
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return int(value) if whole else default  # type: ignore[arg-type]  # a number, by the line above
        if isinstance(default, float):
            fits = isinstance(value, float) or (isinstance(value, int) and abs(value) < BEYOND_DOUBLES)
            return float(value) if fits else default  # type: ignore[arg-type]  # as above
        for kind in (str, dict, list):
            if isinstance(default, kind):
                return value if isinstance(value, kind) else default
        return default

    def explain(self, flag_key: str) -> Explanation:
        """Explain what ``decide`` gives: every rule tried, why it did or did not match, the buckets. No exposure.

        Meant for people: much slower than ``decide``. ``str()`` of it is a short report.
        """
        from ._evaluation.explanation import explain  # rarely needed

        _check_key(flag_key, "flag_key")
        hook = _hook.active()
        if hook is not None:
            forced = hook.explain(self, flag_key)
            if forced is not None:
                return forced
        ruleset = self._pinned()
        if self._is_bot:
            step = Step("flag", passed=False, detail="the visitor is a bot: everything is off")
            return Explanation(flag_key, self._user_id, self._bot_decision(flag_key), (step,))
        if ruleset is None:
            step = Step("flag", passed=False, detail="the client has no config yet")
            return Explanation(flag_key, self._user_id, None, (step,))
        try:
            return explain(ruleset, flag_key, self._user_id, self._attributes)
        except Exception as error:  # noqa: BLE001  # as in `_evaluate`: an attribute may raise anything
            step = Step("flag", passed=False, detail=f"not decided: an attribute raised {type(error).__name__}")
            return Explanation(flag_key, self._user_id, None, (step,))

    async def track_event(
        self, event_key: str, value: float | Decimal | None = None, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Track a conversion; as ``track``, for code that awaits. Returns once the event is accepted, not sent."""
        # Where this coroutine is all that a loop runs (`asyncio.run(ctx.track_event(...))`), the loop is about to end
        # and must not become the one that hosts the sender.
        self._track(event_key, value, metadata, may_adopt=not _runs_alone())

    def track(
        self, event_key: str, value: float | Decimal | None = None, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Track a conversion or another event defined in the dashboard. Never waits; a bot's is ignored.

        Args:
            event_key: The event's key; cut to 100 characters.
            value: A number such as a revenue. One that is not finite is sent as null, with a warning.
            metadata: Free JSON, copied at once. Over 5,000 bytes, or not JSON, it is dropped with a warning.

        Raises:
            TypeError: ``event_key`` is no text, or ``value`` is neither a number nor text, which is passed on as it is.
        """
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
        """Return whom this context is about, for a test that has something in force."""
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

    @staticmethod
    def _bot_decision(flag_key: str) -> Decision:
        _check_key(flag_key, "flag_key")
        return Decision(flag_key, OFF, enabled=False, rule_key=None, rule_type=None, variables=_NO_VARIABLES)

    def _track(self, event_key: str, value: Any, metadata: Any, *, may_adopt: bool) -> None:
        event_key = check_event(event_key, value)
        if self._is_bot:
            return
        decided = self._decisions
        decisions = {key: decision.variation_key for key, decision in decided.copy().items()} if decided else {}
        hook = _hook.active()
        if hook is not None and hook.track(self, event_key, value, metadata, decisions):
            return
        self._engine.track(self._user_id, self._attributes, event_key, decisions, value, metadata, may_adopt=may_adopt)


def check_event(event_key: str, value: object) -> str:
    """Return the key of an event to be tracked, as plain text.

    Raises:
        TypeError: It is no text, or ``value`` no number.
    """
    if type(event_key) is not str:
        _check_key(event_key, "event_key")
        event_key = plain_text(event_key)
    if value is not None and not isinstance(value, (int, float, str)) and not is_decimal(value):
        raise TypeError(f"value must be a number, not {type(value).__name__}")
    return event_key


def _check_key(key: object, name: str) -> None:
    if not isinstance(key, str):
        raise TypeError(f"{name} must be a str, not {type(key).__name__}")


def _runs_alone() -> bool:
    import asyncio

    try:
        task = asyncio.current_task()
    except RuntimeError:  # trio's loop
        return False
    coroutine = None if task is None else task.get_coro()
    return getattr(coroutine, "cr_code", None) is SignaKitUserContext.track_event.__code__
