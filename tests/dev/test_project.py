"""What is found wrong with a project, where, and how it reads in plain words."""

from __future__ import annotations

import importlib.util
import json
import logging
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.vectors import load
from signakit_dev._project.json_text import dump, lines_of
from signakit_dev._project.reading import (
    ProjectError,
    ProjectProblem,
    check,
    read,
)
from signakit_dev._project.sample import SAMPLE
from signakit_dev._project.wording import describe_allocation, describe_condition, describe_rule
from signakit_flags import SignaKitClient
from support.configs import audience, condition, config, flag, ranges, rule, whole

ROOT = Path(__file__).parents[2]
CORPUS = sorted((ROOT / "tests" / "faults" / "corpus").iterdir())
many = settings(max_examples=60, derandomize=True, deadline=None, database=None)


def errors(text: str | bytes) -> list[str]:
    return [problem.path for problem in check(text) if problem.severity == "error"]


def warnings(text: str | bytes) -> list[str]:
    return [problem.path for problem in check(text) if problem.severity == "warning"]


def loses_something(data: bytes) -> bool:
    """Whether the SDK refuses the config, or skips one of its flags."""
    logging.getLogger("signakit_flags").disabled = True
    try:
        client = SignaKitClient.offline(data)
    except ValueError:
        return True
    finally:
        logging.getLogger("signakit_flags").disabled = False
    context = client.create_user_context("u")
    assert context is not None
    for item in json.loads(data.removeprefix(b"\xef\xbb\xbf"))["flags"]:
        key = item.get("key") if isinstance(item, dict) else None
        if not isinstance(key, str):
            return True
        explanation = context.explain(key)
        if explanation.decision is None and explanation.steps[0].detail != "archived":
            return True
    return False


# --- against the SDK --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", load("evaluation")["loose_configs"], ids=lambda case: case["id"])
def test_what_the_sdk_refuses_or_skips_of_a_loose_config_is_an_error(case: dict[str, Any]) -> None:
    data = case["config_text"].encode("utf-8", "surrogatepass")
    if loses_something(data):
        assert errors(data)


@pytest.mark.parametrize("path", CORPUS, ids=[path.stem for path in CORPUS])
def test_what_the_sdk_refuses_or_skips_of_the_corpus_is_an_error(path: Path) -> None:
    data = path.read_bytes()
    if loses_something(data):
        assert errors(data)


@pytest.fixture(scope="module")
def fuzz() -> Any:
    spec = importlib.util.spec_from_file_location("signakit_tools_fuzz", ROOT / "tools" / "fuzz.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SEEDS = [path.read_bytes() for path in CORPUS]


@settings(many, max_examples=300)
@given(seed=st.integers(0, 2**32), start=st.sampled_from(SEEDS))
def test_what_the_sdk_refuses_or_skips_of_a_mutated_config_is_an_error(fuzz: Any, seed: int, start: bytes) -> None:
    data = fuzz.mutate(random.Random(seed), start, SEEDS)
    if loses_something(data):
        assert errors(data), data


ODD_ON_PURPOSE = {
    "lifecycle",
    "allowlist",
    "traffic-1",
    "rule-ranges",
    "default-ranges",
    "variables",
    "multi-rule",
}
"""Suites that ask what an SDK makes of ranges that overlap, of variations that a flag does not list, and the like."""
SUITES = load("evaluation")["suites"]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite["suite"])
def test_a_config_of_the_recorded_suites_has_errors_only_where_it_is_odd_on_purpose(suite: dict[str, Any]) -> None:
    text = json.dumps(suite["config"])
    assert not loses_something(text.encode())
    assert bool(errors(text)) == (suite["suite"] in ODD_ON_PURPOSE)


# --- what is found ----------------------------------------------------------------------------------------------------


def test_the_sample_has_no_problem_and_reads_like_what_an_edit_writes() -> None:
    assert check(SAMPLE) == []
    assert dump(json.loads(SAMPLE)) + "\n" == SAMPLE
    keys = [item["key"] for item in json.loads(SAMPLE)["flags"]]
    assert keys == ["new-checkout", "beta-dashboard", "banner", "recommendations", "dark-mode"]


CONDITION = "flags/0/rules/0/audiences/0/conditions/0"


