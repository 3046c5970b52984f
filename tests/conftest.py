from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.configs import config, flag, rule, whole
from support.server import FlagServer, flag_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SIGNAKIT_"):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[FlagServer]:
    """A server with an A/B flag ``exp``, a targeted flag ``tgt`` and a switch ``switch``."""
    with flag_server() as running:
        running.set_config(
            config(
                flag("exp", rule("r-exp")),
                flag("tgt", rule("r-tgt", kind="targeted", split=whole("on"))),
                flag("switch", allocation=whole("on")),
            )
        )
        yield running
