"""Posts of events over HTTP: taken whole, or refused whole with a reason."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from signakit_dev._emulator.ingest import MAX_EVENTS_BODY
from support.emulator import KEY, conversion, exposure, post
from support.wire import ask

if TYPE_CHECKING:
    from signakit_dev.testing import Emulator


def test_events_are_taken_in_order(signakit_emulator: Emulator) -> None:
    sent = [exposure("a"), conversion("a", value=3.5, metadata={"n": 1}), conversion("b", decisions={"f": "on"})]
    answer = post(signakit_emulator, *sent)
    assert (answer.status, answer.json()) == (200, {"accepted": 3})
    assert signakit_emulator.events() == sent
    assert signakit_emulator.events("exposure") == sent[:1]
    assert signakit_emulator.events("conversion") == sent[1:]


@pytest.mark.parametrize(
    ("headers", "body", "status", "reason"),
    [
        ({}, b"{}", 401, "X-SDK-Key"),
        ({"X_SDK_Key": "nonsense"}, b"{}", 401, "X-SDK-Key"),
        ({**KEY, "Content_Type": "text/plain"}, b"{}", 415, "application/json"),
        (KEY, b"", 400, "not JSON"),
        (KEY, b"{", 400, "not JSON"),
        (KEY, b'{"events": [NaN]}', 400, "NaN"),
        (KEY, b"\xff", 400, "UTF-8"),
        (KEY, b"[" * 100_000, 400, "deep"),
        (KEY, b'{"events": [{"eventKey": "\\ud800"}]}', 400, "surrogate"),
        (KEY, b"[]", 400, "events"),
        (KEY, b'{"events": {}}', 400, "events"),
        (KEY, b'{"events": []}', 400, "empty"),
        (KEY, b" " * (MAX_EVENTS_BODY + 1), 413, str(MAX_EVENTS_BODY)),
    ],
)
def test_a_post_that_is_not_in_order_is_refused_with_a_reason_and_shown(
    signakit_emulator: Emulator, headers: dict[str, str], body: bytes, status: int, reason: str
) -> None:
    answer = ask(signakit_emulator.events_url, "POST", body, **{"Content_Type": "application/json", **headers})
    assert answer.status == status
    assert reason in answer.json()["error"]
    assert reason in signakit_emulator.refused()[0]
    assert signakit_emulator.events() == []
    assert post(signakit_emulator, exposure()).status == 200, "the server is unharmed"


def test_a_body_without_an_end_is_refused_as_soon_as_it_is_too_long(signakit_emulator: Emulator) -> None:
    head = (
        "POST /v1/flag-events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-SDK-Key: sk_dev_a_b_c\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    port = urlsplit(signakit_emulator.url).port
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head.encode() + chunk * 17)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_sends_far_too_much_gets_its_answer_and_no_reset(signakit_emulator: Emulator) -> None:
    body = b" " * (20 * MAX_EVENTS_BODY)
    assert ask(signakit_emulator.events_url, "POST", body, **KEY, Content_Type="application/json").status == 413


def test_one_bad_event_refuses_the_batch_and_each_problem_is_named(
    signakit_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    answer = post(signakit_emulator, exposure(), conversion(value="12", timestamp="today"), "no event")
    assert answer.status == 400
    assert answer.json()["events"] == [
        {"index": 1, "problems": ["timestamp: must read like 2026-01-31T12:00:00.000Z", "value: must be a number"]},
        {"index": 2, "problems": ["must be an object"]},
    ]
    assert signakit_emulator.events() == []
    assert "event 'purchase' of user 'u': value: must be a number" in signakit_emulator.refused()[1]
    assert "value: must be a number" in caplog.text


HUGE = 10**400
"""More than a float holds, and JSON writes it all the same."""


@pytest.mark.parametrize(
    "fields", [{"value": HUGE}, {"value": -HUGE}, {"attributes": {"n": HUGE}}, {"attributes": {"n": [HUGE]}}]
)
def test_a_number_that_no_float_holds_is_refused(signakit_emulator: Emulator, fields: dict[str, Any]) -> None:
    answer = post(signakit_emulator, conversion(**fields))
    assert answer.status == 400
    assert len(answer.json()["events"][0]["problems"]) == 1


@pytest.mark.parametrize("field", ['"value": 1e999', '"metadata": {"x": [-1e999]}', '"attributes": {"x": [1e999]}'])
def test_a_number_that_would_be_infinity_is_refused(signakit_emulator: Emulator, field: str) -> None:
    event = json.dumps(conversion())[:-1] + f", {field}}}"
    body = f'{{"events": [{event}]}}'.encode()
    answer = ask(signakit_emulator.events_url, "POST", body, **KEY, Content_Type="application/json")
    assert (answer.status, "1e999" in answer.json()["error"]) == (400, True)
    assert ask(f"{signakit_emulator.url}/api/events").status == 200


def test_an_answer_lists_the_first_events_and_says_how_many_more(signakit_emulator: Emulator) -> None:
    answer = post(signakit_emulator, *[1] * 300_000)
    assert answer.status == 400
    assert "300000 of 300000 events" in answer.json()["error"]
    assert [item["index"] for item in answer.json()["events"]] == list(range(20))
    assert answer.json()["more"] == 299_980
    assert len(answer.body) < 5_000
    state = ask(f"{signakit_emulator.url}/api/state").json()
    assert state["events"]["problems"][0]["what"] == "300000 events (400)"
