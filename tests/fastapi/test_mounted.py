"""Several ``SignaKit`` around one request: an application, and mounted ones with flags of their own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import Request

from signakit_fastapi import SignaKit, SignaKitMiddleware, get_flags
from signakit_flags.integration import is_visitor_id
from support.asgi import exchange
from support.contract import BROWSER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.server import FlagServer


class Layer:
    """Asks for flags before, and, as a ``Mount`` does not, hands on a copy of the scope. The innermost one answers."""

    def __init__(self, inner: Any, seen: dict[int, str], number: int, *, asks: bool) -> None:
        self._inner = inner
        self._seen = seen
        self._number = number
        self._asks = asks

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def ask_first(message: Any) -> None:
            if message["type"] == "http.response.start":
                await self._ask(scope)
            await send(message)

        if self._asks and self._number % 2:
            await self._ask(scope)  # on the way in
        if self._inner is not None:
            await self._inner({**scope}, receive, ask_first if self._asks else send)  # on the way out
            return
        if self._asks:
            await self._ask(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def _ask(self, scope: Any) -> None:
        flags = await get_flags(Request(scope))
        assert flags.variation("switch") == "on"
        self._seen[self._number] = flags.user_id


def ask(signakits: Sequence[SignaKit], *asking: int, cookie: str = "") -> tuple[dict[int, str], list[str]]:
    """Return who asked in the layers that ask, 0 being the outermost one, and the cookies of the response."""
    seen: dict[int, str] = {}
    app: Any = None
    for number in reversed(range(len(signakits))):
        layer = Layer(app, seen, number, asks=number in asking)
        app = SignaKitMiddleware(layer, signakit=signakits[number])

    async def run() -> list[dict[str, Any]]:
        for signakit in signakits:
            await signakit.__aenter__()
        headers = [(b"user-agent", BROWSER.encode()), (b"cookie", cookie.encode())]
        messages, _ = await exchange(app, {"type": "http", "method": "GET", "path": "/", "headers": headers})
        for signakit in signakits:
            await signakit.__aexit__(None, None, None)
        return messages

    start = asyncio.run(run())[0]
    return seen, [value.decode() for name, value in start["headers"] if name == b"set-cookie"]


@pytest.mark.parametrize("asking", [(0, 1), (1, 2), (0, 2), (0, 1, 2), (0,), (1,), (2,)])
def test_cookies_of_one_name_are_one_visitors(
    make: Callable[..., SignaKit], server: FlagServer, asking: tuple[int, ...]
) -> None:
    seen, cookies = ask([make(), make(), make()], *asking)
    assert set(seen) == set(asking)
    [visitor] = set(seen.values())
    assert is_visitor_id(visitor)
    assert [cookie.split(";")[0] for cookie in cookies] == [f"visitor_id={visitor}"]
    assert {event["userId"] for event in server.events} == {visitor}


def test_cookies_of_different_names_are_different_visitors(make: Callable[..., SignaKit]) -> None:
    seen, cookies = ask([make(), make(visitor_cookie={"name": "other"})], 0, 1)
    assert seen[0] != seen[1]
    assert sorted(cookie.split(";")[0] for cookie in cookies) == [f"other={seen[1]}", f"visitor_id={seen[0]}"]


def test_of_cookies_that_differ_in_more_than_the_name_the_innermost_is_set(make: Callable[..., SignaKit]) -> None:
    outer = make(visitor_cookie={"domain": "example.com"})
    inner = make(visitor_cookie={"path": "/inner"})
    seen, cookies = ask([outer, inner], 0, 1)
    assert seen[0] == seen[1]
    [cookie] = cookies
    assert "Path=/inner" in cookie
    assert "Domain" not in cookie


def test_a_visitor_who_returns_is_the_same_for_all_and_gets_no_cookie(make: Callable[..., SignaKit]) -> None:
    visitor = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"
    seen, cookies = ask([make(), make()], 0, 1, cookie=f"visitor_id={visitor}")
    assert seen == {0: visitor, 1: visitor}
    assert cookies == []


def test_a_mounted_application_without_a_config_leaves_the_cookie_to_the_one_around_it(
    make: Callable[..., SignaKit], server: FlagServer
) -> None:
    outer, inner = make(), make(sdk_key="nonsense")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await get_flags(Request(scope))).decide("switch") is None
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def around(scope: Any, receive: Any, send: Any) -> None:
        (await get_flags(Request(scope))).decide("switch")
        await SignaKitMiddleware(app, signakit=inner)(scope, receive, send)

    async def run() -> list[dict[str, Any]]:
        async with outer, inner:
            scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"user-agent", BROWSER.encode())]}
            return (await exchange(SignaKitMiddleware(around, signakit=outer), scope))[0]

    start = asyncio.run(run())[0]
    cookies = [value.decode() for name, value in start["headers"] if name == b"set-cookie"]
    assert [cookie.split(";")[0] for cookie in cookies] == [f"visitor_id={server.events[0]['userId']}"]
