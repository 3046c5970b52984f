from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from signakit_flags._runtime import backoff
from support.faces import AsyncFace, Face, SyncFace
from support.server import FlagServer, flag_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _everything_is_imported() -> None:
    """The first request of a process imports httpx and anyio, which takes longer than the timeouts of these tests."""
    with flag_server() as server:
        for kind in (SyncFace, AsyncFace):
            face = kind(**server.urls)
            assert face.on_ready(face.client(polling_interval=0)).success
            face.finish()


@pytest.fixture(params=[SyncFace, AsyncFace], ids=["sync", "async"])
def face(request: pytest.FixtureRequest, server: FlagServer) -> Iterator[Face]:
    face: Face = request.param(**server.urls)
    yield face
    face.finish()


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as after failures, but a twentieth of the time."""
    monkeypatch.setattr(backoff, "FIRST_BACKOFF", backoff.FIRST_BACKOFF / 20)


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "signakit_flags")
