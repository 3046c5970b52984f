"""The public names."""

from __future__ import annotations

from support.surface import check_surface

PUBLIC = [
    "ClientOptions",
    "Flags",
    "LifespanState",
    "SignaKit",
    "SignaKitMiddleware",
    "get_client",
    "get_flags",
    "health",
    "require_flag",
]


def test_exactly_these_names_are_public() -> None:
    check_surface("signakit_fastapi", PUBLIC)
