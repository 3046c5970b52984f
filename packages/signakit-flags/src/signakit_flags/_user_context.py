"""What can be asked about one user, and what every context makes of its decisions.

``SignaKitUserContext`` is the face that users annotate. Two classes stand behind it: ``PinnedUserContext`` in
``_pinned_context``, which the client makes, and ``LazyUserContext`` in ``integration.context``, that of a request.

Each says how a flag is decided. What follows from a decision, and what a test forces, is written here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar, overload

from . import _hook
from ._names import BEYOND_DOUBLES, OFF
from ._types import Decision, Decisions, Explanation, VariableValue, plain_text
from ._values import number_or_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Never, SupportsFloat


T = TypeVar("T")


class SignaKitUserContext(ABC):
    """One user, made by ``SignaKitClient.create_user_context`` and meant to live as long as one request.

    The first decision pins the config: a context never sees two of them. Deciding a flag again gives the same decision
    at the cost of a look-up. Nothing here waits for the network or raises because of it.

    A context may be used from several threads; a flag may then be evaluated twice, with the same result.
    """

    # `_forced` is not there but in tests: what a test forced in this context, by flag.
    __slots__ = ("_forced",)

    _forced: dict[str, tuple[object, Decision]]

    def __reduce__(self) -> Never:
        raise TypeError("a SignaKitUserContext can be neither copied nor pickled: pass on its user_id and attributes")

    # --- the user ---------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def user_id(self) -> str:
        """The user's id; plain text, also where that of a subclass was given."""
        raise NotImplementedError

    @property
    @abstractmethod
    def attributes(self) -> dict[str, Any]:
        """The user's attributes, without ``$userAgent``; a read-only copy.

        Changing it, or a list in it, raises ``TypeError``: decisions would not see the change. Make a new context for
        other attributes, ``client.create_user_context(ctx.user_id, {**ctx.attributes, "plan": "pro"})``, and give it
        ``"$userAgent"`` again. ``attributes.copy()`` gives mutable data.

        They are as they are matched and sent: a ``Decimal`` is a number, an ``Enum`` its value, a ``UUID`` or a date is
        text, and a lazy object what it resolves to. What has no form is here as it was handed in.
        """
        raise NotImplementedError

    @property
    @abstractmethod
    def is_bot(self) -> bool:
        """True for a bot, by ``$userAgent`` or ``is_bot=``: it gets ``off`` for every flag and sends no events."""
        raise NotImplementedError

    # --- decisions --------------------------------------------------------------------------------------------

    @abstractmethod
    def decide(self, flag_key: str) -> Decision | None:
        """Decide one flag, and send an exposure if it is the first of its kind.

        Args:
            flag_key: The flag's key.

        Returns:
            The decision; None when there is no such flag or it is archived. A bot gets ``off`` for any key.

        Raises:
            TypeError: ``flag_key`` is not text.
        """
        raise NotImplementedError

    def decide_all(self) -> Decisions:
        """Decide every flag that is not archived, and send an exposure for each that has one to send.

        Meant for handing all flags to a front end. In code that runs for every request, decide the flags it needs:
        each exposure counts the user into an experiment.

        Returns:
            Decisions by flag key, in the order of the config, those of the default allocation included.
        """
        hook = _hook.active()
        forced = None if hook is None else hook.decide_all(self)
        return self._decide_all() if forced is None else forced

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

        Raises:
            TypeError: ``flag_key`` is not text.
        """
        check_key(flag_key, "flag_key")
        hook = _hook.active()
        forced = None if hook is None else hook.explain(self, flag_key)
        return self._explain(flag_key) if forced is None else forced

    # --- conversions ------------------------------------------------------------------------------------------

    @abstractmethod
    async def track_event(
        self, event_key: str, value: SupportsFloat | None = None, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Track a conversion; as ``track``, for code that awaits. Returns once the event is accepted, not sent."""
        raise NotImplementedError

    # Abstract, too, but not marked: mypy tells you of a result that is None only where a method has no decorator.
    def track(
        self, event_key: str, value: SupportsFloat | None = None, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Track a conversion or another event defined in the dashboard. Never waits; a bot's is ignored.

        Args:
            event_key: The event's key; cut to 100 characters.
            value: A number such as a revenue; any real number, such as a ``Decimal``, a ``Fraction`` or one of numpy's.
                One that is not finite is sent as null, with a warning. Text is passed on, cut to 1,000 characters.
            metadata: Free JSON, copied at once. Dates and UUIDs become text. A part that JSON has no form for is left
                out alone; over 5,000 bytes all of it is dropped. Each is logged once for an event and a key.

        Raises:
            TypeError: ``event_key`` is not text, or ``value`` is neither a number nor text.
        """
        raise NotImplementedError

    # --- inside -----------------------------------------------------------------------------------------------

    @abstractmethod
    def _decide_all(self) -> Decisions:
        """Decide every flag that no test forces."""
        raise NotImplementedError

    @abstractmethod
    def _explain(self, flag_key: str) -> Explanation:
        """Explain a flag that no test forces."""
        raise NotImplementedError

    @abstractmethod
    def _subject(self) -> _hook.Subject:
        """Return who this context is about, for a test that has something in force."""
        raise NotImplementedError

    def _forced_decision(self, flag_key: str) -> tuple[Decision | None] | None:
        """Return what a test in force decides, in a tuple; None to decide as if there were no test."""
        hook = _hook.active()
        return None if hook is None else hook.decide(self, flag_key)


def check_event(event_key: str, value: Any) -> tuple[str, float | str | None]:
    """Return the key of an event to be tracked, and its value, made plain.

    Raises:
        TypeError: The key is not text, or ``value`` is neither a number nor text.
    """
    if type(event_key) is not str:
        check_key(event_key, "event_key")
        event_key = plain_text(event_key)
    return event_key, None if value is None else number_or_text(value)


def check_key(key: object, name: str) -> None:
    """Raise ``TypeError`` unless ``key`` is text."""
    if not isinstance(key, str):
        raise TypeError(f"{name} must be a str, not {type(key).__name__}")
