"""``recorded()``: what a test has exposed and tracked."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from .._values import shown_attributes
from ._layers import Layer
from ._scopes import begin, check_scope, end, last_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from .. import Decision
    from .._hook import Subject

_SHOWN = 20
_DEEPEST = 10


@dataclass(frozen=True, slots=True)
class Exposure:
    """A user was shown a variation.

    Attributes:
        user_id: Who.
        flag_key: The flag.
        variation_key: The variation.
        rule_key: The rule that decided; None for the default allocation, and where the test has forced it.
        forced: The test has forced it.
        attributes: Those of the user, without ``$userAgent``, as ``attributes`` of the context shows them.
    """

    user_id: str
    flag_key: str
    variation_key: str
    rule_key: str | None = None
    forced: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        why = "forced" if self.forced else "by default" if self.rule_key is None else f"by rule {self.rule_key!r}"
        return f"exposure of {self.flag_key!r} to {self.user_id!r}: {self.variation_key!r}, {why}"


@dataclass(frozen=True, slots=True)
class Conversion:
    """A user did something that was tracked.

    Attributes:
        user_id: Who.
        event_key: What.
        value: As given to ``track``.
        metadata: A copy of what was given to ``track``, or None.
        decisions: What the user's context had decided by then: variations by flag, the forced ones included.
        attributes: Those of the user, without ``$userAgent``, as ``attributes`` of the context shows them.
    """

    user_id: str
    event_key: str
    value: Any = None
    metadata: Mapping[str, Any] | None = None
    decisions: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        value = "" if self.value is None else f", value {self.value!r}"
        metadata = "" if self.metadata is None else f", metadata {dict(self.metadata)!r}"
        return f"conversion {self.event_key!r} of {self.user_id!r}{value}{metadata}"


Event: TypeAlias = Exposure | Conversion
EventT = TypeVar("EventT", bound="Exposure | Conversion")


class _Anything:
    def __repr__(self) -> str:
        return "..."


ANYTHING: Any = _Anything()
"""Stands for a value that does not matter, where None means something."""


class Recording:
    """What was exposed and tracked while it was in force: in order, and each exposure once.

    Any thread may read it; it stays after the recording has ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._exposed: set[tuple[str, str, str, str | None]] = set()
        self._passed_over: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self.exposures)} exposures, {len(self.conversions)} conversions>"

    @property
    def events(self) -> list[Exposure | Conversion]:
        """Exposures and conversions, in the order in which they came; a copy."""
        with self._lock:
            return list(self._events)

    @property
    def exposures(self) -> list[Exposure]:
        """The exposures: one for each user, flag, variation and rule. A copy."""
        return [event for event in self.events if isinstance(event, Exposure)]

    @property
    def conversions(self) -> list[Conversion]:
        """The conversions; a copy."""
        return [event for event in self.events if isinstance(event, Conversion)]

    def clear(self) -> None:
        """Forget everything; what was exposed is recorded again when it is exposed again."""
        with self._lock:
            self._events.clear()
            self._exposed.clear()
            self._passed_over.clear()

    # --- asserting --------------------------------------------------------------------------------------------

    def assert_exposed(self, flag_key: str, *, user: str | None = None, variation: str | None = None) -> Exposure:
        """Assert that a flag was exposed.

        Args:
            flag_key: The flag.
            user: To whom, by their id; None is anybody.
            variation: In which variation; None is any.

        Returns:
            The first such exposure.

        Raises:
            AssertionError: There is none; the message shows the nearest one, and what was recorded.
        """
        __tracebackhide__ = True
        wanted = _given(flag_key=flag_key, user_id=user, variation_key=variation)
        return self._one(Exposure, wanted, f"exposure of {_words(flag_key, user, variation)}")

    def assert_not_exposed(
        self, flag_key: str | None = None, *, user: str | None = None, variation: str | None = None
    ) -> None:
        """Assert that nothing was exposed, or that a flag was not, or not to a user, or not in a variation.

        Raises:
            AssertionError: It was; the message shows to whom.
        """
        __tracebackhide__ = True
        wanted = _given(flag_key=flag_key, user_id=user, variation_key=variation)
        self._none(Exposure, wanted, f"exposure of {_words(flag_key, user, variation)}")

    def assert_tracked(
        self,
        event_key: str,
        *,
        user: str | None = None,
        value: Any = ANYTHING,
        metadata: Any = ANYTHING,
        decisions: Mapping[str, str] | None = None,
    ) -> Conversion:
        """Assert that an event was tracked.

        Args:
            event_key: The event.
            user: Whose, by their id; None is anybody's.
            value: With which value; without it, any.
            metadata: With which metadata; without it, any.
            decisions: With which variations, by flag; those of other flags do not matter.

        Returns:
            The first such conversion.

        Raises:
            AssertionError: There is none; the message shows the nearest one, and what was recorded.
        """
        __tracebackhide__ = True
        wanted = _given(event_key=event_key, user_id=user)
        wanted |= {name: given for name, given in (("value", value), ("metadata", metadata)) if given is not ANYTHING}
        if decisions is not None:
            wanted["decisions"] = dict(decisions)
        details = "".join(
            f", {name} {given!r}" for name, given in wanted.items() if name not in {"event_key", "user_id"}
        )
        whose = "" if user is None else f" of {user!r}"
        return self._one(Conversion, wanted, f"conversion {event_key!r}{whose}{details}")

    def assert_not_tracked(self, event_key: str | None = None, *, user: str | None = None) -> None:
        """Assert that nothing was tracked, or that an event was not, or not for a user.

        Raises:
            AssertionError: It was; the message shows for whom.
        """
        __tracebackhide__ = True
        what = "conversion" if event_key is None else f"conversion {event_key!r}"
        whose = "" if user is None else f" of {user!r}"
        self._none(Conversion, _given(event_key=event_key, user_id=user), f"{what}{whose}")

    def _one(self, kind: type[EventT], wanted: dict[str, Any], what: str) -> EventT:
        __tracebackhide__ = True
        events = [event for event in self.events if isinstance(event, kind)]
        for event in events:
            if _score(event, wanted) == len(wanted):
                return event
        lines = [f"no {what} was recorded"]
        nearest = _nearest(events, wanted)
        if nearest is not None:
            lines.append(f"  the nearest is: {nearest}")
        raise AssertionError("\n".join([*lines, *self._report()]))

    def _none(self, kind: type[Exposure | Conversion], wanted: dict[str, Any], what: str) -> None:
        __tracebackhide__ = True
        found = [event for event in self.events if isinstance(event, kind) and _score(event, wanted) == len(wanted)]
        if found:
            raise AssertionError("\n".join([f"{what} was recorded, and should not be", *_listed("recorded", found)]))

    def _report(self) -> list[str]:
        events = self.events
        lines: list[str] = _listed("recorded", events) if events else ["  nothing was recorded"]
        with self._lock:
            passed_over = list(self._passed_over)
        return lines + (_listed("decided without an exposure", passed_over) if passed_over else [])

    # --- recording --------------------------------------------------------------------------------------------

    def _expose(self, subject: Subject, decision: Decision, *, forced: bool) -> None:
        assert subject.user_id is not None
        flag_key, variation_key = decision.flag_key, decision.variation_key
        key = subject.user_id, flag_key, variation_key, decision.rule_key
        with self._lock:
            if key not in self._exposed:
                self._exposed.add(key)
                attributes = _copied(shown_attributes(subject.attributes))
                self._events.append(
                    Exposure(subject.user_id, flag_key, variation_key, decision.rule_key, forced, attributes)
                )

    def _track(self, subject: Subject, event_key: str, value: Any, metadata: Any, decisions: Mapping[str, str]) -> None:
        assert subject.user_id is not None
        attributes = _copied(shown_attributes(subject.attributes))
        event = Conversion(subject.user_id, event_key, value, _copied(metadata), decisions, attributes)
        with self._lock:
            self._events.append(event)

    def _pass_over(self, subject: Subject, decision: Decision, why: str) -> None:
        who = "" if subject.user_id is None else f" for {subject.user_id!r}"
        with self._lock:
            self._passed_over[f"{decision.flag_key!r}{who}: {decision.variation_key!r}, {why}"] = None


