"""Where commands take the flags from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.command import here, piped
from support.configs import SDK_KEY
from support.files import special_file

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from support.server import FlagServer


def test_without_flags_from_anywhere_it_says_what_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = " ".join(here("decide", "x", "--user", "ada", code=2).err.split())
    assert "there is no signakit.json here, and no SIGNAKIT_SDK_KEY in the environment" in said


def test_a_file_and_a_key_are_one_too_many(project: Path) -> None:
    here("decide", "banner", "--user", "a", "--config", project, "--sdk-key", SDK_KEY, code=2)


def test_the_file_may_be_a_pipe(project: Path) -> None:
    done = piped("decide", "banner", "--user", "a", "--json", "--config", "/dev/stdin", text=project.read_text())
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["source"] == "/dev/stdin"


def test_a_socket_says_what_it_is(tmp_path: Path) -> None:
    with special_file("socket", tmp_path / "socket") as path:
        said = here("decide", "banner", "--user", "a", "--config", path, code=1).err
    assert f"{path} cannot be read: is a socket and neither a regular file nor a pipe" in said


def test_the_key_of_the_environment_gives_way_to_a_file(project: Path, server: FlagServer) -> None:
    here("decide", "banner", "--user", "a", "--config", project, SIGNAKIT_SDK_KEY=SDK_KEY)
    assert server.config_paths == []
