"""The emulator's HTTP contract, over real sockets: the config, the events, the JSON endpoints, the stream."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from signakit_dev._emulator.event_log import MAX_DECISIONS, EventLog
from signakit_dev._emulator.event_schema import check_event
from signakit_dev._emulator.faults import Faults
from signakit_dev._emulator.ingest import MAX_BODY
from signakit_dev._emulator.store import ProjectStore
from signakit_dev._project.edits import change_flag
from signakit_dev._project.sample import SAMPLE
from signakit_dev._serving.server import BackgroundServer
from support.configs import config, flag, rule
from support.server import wait_until
from support.wire import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from signakit_dev.testing import Emulator

CONFIG = "/configs/acme/shop/development/latest.json"
KEY = {"X_SDK_Key": "sk_dev_acme_shop_x"}
NOW = "2026-01-31T12:00:00.000Z"


def exposure(user: str = "u", **fields: Any) -> dict[str, Any]:
    return {
        "eventKey": "$exposure",
        "userId": user,
        "timestamp": NOW,
        "decisions": {"new-checkout": "control"},
        "metadata": {"flagKey": "new-checkout", "variationKey": "control", "ruleKey": "pro-customers"},
        **fields,
    }


def conversion(user: str = "u", **fields: Any) -> dict[str, Any]:
    return {"eventKey": "purchase", "userId": user, "timestamp": NOW, **fields}


def post(emulator: Emulator, *events: Any, **headers: str) -> Answer:
    return ask(emulator.events_url, "POST", {"events": list(events)}, **{**KEY, **headers})


# --- the config -------------------------------------------------------------------------------------------------------


def test_the_config_comes_with_an_etag_and_then_not_again(signakit_emulator: Emulator) -> None:
    first = ask(signakit_emulator.url + CONFIG)
    assert first.status == 200
    assert first.headers["Content-Type"] == "application/json"
    assert first.json()["projectId"] == "shop"
    again = ask(signakit_emulator.url + CONFIG, If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    signakit_emulator.set_flag("banner", running=False)
    changed = ask(signakit_emulator.url + CONFIG, If_None_Match=first.headers["ETag"])
    assert changed.status == 200
    assert changed.json()["version"] == first.json()["version"] + 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/configs/any-org/any-project/production/latest.json", 200),
        ("/configs/a/b/staging/latest.json", 404),
        ("/configs/a_b/c/development/latest.json", 404),
        ("/configs/a/..%2Fb/development/latest.json", 404),
        ("/configs/a/b/development/other.json", 404),
    ],
)
def test_the_config_is_where_a_well_formed_key_says(signakit_emulator: Emulator, path: str, status: int) -> None:
    assert ask(signakit_emulator.url + path).status == status


def test_a_config_is_read_and_not_written(signakit_emulator: Emulator) -> None:
    assert ask(signakit_emulator.url + CONFIG, "POST", {}).status == 405


# --- events -----------------------------------------------------------------------------------------------------------


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
        (KEY, b" " * (MAX_BODY + 1), 413, str(MAX_BODY)),
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
    body = b" " * (20 * MAX_BODY)
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


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (conversion(extra=1), "extra: unknown"),
        (conversion(eventKey=None), "eventKey: missing"),
        (conversion(eventKey="x" * 101), "eventKey: 101"),
        (conversion(user="u" * 257), "userId: 257"),
        (conversion(user=5), "userId: must be text"),
        (conversion(timestamp="2026-02-30T12:00:00.000Z"), "timestamp: day"),
        (conversion(timestamp="2026-01-31T12:00:00Z"), "timestamp: must read"),
        (conversion(attributes=[]), "attributes: must be an object"),
        (conversion(attributes={}), "attributes: empty"),
        (conversion(attributes=dict.fromkeys(map(str, range(51)), 1)), "attributes: 51"),
        (conversion(attributes={"k" * 101: 1}), "attributes: a name"),
        (conversion(attributes={"$userAgent": "x"}), "attributes: $userAgent"),
        (conversion(attributes={"a": "x" * 1_001}), "attributes.a: 1001"),
        (conversion(attributes={"a": ["x"] * 101}), "attributes.a: 101"),
        (conversion(attributes={"a": [["x"]]}), "attributes.a: its items"),
        (conversion(attributes={"a": {}}), "attributes.a: must be"),
        (conversion(decisions={}), "decisions: empty"),
        (conversion(decisions={"f": None}), "decisions: must name"),
        (conversion(value=True), "value: must be a number"),
        (conversion(metadata=[]), "metadata: must be an object"),
        (conversion(metadata={"x": "ä" * 2_500}), "metadata: 5008 bytes"),
        (exposure(metadata=None), "metadata: an exposure"),
        (exposure(decisions={"other": "control"}), "decisions: must be the one"),
        (exposure(value=1), "value: an exposure has none"),
        (exposure(metadata={"flagKey": "new-checkout", "variationKey": "control"}), "metadata: of an exposure"),
    ],
)
def test_what_the_protocol_forbids_of_an_event_is_found(event: dict[str, Any], problem: str) -> None:
    found = check_event(event)
    assert [text for text in found if text.startswith(problem)], found


@pytest.mark.parametrize(
    "event",
    [
        exposure(metadata={"flagKey": "new-checkout", "variationKey": "control", "ruleKey": None}),
        conversion(value=None, metadata={}),
        conversion(eventKey="x" * 100, user="u" * 256),
        conversion(attributes={"a": 1, "b": 2.5, "c": True, "d": "x" * 1_000, "e": ["x"] * 100, "f": None}),
        conversion(metadata={"x": "ä" * 2_495}),
    ],
)
def test_what_the_protocol_allows_is_in_order(event: dict[str, Any]) -> None:
    assert check_event(event) == []


def test_answers_do_not_wait_for_an_acknowledgement(signakit_emulator: Emulator) -> None:
    """Without TCP_NODELAY a post costs 40 ms, and 2,000 events a second are all there can be."""
    with streaming(signakit_emulator):
        assert signakit_emulator._server is not None
        [connection] = signakit_emulator._server._server.server_state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# --- the log ----------------------------------------------------------------------------------------------------------


def test_the_log_is_bounded_and_its_counters_are_exact() -> None:
    log = EventLog(keep=10, max_counters=3, max_users=5)
    for number in range(100):
        flag = f"f{number % 4}"
        metadata = {"flagKey": flag, "variationKey": "on", "ruleKey": None}
        log.record([exposure(f"u{number}", decisions={flag: "on"}, metadata=metadata)], at=0.0)
        log.record([conversion(eventKey=f"e{number % 5}", value=1, decisions={flag: "on"})], at=0.0)
    assert log.total == 200
    assert len(log.received) == 10
    assert [item.number for item in log.received] == list(range(191, 201))
    assert {key: counter.count for key, counter in log.exposures.items()} == {
        ("f0", None, "on"): 25,
        ("f1", None, "on"): 25,
        ("f2", None, "on"): 25,
    }
    assert sum(len(counter.users) for counter in log.exposures.values()) == 5
    assert log.users_capped
    assert {key: (c.count, c.total) for key, c in log.conversions.items()} == {
        "e0": (20, 20.0),
        "e1": (20, 20.0),
        "e2": (20, 20.0),
    }
    for number in range(200):
        log.refuse("x", [str(number)], at=0.0)
    assert (log.refused_total, len(log.refused)) == (200, 100)


def test_a_sum_beyond_all_numbers_is_null_and_everything_else_goes_on(signakit_emulator: Emulator) -> None:
    with streaming(signakit_emulator) as stream:
        assert post(signakit_emulator, *[conversion(value=1e308)] * 3).status == 200
        total = 0
        while total < 3:
            _, update = stream.next("update")
            total = update["total"]
    [counter] = ask(f"{signakit_emulator.url}/api/state").json()["events"]["conversions"]
    assert (counter["count"], counter["values"], counter["total"]) == (3, 3, None)


# --- the JSON endpoints -----------------------------------------------------------------------------------------------


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


# --- the stream -------------------------------------------------------------------------------------------------------


class Stream:
    """Reads server-sent events."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.response = response

    def next(self, *kinds: str) -> tuple[dict[str, str], Any]:
        """Return the next message of one of these kinds, and its data."""
        fields: dict[str, str] = {}
        while True:
            line = self.response.readline().decode().rstrip("\n")
            if not line:
                if fields.get("event") in kinds:
                    return fields, json.loads(fields["data"], parse_constant=pytest.fail)
                fields = {}
                assert not self.response.isclosed()
            name, _, value = line.partition(": ")
            fields[name] = value


