"""A file of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from signakit_dev._project.sample import SAMPLE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "project.json"
    path.write_text(SAMPLE, encoding="utf-8")
    return path
