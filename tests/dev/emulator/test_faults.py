"""Faults as they are written, counted and taken away."""

from __future__ import annotations

from typing import Any

import pytest

from signakit_dev._emulator.faults import Fault, Faults, fault_from, parse_fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("hang", Fault("hang")),
        ("latency=0.5", Fault("latency", seconds=0.5)),
        ("status=503,retry_after=2,times=3", Fault("status", status=503, retry_after=2.0, times=3)),
        (" truncated , times=1 ", Fault("truncated", times=1)),
    ],
)
def test_a_fault_is_read_from_text_and_written_as_it(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault
    assert parse_fault(str(fault)) == fault


@pytest.mark.parametrize(
    "text",
    [
        "",
        "earthquake",
        "latency",
        "latency=-1",
        "hang=2",
        "hang,colour=1",
        "status=x",
        "status=99",
        "status=503,times=0",
    ],
)
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_fault(text)


@pytest.mark.parametrize(
    "data", [{}, {"kind": "earthquake"}, {"kind": "hang", "x": 1}, {"kind": "status", "status": True}, {"kind": 5}]
)
def test_data_that_is_no_fault_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        fault_from(data)


def test_a_fault_is_gone_after_so_many_times() -> None:
    faults = Faults({"config": Fault("hang", times=2)})
    assert [faults.take("config") is not None for _ in range(3)] == [True, True, False]
    assert faults.take("events") is None
    with pytest.raises(ValueError, match="'config' or 'events'"):
        faults.set("page", Fault("hang"))