@contextlib.contextmanager
def streaming(emulator: Emulator | BackgroundServer, **headers: str) -> Iterator[Stream]:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(emulator.url).port, timeout=10)
    connection.request("GET", "/api/stream", headers=headers)
    response = connection.getresponse()
    assert response.headers["Content-Type"].startswith("text/event-stream")
    try:
        yield Stream(response)
    finally:
        response.close()
        connection.close()


def test_the_stream_tells_of_events_of_changes_and_of_faults(signakit_emulator: Emulator) -> None:
    with streaming(signakit_emulator) as stream:
        _, state = stream.next("project")
        assert state["version"] == 1
        _, first = stream.next("update")
        assert (first["total"], first["feed"]) == (0, [])
        post(signakit_emulator, exposure("ada"))
        fields, update = stream.next("update")
        assert fields["id"] == f"{update['epoch']}-1"
        assert update["exposures"] == [
            {"flag": "new-checkout", "rule": "pro-customers", "variation": "control", "count": 1, "users": 1}
        ]
        assert [(row["user"], row["what"]) for row in update["feed"]] == [("ada", "new-checkout: control")]
        signakit_emulator.set_flag("banner", running=False)
        _, changed = stream.next("project")
        assert changed["version"] == 2
        signakit_emulator.fault("config", "garbage")
        _, faulty = stream.next("faults")
        assert len({state["state"], changed["state"], faulty["state"]}) == 3


