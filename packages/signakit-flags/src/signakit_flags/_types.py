"""The public values: what goes in, what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat, TypeAlias

from ._frozen import ReadOnlyDict
from ._signal_handlers import let_through

if TYPE_CHECKING:
    # Their modules would cost the import of the package. At run time any value will do, as it does for the client.
    from datetime import date
    from enum import Enum
    from uuid import UUID

    _Scalar: TypeAlias = str | SupportsFloat | Enum | UUID | date
    AttributeValue: TypeAlias = _Scalar | Sequence[_Scalar] | None
else:
    AttributeValue = Any

Attributes: TypeAlias = Mapping[str, AttributeValue]
"""Attributes of a user as a parameter: any mapping will do. It is copied.

A value is text, a bool, any real number, an ``Enum``, a ``UUID``, a date, or a sequence of those. None counts as
absent.
"""

UserAttributes: TypeAlias = dict[str, str | int | float | bool | list[str]]
"""Attributes of a user in a dict of your own. ``"$userAgent"`` takes the request's User-Agent."""

VariableValue: TypeAlias = str | int | float | bool | dict[str, Any] | list[Any] | None
"""Value of a flag variable: text, a number, a boolean, or JSON. ``None`` where the dashboard says ``null``."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one user gets for one flag.

    Attributes:
        flag_key: The key asked for.
        variation_key: The variation the user is in; ``"off"`` when nothing else holds.
        enabled: True unless the variation is ``"off"``.
        rule_key: The rule that decided; None for the default allocation and for a flag that is not running.
        rule_type: ``"ab-test"``, ``"multi-armed-bandit"`` or ``"targeted"`` (an unknown type is passed on as it is);
            None together with ``rule_key``.
        variables: The variation's value, else the default, of each variable the flag defines. A read-only ``dict``,
            shared between users: changing it raises ``TypeError``; ``variables.copy()`` gives mutable data, which
            PyYAML can write as well. Empty and read-only in a ``Decision`` that you make without it.
    """

    flag_key: str
    variation_key: str
    enabled: bool
    rule_key: str | None
    rule_type: str | None
    variables: dict[str, VariableValue] = field(default_factory=ReadOnlyDict)


Decisions: TypeAlias = dict[str, Decision]
"""What ``decide_all()`` returns: decisions by flag key."""


@dataclass(frozen=True, slots=True)
class OnReadyResult:
    """What ``on_ready()`` and ``on_ready_sync()`` return; they never raise.

    Attributes:
        success: True when this call got the config, or word that ours is current (200 or 304).
        reason: Why not, when ``success`` is False. The client may still be ready, with an older config.
    """

    success: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TrackEventOptions:
    """The optional parts of a tracked event, as one value. No function here takes it.

    ``track`` and ``track_event`` take ``value`` and ``metadata`` by themselves. The name is there because 1.1.0 exports
    it, so that code written for 1.1.0 can still import it.

    Attributes:
        value: A number such as a revenue or a score.
        metadata: Free JSON, at most 5,000 bytes; larger is dropped with a warning.
    """

    value: float | None = None
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ClientStatus:
    """The state of a client at one moment. ``dataclasses.asdict(status)`` is JSON.

    Attributes:
        ready: True when flags can be decided.
        source: Where the config came from: ``"cdn"``, ``"snapshot"`` (``snapshot_path`` or ``snapshot_store``),
            ``"static"`` (``SignaKitClient.offline``), or None before there is one.
        version: The config's version number, if it has one.
        etag: The config's ETag, if the CDN sent one.
        age: Seconds since the config was last known to be current; None before there is one.
        last_error: Why the last fetch or post failed; None after one that succeeded.
        queued: Events accepted and not yet sent, those in flight included.
        sent: Events the server took.
        dropped: Events lost: refused because the queue was full, rejected by the server, or unsent at close.
        exposures_suppressed: Exposures not sent because the same one had been sent before.
    """

    ready: bool
    source: str | None
    version: int | None
    etag: str | None
    age: float | None
    last_error: str | None
    queued: int
    sent: int
    dropped: int
    exposures_suppressed: int


StepKind: TypeAlias = Literal["flag", "allowlist", "audience", "traffic", "range", "default", "override"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried for a decision: an item of ``Explanation.steps``.

    Attributes:
        kind: ``"flag"`` (is there one, and does it run), ``"allowlist"``, ``"audience"`` (one condition of an
            audience), ``"traffic"``, ``"range"`` (of a rule), ``"default"`` (the flag's own allocation) or
            ``"override"`` (a test has forced it).
        passed: Whether it let the user through.
        detail: What was compared with what, for a reader.
        rule: Which rule, by its key or, without one, by its position (``"#1"``); None outside rules.
        bucket: The user's bucket, 0..9999, where one was taken.
        threshold: For ``"traffic"``: buckets below it take part, 0..10000.
    """

    kind: StepKind
    passed: bool
    detail: str
    rule: str | None = None
    bucket: int | None = None
    threshold: int | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and the way to it; ``str()`` reads as a short report. Asking for one sends no exposure.

    Attributes:
        flag_key: The key asked for.
        user_id: The user asked about.
        decision: What ``decide()`` gives this user.
        steps: Everything that was tried, in order.
    """

    flag_key: str
    user_id: str
    decision: Decision | None
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        decision = self.decision
        if decision is None:
            verdict = "no decision"
        else:
            by = "" if decision.rule_key is None else f", by rule {decision.rule_key} ({decision.rule_type})"
            verdict = f"{decision.variation_key} ({'enabled' if decision.enabled else 'disabled'}){by}"
        lines = [f"{self.flag_key} for {short(self.user_id)}: {verdict}"]
        for step in self.steps:
            where = f"rule {step.rule}, {step.kind}" if step.rule is not None else step.kind
            lines.append(f"  {'yes' if step.passed else 'no ':3} {where}: {step.detail}")
        return "\n".join(lines)


def plain_text(value: object) -> str:
    """Return the characters of what ``isinstance`` takes for text, as plain text.

    Methods of a subclass may say anything: those of ``markupsafe.Markup`` escape what is put before it.
    """
    if not issubclass(type(value), str):
        value = str(value)  # a stand-in, such as a lazy object of Django
    return str.__str__(value)


def text_or_none(value: object) -> str | None:
    """Return the characters of text as plain text, and None for anything else; never raises, whatever `value` does."""
    try:
        return plain_text(value) if isinstance(value, str) else None
    except Exception as error:  # noqa: BLE001  # an object may raise when it is asked for its class
        let_through(error)
        return None


def short(value: object) -> str:
    """Return ``repr(value)``, cut to 80 characters; never raises."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001  # an attribute may have a __repr__ that raises, or be nested too deeply
        let_through(error)
        return f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."
