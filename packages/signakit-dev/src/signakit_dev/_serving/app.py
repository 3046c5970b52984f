"""The application: what an SDK talks to, the page, and the JSON endpoints, behind one guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware

from .._emulator.guard import Guard
from .._emulator.ingest import Ingest
from .._web.api import Api
from .._web.live_stream import LiveStream
from .._web.page import Page

if TYPE_CHECKING:
    from collections.abc import Collection

    from .._emulator.cdn import Cdn
    from .._emulator.event_log import EventLog
    from .._emulator.faults import Faults
    from .._emulator.stopping import Stopping
    from .._emulator.store import ProjectStore


def create_app(
    store: ProjectStore,
    log: EventLog,
    faults: Faults,
    *,
    allowed_hosts: Collection[str],
    cdn: Cdn,
    stopping: Stopping,
    url: str,
) -> Starlette:
    """Return the emulator as an ASGI application.

    Args:
        store: The project.
        log: Where events go.
        faults: What goes wrong.
        allowed_hosts: Names in ``Host`` to answer to, besides loopback addresses and ``localhost``.
        cdn: The endpoint of configs.
        stopping: Set by the server when it stops, so that streams end.
        url: Where it is, for the page.
    """
    return Starlette(
        routes=[
            *cdn.routes(),
            *Ingest(log, faults, stopping).routes(),
            *Api(store, log, faults).routes(),
            *LiveStream(store, log, faults, stopping).routes(),
            *Page(store, log, faults, url=url).routes(),
        ],
        middleware=[Middleware(Guard, allowed_hosts=allowed_hosts)],
    )
