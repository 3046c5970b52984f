"""What an answer means for a batch, and how large the next one may be (PROTOCOL section 8, "batches")."""

from __future__ import annotations

import pytest

from signakit_flags._events.batches import BatchSize, Fate, fate_of


@pytest.mark.parametrize(
    ("status", "size", "fate"),
    [
        (200, 100, "sent"),
        (299, 1, "sent"),
        (300, 1, "retry"),
        (304, 100, "retry"),
        (399, 1, "retry"),
        (400, 2, "split"),
        (400, 1, "rejected"),
        (401, 100, "rejected"),
        (403, 100, "rejected"),
        (408, 1, "retry"),
        (413, 2, "split"),
        (413, 1, "rejected"),
        (429, 100, "retry"),
        (499, 100, "rejected"),
        (500, 1, "retry"),
        (599, 100, "retry"),
    ],
)
def test_the_status_decides_what_becomes_of_a_batch(status: int, size: int, fate: Fate) -> None:
    assert fate_of(status, size) == fate


def test_413_halves_the_size_and_each_success_of_a_full_batch_doubles_it() -> None:
    size = BatchSize(100)
    size.split(413, 100)
    assert size.limit == 50
    size.split(413, 50)
    assert size.limit == 25
    size.sent(24)
    assert size.limit == 25, "a batch that was not full shows nothing"
    for limit in (50, 100, 100):
        size.sent(size.limit)
        assert size.limit == limit


def test_413_halves_the_batch_that_was_refused_also_when_it_was_not_full() -> None:
    size = BatchSize(100)
    size.split(413, 10)
    assert size.limit == 5
    size.split(413, 3)
    assert size.limit == 1


def test_after_400_the_events_of_that_batch_go_one_by_one_and_batches_again_after_a_bad_one() -> None:
    size = BatchSize(100)
    size.split(400, 3)
    assert size.limit == 1
    assert not size.sent(1)
    size.rejected()
    assert size.limit == 1
    assert not size.sent(1), "one of the three was rejected: the batch was refused for that one"
    assert size.limit == 100


def test_a_server_that_takes_each_event_of_a_refused_batch_gets_single_events_from_then_on() -> None:
    size = BatchSize(100)
    size.split(400, 2)
    assert not size.sent(1)
    assert size.sent(1), "said once, when it is found out"
    assert size.limit == 1
    assert not size.sent(1)
    assert size.limit == 1


def test_a_second_trial_is_judged_by_its_own_events() -> None:
    size = BatchSize(100)
    size.split(400, 2)
    size.rejected()
    size.sent(1)
    size.split(400, 2)
    assert not size.sent(1)
    assert size.sent(1)
    assert size.limit == 1
