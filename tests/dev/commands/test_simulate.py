"""``signakit simulate``."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from support.command import here, signakit
from support.configs import SDK_KEY, config, flag

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import FlagServer


def test_simulate_counts_what_the_sdk_decides(project: Path) -> None:
    answer = signakit("simulate", "new-checkout", "--users", 2_000, "--attr", "plan=pro", "--json").json
    assert answer["flag"] == "new-checkout"
    split = {(row["variation"], row["rule"]): row for row in answer["split"]}
    assert split.keys() == {("control", "pro-customers"), ("treatment", "pro-customers")}
    assert sum(row["users"] for row in split.values()) == 2_000
    for row in split.values():
        assert row["configured"] == 0.5
        assert row["observed"] == row["users"] / 2_000 == pytest.approx(0.5, abs=0.05)


def test_simulate_takes_the_same_users_for_the_same_seed(project: Path) -> None:
    def users(*arguments: object) -> str:
        return here("simulate", "recommendations", "--users", 500, "--csv", *arguments).out

    assert users() == users("--seed", 0) != users("--seed", 1)


def test_simulate_prints_csv(project: Path) -> None:
    rows = list(csv.DictReader(here("simulate", "banner", "--users", 10, "--csv").out.splitlines()))
    assert rows == [{"variation": "on", "rule": "", "users": "10", "observed": "1.0", "configured": "1.0"}]


def test_simulate_draws_bars_and_keeps_progress_out_of_the_result(project: Path) -> None:
    done = signakit("simulate", "new-checkout", "--users", 3_000, "--attr", "plan=pro", cwd=project.parent)
    assert done.err == ""
    title, _, control, treatment = done.out.splitlines()
    assert title.strip() == "new-checkout for 3,000 users"
    for name, line in (("control", control), ("treatment", treatment)):
        assert line.split()[:2] == [name, "pro-customers"]
        assert "50.00%" in line
        assert 14 <= line.count("━") <= 16


def test_simulate_of_an_archived_or_unreadable_flag_says_so(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(flag("old", status="archived"), flag("bad", salt=3))))
    for key in ("old", "bad"):
        assert "archived, or not one that the SDK can read" in here("simulate", key, "--config", path, code=1).err


def test_simulate_with_a_key_sends_nothing(server: FlagServer) -> None:
    here("simulate", "exp", "--users", 50, SIGNAKIT_SDK_KEY=SDK_KEY, SIGNAKIT_EMULATOR_URL=server.url)
    assert (len(server.config_paths), server.posts) == (1, 0)
