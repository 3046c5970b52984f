"""A project to run commands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from signakit_dev._project.sample import SAMPLE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample, in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "signakit.json"
    path.write_text(SAMPLE)
    return path