def broken(path: str, change: Any) -> str:
    """A project with one flag of everything, one thing in it replaced (or taken out, with ``...``)."""
    project = config(
        flag(
            "f",
            rule(
                "r",
                audiences=[audience(condition("plan", "equals", "pro"))],
                allowlist=[{"userId": "u", "variation": "on"}],
            ),
            variables=[{"key": "text", "type": "string", "defaultValue": ""}],
        )
    )
    holder: Any = project
    *steps, last = [int(step) if step.isdecimal() else step for step in path.split("/")]
    for step in steps:
        holder = holder[step]
    if change is ...:
        del holder[last]
    else:
        holder[last] = change
    return json.dumps(project, indent=1)


@pytest.mark.parametrize(
    ("path", "change", "found"),
    [
        ("flags", {}, "flags"),
        ("flags", ..., "flags"),
        ("flags/0", None, "flags[0]"),
        ("flags/0/key", ..., "flags[0].key"),
        ("flags/0/key", "", "flags[0].key"),
        ("flags/0/salt", ..., "flags[0].salt"),
        ("flags/0/salt", 1, "flags[0].salt"),
        ("flags/0/status", "draft", "flags[0].status"),
        ("flags/0/running", "true", "flags[0].running"),
        ("flags/0/allocation", ..., "flags[0].allocation"),
        ("flags/0/allocation", {}, "flags[0].allocation.ranges"),
        ("flags/0/allocation/ranges/0/variation", "ghost", "flags[0].allocation.ranges[0].variation"),
        ("flags/0/allocation/ranges/0/start", ..., "flags[0].allocation.ranges[0].start"),
        ("flags/0/allocation/ranges/0/start", -1, "flags[0].allocation.ranges[0].start"),
        ("flags/0/allocation/ranges/0/end", 10_000, "flags[0].allocation.ranges[0].end"),
        ("flags/0/allocation/ranges/0/end", 1.5, "flags[0].allocation.ranges[0].end"),
        ("flags/0/allocation", ranges(("on", 9, 5)), "flags[0].allocation.ranges[0]"),
        ("flags/0/allocation", ranges(("on", 0, 5000), ("off", 5000, 9999)), "flags[0].allocation.ranges[1]"),
        ("flags/0/variations", {}, "flags[0].variations"),
        ("flags/0/variations/1/key", ..., "flags[0].variations[1].key"),
        ("flags/0/variations/1/key", "on", "flags[0].variations[1].key"),
        ("flags/0/variables/0/key", ..., "flags[0].variables[0].key"),
        ("flags/0/variables", [{"key": "a", "type": "json", "defaultValue": 1}] * 2, "flags[0].variables[1].key"),
        ("flags/0/rules", [None], "flags[0].rules[0]"),
        ("flags/0/rules/0/trafficPercentage", ..., "flags[0].rules[0].trafficPercentage"),
        ("flags/0/rules/0/trafficPercentage", 100.5, "flags[0].rules[0].trafficPercentage"),
        ("flags/0/rules/0/trafficPercentage", "50", "flags[0].rules[0].trafficPercentage"),
        ("flags/0/rules/0/variationAllocation", None, "flags[0].rules[0].variationAllocation"),
        ("flags/0/rules/0/audienceMatchType", "ANY", "flags[0].rules[0].audienceMatchType"),
        ("flags/0/rules/0/audiences", "pro", "flags[0].rules[0].audiences"),
        (f"{CONDITION}/attribute", ..., "flags[0].rules[0].audiences[0].conditions[0].attribute"),
        (f"{CONDITION}/value", ..., "flags[0].rules[0].audiences[0].conditions[0].value"),
        (f"{CONDITION}/operator", "in", "flags[0].rules[0].audiences[0].conditions[0].value"),
        (f"{CONDITION}/operator", "less_than", "flags[0].rules[0].audiences[0].conditions[0].value"),
        ("flags/0/rules/0/allowlist/0/userId", None, "flags[0].rules[0].allowlist[0].userId"),
        ("flags/0/rules/0/allowlist/0/variation", "ghost", "flags[0].rules[0].allowlist[0].variation"),
    ],
)  # fmt: skip
def test_an_error_is_found_where_it_is(path: str, change: Any, found: str) -> None:
    assert errors(broken(path, change)) == [found]


