"""The pytest plugin."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from support.emulator import CONFIG
from support.wire import ask

if TYPE_CHECKING:
    from signakit_dev.testing import Emulator


def run(code: str) -> Any:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_the_plugin_costs_a_run_that_does_not_use_it_no_import() -> None:
    imported = run(
        "import json, sys, pytest; before = set(sys.modules); import signakit_dev.pytest_plugin;"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    assert imported == ["signakit_dev", "signakit_dev.pytest_plugin"]


def test_the_fixture_is_an_emulator_with_the_sample(signakit_emulator: Emulator) -> None:
    assert ask(signakit_emulator.url + CONFIG).json()["flags"][0]["key"] == "new-checkout"
    assert signakit_emulator.events() == []
