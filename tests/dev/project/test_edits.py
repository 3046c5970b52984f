"""Edits of a flag."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signakit_dev._project.allocation import split_of
from signakit_dev._project.edits import NotInProjectError, change_flag
from signakit_dev._project.reading import check
from signakit_dev._project.sample import SAMPLE
from support.configs import config, flag, ranges, rule, whole

many = settings(max_examples=60, derandomize=True, deadline=None, database=None)


def project() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(SAMPLE)
    return data


def test_a_flag_is_stopped_and_its_rule_changed() -> None:
    data = project()
    change_flag(data, "new-checkout", running=False, traffic=25, split={"control": 90, "treatment": 10})
    changed = data["flags"][0]
    assert changed["running"] is False
    assert changed["rules"][0]["trafficPercentage"] == 25
    assert changed["rules"][0]["variationAllocation"] == ranges(("control", 0, 8999), ("treatment", 9000, 9999))


def test_a_rule_is_named_by_key_or_position_and_the_default_by_its_name() -> None:
    data = config(flag("f", rule("a", traffic=1), rule("b", traffic=2)))
    change_flag(data, "f", rule="b", traffic=3)
    change_flag(data, "f", rule="#1", traffic=4)
    change_flag(data, "f", rule="default", split={"on": 100})
    assert [item["trafficPercentage"] for item in data["flags"][0]["rules"]] == [4, 3]
    assert data["flags"][0]["allocation"] == whole("on")


def test_a_position_and_the_default_mean_what_they_say_whatever_rules_are_called() -> None:
    data = config(flag("f", rule("#2", traffic=1), rule("default", traffic=2), rule("#9", traffic=3)))
    change_flag(data, "f", rule="#2", traffic=20)
    change_flag(data, "f", rule="#1", traffic=10)
    change_flag(data, "f", rule="#9", traffic=30)
    change_flag(data, "f", rule="default", split={"on": 100})
    assert [item["trafficPercentage"] for item in data["flags"][0]["rules"]] == [10, 20, 30]
    assert data["flags"][0]["allocation"] == whole("on")
    with pytest.raises(ValueError, match="own allocation"):
        change_flag(data, "f", rule="default", traffic=5)


def test_a_flag_without_rules_has_only_its_own_allocation() -> None:
    data = config(flag("f"))
    change_flag(data, "f", split={"on": 30, "off": 70})
    assert data["flags"][0]["allocation"] == ranges(("off", 0, 6999), ("on", 7000, 9999))
    with pytest.raises(ValueError, match="traffic"):
        change_flag(data, "f", traffic=5)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"key": "nothing"}, NotInProjectError),
        ({"rule": "nothing", "traffic": 1}, NotInProjectError),
        ({"split": {"ghost": 100}}, NotInProjectError),
        ({"split": {"control": 60, "treatment": 50}}, ValueError),
        ({"split": {"control": -10, "treatment": 110}}, ValueError),
        ({"traffic": 101}, ValueError),
        ({"traffic": float("nan")}, ValueError),
        ({"traffic": "50"}, ValueError),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        change_flag(project(), **{"key": "new-checkout", **change})


@many
@given(shares=st.lists(st.integers(0, 10_000), min_size=3, max_size=3))
def test_a_split_in_hundredths_comes_back_as_it_was_asked_for(shares: list[int]) -> None:
    total = sum(shares)
    if total == 0:
        return
    exact = [share * 10_000 // total for share in shares]
    exact[0] += 10_000 - sum(exact)
    wanted = {name: share / 100 for name, share in zip(("control", "treatment", "off"), exact, strict=True)}
    data = project()
    change_flag(data, "new-checkout", split=wanted)
    assert [problem for problem in check(json.dumps(data)) if problem.severity == "error"] == []
    assert split_of(data["flags"][0]["rules"][0]["variationAllocation"]) == {k: v for k, v in wanted.items() if v}


def test_a_split_that_leaves_users_out_may_stay_and_be_sent_along() -> None:
    data = config(flag("f", rule("r", split=ranges(("control", 0, 999), ("treatment", 1000, 2999)))))
    change_flag(data, "f", traffic=10, split={"control": 10, "treatment": 20, "off": 0})
    [changed] = data["flags"][0]["rules"]
    assert changed["trafficPercentage"] == 10
    assert changed["variationAllocation"] == ranges(("control", 0, 999), ("treatment", 1000, 2999))


def test_users_at_the_edge_of_a_split_change_and_nobody_else_does() -> None:
    data = project()
    change_flag(data, "recommendations", split={"popular": 25, "similar": 20, "personal": 55})
    dealt = data["flags"][3]["rules"][0]["variationAllocation"]["ranges"]
    assert [(item["variation"], item["start"]) for item in dealt] == [
        ("popular", 0),
        ("similar", 2500),
        ("personal", 4500),
    ]


HUGE = 10**400
"""More than a float holds, and JSON writes it all the same."""


@pytest.mark.parametrize("change", [{"traffic": HUGE}, {"split": {"control": HUGE}}, {"split": {"control": -HUGE}}])
def test_a_percentage_that_no_float_holds_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be a percentage from 0 to 100") as caught:
        change_flag(json.loads(SAMPLE), "new-checkout", **change)
    assert len(str(caught.value)) < 200
