"""The live stream, as server-sent events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signakit_dev._emulator.event_log import MAX_DECISIONS, EventLog
from signakit_dev._emulator.faults import Faults
from signakit_dev._emulator.store import ProjectStore
from signakit_dev._project.edits import change_flag
from signakit_dev._project.sample import SAMPLE
from signakit_dev._serving.server import BackgroundServer
from support.configs import config, flag, rule
from support.emulator import conversion, exposure, post, streaming
from support.server import wait_until
from support.wire import ask

if TYPE_CHECKING:
    from pathlib import Path

    from signakit_dev.testing import Emulator


def test_the_stream_tells_of_events_of_changes_and_of_faults(signakit_emulator: Emulator) -> None:
    with streaming(signakit_emulator.url) as stream:
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
        with streaming(server.url) as stream:
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
        with streaming(signakit_emulator.url, **{"Last-Event-ID": last}) as stream:
            _, update = stream.next("update")
            assert [row["user"] for row in update["feed"]] == users


def test_a_thousand_events_are_few_messages_and_none_is_missing_in_the_counts(signakit_emulator: Emulator) -> None:
    with streaming(signakit_emulator.url) as stream:
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
    with streaming(signakit_emulator.url) as stream:
        fields, update = stream.next("update")
    assert len(fields["data"]) < 100_000
    words = {(item["flag"], item["variation"]): item["words"] for item in update["conversions"]}
    assert words["flag-3", "control"] == "6 event-007, 1 event-000, 1 event-001, 1 event-002"
    assert words["flag-3", "control"] == state["flags"][3]["rules"][0]["split"][2]["conversions"]


def test_a_client_that_left_is_not_streamed_to(signakit_emulator: Emulator) -> None:
    def connections() -> int:
        assert signakit_emulator._server is not None
        return len(signakit_emulator._server._server.server_state.connections)

    with streaming(signakit_emulator.url) as stream:
        stream.next("update")
        assert connections() == 1
    assert wait_until(lambda: connections() == 0)
