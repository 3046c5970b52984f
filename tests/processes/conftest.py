from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _what_ended_loops_leave_is_collected(ended_loops: None) -> None:
    """Many loops of these tests end before their client is closed."""
