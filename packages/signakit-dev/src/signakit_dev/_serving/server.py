"""Serving the emulator: for the command, and in a thread of a test."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ipaddress
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .._emulator.cdn import Cdn
from .._emulator.event_log import EventLog
from .._emulator.fault_responses import TRANSPORT
from .._emulator.faults import Faults
from .._emulator.guard import ANY_ADDRESS
from .._emulator.ports import bind
from .._emulator.stopping import Stopping
from .._emulator.store import ProjectStore
from .app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import FrameType

    from starlette.types import ASGIApp, Receive, Scope, Send

    from .._emulator.faults import Fault

POLL = 0.2
"""Seconds between two looks at the file."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the emulator is run.

    Attributes:
        path: The project's file, watched and written; None serves the sample from memory.
        host: Address or name to bind to.
        port: Port, 0 for any that is free.
        allow_remote: Whether ``host`` may be one that other machines reach.
        allowed_hosts: Names in ``Host`` to answer to, besides this machine's. A name that another person can point at
            this machine lets a page of theirs read everything.
        faults: Faults from the start, by ``"config"`` and ``"events"``.
    """

    path: Path | None
    host: str = "127.0.0.1"
    port: int = 4747
    allow_remote: bool = False
    allowed_hosts: tuple[str, ...] = ()
    faults: Mapping[str, Fault] = field(default_factory=dict)


def run(options: ServerOptions, *, on_started: Callable[[str], None] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM, then stop cleanly and return.

    Args:
        options: What to serve, and where.
        on_started: Called with the URL once requests are answered.

    Raises:
        ProjectError: The file has errors.
        OSError: The file cannot be read, or the address not be bound.
        RemoteNotAllowedError: ``host`` is not a loopback address and ``allow_remote`` is False.
        PortTakenError: Another process listens there.
    """
    store = ProjectStore(options.path)
    bound = bind(options.host, options.port, allow_remote=options.allow_remote)
    with bound:
        url = _url(bound)
        hosts = _hosts(options)
        server = _Server(store, EventLog(), Faults(options.faults), allowed_hosts=hosts, url=url, on_started=on_started)
        # After a clean stop uvicorn raises the signal again; here Ctrl-C is the usual end.
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(server.serve(sockets=[bound]))


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    if ipaddress.ip_address(host.partition("%")[0]).is_unspecified:  # bound to every address, and reached at this one
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _hosts(options: ServerOptions) -> list[str]:
    if not options.allow_remote:
        return list(options.allowed_hosts)
    return [*options.allowed_hosts, ANY_ADDRESS, options.host, socket.gethostname()]


class BackgroundServer:
    """The emulator in a thread of this process, from ``start`` to ``stop``.

    Attributes:
        url: Where it is, without a slash at the end.
    """

    def __init__(self, store: ProjectStore, log: EventLog, faults: Faults, *, port: int = 0) -> None:
        self._bound = bind("127.0.0.1", port, allow_remote=False)
        self.url: str = _url(self._bound)
        self._started = threading.Event()
        self._server = _Server(
            store, log, faults, allowed_hosts=[], url=self.url, on_started=lambda _url: self._started.set()
        )
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="signakit-emulator", daemon=True)

    @property
    def config_requests(self) -> int:
        """How often a config was asked for."""
        return self._server.cdn.config_requests

    @property
    def configs_sent(self) -> int:
        """How often it was sent whole."""
        return self._server.cdn.configs_sent

    def start(self) -> None:
        """Start, and return once requests are answered."""
        contextvars.Context().run(self._thread.start)  # it outlives the test, or the request, that starts it
        self._started.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error

    def stop(self) -> None:
        """Stop; when this returns, the thread has ended and the socket is closed."""
        self._server.stop()
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._bound:
                asyncio.run(self._server.serve(sockets=[self._bound]))
        except BaseException as error:  # noqa: BLE001  # `start` raises it, in the thread that waits for it
            self._error = error
        finally:
            self._started.set()


class _Server(uvicorn.Server):
    """uvicorn's server, told at once when to stop, and watching the project's file."""

    def __init__(
        self,
        store: ProjectStore,
        log: EventLog,
        faults: Faults,
        *,
        allowed_hosts: list[str],
        url: str,
        on_started: Callable[[str], None] | None,
    ) -> None:
        self._store = store
        self._url = url
        self._on_started = on_started
        self._stopping = Stopping()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.cdn = Cdn(store, faults, self._stopping)
        app = create_app(
            store, log, faults, allowed_hosts=allowed_hosts, cdn=self.cdn, stopping=self._stopping, url=url
        )
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                # Waiting answers are told first; this is for a client that reads nothing of what it is sent.
                timeout_graceful_shutdown=2,
            )
        )

    def stop(self) -> None:
        """Ask the server to stop, from any thread."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stopping.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self._on_started is not None:
            self._on_started(self._url)

    async def main_loop(self) -> None:
        ticks = 0
        while not await self.on_tick(ticks) and not self._stopping.is_set():
            self._store.poll()
            await self._stopping.wait(POLL)
            ticks = (ticks + 2) % 864_000  # one is a tenth of a second there

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)


class _Protocol(H11Protocol):
    """Lets the application at the connection: some faults cannot be said in HTTP."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        application: ASGIApp = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {**(scope.get("extensions") or {}), TRANSPORT: self.transport}
            await application(scope, receive, send)

        self.app = with_transport
