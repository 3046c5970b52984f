from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import signakit_django
from support.configs import SDK_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.server import FlagServer


@pytest.fixture
def configure(server: FlagServer, settings: Any) -> Iterator[Callable[..., None]]:
    """Sets ``SIGNAKIT``: its options by name, on top of what a test needs to reach ``server``."""

    def close() -> None:
        client = signakit_django.get_client()
        if client is not None:
            client.close(0.5)

    def set_options(**options: Any) -> None:
        close()
        urls = {name.upper(): url for name, url in server.urls.items()}
        # By the fixture of all other settings: two that undo their changes in another order would leave some.
        settings.SIGNAKIT = {
            "SDK_KEY": SDK_KEY,
            "LOAD_IN_TESTS": True,
            "READY_TIMEOUT": 10,
            "POLLING_INTERVAL": 0,
            **urls,
            **options,
        }

    set_options()
    yield set_options
    close()