def test_the_stream_tells_of_each_change_of_the_file_and_of_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "project.json"
    path.write_text(SAMPLE, encoding="utf-8")
    store = ProjectStore(path)
    server = BackgroundServer(store, EventLog(), Faults())
    server.start()
    try:
        with streaming(server) as stream:
            seen = [stream.next("project")[1]]
            store.edit(lambda project: change_flag(project, "banner", running=False))
            seen.append(stream.next("project")[1])
            path.write_text("{", encoding="utf-8")
            seen.append(stream.next("project")[1])
            path.write_text(SAMPLE, encoding="utf-8")
            seen.append(stream.next("project")[1])
    finally:
        server.stop()
    assert [message["version"] for message in seen] == [1, 2, 2, 3]
    assert len({message["state"] for message in seen}) == 4


def test_the_stream_goes_on_where_it_was_broken_off(signakit_emulator: Emulator) -> None:
    post(signakit_emulator, exposure("a"), exposure("b"), exposure("c"))
    epoch = signakit_emulator._log.epoch
    for last, users in ((f"{epoch}-2", ["c"]), ("another-2", ["c", "b", "a"]), ("2", ["c", "b", "a"])):
        with streaming(signakit_emulator, **{"Last-Event-ID": last}) as stream:
            _, update = stream.next("update")
            assert [row["user"] for row in update["feed"]] == users


def test_a_thousand_events_are_few_messages_and_none_is_missing_in_the_counts(signakit_emulator: Emulator) -> None:
    with streaming(signakit_emulator) as stream:
        for number in range(20):
            post(signakit_emulator, *[exposure(f"u{number}-{each}") for each in range(50)])
        messages = 0
        total = 0
        while total < 1_000:
            _, update = stream.next("update")
            messages += 1
            total = update["total"]
            assert len(update["feed"]) <= 40
        assert update["exposures"][0]["count"] == 1_000
        assert messages <= 25


def test_a_message_is_small_whatever_was_received(signakit_emulator: Emulator) -> None:
    flags = [flag(f"flag-{number}", rule()) for number in range(100)]
    signakit_emulator.set_config(config(*flags))
    decisions = {f"flag-{number}": "control" for number in range(100)}
    log = signakit_emulator._log
    log.record([conversion(eventKey=f"event-{number:03}", decisions=decisions) for number in range(1_000)], at=0.0)
    log.record([conversion(eventKey="event-007", decisions=decisions)] * 5, at=0.0)
    long = "x" * 100_000
    of_no_flag = {"flagKey": long, "variationKey": "on", "ruleKey": long}
    log.record([exposure(decisions={long: "on"}, metadata=of_no_flag)], at=0.0)
    for _ in range(100):
        post(signakit_emulator, {long: 1, "value": "x", "attributes": 1, "decisions": 1, "metadata": 1})
    state = ask(f"{signakit_emulator.url}/api/state").json()
    assert sum(len(item["decisions"]) for item in state["events"]["conversions"]) == MAX_DECISIONS
    with streaming(signakit_emulator) as stream:
        fields, update = stream.next("update")
    assert len(fields["data"]) < 100_000
    words = {(item["flag"], item["variation"]): item["words"] for item in update["conversions"]}
    assert words["flag-3", "control"] == "6 event-007, 1 event-000, 1 event-001, 1 event-002"
    assert words["flag-3", "control"] == state["flags"][3]["rules"][0]["split"][2]["conversions"]


def test_a_client_that_left_is_not_streamed_to(signakit_emulator: Emulator) -> None:
    def connections() -> int:
        assert signakit_emulator._server is not None
        return len(signakit_emulator._server._server.server_state.connections)

    with streaming(signakit_emulator) as stream:
        stream.next("update")
        assert connections() == 1
    assert wait_until(lambda: connections() == 0)
