"""What a request may do to the emulator at most: never an error of its own, and never more said back than was asked."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from signakit_dev._emulator.event_log import EventLog
from signakit_dev._emulator.event_schema import check_event
from signakit_dev._project.edits import change_flag
from signakit_dev._project.sample import SAMPLE
from support.wire import Answer, ask

if TYPE_CHECKING:
    from signakit_dev.testing import Emulator

NOW = "2026-01-31T12:00:00.000Z"
HUGE = 10**400
"""More than a float holds, and JSON writes it all the same."""


def conversion(**fields: Any) -> dict[str, Any]:
    return {"eventKey": "purchase", "userId": "u", "timestamp": NOW, **fields}


def post(emulator: Emulator, body: Any) -> Answer:
    return ask(emulator.events_url, "POST", body, X_SDK_Key="sk_dev_a_b_c", Content_Type="application/json")


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields", [{"value": HUGE}, {"value": -HUGE}, {"attributes": {"n": HUGE}}, {"attributes": {"n": [HUGE]}}]
)
def test_a_number_that_no_float_holds_is_refused(signakit_emulator: Emulator, fields: dict[str, Any]) -> None:
    answer = post(signakit_emulator, {"events": [conversion(**fields)]})
    assert answer.status == 400
    assert len(answer.json()["events"][0]["problems"]) == 1


@pytest.mark.parametrize("field", ['"value": 1e999', '"metadata": {"x": [-1e999]}', '"attributes": {"x": [1e999]}'])
def test_a_number_that_would_be_infinity_is_refused(signakit_emulator: Emulator, field: str) -> None:
    event = json.dumps(conversion())[:-1] + f", {field}}}"
    answer = post(signakit_emulator, f'{{"events": [{event}]}}'.encode())
    assert (answer.status, "1e999" in answer.json()["error"]) == (400, True)
    assert ask(f"{signakit_emulator.url}/api/events").status == 200


@pytest.mark.parametrize("change", [{"traffic": HUGE}, {"split": {"control": HUGE}}, {"split": {"control": -HUGE}}])
def test_a_percentage_that_no_float_holds_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be a percentage from 0 to 100") as caught:
        change_flag(json.loads(SAMPLE), "new-checkout", **change)
    assert len(str(caught.value)) < 200


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


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("kind=status&status=inf", "status"),
        ("kind=status&status=nan", "status"),
        ("kind=status&status=503.7", "503.7"),
        ("kind=hang&times=1e999", "times"),
        ("kind=hang&times=1.5", "1.5"),
    ],
)
def test_a_fault_with_an_odd_number_is_refused_by_the_form(signakit_emulator: Emulator, form: str, said: str) -> None:
    answer = ask(f"{signakit_emulator.url}/faults", "POST", f"where=config&{form}".encode())
    assert (answer.status, said in answer.text) == (422, True)
    assert ask(f"{signakit_emulator.url}/api/faults").json()["config"] is None


def test_a_user_may_have_a_number_that_no_float_holds(signakit_emulator: Emulator) -> None:
    address = f"{signakit_emulator.url}/api/decide?user=u&attr={quote(f'n:={HUGE}')}"
    assert ask(address).status == 200


# --- forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"\xff", b"x" * 70_000], ids=["no text", "too long"])
@pytest.mark.parametrize("form", ["/clear", "/faults", "/flags"])
def test_a_form_that_cannot_be_read_is_refused(signakit_emulator: Emulator, form: str, body: bytes) -> None:
    answer = ask(signakit_emulator.url + form, "POST", body)
    assert answer.status == 422
    assert "text/html" in answer.headers["Content-Type"]
    assert ("UTF-8" if len(body) == 1 else "65536 bytes") in answer.text


# --- what is said back ------------------------------------------------------------------------------------------------


def test_an_answer_lists_the_first_events_and_says_how_many_more(signakit_emulator: Emulator) -> None:
    answer = post(signakit_emulator, {"events": [1] * 300_000})
    assert answer.status == 400
    assert "300000 of 300000 events" in answer.json()["error"]
    assert [item["index"] for item in answer.json()["events"]] == list(range(20))
    assert answer.json()["more"] == 299_980
    assert len(answer.body) < 5_000
    state = ask(f"{signakit_emulator.url}/api/state").json()
    assert state["events"]["problems"][0]["what"] == "300000 events (400)"


def test_of_an_event_with_countless_problems_the_first_are_named() -> None:
    found = check_event(conversion(**dict.fromkeys(map(str, range(10_000)))))
    assert len(found) == 11
    assert found[-1] == "9990 more unknown fields"


NAMES = ["\x1b[2J\n\u202e", "x" * 900_000, "a b", ""]


@pytest.mark.parametrize("name", NAMES, ids=["escapes", "long", "blank", "empty"])
@pytest.mark.parametrize("where", ["field", "attribute", "list", "text"])
def test_names_of_strangers_are_told_cut_and_with_their_escapes_written_out(where: str, name: str) -> None:
    odd: dict[str, Any] = {
        "field": {name: 1},
        "attribute": {"attributes": {name: {}}},
        "list": {"attributes": {name: [{}] * 101}},
        "text": {"attributes": {name: "t" * 2_000}},
    }[where]
    found = check_event(conversion(**odd))
    assert found
    assert all(problem.isprintable() and len(problem) < 200 for problem in found)
    assert repr(name[:40])[:10] in found[-1] or name[:40] in found[-1]


def test_the_log_cuts_whatever_is_refused() -> None:
    log = EventLog()
    log.refuse("a post", ["p" * 10_000] * 10_000, at=0.0)
    [refused] = log.refused
    assert len(refused.problems) == 101
    assert refused.problems[-1] == "9900 more"
    assert all(len(problem) <= 301 for problem in refused.problems)
