"""Running a flow in a thread, and what of an answer can be used again."""

from __future__ import annotations

import pytest

from signakit_flags._runtime.flow import (
    MAX_ETAG,
    Answer,
    Failure,
    Flow,
    Pause,
    Request,
    Response,
    Send,
    Sleep,
    run,
    usable_etag,
)

FIRST, SECOND = Request("GET", "http://127.0.0.1:9/1", {}), Request("POST", "http://127.0.0.1:9/2", {}, b"{}")


def test_a_flow_gets_the_answer_to_each_request_and_none_to_a_wait() -> None:
    got: list[Answer | None] = []

    def flow() -> Flow:
        got.append((yield Send(FIRST)))
        got.append((yield Sleep(1.5)))
        got.append((yield Send(SECOND)))
        got.append((yield Sleep(None)))

    answers = {FIRST.url: Response(200), SECOND.url: Failure("away")}
    slept: list[float | None] = []
    run(flow(), lambda request: answers[request.url], slept.append)
    assert got == [Response(200), None, Failure("away"), None]
    assert slept == [1.5, None]


def test_a_pause_lets_other_threads_run_and_is_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def flow() -> Flow:
        yield Pause()
        assert (yield Send(FIRST)) == Response(200)
        assert (yield Pause()) is None

    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    run(flow(), lambda _request: Response(200), lambda _seconds: pytest.fail("it waits"))
    assert slept == [0, 0]


def test_what_a_flow_raises_comes_out() -> None:
    def flow() -> Flow:
        yield Sleep(None)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(flow(), lambda _request: Response(200), lambda _seconds: None)


@pytest.mark.parametrize(
    ("etag", "usable"),
    [
        ('"1"', True),
        ('W/"1"', True),
        ("x" * MAX_ETAG, True),
        ("x" * (MAX_ETAG + 1), False),
        ("", False),
        (None, False),
        ('"ü"', False),
        ('"1"\r\nX-Header: 1', False),
    ],
)
def test_an_etag_is_used_again_only_if_it_can_be_a_header(etag: str | None, usable: bool) -> None:
    assert usable_etag(etag) == (etag if usable else None)