@pytest.mark.parametrize(
    ("path", "change", "found"),
    [
        ("colour", "red", "colour"),
        ("version", "2", "version"),
        ("environmentKey", "staging", "environmentKey"),
        ("sdkKey", "nonsense", "sdkKey"),
        ("flags/0/name", "F", "flags[0].name"),
        ("flags/0/running", ..., "flags[0].running"),
        ("flags/0/salt", "", "flags[0].salt"),
        ("flags/0/allocation", ranges(("on", 0, 9998)), "flags[0].allocation.ranges"),
        ("flags/0/variables/0/type", "colour", "flags[0].variables[0].type"),
        ("flags/0/variables/0/defaultValue", 5, "flags[0].variables[0].defaultValue"),
        ("flags/0/variations/0/variables", {"other": 1}, "flags[0].variations[0].variables.other"),
        ("flags/0/rules/0/ruleType", "new-kind", "flags[0].rules[0].ruleType"),
        ("flags/0/rules/0/audiences/0/conditions", [], "flags[0].rules[0].audiences[0].conditions"),
        (
            "flags/0/rules/0/audiences/0/conditions/0/operator",
            "semver_greater_than",
            "flags[0].rules[0].audiences[0].conditions[0].operator",
        ),
    ],
)
def test_what_the_sdk_passes_over_is_a_warning(path: str, change: Any, found: str) -> None:
    text = broken(path, change)
    assert warnings(text) == [found]
    assert errors(text) == []


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
    assert errors("[" * 100_000)
    assert errors('{"flags": [], "x": ' + "[" * 500 + "]" * 500 + "}")


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@many
@given(ANY_JSON)
def test_any_json_is_checked_without_a_crash(value: Any) -> None:
    for text in (json.dumps(value), json.dumps({"flags": value}), json.dumps({"flags": [{"rules": value}]})):
        for problem in check(text):
            assert isinstance(problem, ProjectProblem)


def test_an_error_lists_every_problem_one_a_line() -> None:
    with pytest.raises(ProjectError) as caught:
        read(broken("flags/0/salt", ...))
    assert str(caught.value) == "line 8, flags[0].salt: missing"
    assert [problem.path for problem in caught.value.problems] == ["flags[0].salt"]


# --- in plain words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "everyone, split control 50 % / treatment 50 %"),
        ({"traffic": 12.5}, "12.5 % of users, split control 50 % / treatment 50 %"),
        (
            {"traffic": 50, "audiences": [audience(condition("plan", "in", ["pro", "team"]))]},
            "if plan is one of pro, team: 50 % of them, split control 50 % / treatment 50 %",
        ),
        (
            {"audiences": [audience(condition("age", "greater_than", 17), condition("beta", "equals", True))]},
            "if age is over 17 and beta is true: all of them, split control 50 % / treatment 50 %",
        ),
        (
            {
                "audiences": [audience(condition("a", "equals", 1)), audience(condition("b", "contains", "x"))],
                "audienceMatchType": "any",
                "split": whole("on"),
            },
            "if a is 1 or b contains x: all of them, always on",
        ),
        (
            {"allowlist": [{"userId": "ada", "variation": "on"}], "split": whole("off")},
            "ada gets on; everyone, always off",
        ),
    ],
)
def test_a_rule_reads_in_plain_words(fields: Any, words: str) -> None:
    assert describe_rule(rule(**fields)) == words


def test_a_condition_that_never_matches_says_so() -> None:
    assert "never matches" in describe_condition(condition("v", "semver_greater_than", "1.2"))


def test_an_allocation_reads_in_plain_words() -> None:
    assert describe_allocation({"ranges": []}) == "with no variation"
    assert describe_allocation(ranges(("a", 0, 0), ("b", 1, 3332))) == "split a 0.01 % / b 33.32 %"


class Counted(str):
    """Text that knows how many of its characters were looked through."""

    __slots__ = ("looked",)

    def count(self, part: str, start: int = 0, end: int | None = None) -> int:  # type: ignore[override]  # as it is called
        self.looked = getattr(self, "looked", 0) + (len(self) if end is None else end) - start
        return super().count(part, start, end)


@given(st.text(alphabet="a\n", max_size=200), st.lists(st.integers(min_value=0, max_value=200), max_size=50))
def test_lines_are_found_in_one_pass(text: str, offsets: list[int]) -> None:
    counted = Counted(text)
    offsets = [min(offset, len(text)) for offset in offsets]
    assert lines_of(counted, offsets) == {offset: text[:offset].count("\n") + 1 for offset in offsets}
    assert getattr(counted, "looked", 0) <= len(text)
