from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags import SignaKitClient
from support.framework import CONFIG, Flags

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def client() -> SignaKitClient:
    """A ready client that records its events."""
    return SignaKitClient.offline(CONFIG, record_events=True)


@pytest.fixture
def flags(client: SignaKitClient) -> Callable[..., Flags]:
    """Binds the framework with some options."""

    def bind(kind: type[Flags] = Flags, **options: Any) -> Flags:
        return kind(client, **options)

    return bind
