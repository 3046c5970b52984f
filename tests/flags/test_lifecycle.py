"""The phases of a client's life, as the table in ``lifecycle`` has them."""

from __future__ import annotations

import threading

import pytest

from signakit_flags._runtime.lifecycle import Life, Phase


def test_of_several_calls_at_once_one_closes() -> None:
    life = Life()
    won: list[bool] = []
    threads = [threading.Thread(target=lambda: won.append(life.begin_closing())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]
    assert life.phase is Phase.CLOSING


@pytest.mark.parametrize("phase", [Phase.CLOSING, Phase.STOPPING])
def test_a_close_that_was_broken_off_can_be_made_again(phase: Phase) -> None:
    life = Life()
    life.phase = phase
    life.reopen()
    assert life.begin_closing()


@pytest.mark.parametrize(
    ("in_parent", "was_closing", "in_child"),
    [
        (Phase.OPEN, False, Phase.OPEN),
        (Phase.CLOSING, True, Phase.OPEN),
        (Phase.STOPPING, True, Phase.OPEN),
        (Phase.CLOSED, False, Phase.CLOSED),
    ],
)
def test_a_child_does_not_go_on_with_the_close_of_its_parent(
    in_parent: Phase, was_closing: bool, in_child: Phase
) -> None:
    life = Life()
    life.phase = in_parent
    assert life.forget_after_fork() is was_closing
    assert life.phase is in_child


@pytest.mark.parametrize("phase", [Phase.CLOSING, Phase.STOPPING])
def test_what_is_left_of_a_close_in_a_child_does_not_keep_it_from_closing_later(phase: Phase) -> None:
    """The child was forked in the call, by a signal handler or another coroutine, and comes out of it, too."""
    life = Life()
    life.phase = phase
    life.forget_after_fork()
    life.stop()
    life.end()
    assert life.begin_closing()
    life.stop()
    life.end()
    assert life.phase is Phase.CLOSED
