from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from signakit_fastapi import SignaKit
from support.configs import SDK_KEY
from support.contract import BROWSER

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import FlagServer


@pytest.fixture
def make(server: FlagServer) -> Callable[..., SignaKit]:
    """Makes a ``SignaKit`` that talks to ``server``."""

    def made(**options: Any) -> SignaKit:
        return SignaKit(**{"sdk_key": SDK_KEY, "ready_timeout": 10, "polling_interval": 0, **server.urls, **options})

    return made


@pytest.fixture
def signakit(make: Callable[..., SignaKit]) -> SignaKit:
    return make()


@pytest.fixture(autouse=True)
def _as_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test client calls itself one, which is a bot's name."""
    from starlette.testclient import TestClient

    of_client = TestClient.__init__

    def init(self: Any, *args: Any, **keywords: Any) -> None:
        of_client(self, *args, **keywords)
        self.headers["user-agent"] = BROWSER

    monkeypatch.setattr(TestClient, "__init__", init)
