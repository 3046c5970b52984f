"""What is a question: declaring ``flags: Flags`` is none, and a new visitor is made by one that comes in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import BackgroundTasks, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from signakit_fastapi import Flags, SignaKit  # noqa: TC001  # FastAPI reads the annotations of routes
from signakit_flags.integration import is_visitor_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from support.server import FlagServer

VISITOR = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"
RETURNS = {"cookie": f"visitor_id={VISITOR}"}


def site(signakit: SignaKit, seen: list[str]) -> FastAPI:
    app = FastAPI(lifespan=signakit.lifespan, middleware=signakit.middleware)

    @app.get("/declares")
    async def declares(flags: Flags, number: int = 0) -> str:
        return flags.variation("switch") if number else "the same for all"

    @app.get("/declares-in-a-thread")
    def declares_in_a_thread(flags: Flags, number: int = 0) -> str:
        return flags.variation("switch") if number else "the same for all"

    @app.get("/stream")
    async def stream(flags: Flags, asks: bool = False) -> StreamingResponse:
        if asks:
            seen.append(flags.user_id)

        async def body() -> AsyncIterator[str]:
            yield flags.variation("switch", "none")

        return StreamingResponse(body())

    @app.get("/task")
    async def task(flags: Flags, tasks: BackgroundTasks, asks: bool = False) -> None:
        if asks:
            seen.append(flags.user_id)
        tasks.add_task(lambda: seen.append(flags.variation("switch", "none")))

    @app.websocket("/ws")
    async def ws(socket: WebSocket, flags: Flags, asks: bool = False) -> None:
        if asks:
            seen.append(flags.user_id)
        await socket.accept()
        await socket.send_text(flags.variation("switch", "none"))
        await socket.close()

    return app


@pytest.mark.parametrize("path", ["/declares", "/declares-in-a-thread"])
@pytest.mark.parametrize(("query", "status"), [("", 200), ("?number=none", 422)])
def test_a_route_that_declares_flags_and_does_not_ask_answers_as_without(
    signakit: SignaKit, server: FlagServer, path: str, query: str, status: int
) -> None:
    with TestClient(site(signakit, [])) as browser:
        answer = browser.get(path + query)
        assert answer.status_code == status
        assert "set-cookie" not in answer.headers
        assert "vary" not in answer.headers
        answer = browser.get(f"{path}?number=1")
        assert answer.json() == "on"
        assert is_visitor_id(browser.cookies["visitor_id"])
        assert answer.headers["vary"] == "Cookie"
    assert len(server.events) == 1


@pytest.mark.parametrize(
    ("headers", "asks", "expected"), [({}, False, "none"), ({}, True, "on"), (RETURNS, False, "on")]
)
@pytest.mark.parametrize("path", ["/stream", "/task"])
def test_after_the_response_has_started_only_visitors_who_are_known_have_flags(
    signakit: SignaKit, server: FlagServer, path: str, headers: dict[str, str], asks: bool, expected: str
) -> None:
    seen: list[str] = []
    with TestClient(site(signakit, seen)) as browser:
        answer = browser.get(f"{path}?asks={asks}", headers=headers)
    assert (answer.text if path == "/stream" else seen[-1]) == expected
    assert ("set-cookie" in answer.headers) is asks
    users = [event["userId"] for event in server.events]
    assert users == ([] if expected == "none" else [seen[0] if asks else VISITOR])


@pytest.mark.parametrize(
    ("headers", "asks", "expected"), [({}, False, "none"), ({}, True, "on"), (RETURNS, False, "on")]
)
def test_a_websocket_makes_a_visitor_before_it_is_accepted_and_not_after(
    signakit: SignaKit, server: FlagServer, headers: dict[str, str], asks: bool, expected: str
) -> None:
    seen: list[str] = []
    with (
        TestClient(site(signakit, seen)) as browser,
        browser.websocket_connect(f"/ws?asks={asks}", headers=headers) as socket,
    ):
        assert socket.receive_text() == expected
        cookies = [value.decode() for name, value in socket.extra_headers or () if name == b"set-cookie"]
    assert [cookie.split(";")[0] for cookie in cookies] == [f"visitor_id={user}" for user in seen]
    users = [event["userId"] for event in server.events]
    assert users == ([] if expected == "none" else [seen[0] if asks else VISITOR])


def test_one_line_says_that_the_question_came_too_late(
    make: Callable[..., SignaKit], caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []
    with TestClient(site(make(), seen)) as browser:
        for _ in range(3):
            browser.get("/stream")
            browser.get("/task")
    assert caplog.text.count("flags were first asked after the response has started") == 1
