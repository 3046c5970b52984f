"""The fixture ``signakit_emulator``. Nothing is imported in a run that does not use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .testing import Emulator


@pytest.fixture
def signakit_emulator() -> Iterator[Emulator]:
    """An emulator with the sample project, on a free port, for one test.

    Give it flags with ``set_config()`` or ``set_flag()``; hand ``sdk_key``, ``url`` and ``events_url`` to a client, or
    ``env`` to a process.
    """
    from .testing import Emulator  # this module is loaded in every run where the package is installed

    with Emulator() as emulator:
        yield emulator
