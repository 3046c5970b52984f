"""Reading a project: every problem with its line, and an error that lists them."""

from __future__ import annotations

import json

import pytest

from signakit_dev._project.reading import ProjectError, check, read
from support.configs import config, flag, rule


def test_everything_is_found_at_once_in_the_order_of_the_text() -> None:
    text = json.dumps(config(flag("a", status="x"), flag("b", rule(traffic=-1), running=1), flag("a")), indent=1)
    paths = [
        "flags[0].status",
        "flags[1].running",
        "flags[1].rules[0].trafficPercentage",
        "flags[2].key",
        "flags[2].salt",
    ]
    assert [problem.path for problem in check(text)] == [path for path in paths if path != "flags[2].salt"]


def test_each_problem_has_the_line_on_which_it_stands() -> None:
    text = '{\n "flags": [\n  {"key": "f",\n   "salt": 3,\n   "running": true}\n ]\n}'
    assert [(problem.path, problem.line) for problem in check(text)] == [
        ("flags[0].allocation", 3),
        ("flags[0].salt", 4),
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "not JSON"),
        ('{\n"flags": [\n]]', 3, "not JSON"),
        ('{"flags": [],\n"version": NaN}', 2, "NaN"),
        ('{"a": "NaN",\n\n"version": -Infinity}', 3, "-Infinity"),
        (b'{\n"flags": [\xff]}', 2, "UTF-8"),
        ('{"flags":\n\n[],\n"flags": []}', 4, "twice"),
        ('{\n"flags": [{"key": "\\ud800"}]}', 2, "surrogate"),
    ],
)
def test_what_cannot_be_read_has_a_line_too(text: str | bytes, line: int, words: str) -> None:
    first = next(problem for problem in check(text) if words in problem.message)
    assert (first.line, first.severity) == (line, "error")


def test_a_bomb_of_brackets_is_an_error_and_no_crash() -> None:
    for text in ("[" * 100_000, '{"flags": [], "x": ' + "[" * 500 + "]" * 500 + "}"):
        assert [problem.severity for problem in check(text)] == ["error"]


def test_an_error_lists_every_problem_one_a_line() -> None:
    project = config(flag("a"), flag("b"))
    for item in project["flags"]:
        del item["salt"]
    text = json.dumps(project, indent=1)
    with pytest.raises(ProjectError) as caught:
        read(text)
    first, second = [number for number, line in enumerate(text.splitlines(), start=1) if line == "  {"]
    assert str(caught.value) == f"line {first}, flags[0].salt: missing\nline {second}, flags[1].salt: missing"
    assert [problem.path for problem in caught.value.problems] == ["flags[0].salt", "flags[1].salt"]
