"""The JSON endpoints."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from support.emulator import CONFIG, conversion, exposure, post
from support.wire import ask

if TYPE_CHECKING:
    from signakit_dev.testing import Emulator


def test_the_state_has_everything(signakit_emulator: Emulator) -> None:
    post(signakit_emulator, exposure(), conversion(value=2, decisions={"new-checkout": "control"}))
    state = ask(f"{signakit_emulator.url}/api/state").json()
    assert state["config"] == {"version": 1, "path": None, "problems": [], "warnings": []}
    flags = {item["key"]: item for item in state["flags"]}
    [rule] = flags["new-checkout"]["rules"]
    assert rule["words"] == "if plan is pro: all of them, split control 50 % / treatment 50 %"
    control = rule["split"][0]
    assert (control["configured"], control["count"], control["observed"]) == (50.0, 1, 100.0)
    assert control["conversions"] == "1 purchase"
    assert state["events"]["total"] == 2
    assert state["faults"] == {"config": None, "events": None}


def test_a_flag_is_changed(signakit_emulator: Emulator) -> None:
    change = {"running": False, "traffic": 10, "split": {"control": 20, "treatment": 80}}
    answer = ask(f"{signakit_emulator.url}/api/flags/new-checkout", "POST", change)
    assert answer.status == 200
    assert answer.json()["version"] == 2
    served = ask(signakit_emulator.url + CONFIG).json()["flags"][0]
    assert served["running"] is False
    assert served["rules"][0]["trafficPercentage"] == 10


@pytest.mark.parametrize(
    ("key", "change", "status", "reason"),
    [
        ("ghost", {"running": True}, 404, "no flag 'ghost'"),
        ("banner", {"rule": "ghost", "traffic": 1}, 404, "no rule 'ghost'"),
        ("banner", {"running": "yes"}, 400, "running"),
        ("banner", {"split": [1]}, 400, "split"),
        ("banner", {"split": {"on": 50}}, 400, "100 %"),
        ("banner", {"colour": "red"}, 400, "colour"),
        ("banner", [], 400, "object"),
        ("banner", b"{", 400, "not JSON"),
        ("banner", b"x" * 70_000, 400, "bytes"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    signakit_emulator: Emulator, key: str, change: Any, status: int, reason: str
) -> None:
    answer = ask(f"{signakit_emulator.url}/api/flags/{key}", "POST", change)
    assert answer.status == status
    assert reason in answer.json()["error"]
    assert signakit_emulator.version == 1


def test_a_flag_with_an_awkward_key_is_changed_like_any_other(signakit_emulator: Emulator) -> None:
    everyone = {"ranges": [{"variation": "on", "start": 0, "end": 9999}]}
    key = "a/b ü?"
    flag = {"key": key, "salt": "s", "running": True, "allocation": everyone}
    signakit_emulator.set_config({"flags": [flag]})
    assert ask(f"{signakit_emulator.url}/api/flags/a/b%20%C3%BC%3F", "POST", {"running": False}).status == 200
    assert ask(signakit_emulator.url + CONFIG).json()["flags"][0]["running"] is False


def test_who_gets_what_is_told_with_the_reason_and_sends_nothing(signakit_emulator: Emulator) -> None:
    answer = ask(f"{signakit_emulator.url}/api/decide?user=ada&attr=plan=pro&attr=age:=30&attr=zip=12").json()
    first = answer["decisions"][0]
    assert first["flag"] == "new-checkout"
    assert first["decision"]["rule_key"] == "pro-customers"
    assert first["steps"][1]["detail"] == "1: plan equals 'pro'; it is 'pro'"
    assert first["report"].startswith("new-checkout for 'ada':")
    assert signakit_emulator.events() == []
    assert ask(f"{signakit_emulator.url}/api/decide").status == 400
    assert ask(f"{signakit_emulator.url}/api/decide?user=u&attr=nonsense").status == 400


def test_events_are_told_and_forgotten(signakit_emulator: Emulator) -> None:
    post(signakit_emulator, exposure(), conversion())
    url = f"{signakit_emulator.url}/api/events"
    assert ask(url).json() == {"total": 2, "refused": 0, "events": [exposure(), conversion()]}
    assert ask(f"{url}?kind=exposure").json()["events"] == [exposure()]
    assert ask(f"{url}?kind=other").status == 400
    assert ask(url, "DELETE").status == 204
    assert ask(url).json() == {"total": 0, "refused": 0, "events": []}


def test_faults_are_set_and_taken_away_over_http(signakit_emulator: Emulator) -> None:
    url = f"{signakit_emulator.url}/api/faults"
    set_ = ask(url, "POST", {"config": {"kind": "status", "status": 503, "times": 2}, "events": {"kind": "hang"}})
    assert set_.json()["config"]["status"] == 503
    assert ask(signakit_emulator.url + CONFIG).status == 503
    assert ask(url).json()["config"]["times"] == 1
    assert ask(url, "POST", {"events": None}).json()["events"] is None
    for wrong in ({"page": {"kind": "hang"}}, {"config": {"kind": "earthquake"}}, {"config": "hang"}):
        assert ask(url, "POST", wrong).status == 400
    assert ask(url, "DELETE").json() == {"config": None, "events": None}
    assert ask(signakit_emulator.url + CONFIG).status == 200


HUGE = 10**400
"""More than a float holds, and JSON writes it all the same."""


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *product(["status", "times", "seconds", "retry_after"], ["HUGE", "1e999", "NaN"]),
        ("status", "503.7"),
        ("times", "503.7"),
    ],
)
def test_a_fault_with_an_odd_number_is_refused_by_the_endpoint(
    signakit_emulator: Emulator, name: str, number: str
) -> None:
    body = f'{{"config": {{"kind": "status", "{name}": {number.replace("HUGE", str(HUGE))}}}}}'
    answer = ask(f"{signakit_emulator.url}/api/faults", "POST", body.encode())
    assert answer.status == 400
    assert name in answer.json()["error"]
    assert len(answer.body) < 300


def test_a_user_may_have_a_number_that_no_float_holds(signakit_emulator: Emulator) -> None:
    address = f"{signakit_emulator.url}/api/decide?user=u&attr={quote(f'n:={HUGE}')}"
    assert ask(address).status == 200
