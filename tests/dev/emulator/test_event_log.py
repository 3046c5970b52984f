"""The log of received events: bounded, and exact in its counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signakit_dev._emulator.event_log import EventLog
from support.emulator import conversion, exposure, post, streaming
from support.wire import ask

if TYPE_CHECKING:
    from signakit_dev.testing import Emulator


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
    with streaming(signakit_emulator.url) as stream:
        assert post(signakit_emulator, *[conversion(value=1e308)] * 3).status == 200
        total = 0
        while total < 3:
            _, update = stream.next("update")
            total = update["total"]
    [counter] = ask(f"{signakit_emulator.url}/api/state").json()["events"]["conversions"]
    assert (counter["count"], counter["values"], counter["total"]) == (3, 3, None)


def test_the_log_cuts_whatever_is_refused() -> None:
    log = EventLog()
    log.refuse("a post", ["p" * 10_000] * 10_000, at=0.0)
    [refused] = log.refused
    assert len(refused.problems) == 101
    assert refused.problems[-1] == "9900 more"
    assert all(len(problem) <= 301 for problem in refused.problems)
