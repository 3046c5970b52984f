"""The file of a project: seen when it changes, and replaced as a whole."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from signakit_dev._emulator.store import ProjectStore
from signakit_dev._project.edits import change_flag
from signakit_dev._project.sample import SAMPLE
from support.emulator import running, stop
from support.files import SPECIAL, special_file

if TYPE_CHECKING:
    from pathlib import Path


def test_an_edit_of_the_same_length_within_the_same_tick_of_the_clock_is_taken_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow this machine is, the file counts as written a moment ago.
    monkeypatch.setattr("signakit_dev._emulator.project_file._SETTLED", 10**12)
    store = ProjectStore(path)
    before = path.stat()
    path.write_text(SAMPLE.replace('"value": "pro"', '"value": "max"'), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.reload()
    assert '"max"' in store.current.text


def test_an_editor_that_empties_the_file_before_it_writes_it_is_not_reported(path: Path) -> None:
    store = ProjectStore(path)
    path.write_text("", encoding="utf-8")
    assert not store.poll()
    assert store.problems == ()
    path.write_text(SAMPLE.replace('"version": 1', '"version": 7'), encoding="utf-8")
    assert store.poll()
    assert store.version == 7


def test_a_file_that_stays_broken_is_reported_at_the_second_look(path: Path) -> None:
    store = ProjectStore(path)
    path.write_text("{", encoding="utf-8")
    assert not store.poll()
    assert store.poll()
    assert "not JSON" in store.problems[0].message
    assert not store.poll()


def test_an_edit_leaves_no_other_file_and_keeps_mode_link_and_byte_order_mark(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + SAMPLE.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    ProjectStore(link).edit(stop("banner"))
    assert sorted(item.name for item in tmp_path.iterdir()) == ["link.json", "project.json"]
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf{\r\n")
    assert content.count(b"\n") == content.count(b"\r\n") == SAMPLE.count("\n")


def test_an_edit_that_cannot_be_written_leaves_everything_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ProjectStore(path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OSError, match="No space"):
        store.edit(stop("banner"))
    assert [item.name for item in path.parent.iterdir()] == ["project.json"]
    assert path.read_text(encoding="utf-8") == SAMPLE
    assert store.version == 1


def test_a_reader_never_sees_half_an_edit(path: Path) -> None:
    store = ProjectStore(path)
    done = threading.Event()
    broken: list[str] = []

    def read() -> None:
        while not done.is_set():
            text = path.read_text(encoding="utf-8")
            try:
                json.loads(text)
            except ValueError:
                broken.append(text)

    reader = threading.Thread(target=read)
    reader.start()
    for share in range(100):
        store.edit(lambda project, share=share: change_flag(project, "new-checkout", traffic=share))  # type: ignore[misc]
    done.set()
    reader.join()
    assert broken == []


def test_a_file_that_is_mounted_by_itself_is_written_in_place(path: Path, tmp_path: Path) -> None:
    """A container may be given one file of its host; nothing can take its place by a rename."""
    source = tmp_path / "of-the-host.json"
    source.write_text(SAMPLE, encoding="utf-8")
    mounted = subprocess.run(["mount", "--bind", source, path], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"files cannot be mounted here: {mounted.stderr.strip()}")
    try:
        store = ProjectStore(path)
        store.edit(stop("banner"))
        assert running(store)[2] is False
        assert source.read_text(encoding="utf-8") == path.read_text(encoding="utf-8") == store.current.text
        assert not store.reload()
        assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []
    finally:
        subprocess.run(["umount", path], check=True)


def test_what_is_no_regular_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="not a regular file"):
        ProjectStore(pipe)


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_regular_file_is_not_replaced(kind: str, path: Path) -> None:
    store = ProjectStore(path)
    path.unlink()
    with special_file(kind, path):
        before = path.lstat()
        with pytest.raises(OSError, match=f"is {SPECIAL[kind]} and not a regular file"):
            store.replace(SAMPLE)
        assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
        assert list(path.parent.iterdir()) == [path]


def test_a_file_that_becomes_a_pipe_leaves_what_was(path: Path) -> None:
    store = ProjectStore(path)
    path.unlink()
    os.mkfifo(path)
    assert store.reload()
    assert "not a regular file" in store.problems[0].message
    assert not store.poll()
    assert running(store) == [True, True, True, True, False]
