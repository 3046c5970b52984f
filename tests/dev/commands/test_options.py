"""Options that several commands have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.command import here

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("assignment", "said"),
    [("plan", "neither NAME=TEXT nor NAME:=JSON"), ("=pro", "neither"), (":=3", "neither"), ("n:=pro", "write n=pro")],
)
def test_an_attribute_that_is_none_is_a_usage_error(project: Path, assignment: str, said: str) -> None:
    done = here("decide", "banner", "--user", "ada", "--attr", assignment, code=2)
    assert said in " ".join(done.err.split())


def test_a_fault_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    done = here("dev", tmp_path / "signakit.json", "--config-fault", "explode", code=2)
    assert "unknown fault 'explode'" in done.err
    assert not (tmp_path / "signakit.json").exists()
