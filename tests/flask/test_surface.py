"""The public names."""

from __future__ import annotations

from support.surface import check_surface


def test_exactly_these_names_are_public() -> None:
    check_surface("signakit_flask", ["SignaKit", "SignaKitState", "aflags", "blueprint", "flag_required", "flags"])
