"""An application that PyInstaller has frozen."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.programs import PROGRAMS, Process, exposures, once, tracked

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import FlagServer

# What httpx, anyio and msgspec would import where it is installed: freezing it takes most of the time.
OPTIONAL = ("attr", "click", "pygments", "rich", "setuptools", "trio", "uvloop", "yaml")


@pytest.mark.timeout(900)  # freezing takes 20 seconds of a processor of one's own
def test_a_frozen_application_knows_the_crawlers_and_does_all_that_it_did_before(
    server: FlagServer, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "PyInstaller", "--log-level", "WARN", "--distpath", tmp_path / "dist"]
    command += ["--workpath", tmp_path / "build", "--specpath", tmp_path]
    command += [f"--exclude-module={name}" for name in OPTIONAL]
    built = subprocess.run(
        [*command, PROGRAMS / "frozen.py"],
        env={**os.environ, "PYINSTALLER_CONFIG_DIR": str(tmp_path / "cache")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    application = tmp_path / "dist" / "frozen" / "frozen"
    with Process(["env", "-C", str(tmp_path), str(application)], server=server) as frozen:
        assert frozen.end() == 0, frozen.errors
    said = {name: value for facts in frozen.said for name, value in facts.items()}
    assert said["frozen"] is True
    assert said["bots"] == [True, False]
    assert said["thread"] == said["loop"] != "off"
    assert said["flushed"] is True
    assert (said["source"], said["forced"]) == ("snapshot", "on")
    assert tracked(server) == {"thread": once(1), "loop": once(1)}
    assert exposures(server) == {"thread": 1, "loop": 1}
    assert (
        frozen.errors == "config cannot be fetched, and is tried again: ConnectError: [Errno 111] Connection refused\n"
    )
