"""What a posted event must be."""

from __future__ import annotations

from typing import Any

import pytest

from signakit_dev._emulator.event_schema import check_event
from support.emulator import conversion, exposure


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
