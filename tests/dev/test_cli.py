"""``signakit decide``, ``validate`` and ``simulate``."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signakit_dev._commands.shares import configured_shares, with_rule_names
from signakit_dev._project.attributes import parse_assignments
from signakit_dev._project.sample import SAMPLE
from signakit_flags import SignaKitClient
from support.command import here, signakit
from support.configs import SDK_KEY, config, flag, ranges, rule, whole
from support.server import FlagServer, closed_port_url, status

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample, in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "signakit.json"
    path.write_text(SAMPLE)
    return path


def test_the_version_and_the_commands_are_told() -> None:
    assert signakit("--version").out.startswith("signakit-dev 0.")
    listed = signakit("--help").out
    for name in ("demo", "dev", "decide", "simulate", "validate", "status"):
        assert f"\n  {name} " in listed
        assert "--json" in here(name, "--help").out
    assert "\x1b" not in listed
    assert "╭" not in listed


def test_without_a_command_it_explains_itself() -> None:
    assert "Commands:" in here(code=2).err


# --- decide -----------------------------------------------------------------------------------------------------------


def test_decide_explains_a_decision(project: Path) -> None:
    done = signakit("decide", "new-checkout", "--user", "ada", "--attr", "plan=pro", cwd=project.parent)
    client = SignaKitClient.offline(project)
    context = client.create_user_context("ada", {"plan": "pro"})
    assert context is not None
    assert done.out.splitlines() == str(context.explain("new-checkout")).splitlines()
    assert done.err == ""


def test_decide_shows_the_variables(project: Path) -> None:
    out = here("decide", "banner", "--user", "ada", "--config", project).out
    assert '  variable text: "Free delivery"\n  variable seconds: 5\n' in out


def test_decide_prints_json(project: Path) -> None:
    answer = signakit(
        "decide", "new-checkout", "--user", "ada", "--attr", "plan=pro", "--json", cwd=project.parent
    ).json
    assert answer["source"] == "signakit.json"
    assert answer["decision"]["variation_key"] == "control"
    assert answer["decision"]["rule_key"] == "pro-customers"
    assert [step["kind"] for step in answer["steps"]] == ["flag", "audience", "traffic", "range"]


@pytest.mark.parametrize(
    ("assignments", "attributes"),
    [
        (["plan=pro"], {"plan": "pro"}),
        (["n:=3"], {"n": 3}),
        (["n:=2.5", "b:=true", 'l:=["a"]'], {"n": 2.5, "b": True, "l": ["a"]}),
        (["url=a=b:=c"], {"url": "a=b:=c"}),
        (["empty="], {"empty": ""}),
        (["a=1", "a=2"], {"a": "2"}),
        (["$userAgent=Firefox"], {"$userAgent": "Firefox"}),
        ([], {}),
    ],
)
def test_attributes_are_text_or_json(assignments: list[str], attributes: dict[str, object]) -> None:
    parsed = parse_assignments(assignments)
    assert parsed == attributes
    assert [type(value) for value in parsed.values()] == [type(value) for value in attributes.values()]


@pytest.mark.parametrize(
    ("assignment", "said"),
    [("plan", "neither NAME=TEXT nor NAME:=JSON"), ("=pro", "neither"), (":=3", "neither"), ("n:=pro", "write n=pro")],
)
def test_an_attribute_that_is_none_is_a_usage_error(project: Path, assignment: str, said: str) -> None:
    done = here("decide", "banner", "--user", "ada", "--attr", assignment, code=2)
    assert said in " ".join(done.err.split())


def test_an_unknown_flag_names_those_that_are_near(project: Path) -> None:
    done = here("decide", "new-chekout", "--user", "ada", code=1)
    assert done.out == ""
    assert done.err == "error: no flag 'new-chekout' in signakit.json\nDid you mean new-checkout?\n"
    answer = here("decide", "new-chekout", "--user", "ada", "--json", code=1).json
    assert answer["near"] == ["new-checkout"]


def test_an_unknown_flag_that_is_near_none_names_all(project: Path) -> None:
    assert "There are: new-checkout, beta-dashboard, banner" in here("decide", "x", "--user", "ada", code=1).err


def test_without_flags_from_anywhere_it_says_what_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = " ".join(here("decide", "x", "--user", "ada", code=2).err.split())
    assert "there is no signakit.json here, and no SIGNAKIT_SDK_KEY in the environment" in said


def test_a_file_and_a_key_are_one_too_many(project: Path) -> None:
    here("decide", "banner", "--user", "a", "--config", project, "--sdk-key", SDK_KEY, code=2)


def test_a_malformed_key_is_a_usage_error_that_hides_it(project: Path) -> None:
    done = here("decide", "banner", "--user", "a", "--sdk-key", "sk_dev_topsecret", code=2)
    assert "malformed SignaKit SDK key" in done.err
    assert "topsecret" not in done.err


def test_a_file_that_is_no_config_points_to_validate(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text('{"flags": [')
    done = here("decide", "x", "--user", "a", "--config", path, code=1)
    assert f"signakit validate {path}" in done.err
    assert here("decide", "x", "--user", "a", "--config", path, "--json", code=1).json["error"].startswith(str(path))


def test_a_key_fetches_the_config_and_sends_no_event(server: FlagServer) -> None:
    server.gzip = True
    done = signakit(
        "decide", "exp", "--user", "ada", "--json", SIGNAKIT_SDK_KEY=SDK_KEY, SIGNAKIT_EMULATOR_URL=server.url
    )
    assert done.json["source"] == f"{server.url}/configs/org1/1234/development/latest.json"
    assert done.json["decision"]["rule_key"] == "r-exp"
    assert (len(server.config_paths), server.posts) == (1, 0)


def test_the_key_of_the_environment_gives_way_to_a_file(project: Path, server: FlagServer) -> None:
    here("decide", "banner", "--user", "a", "--config", project, SIGNAKIT_SDK_KEY=SDK_KEY)
    assert server.config_paths == []


def test_a_cdn_that_is_away_or_refuses_is_told(server: FlagServer) -> None:
    arguments = ("decide", "exp", "--user", "ada", "--sdk-key", SDK_KEY)
    gone = here(*arguments, code=1, SIGNAKIT_CDN_URL=closed_port_url())
    assert gone.err.startswith("error: no config could be fetched")
    server.config_fault = status(403)
    refused = here(*arguments, "--json", code=1, SIGNAKIT_CDN_URL=server.url).json
    assert "403" in refused["error"]
    assert gone.err.count("\n") == 1
    assert refused["url"].startswith(server.url)


def test_names_in_a_config_do_not_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "hostile.json"
    path.write_text(json.dumps(config(flag("a\x1b[2Jb\x07", rule("r\x1b]0;x\x07")))))
    for arguments in (("decide", "a\x1b[2Jb\x07"), ("decide", "nope")):
        done = here(*arguments, "--user", "u", "--config", path, code=0 if arguments[1] != "nope" else 1)
        assert "\x1b" not in done.out + done.err
        assert "\x07" not in done.out + done.err
        assert "\\x1b[2J" in done.out + done.err


def test_a_number_of_thousands_of_digits_in_a_config_does_not_stop_the_commands(tmp_path: Path) -> None:
    # Python refuses to read such an integer; the SDK takes the config, and reports no version.
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(flag("f"))).replace('"version": 1,', f'"version": {"9" * 5_000},'))
    assert "9" * 5_000 in path.read_text()
    for arguments in (("decide", "f", "--user", "u"), ("simulate", "f", "--users", 10)):
        assert here(*arguments, "--config", path, "--json").json["source"] == str(path)


# --- validate ---------------------------------------------------------------------------------------------------------

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


# --- simulate ---------------------------------------------------------------------------------------------------------


def test_simulate_counts_what_the_sdk_decides(project: Path) -> None:
    answer = signakit("simulate", "new-checkout", "--users", 2_000, "--attr", "plan=pro", "--json").json
    assert answer["flag"] == "new-checkout"
    split = {(row["variation"], row["rule"]): row for row in answer["split"]}
    assert split.keys() == {("control", "pro-customers"), ("treatment", "pro-customers")}
    assert sum(row["users"] for row in split.values()) == 2_000
    for row in split.values():
        assert row["configured"] == 0.5
        assert row["observed"] == row["users"] / 2_000 == pytest.approx(0.5, abs=0.05)


def test_simulate_takes_the_same_users_for_the_same_seed(project: Path) -> None:
    def users(*arguments: object) -> str:
        return here("simulate", "recommendations", "--users", 500, "--csv", *arguments).out

    assert users() == users("--seed", 0) != users("--seed", 1)


def test_simulate_prints_csv(project: Path) -> None:
    rows = list(csv.DictReader(here("simulate", "banner", "--users", 10, "--csv").out.splitlines()))
    assert rows == [{"variation": "on", "rule": "", "users": "10", "observed": "1.0", "configured": "1.0"}]


def test_simulate_draws_bars_and_keeps_progress_out_of_the_result(project: Path) -> None:
    done = signakit("simulate", "new-checkout", "--users", 3_000, "--attr", "plan=pro", cwd=project.parent)
    assert done.err == ""
    title, _, control, treatment = done.out.splitlines()
    assert title.strip() == "new-checkout for 3,000 users"
    for name, line in (("control", control), ("treatment", treatment)):
        assert line.split()[:2] == [name, "pro-customers"]
        assert "50.00%" in line
        assert 14 <= line.count("━") <= 16


def test_simulate_of_an_archived_or_unreadable_flag_says_so(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(flag("old", status="archived"), flag("bad", salt=3))))
    for key in ("old", "bad"):
        assert "archived, or not one that the SDK can read" in here("simulate", key, "--config", path, code=1).err


def test_simulate_with_a_key_sends_nothing(server: FlagServer) -> None:
    here("simulate", "exp", "--users", 50, SIGNAKIT_SDK_KEY=SDK_KEY, SIGNAKIT_EMULATOR_URL=server.url)
    assert (len(server.config_paths), server.posts) == (1, 0)


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
