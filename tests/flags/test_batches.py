"""What an answer means for a batch, and how large the next one may be (PROTOCOL section 8, "batches")."""

from __future__ import annotations

import pytest

from signakit_flags._events.batches import MOST_REFUSED, USUAL, BatchSize, Fate, State


def refusing(largest: int = USUAL, status: int = 400) -> BatchSize:
    """A server that has refused a batch and each of its events."""
    size = BatchSize(largest)
    for _ in range(MOST_REFUSED):
        size.answered(status, 1)
    assert size.state is State.REFUSING
    return size


def single() -> BatchSize:
    """A server that has refused a batch and taken each of its events."""
    size = BatchSize(USUAL)
    fates = [size.answered(400, 2), size.answered(200, 1), size.answered(200, 1)]
    assert fates == ["split", "sent", "sent"]
    assert size.state is State.SINGLE
    return size


@pytest.mark.parametrize(
    ("status", "size", "fate"),
    [
        (None, 1, "retry"),
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
def test_the_status_decides_what_becomes_of_a_batch(status: int | None, size: int, fate: Fate) -> None:
    assert BatchSize(100).answered(status, size) == fate


# --- 413 --------------------------------------------------------------------------------------------------------------


def test_413_halves_the_size_and_each_success_of_a_full_batch_doubles_it() -> None:
    size = BatchSize(100)
    size.answered(413, 100)
    assert size.limit == 50
    size.answered(413, 50)
    assert size.limit == 25
    size.answered(200, 24)
    assert size.limit == 25, "a batch that was not full shows nothing"
    for limit in (50, 100, 100):
        size.answered(200, size.limit)
        assert size.limit == limit


def test_413_halves_the_batch_that_was_refused_also_when_it_was_not_full() -> None:
    size = BatchSize(100)
    size.answered(413, 10)
    assert size.limit == 5
    size.answered(413, 3)
    assert size.limit == 1


# --- 400: one by one --------------------------------------------------------------------------------------------------


def test_after_400_the_events_of_that_batch_go_one_by_one_and_batches_again_after_a_bad_one() -> None:
    size = BatchSize(100)
    size.answered(400, 3)
    for status in (200, 400, 200):
        assert size.limit == 1
        size.answered(status, 1)
    assert size.state is State.BATCHES, "one of the three was rejected: the batch was refused for that one"
    assert size.limit == 100


def test_an_event_that_is_rejected_for_another_reason_counts_as_a_bad_one() -> None:
    size = BatchSize(100)
    for answer, events in [(400, 2), (401, 1), (200, 1)]:
        size.answered(answer, events)
    assert size.state is State.BATCHES


def test_a_server_that_takes_each_event_of_a_refused_batch_gets_single_events_from_then_on() -> None:
    size = single()
    for _ in range(200):
        assert size.limit == 1
        assert size.answered(200, 1) == "sent"
    assert size.answered(400, 1) == "rejected"
    assert size.state is State.SINGLE


def test_a_second_trial_is_judged_by_its_own_events() -> None:
    size = BatchSize(100)
    for status, events in [(400, 2), (400, 1), (200, 1)]:
        size.answered(status, events)
    assert size.state is State.BATCHES
    for status, events in [(400, 2), (200, 1), (200, 1)]:
        size.answered(status, events)
    assert size.state is State.SINGLE


def test_of_a_batch_over_100_events_the_first_100_go_once_more_together_and_then_one_by_one() -> None:
    size = BatchSize(1_000)
    assert size.answered(400, 101) == "split"
    assert (size.state, size.limit) == (State.BATCHES, 100)
    assert size.answered(400, 100) == "split"
    assert (size.state, size.limit) == (State.TRIAL, 1)


# --- a server that refuses everything ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 413])
def test_a_whole_trial_of_which_no_event_is_taken_shows_a_server_that_refuses_everything(status: int) -> None:
    size = BatchSize(100)
    size.answered(400, 100)
    for _ in range(99):
        size.answered(status, 1)
        assert size.state is State.TRIAL
    assert size.answered(status, 1) == "rejected"
    assert (size.state, size.limit) == (State.REFUSING, 100)


def test_a_few_events_that_are_all_refused_show_bad_events_and_not_a_bad_server() -> None:
    """Else the next batch with one bad event would be dropped as a whole, though the server takes the others."""
    size = BatchSize(100)
    for _ in range(20):
        for status, events in [(400, 3), (400, 1), (400, 1), (400, 1), (200, 5)]:
            assert size.answered(status, events) in {"split", "rejected", "sent"}
    assert size.state is State.BATCHES


@pytest.mark.parametrize("statuses", [(400,), (413,), (400, 413)])
def test_100_single_events_refused_in_a_row_show_it_too(statuses: tuple[int, ...]) -> None:
    for size in (BatchSize(1), BatchSize(100), single()):
        state = size.state
        for number in range(MOST_REFUSED - 1):
            assert size.answered(statuses[number % len(statuses)], 1) == "rejected"
        assert size.state is state
        size.answered(200, 1)
        for number in range(MOST_REFUSED - 1):
            size.answered(statuses[number % len(statuses)], 1)
        assert size.state is state, "one was taken between them"
        size.answered(401, 1)
        assert size.state is state, "401 is about the key"
        assert size.answered(statuses[0], 1) == "rejected"
        assert size.state is State.REFUSING


def test_halving_for_413_ends_there_as_well_and_batches_go_on() -> None:
    size = BatchSize(100)
    for events in (100, 50, 25, 12, 6, 3):
        assert size.answered(413, events) == "split"
    for _ in range(MOST_REFUSED):
        assert size.limit == 1
        assert size.answered(413, 1) == "rejected"
    assert (size.state, size.limit) == (State.REFUSING, 100)


@pytest.mark.parametrize("batch", [400, 413])
@pytest.mark.parametrize("probe", [400, 413, 401])
@pytest.mark.parametrize("events", [1, 7, 100])
def test_the_next_refused_batch_is_probed_with_one_event_and_dropped(batch: int, probe: int, events: int) -> None:
    size = refusing()
    for _ in range(3):
        assert size.answered(batch, events) == "probe"
        assert (size.state, size.limit) == (State.PROBING, 1)
        assert size.answered(503, 1) == "retry"
        assert (size.state, size.limit) == (State.PROBING, 1)
        assert size.answered(probe, 1) == "dropped"
        assert size.rest_of_batch == events - 1
        assert (size.state, size.limit) == (State.REFUSING, 100)


@pytest.mark.parametrize(("batch", "limit"), [(400, 100), (413, 50)])
def test_one_event_that_is_taken_ends_it(batch: int, limit: int) -> None:
    size = refusing()
    size.answered(batch, 100)
    assert size.answered(200, 1) == "sent"
    assert (size.state, size.limit) == (State.BATCHES, limit)


@pytest.mark.parametrize("events", [1, 50])
def test_a_batch_that_is_taken_ends_it(events: int) -> None:
    size = refusing()
    assert size.answered(200, events) == "sent"
    assert (size.state, size.limit) == (State.BATCHES, 100)
    assert size.answered(400, 1) == "rejected"
    assert size.state is State.BATCHES, "it is counted anew"


@pytest.mark.parametrize("status", [401, 403])
def test_a_batch_that_is_rejected_for_another_reason_does_not_end_it(status: int) -> None:
    size = refusing()
    assert size.answered(status, 50) == "rejected"
    assert size.state is State.REFUSING


@pytest.mark.parametrize(("answers", "state"), [([(400, 100), (200, 1)], State.SINGLE), ([(200, 2)], State.BATCHES)])
def test_single_events_are_known_still_unless_a_batch_was_taken(answers: list[tuple[int, int]], state: State) -> None:
    size = single()
    for _ in range(MOST_REFUSED):
        size.answered(400, 1)
    assert size.limit == 100
    for status, events in answers:
        size.answered(status, events)
    assert size.state is state
    for _ in range(MOST_REFUSED):
        size.answered(400, 1)
    size.answered(200, 1)
    assert size.state is state, "it is forgotten for good"


def test_a_server_that_refuses_everything_is_asked_for_no_more_than_it_may_get() -> None:
    size = refusing(7)
    assert size.limit == 7
    size = refusing(1_000)
    assert size.limit == USUAL
    size.answered(200, USUAL)
    assert size.limit == 200
