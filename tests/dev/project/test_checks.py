"""What is found wrong with a project, and where."""

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
from signakit_dev._project.reading import (
    ProjectProblem,
    check,
)
from signakit_flags import SignaKitClient
from support.configs import audience, condition, config, flag, ranges, rule

ROOT = Path(__file__).parents[3]

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
    # The SDK does not read the text of fields that it does not know; what is not UTF-8 there is none of its business.
    for item in json.loads(data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace"))["flags"]:
        key = item.get("key") if isinstance(item, dict) else None
        if not isinstance(key, str):
            return True
        explanation = context.explain(key)
        if explanation.decision is None and explanation.steps[0].detail != "archived":
            return True
    return False


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
