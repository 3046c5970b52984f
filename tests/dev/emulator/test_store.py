"""The project in force: edited by hand and from the page, and never replaced by something broken."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from signakit_dev._emulator.store import ProjectStore
from signakit_dev._project.reading import ProjectError
from signakit_dev._project.sample import SAMPLE
from support.configs import config, flag
from support.emulator import running, stop

if TYPE_CHECKING:
    from pathlib import Path


def test_an_edit_by_hand_is_taken_over(path: Path) -> None:
    store = ProjectStore(path)
    assert not store.reload()
    path.write_text(SAMPLE.replace('"running": true', '"running": false', 1), encoding="utf-8")
    assert store.reload()
    assert running(store) == [False, True, True, True, False]
    assert store.version == 2


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


def test_an_edit_is_saved_and_changes_nothing_else_in_the_file(path: Path) -> None:
    store = ProjectStore(path)
    store.edit(stop("new-checkout"))
    expected = SAMPLE.replace('"running": true', '"running": false', 1).replace('"version": 1', '"version": 2')
    assert path.read_text(encoding="utf-8") == expected == store.current.text
    assert not store.reload(), "our own edit is no news"


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


def test_a_project_with_errors_is_refused_at_the_start(path: Path) -> None:
    path.write_text('{"flags": [{"key": "f"}, 5]}', encoding="utf-8")
    with pytest.raises(ProjectError) as caught:
        ProjectStore(path)
    errors = {problem.path for problem in caught.value.problems if problem.severity == "error"}
    assert errors == {"flags[0].allocation", "flags[0].salt", "flags[1]"}
    with pytest.raises(ProjectError, match="cannot be written as JSON"):
        ProjectStore(None, {"flags": {1, 2}})
