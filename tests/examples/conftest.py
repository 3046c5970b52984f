from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.browser import chromium
from support.demo import Visitors

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def visitors() -> Iterator[Visitors]:
    """People who come in a real browser."""
    with chromium() as browser:
        yield Visitors(browser)
