"""The sample project."""

from __future__ import annotations

import json

from signakit_dev._project.json_text import dump
from signakit_dev._project.reading import (
    check,
)
from signakit_dev._project.sample import SAMPLE


def test_the_sample_has_no_problem_and_reads_like_what_an_edit_writes() -> None:
    assert check(SAMPLE) == []
    assert dump(json.loads(SAMPLE)) + "\n" == SAMPLE
    keys = [item["key"] for item in json.loads(SAMPLE)["flags"]]
    assert keys == ["new-checkout", "beta-dashboard", "banner", "recommendations", "dark-mode"]
