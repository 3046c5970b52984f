"""The configured share of each outcome is what many users get."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signakit_dev._commands.shares import configured_shares, with_rule_names
from support.command import here
from support.configs import config, flag, ranges, rule, whole

if TYPE_CHECKING:
    from pathlib import Path

SPLITS = {
    "a rule for some of the traffic, the rest by default": flag(
        "f", rule(traffic=30), allocation=ranges(("off", 0, 7999), ("on", 8000, 9999))
    ),
    "two rules that share the traffic bucket": flag(
        "f", rule("first", traffic=20, split=whole("control")), rule("second", traffic=70, split=whole("treatment"))
    ),
    "a hole in a rule's allocation falls to the next rule": flag(
        "f", rule("first", split=ranges(("control", 2000, 4999))), rule("second", split=ranges(("treatment", 0, 3999)))
    ),
    "overlapping ranges: the first counts": flag(
        "f", rule(split=ranges(("control", 0, 5999), ("treatment", 4000, 9999)))
    ),
    "a hole in the default allocation is off": flag("f", allocation=ranges(("on", 0, 2499))),
    "nobody and everybody": flag("f", rule("none", traffic=-5), rule("all", traffic=400)),
    "not running": flag("f", rule(), running=False),
    "a rule without a key gives what the default gives": flag("f", rule(None, traffic=40, split=whole("off"))),
    "an audience that does not hold": flag(
        "f", rule("not", audiences=[{"conditions": [{"attribute": "plan", "operator": "equals", "value": "pro"}]}])
    ),
}


@pytest.mark.parametrize("definition", SPLITS.values(), ids=SPLITS)
def test_the_configured_share_is_what_many_users_get(tmp_path: Path, definition: dict[str, object]) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(definition)))
    rows = here("simulate", "f", "--users", 20_000, "--attr", "plan=free", "--config", path, "--json").json["split"]
    assert sum(row["configured"] for row in rows) == pytest.approx(1)
    for row in rows:
        assert row["observed"] == pytest.approx(row["configured"], abs=0.015), row


def test_a_rule_without_a_key_goes_by_its_position(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(flag("f", rule("first", traffic=0), rule(None, traffic=40, split=whole("off"))))))
    rows = here("simulate", "f", "--users", 2_000, "--config", path, "--json").json["split"]
    assert [(row["variation"], row["rule"], row["configured"]) for row in rows] == [
        ("off", "#2", pytest.approx(0.4)),
        ("off", None, pytest.approx(0.6)),
    ]
    assert all(row["users"] for row in rows)
    chart = here("simulate", "f", "--users", 10, "--config", path).out
    assert [line.split()[1] for line in chart.splitlines()[2:]] == ["#2", "(default)"]


BUCKETS = st.integers(min_value=0, max_value=9_999)

ALLOCATIONS = st.lists(st.tuples(st.sampled_from(["on", "off", "control"]), BUCKETS, BUCKETS), max_size=3).map(
    lambda entries: ranges(*entries)
)

RULES = st.builds(
    rule,
    st.sampled_from([None, "r", "s"]),
    traffic=st.floats(min_value=-10, max_value=200) | st.integers(min_value=0, max_value=100),
    split=ALLOCATIONS,
)


@given(rules=st.lists(RULES, max_size=4), allocation=ALLOCATIONS, running=st.booleans())
@settings(max_examples=100, deadline=None)
def test_the_configured_shares_add_up_to_one(
    rules: list[dict[str, Any]], allocation: dict[str, Any], running: bool
) -> None:
    definition = flag("f", *rules, allocation=allocation, running=running)
    for shares in (configured_shares(definition, {}), configured_shares(with_rule_names(definition), {})):
        assert sum(shares.values()) == pytest.approx(1)
        assert all(share > 0 for share in shares.values())
