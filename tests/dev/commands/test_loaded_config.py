"""A config that a command has loaded: what is said of a flag that it does not have, or when it cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.command import here

if TYPE_CHECKING:
    from pathlib import Path


def test_an_unknown_flag_names_those_that_are_near(project: Path) -> None:
    done = here("decide", "new-chekout", "--user", "ada", code=1)
    assert done.out == ""
    assert done.err == "error: no flag 'new-chekout' in signakit.json\nDid you mean new-checkout?\n"
    answer = here("decide", "new-chekout", "--user", "ada", "--json", code=1).json
    assert answer["near"] == ["new-checkout"]


def test_an_unknown_flag_that_is_near_none_names_all(project: Path) -> None:
    assert "There are: new-checkout, beta-dashboard, banner" in here("decide", "x", "--user", "ada", code=1).err


def test_a_file_that_is_no_config_points_to_validate(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text('{"flags": [')
    done = here("decide", "x", "--user", "a", "--config", path, code=1)
    assert f"signakit validate {path}" in done.err
    assert here("decide", "x", "--user", "a", "--config", path, "--json", code=1).json["error"].startswith(str(path))
