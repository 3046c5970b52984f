"""The emulator inside a test: a real server on a free port of this machine."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from signakit_flags.integration import read_regular

from ._emulator.event_log import EventLog
from ._emulator.faults import Faults, fault_from
from ._emulator.store import ProjectStore
from ._project.edits import change_flag
from ._project.sample import sdk_key_of
from ._serving.server import BackgroundServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ._emulator.event_schema import EventKind
    from ._emulator.faults import Kind, Where

__all__ = ["ActiveFault", "Emulator"]

KEPT = 100_000


class ActiveFault(AbstractContextManager["ActiveFault"]):
    """A fault that was set. As a context manager it is taken away at the end."""

    def __init__(self, faults: Faults, where: Where) -> None:
        self._faults = faults
        self._where: Where = where

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take the fault away."""
        self.remove()

    def remove(self) -> None:
        """Take the fault away."""
        self._faults.set(self._where, None)


class Emulator:
    """The CDN and the event ingest of SignaKit, with the page, in a thread of this process.

    ::

        with Emulator() as emulator:
            client = SignaKitClient(emulator.sdk_key, cdn_url=emulator.url, events_url=emulator.events_url)

    Inside the ``with`` block it answers on a port of 127.0.0.1; after it the thread has ended and the port is free.
    Every method may be called from any thread. What is changed here stays in memory: a project's file is only read.

    Args:
        config: The project: JSON data, or the path of a file. None is a sample with the flags ``new-checkout``,
            ``beta-dashboard``, ``banner``, ``recommendations`` and ``dark-mode``.
        port: The port; 0 is any that is free.

    Raises:
        ValueError: The project has errors; the message lists them. It is a ``ProjectError`` with ``problems``.
        OSError: The file cannot be read or is not a regular file, or (on entering) the port cannot be had.
    """

    def __init__(self, config: Mapping[str, Any] | Path | str | None = None, *, port: int = 0) -> None:
        if isinstance(config, (str, Path)):
            self._store = ProjectStore(None, read_regular(config))
        else:
            self._store = ProjectStore(None, config)
        self._log = EventLog(keep=KEPT)
        self._faults = Faults()
        self._port = port
        self._server: BackgroundServer | None = None

    def __enter__(self) -> Self:
        """Start; once this returns, requests are answered."""
        if self._server is not None:
            raise RuntimeError("this emulator runs already")
        server = BackgroundServer(self._store, self._log, self._faults, port=self._port)
        server.start()
        self._server = server
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop; open connections are closed."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def url(self) -> str:
        """Where it is: a client's ``cdn_url``, and the page in a browser. No slash at the end.

        Raises:
            RuntimeError: It does not run.
        """
        if self._server is None:
            raise RuntimeError("the emulator runs inside its with block only")
        return self._server.url

    @property
    def events_url(self) -> str:
        """A client's ``events_url``."""
        return f"{self.url}/v1/flag-events"

    @property
    def sdk_key(self) -> str:
        """A key for a client; any other well-formed one does as well."""
        return sdk_key_of(self._store.current.data)

    @property
    def env(self) -> dict[str, str]:
        """Environment variables for a process whose client is to talk to this emulator."""
        return {"SIGNAKIT_SDK_KEY": self.sdk_key, "SIGNAKIT_EMULATOR_URL": self.url}

    @property
    def config_requests(self) -> int:
        """How often a config was asked for since the start, refusals and 304 included."""
        return 0 if self._server is None else self._server.config_requests

    @property
    def configs_sent(self) -> int:
        """How often a config was sent since the start; 304, to clients that have it, and faults do not count."""
        return 0 if self._server is None else self._server.configs_sent

    @property
    def version(self) -> int:
        """The version of the config that is served; one higher at each change."""
        return self._store.version

    def events(self, kind: EventKind | None = None) -> list[dict[str, Any]]:
        """Return the events taken so far, in the order in which they came; the last 100,000 of them.

        Args:
            kind: ``"exposure"`` or ``"conversion"``; None is both.
        """
        return self._log.events(kind)

    def wait_for_events(
        self, count: int, timeout: float = 10.0, *, kind: EventKind | None = None
    ) -> list[dict[str, Any]]:
        """Return the events once there are at least ``count``.

        Args:
            count: How many.
            timeout: Seconds to wait at most.
            kind: As for ``events``.

        Raises:
            TimeoutError: There were fewer when the time was over; the message says how many, and what was refused.
        """
        if not self._log.wait_for(lambda: self._count(kind) >= count, timeout):
            refused = "".join(f"; refused: {problem}" for problem in self.refused()[:3])
            raise TimeoutError(f"{self._count(kind)} of {count} events came within {timeout} s{refused}")
        return self.events(kind)

    def _count(self, kind: EventKind | None) -> int:
        return self._log.total if kind is None else len(self._log.events(kind))

    def refused(self) -> list[str]:
        """Return what was wrong with events and posts that were not taken, the last hundred of them."""
        return [f"{item.what}: {problem}" for item in list(self._log.refused) for problem in item.problems]

    def set_flag(
        self,
        key: str,
        *,
        running: bool | None = None,
        traffic: float | None = None,
        split: Mapping[str, float] | None = None,
        rule: str | None = None,
    ) -> None:
        """Change a flag; what is None stays. Clients see it at their next fetch.

        Args:
            key: Which flag.
            running: Whether it runs.
            traffic: Percentage of users that the rule reaches, 0..100.
            split: Percentage of each variation, 100 together; a variation that is not named gets nothing.
            rule: ``"default"`` for the flag's own allocation, or a rule by its position (``"#2"``) or its key; a rule
                with the key ``"default"`` or ``"#2"`` can be named by its position only. Without it the first rule, or,
                where the flag has none, its own allocation.

        Raises:
            LookupError: There is no such flag, rule or variation.
            ValueError: A percentage is out of range, or the split does not make 100.
        """
        self._store.edit(
            lambda project: change_flag(project, key, running=running, traffic=traffic, split=split, rule=rule)
        )

    def set_config(self, config: Mapping[str, Any]) -> None:
        """Serve another project from now on.

        Raises:
            ValueError: It has errors, and what was served stays.
        """
        self._store.replace(config)

    def fault(self, where: Where, kind: Kind, **details: Any) -> ActiveFault:
        """Let something go wrong with every request from now on, or inside a ``with`` block.

        Args:
            where: ``"config"`` or ``"events"``.
            kind: ``"latency"`` (with ``seconds``), ``"hang"``, ``"refuse"`` (the connection is closed), ``"status"``
                (with ``status`` and perhaps ``retry_after``, in seconds), ``"garbage"`` (no JSON) or ``"truncated"``.
            **details: The above, and ``times``: for how many requests.

        Raises:
            ValueError: There is no such fault.
        """
        self._faults.set(where, fault_from({"kind": kind, **details}))
        return ActiveFault(self._faults, where)

    def clear(self) -> None:
        """Forget all events and take all faults away; the project stays as it is."""
        self._log.clear()
        self._faults.clear()
