from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from signakit_flags._events.exposure_filter import ExposureFilter


class Claim:
    """An event, as far as the filter is concerned."""


def offer(exposures: ExposureFilter, key: int) -> bool:
    """Say whether an exposure would be sent, as a decision asks."""
    return not exposures.seen(key) and exposures.admit(key, Claim())


def test_an_exposure_is_admitted_once() -> None:
    exposures = ExposureFilter()
    assert not exposures.seen(1)
    assert offer(exposures, 1)
    assert exposures.seen(1)
    assert not offer(exposures, 1)
    assert offer(exposures, 2)
    assert len(exposures) == 2


def test_asking_alone_admits_nothing() -> None:
    exposures = ExposureFilter()
    assert not exposures.seen(1)
    assert not exposures.seen(1)
    assert len(exposures) == 0


def test_an_exposure_that_was_lost_is_forgotten_and_admitted_again() -> None:
    exposures = ExposureFilter(2)
    for key in (1, 2, 3):
        assert offer(exposures, key)
    for key in (1, 3):  # one of each generation
        exposures.forget(key)
        assert not exposures.seen(key)
        assert offer(exposures, key)
    exposures.forget(99)


@pytest.mark.parametrize("capacity", [1, 2, 10, 1000])
def test_at_least_as_many_as_the_capacity_are_remembered(capacity: int) -> None:
    exposures = ExposureFilter(capacity)
    for key in range(5 * capacity):
        assert offer(exposures, key)
        assert all(exposures.seen(recent) for recent in range(max(0, key - capacity + 1), key + 1))


@pytest.mark.parametrize("capacity", [1, 2, 10, 1000])
def test_distinct_exposures_never_take_more_than_twice_the_capacity(capacity: int) -> None:
    exposures = ExposureFilter(capacity)
    for key in range(10 * capacity):
        assert offer(exposures, key)
        assert len(exposures) <= 2 * capacity


def test_exposures_that_come_again_and_again_never_take_more_than_twice_the_capacity() -> None:
    exposures = ExposureFilter(10)
    for newest in range(200):
        for key in range(newest + 1):
            offer(exposures, key)
        assert len(exposures) <= 20


def test_the_oldest_are_forgotten_and_sent_again() -> None:
    exposures = ExposureFilter(10)
    for key in range(30):
        offer(exposures, key)
    assert offer(exposures, 0)


def test_what_is_still_in_use_outlives_its_generation() -> None:
    exposures = ExposureFilter(10)
    assert offer(exposures, -1)
    for key in range(200):
        offer(exposures, key)
        if key % 5 == 0:
            assert exposures.seen(-1), f"forgotten after {key} others"


@pytest.mark.parametrize("threads", [2, 8, 32])
def test_of_many_threads_exactly_one_is_admitted(threads: int) -> None:
    exposures = ExposureFilter()
    barrier = threading.Barrier(threads)

    def race(_number: int) -> list[bool]:
        barrier.wait()
        return [offer(exposures, key) for key in range(2000)]

    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(race, range(threads)))
    assert [sum(column) for column in zip(*answers, strict=True)] == [1] * 2000


def test_the_filter_holds_no_event() -> None:
    exposures = ExposureFilter()
    claim = Claim()
    alive = weakref.ref(claim)
    assert exposures.admit(1, claim)
    del claim
    gc.collect()
    assert alive() is None
