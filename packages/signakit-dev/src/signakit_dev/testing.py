"""The emulator inside a test: a real server on a free port of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from ._faults import Kind, Where

EventKind = Literal["exposure", "conversion"]


class Emulator:
    """CDN and event ingest of SignaKit in a thread, as a context manager."""

    def __init__(self, config: Mapping[str, Any] | Path | str | None = None, *, port: int = 0) -> None:
        raise NotImplementedError

    url: str
    events_url: str
    sdk_key: str
    env: dict[str, str]

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def events(self, kind: EventKind | None = None) -> list[dict[str, Any]]:
        """Return the events taken so far, in order."""
        raise NotImplementedError

    def wait_for_events(
        self, count: int, timeout: float = 10.0, *, kind: EventKind | None = None
    ) -> list[dict[str, Any]]:
        """Return the events once there are ``count``; ``TimeoutError`` after ``timeout`` seconds."""
        raise NotImplementedError

    def set_flag(
        self,
        key: str,
        *,
        running: bool | None = None,
        traffic: float | None = None,
        split: Mapping[str, float] | None = None,
        rule: str | None = None,
    ) -> None:
        """Change a flag; ``rule`` is a rule's key or ``"#2"``, ``"default"`` the flag's own allocation."""
        raise NotImplementedError

    def set_config(self, config: Mapping[str, Any]) -> None:
        """Serve another config from now on."""
        raise NotImplementedError

    def fault(self, where: Where, kind: Kind, **details: Any) -> Any:
        """Set a fault; as a context manager, take it away at the end."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forget all events and take all faults away."""
        raise NotImplementedError
