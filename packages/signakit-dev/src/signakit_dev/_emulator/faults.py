"""What the emulator can be told to do instead of answering well, for configs and for events separately.

``Faults`` holds one slot for each of the two. The server's loop reads it once a request, tests and the page write it
from their threads, all under one lock.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

Where: TypeAlias = Literal["config", "events"]
"""Which requests a fault is for."""

Kind: TypeAlias = Literal["latency", "hang", "refuse", "status", "garbage", "truncated"]
"""What goes wrong; see ``Fault``."""

WHERES: tuple[Where, ...] = get_args(Where)
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with a request.

    ========== =========================================================================================
    latency    the usual answer, ``seconds`` later
    hang       the request is read and never answered
    refuse     the connection is closed without an answer
    status     an answer of ``status``, with ``Retry-After`` if ``retry_after`` is given; nothing is taken
    garbage    an answer of 200 with a body that is not JSON; events are taken
    truncated  an answer that promises more than it sends, and then is cut; events are taken
    ========== =========================================================================================

    Attributes:
        kind: One of the above.
        seconds: How late, for ``"latency"``.
        status: The status code, 200..599, for ``"status"``.
        retry_after: Value of the header ``Retry-After``, in seconds.
        times: How many requests it is for; None is every one until it is taken away.

    Raises:
        ValueError: The kind is unknown or a number is out of its range.
    """

    kind: Kind
    seconds: float | None = None
    status: int = 500
    retry_after: float | None = None
    times: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}: expected one of {', '.join(KINDS)}")
        if self.seconds is not None:
            _check_number("seconds", self.seconds, 0, 3_600)
        elif self.kind == "latency":
            raise ValueError("fault 'latency' needs its seconds")
        _check_number("status", self.status, 200, 599, whole=True)
        if self.retry_after is not None:
            _check_number("retry_after", self.retry_after, 0, 86_400)
        if self.times is not None:
            _check_number("times", self.times, 1, 1_000_000, whole=True)

    def __str__(self) -> str:
        match self.kind:
            case "latency":
                text = f"latency={self.seconds:g}"
            case "status":
                text = f"status={self.status}"
            case kind:
                text = kind
        if self.retry_after is not None:
            text += f",retry_after={self.retry_after:g}"
        return text if self.times is None else f"{text},times={self.times}"


def _check_number(name: str, value: Any, lowest: float, highest: float, *, whole: bool = False) -> None:
    right_type = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not right_type or not lowest <= value <= highest:
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{name} of a fault must be {kind} from {lowest} to {highest}, not {repr(value)[:40]}")


def parse_fault(text: str) -> Fault:
    """Read a fault as it is written on the command line.

    ``"hang"``, ``"latency=2"``, ``"status=503,retry_after=2,times=3"``: the kind first, with its number if it has one.

    Raises:
        ValueError: It is not a fault; the message says why.
    """
    details: dict[str, Any] = {}
    kind, *rest = [part.strip() for part in text.split(",")]
    kind, equals, number = kind.partition("=")
    if equals:
        if kind not in {"latency", "status"}:
            raise ValueError(f"fault {kind!r} takes no number")
        details["seconds" if kind == "latency" else "status"] = _number(kind, number)
    elif kind == "latency":
        raise ValueError("fault 'latency' needs its seconds: latency=2")
    for part in rest:
        name, _, number = part.partition("=")
        if name not in {"seconds", "status", "retry_after", "times"} or name in details:
            raise ValueError(f"fault {text!r}: {part!r} is none of seconds=, status=, retry_after=, times=")
        details[name] = _number(name, number)
    return Fault(kind, **details)  # type: ignore[arg-type]  # `Fault` refuses an unknown kind


def fault_from(data: Mapping[str, Any]) -> Fault:
    """Read a fault from JSON data, as the admin endpoint takes it.

    Raises:
        ValueError: It is not a fault; the message says why.
    """
    unknown = data.keys() - {"kind", "seconds", "status", "retry_after", "times"}
    if unknown:
        raise ValueError(f"a fault has no {', '.join(sorted(map(repr, unknown)))}")
    if "kind" not in data:
        raise ValueError(f"a fault needs a kind: one of {', '.join(KINDS)}")
    return Fault(**data)


def _number(name: str, text: str) -> float:
    try:
        return int(text) if name in {"status", "times"} else float(text)
    except ValueError:
        raise ValueError(f"{name}={text}: not a number") from None


class Faults:
    """The two slots, and how often each fault was met since it was set."""

    def __init__(self, faults: Mapping[str, Fault] | None = None) -> None:
        self._lock = threading.Lock()
        self._slots: dict[Where, Fault] = {}
        self.revision: int = 0
        for where, fault in (faults or {}).items():
            self.set(where, fault)

    def set(self, where: str, fault: Fault | None) -> None:
        """Put a fault in a slot, or take it out with None.

        Raises:
            ValueError: ``where`` is not a slot.
        """
        with self._lock:
            if fault is None:
                self._slots.pop(_slot(where), None)
            else:
                self._slots[_slot(where)] = fault
            self.revision += 1

    def get(self, where: Where) -> Fault | None:
        """Return the fault in a slot, and leave it there."""
        return self._slots.get(where)

    def take(self, where: Where) -> Fault | None:
        """Return the fault for one request, and count it: a fault with ``times`` is gone after the last."""
        with self._lock:
            fault = self._slots.get(where)
            if fault is not None and fault.times is not None:
                if fault.times == 1:
                    del self._slots[where]
                else:
                    self._slots[where] = replace(fault, times=fault.times - 1)
                self.revision += 1
            return fault

    def clear(self) -> None:
        """Take all faults away."""
        with self._lock:
            self._slots.clear()
            self.revision += 1

    def as_json(self) -> dict[str, dict[str, Any] | None]:
        """Return both slots as JSON data."""
        with self._lock:
            return {where: asdict(self._slots[where]) if where in self._slots else None for where in WHERES}


def _slot(where: str) -> Where:
    for known in WHERES:
        if where == known:
            return known
    raise ValueError(f"a fault is for 'config' or 'events', not {where!r}")
