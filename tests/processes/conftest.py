from __future__ import annotations

import gc
import warnings
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _what_ended_loops_leave_is_collected() -> Iterator[None]:
    """A loop that ends before its client is closed leaves the client's sockets to the collector, which says so."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