class recorded:  # noqa: N801  # a context manager reads as a verb
    """Record what is exposed and tracked: ``with recorded() as events:``, sync or async.

    It sees every client, and what is recorded goes nowhere else: nothing is sent. (A client made by
    ``SignaKitClient.offline`` with ``record_events`` records it as well.) Whether the same exposure was sent before
    does not matter, so that tests do not depend on their order. Forced variations are exposures like any other.

    httpx, requests, urllib and headless browsers name themselves in the User-Agent, which in production is a bot's.
    Here, and where flags are forced, they are people. A crawler is a bot here, too.

    Args:
        scope: As for ``override_flags``.

    Raises:
        ValueError: There is no such scope.
    """

    def __init__(self, *, scope: str = "task") -> None:
        self._scope = check_scope(scope)
        self._layers: list[Layer] = []

    def __enter__(self) -> Recording:
        """Begin a new recording."""
        recording = Recording()
        self._layers.append(begin(Layer(recording=recording), self._scope))
        return recording

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it; what it has stays."""
        end(last_of(self._layers))

    async def __aenter__(self) -> Recording:
        """Begin a new recording."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""
        self.__exit__(kind, error, traceback)


def _copied(value: Any, depth: int = 0) -> Any:
    """Return data of its own, as the application goes on changing what it handed in."""
    if depth > _DEEPEST:  # it may hold itself
        return value
    if isinstance(value, Mapping):
        return {key: _copied(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copied(item, depth + 1) for item in value]
    return value


def _given(**fields: str | None) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _words(flag_key: str | None, user: str | None, variation: str | None) -> str:
    whom = "" if user is None else f" to {user!r}"
    which = "" if variation is None else f" in variation {variation!r}"
    return f"{'any flag' if flag_key is None else repr(flag_key)}{whom}{which}"


def _score(event: Event, wanted: Mapping[str, Any]) -> int:
    return sum(_fits(getattr(event, name), value, name) for name, value in wanted.items())


def _fits(actual: Any, wanted: Any, name: str) -> bool:
    if name == "decisions":
        return all(actual.get(flag_key) == variation for flag_key, variation in wanted.items())
    return bool(actual == wanted)


def _nearest(events: Iterable[Event], wanted: Mapping[str, Any]) -> Event | None:
    """Return the event that fits best; None where even the best has nothing of it but the user."""
    key = next(iter(wanted))  # the flag's or the event's

    def likeness(event: Event) -> tuple[float, int]:
        names = difflib.SequenceMatcher(None, str(getattr(event, key)), str(wanted[key])).ratio()
        return (1.0 if names == 1.0 else names / 2), _score(event, wanted)

    best = max(events, key=likeness, default=None)
    return best if best is not None and likeness(best)[0] > 0.3 else None


def _listed(heading: str, items: Iterable[object]) -> list[str]:
    lines = [f"    {item}" for item in items]
    more = [f"    and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return [f"  {heading} ({len(lines)}):", *lines[:_SHOWN], *more]
