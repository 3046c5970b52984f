"""Rules in plain words."""

from __future__ import annotations

from typing import Any

import pytest

from signakit_dev._project.wording import describe_allocation, describe_condition, describe_rule
from support.configs import audience, condition, ranges, rule, whole


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
