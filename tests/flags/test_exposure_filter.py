from __future__ import annotations

import gc
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signakit_flags._events.exposure_filter import ExposureFilter, exposure_key


class Name(str):
    """Text of the application's own class."""

    __slots__ = ()


class Claim:
    """An event, as far as the filter is concerned."""


def offer(exposures: ExposureFilter, user: int, exposure: int = 0) -> bool:
    """Say whether an exposure would be sent, as a decision asks."""
    return user not in exposures.of(exposure) and exposures.admit((exposure, user), Claim())


def remembered(exposures: ExposureFilter, user: int, exposure: int = 0) -> bool:
    """Say whether an exposure would not be sent, and change nothing."""
    return user in exposures.of(exposure) or user in exposures._older.get(exposure, ())


def test_an_exposure_is_admitted_once() -> None:
    exposures = ExposureFilter()
    assert not remembered(exposures, 1)
    assert offer(exposures, 1)
    assert remembered(exposures, 1)
    assert not offer(exposures, 1)
    assert not exposures.admit((0, 1), Claim())
    assert offer(exposures, 2)
    assert len(exposures) == 2


def test_two_exposures_of_one_user_are_two() -> None:
    exposures = ExposureFilter()
    assert offer(exposures, 1, exposure=7)
    assert offer(exposures, 1, exposure=8)
    assert not offer(exposures, 1, exposure=7)
    assert len(exposures) == 2


def test_an_exposure_that_was_lost_is_forgotten_and_admitted_again() -> None:
    exposures = ExposureFilter(2)
    for user in (1, 2, 3):
        assert offer(exposures, user)
    for user in (1, 3):  # one of each generation
        exposures.forget((0, user))
        assert not remembered(exposures, user)
        assert offer(exposures, user)
    exposures.forget((0, 99))
    exposures.forget((99, 1))


@pytest.mark.parametrize("spread", [1, 7, 10_000])
@pytest.mark.parametrize("capacity", [1, 2, 10, 1000])
def test_at_least_as_many_as_the_capacity_are_remembered(capacity: int, spread: int) -> None:
    exposures = ExposureFilter(capacity)
    for user in range(5 * capacity):
        assert offer(exposures, user, user % spread)
        last = range(max(0, user - capacity + 1), user + 1)
        assert all(remembered(exposures, recent, recent % spread) for recent in last)


@pytest.mark.parametrize("spread", [1, 7, 10_000])
@pytest.mark.parametrize("capacity", [1, 2, 10, 100])
def test_distinct_exposures_never_take_more_than_twice_the_capacity(capacity: int, spread: int) -> None:
    exposures = ExposureFilter(capacity)
    for user in range(10 * capacity):
        assert offer(exposures, user, user % spread)
        assert len(exposures) <= 2 * capacity


def test_exposures_that_nobody_gets_any_more_leave_nothing_behind() -> None:
    exposures = ExposureFilter(10)
    for user in range(1_000):
        assert offer(exposures, user, user)
    assert len(exposures._recent) <= 30  # those of two generations, and those that were emptied last


@given(st.text(max_size=100))
def test_what_stands_for_a_user_is_equal_for_equal_ids_and_short(user_id: str) -> None:
    key = exposure_key(1, user_id)
    assert key == exposure_key(1, Name(user_id))
    assert key[1] in {user_id, hash(user_id)}
    assert type(exposure_key(1, Name(user_id))[1]) in {str, int}
    assert sys.getsizeof(key[1]) < 128


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
            assert not offer(exposures, -1), f"forgotten after {key} others"


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
    assert exposures.admit((0, 1), claim)
    del claim
    gc.collect()
    assert alive() is None
