from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from signakit_flags import _hook

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _nothing_is_left_in_force() -> Iterator[None]:
    before = list(_hook.hooks)
    yield
    assert _hook.hooks == before
