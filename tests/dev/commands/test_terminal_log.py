"""What ``signakit dev`` says in the terminal while it runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx

from signakit_dev._project.sample import SAMPLE
from support.command import Command
from support.server import wait_until

if TYPE_CHECKING:
    from pathlib import Path

READY = r"SIGNAKIT_EMULATOR_URL=(?P<url>\S+)"


def test_an_edit_that_went_live_is_told_and_a_broken_file_and_its_mending(tmp_path: Path) -> None:
    path = tmp_path / "signakit.json"
    path.write_text(SAMPLE)
    with Command("dev", "--port", 0, cwd=tmp_path) as dev:
        url = dev.wait_for(READY)["url"]
        path.write_text(SAMPLE.replace('"running": true', '"running": false', 1))
        assert wait_until(lambda: "signakit.json: version 2 is live, 5 flags\n" in dev.err)
        assert httpx.post(f"{url}/api/flags/banner", json={"running": False}).status_code == 200
        assert wait_until(lambda: "version 3 is live" in dev.err)
        path.write_text('{"flags": [')
        assert wait_until(lambda: "signakit.json: line 1, project: not JSON" in dev.err)
        assert "in order again" not in dev.err
        path.write_text(SAMPLE)
        assert wait_until(lambda: "version 4 is live" in dev.err)
        assert wait_until(lambda: "signakit.json is in order again\n" in dev.err)
        assert dev.interrupt() == 0


def test_what_a_stranger_posts_does_not_steer_the_terminal_and_does_not_fill_it(tmp_path: Path) -> None:
    hostile = "\x1b[2J\x9b1m\nerror: forged \u202e"
    event = {"eventKey": f"e{hostile}", "userId": hostile, "timestamp": hostile, hostile + "x" * 900_000: 1}
    with Command("dev", "--port", 0, cwd=tmp_path) as dev:
        url = dev.wait_for(READY)["url"]
        answer = httpx.post(
            f"{url}/v1/flag-events", json={"events": [event]}, headers={"X-SDK-Key": "sk_dev_a_b_c"}, timeout=10
        )
        assert (answer.status_code, len(answer.content) < 2_000) == (400, True)
        assert wait_until(lambda: "refused: " in dev.err)
        state = httpx.get(f"{url}/api/state").json()
        assert dev.interrupt() == 0
        said = dev.err.splitlines()
        assert len(said) == 2, said
        assert said[1].isprintable()
        assert "\\x1b[2J" in said[1]
        assert len(said[1]) < 2_000
    assert len(json.dumps(state["events"]["problems"])) < 2_000
