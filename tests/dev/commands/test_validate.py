"""``signakit validate``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from signakit_dev._project.sample import SAMPLE
from support.command import here, piped, signakit
from support.configs import config, flag, ranges
from support.files import special_file

if TYPE_CHECKING:
    from pathlib import Path

WRONG = """{
  "flags": [
    {
      "key": "a",
      "salt": "a",
      "running": true,
      "allocation": {"ranges": []},
      "rules": [
        {"ruleKey": "r", "ruleType": "ab-test", "trafficPercentage": "all", "variationAllocation": {"ranges": []}}
      ]
    }
  ]
}
"""


def test_validate_lists_problems_with_path_and_line(tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(WRONG)
    done = signakit("validate", path, code=1)
    assert f"{path}:9: error: flags[0].rules[0].trafficPercentage: " in done.out
    assert done.out.splitlines()[-1].startswith(f"{path}: 1 error, ")
    answer = here("validate", path, "--json", code=1).json
    assert (answer["ok"], answer["errors"]) == (False, 1)
    assert {"path": "flags[0].rules[0].trafficPercentage", "line": 9, "severity": "error"}.items() <= next(
        problem for problem in answer["problems"] if problem["severity"] == "error"
    ).items()


def test_validate_takes_the_sample(project: Path) -> None:
    assert signakit("validate", "--strict", cwd=project.parent).out == "signakit.json: no problems\n"
    assert here("validate", "--json").json == {
        "file": "signakit.json",
        "ok": True,
        "errors": 0,
        "warnings": 0,
        "problems": [],
    }


def test_a_pipe_is_read_once_as_a_shell_gives_it(project: Path) -> None:
    assert piped("validate", "--strict", "/dev/stdin", text=SAMPLE).stdout == "/dev/stdin: no problems\n"
    done = piped("validate", "/dev/stdin", text=WRONG)
    assert "/dev/stdin:9: error: flags[0].rules[0].trafficPercentage: " in done.stdout
    assert done.returncode == 1


def test_a_socket_is_not_read(tmp_path: Path) -> None:
    with special_file("socket", tmp_path / "socket") as path:
        said = here("validate", path, code=1).err
    assert said == f"error: {path} cannot be read: is a socket and neither a regular file nor a pipe\n"


def test_warnings_fail_only_where_that_was_asked_for(project: Path) -> None:
    project.write_text(SAMPLE.replace('"operator": "equals"', '"operator": "semver_greater_than"'))
    assert "warning: flags[0].rules[0].audiences[0].conditions[0]" in here("validate").out
    assert here("validate", "--strict", code=1).out.endswith("0 errors, 1 warning\n")
    assert here("validate", "--strict", "--json", code=1).json["ok"] is False


def test_an_error_may_be_what_the_sdk_reads_and_the_help_says_so(tmp_path: Path) -> None:
    path = tmp_path / "overlap.json"
    path.write_text(json.dumps(config(flag("f", allocation=ranges(("on", 0, 9_999), ("control", 5_000, 9_999))))))
    assert "are in another range as well" in here("validate", path, code=1).out
    assert here("decide", "f", "--user", "u", "--config", path, "--json").json["decision"]["variation_key"] == "on"
    said = " ".join(here("validate", "--help").out.split())
    assert "An error makes the SDK refuse the file or leave a flag out, or decide what nobody can have meant" in said


@pytest.mark.parametrize("name", ["absent.json", "."])
def test_validate_of_no_file_is_a_usage_error(project: Path, name: str) -> None:
    here("validate", name, code=2)
