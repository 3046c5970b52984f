"""A project's file: watched, edited as a whole or not at all, and never replaced by something broken."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from signakit_dev._emulator.cdn import Cdn
from signakit_dev._emulator.faults import Faults
from signakit_dev._emulator.stopping import Stopping
from signakit_dev._emulator.store import ProjectStore
from signakit_dev._project.edits import change_flag
from signakit_dev._project.reading import ProjectError
from signakit_dev._project.sample import SAMPLE
from support.configs import config, flag, whole

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "project.json"
    path.write_text(SAMPLE, encoding="utf-8")
    return path


def stop(key: str) -> Any:
    return lambda project: change_flag(project, key, running=False)


def running(store: ProjectStore) -> list[bool]:
    return [item["running"] for item in store.current.data["flags"]]


# --- the file is edited by hand ---------------------------------------------------------------------------------------


def test_an_edit_by_hand_is_taken_over(path: Path) -> None:
    store = ProjectStore(path)
    assert not store.reload()
    path.write_text(SAMPLE.replace('"running": true', '"running": false', 1), encoding="utf-8")
    assert store.reload()
    assert running(store) == [False, True, True, True, False]
    assert store.version == 2


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


def test_a_broken_edit_is_reported_with_line_and_path_and_the_last_good_version_stays(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = ProjectStore(path)
    served = store.current
    path.write_text(SAMPLE.replace('"salt": "banner"', '"salt": 3'), encoding="utf-8")
    assert store.reload()
    [problem] = store.problems
    assert problem.path == "flags[2].salt"
    assert problem.line == SAMPLE[: SAMPLE.index('"salt": "banner"')].count("\n") + 1
    assert store.current is served
    assert f"line {problem.line}, flags[2].salt: must be text" in caplog.text
    caplog.clear()
    assert not store.reload()
    assert caplog.text == "", "it is said once"
    path.write_text(SAMPLE, encoding="utf-8")
    assert store.reload()
    assert (store.problems, store.current) == ((), served)


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


def test_a_file_that_is_gone_is_reported_and_taken_over_when_it_is_back(path: Path) -> None:
    store = ProjectStore(path)
    path.unlink()
    store.poll()
    assert store.poll()
    assert "cannot be read" in store.problems[0].message
    path.write_text(SAMPLE, encoding="utf-8")
    assert store.poll()
    assert store.problems == ()


def test_the_version_goes_up_at_each_change_whatever_the_file_says(path: Path) -> None:
    store = ProjectStore(path)
    versions = [store.version]
    for text in (SAMPLE.replace('"version": 1', '"version": 1, "x": 1'), SAMPLE.replace('"version": 1,', ""), SAMPLE):
        path.write_text(text, encoding="utf-8")
        store.reload()
        versions.append(store.version)
    assert versions == [1, 2, 3, 4]


# --- the file is edited from the page ---------------------------------------------------------------------------------


def test_an_edit_is_saved_and_changes_nothing_else_in_the_file(path: Path) -> None:
    store = ProjectStore(path)
    store.edit(stop("new-checkout"))
    expected = SAMPLE.replace('"running": true', '"running": false', 1).replace('"version": 1', '"version": 2')
    assert path.read_text(encoding="utf-8") == expected == store.current.text
    assert not store.reload(), "our own edit is no news"


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


def test_an_edit_by_hand_that_was_not_seen_yet_is_not_undone(path: Path) -> None:
    store = ProjectStore(path)
    path.write_text(SAMPLE.replace('"value": "pro"', '"value": "team"'), encoding="utf-8")
    store.edit(stop("banner"))
    assert '"value": "team"' in path.read_text(encoding="utf-8")
    assert running(store) == [True, True, False, True, False]


def test_a_broken_file_is_not_overwritten(path: Path) -> None:
    store = ProjectStore(path)
    path.write_text(SAMPLE + "oops", encoding="utf-8")
    with pytest.raises(ProjectError, match="not JSON"):
        store.edit(stop("banner"))
    assert path.read_text(encoding="utf-8") == SAMPLE + "oops"


def test_an_edit_that_would_break_the_project_is_not_saved(path: Path) -> None:
    store = ProjectStore(path)

    def break_it(project: dict[str, Any]) -> None:
        project["flags"][0]["salt"] = None

    with pytest.raises(ProjectError, match="salt"):
        store.edit(break_it)
    assert path.read_text(encoding="utf-8") == SAMPLE
    assert store.current.data == json.loads(SAMPLE)


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


def test_edits_from_several_threads_are_all_kept(path: Path) -> None:
    path.write_text(json.dumps(config(*(flag(f"f{number}", running=True) for number in range(8)))), encoding="utf-8")
    store = ProjectStore(path)
    threads = [threading.Thread(target=store.edit, args=(stop(f"f{number}"),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert running(store) == [False] * 8
    assert json.loads(path.read_text(encoding="utf-8")) == store.current.data


# --- what is served ---------------------------------------------------------------------------------------------------


def cdn_of(project: dict[str, Any]) -> Cdn:
    return Cdn(ProjectStore(None, project), Faults(), Stopping())


def test_whoever_asks_gets_a_config_of_his_own_project() -> None:
    cdn = cdn_of({"flags": [flag("f", allocation=whole("on"))]})
    body = json.loads(cdn.config("acme", "shop", "production").body)
    assert body["projectId"] == "shop"
    assert body["environmentKey"] == "production"
    assert body["sdkKey"] == "sk_prod_acme_shop_emulator"
    assert body["version"] == 1
    assert body["generatedAt"].endswith("Z")
    assert [item["key"] for item in body["flags"]] == ["f"]


def test_the_etag_is_of_the_content() -> None:
    dated = {**json.loads(SAMPLE), "generatedAt": "2026-01-01T00:00:00.000Z"}
    one, same = cdn_of(dated), cdn_of(dated)
    config = one.config("a", "b", "development")
    assert config == same.config("a", "b", "development")
    assert config.etag != one.config("a", "c", "development").etag
    assert config is one.config("a", "b", "development")
    one.store.edit(stop("banner"))
    assert one.config("a", "b", "development").etag != config.etag


def test_a_project_with_errors_is_refused_at_the_start(path: Path) -> None:
    path.write_text('{"flags": [{"key": "f"}, 5]}', encoding="utf-8")
    with pytest.raises(ProjectError) as caught:
        ProjectStore(path)
    errors = {problem.path for problem in caught.value.problems if problem.severity == "error"}
    assert errors == {"flags[0].allocation", "flags[0].salt", "flags[1]"}
    with pytest.raises(ProjectError, match="cannot be written as JSON"):
        ProjectStore(None, {"flags": {1, 2}})


# --- files that are not as usual --------------------------------------------------------------------------------------


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


def test_a_file_that_becomes_a_pipe_leaves_what_was(path: Path) -> None:
    store = ProjectStore(path)
    path.unlink()
    os.mkfifo(path)
    assert store.reload()
    assert "not a regular file" in store.problems[0].message
    assert not store.poll()
    assert running(store) == [True, True, True, True, False]
