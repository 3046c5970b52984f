"""Load that lasts: very many users at full speed, counted at the other end, and the script that goes on for minutes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.configs import config, flag, rule
from support.programs import Program

if TYPE_CHECKING:
    from support.server import FlagServer

SOAK = Path(__file__).parents[2] / "tools" / "soak.py"
USERS = 250_000
"""A million take a busy machine too long. Memory is looked at from 140,000 on, when all that is bounded is full."""

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@linux
def test_very_many_distinct_users_arrive_once_each_and_memory_stays_flat(server: FlagServer) -> None:
    experiment = json.dumps(config(flag("exp", rule("r-exp"))))
    with Program("counting", "sink", experiment, USERS, server=server) as sink:
        url = sink.next()["url"]
        with Program("counting", "users", url, USERS, server=server) as program:
            assert program.end() == 0, program.errors
            [line] = program.said
        sink.tell()
        assert sink.next() == {"arrived": USERS, "distinct": USERS}
    # A leak of a hundred bytes a user would take 11 MB.
    assert line.pop("growth") < 6_000_000
    assert line == {"flushed": True, "sent": USERS, "dropped": 0}


@linux
def test_the_soak_script_runs_and_finds_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(SOAK), "--seconds", "2"], capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    found = re.search(r"^(\d+) events decided, (\d+) received", done.stdout, re.MULTILINE)
    assert found is not None
    assert int(found[1]) == int(found[2]) > 100
