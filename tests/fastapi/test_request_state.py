"""``request.state.flags`` where the server copies the lifespan's state for each request, and where it does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from signakit_fastapi import Identity, SignaKit, SignaKitMiddleware, get_flags
from signakit_fastapi.request_state import OwnFlags
from support.asgi import exchange

if TYPE_CHECKING:
    from collections.abc import Callable

VISITORS = [f"8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b{number:02}" for number in range(4)]


class Meeting:
    """Answers when as many requests as there are visitors are under way: with the user before and after the wait."""

    def __init__(self) -> None:
        self._all = asyncio.Barrier(len(VISITORS))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope)
        assert request.state.motto == "of the lifespan"
        before = request.state.flags.user_id
        request.state.written = before
        await self._all.wait()
        after = Request(scope).state.flags.user_id
        said = [before, after, request.state.flags.user_id, (await get_flags(request)).user_id]
        await JSONResponse(said)(scope, receive, send)


def scope_of(visitor: str, **more: Any) -> dict[str, Any]:
    headers = [(b"cookie", f"visitor_id={visitor}".encode())]
    return {"type": "http", "method": "GET", "path": "/", "headers": headers, **more}


async def answer(app: Any, scope: dict[str, Any]) -> Any:
    messages, _ = await exchange(app, scope)
    return messages[1]["body"].decode()


@pytest.mark.parametrize("shares", [True, False])
def test_each_request_has_its_own_flags_whatever_the_server_shares(signakit: SignaKit, shares: bool) -> None:
    async def run() -> list[str]:
        async with signakit:
            app = SignaKitMiddleware(Meeting(), signakit=signakit)
            state = {"signakit": signakit, "motto": "of the lifespan"}
            states = [state if shares else {**state} for _ in VISITORS]
            scopes = [scope_of(visitor, state=own) for visitor, own in zip(VISITORS, states, strict=True)]
            return await asyncio.gather(*(answer(app, scope) for scope in scopes))

    assert asyncio.run(run()) == [str([visitor] * 4).replace("'", '"').replace(" ", "") for visitor in VISITORS]


def test_a_later_request_of_the_same_state_has_flags_of_its_own(signakit: SignaKit) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse(Request(scope).state.flags.user_id)(scope, receive, send)

    async def run() -> list[str]:
        async with signakit:
            shared: dict[str, Any] = {}
            middleware = SignaKitMiddleware(app, signakit=signakit)
            return [await answer(middleware, scope_of(visitor, state=shared)) for visitor in VISITORS]

    assert asyncio.run(run()) == [f'"{visitor}"' for visitor in VISITORS]


def test_without_the_middleware_it_is_the_same(signakit: SignaKit) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        flags = await get_flags(Request(scope))
        await JSONResponse([flags.user_id, Request(scope).state.flags is flags])(scope, receive, send)

    async def run() -> list[str]:
        async with signakit:
            shared: dict[str, Any] = {"signakit": signakit}
            return [await answer(app, scope_of(visitor, state=shared)) for visitor in VISITORS]

    assert asyncio.run(run()) == [f'["{visitor}",true]' for visitor in VISITORS]


@pytest.mark.parametrize("shares", [True, False])
def test_middleware_around_it_and_handlers_see_what_the_other_writes(signakit: SignaKit, shares: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        state = Request(scope).state
        state.of_handler = state.of_middleware + 1
        await JSONResponse(state.flags.user_id)(scope, receive, send)

    async def around(scope: Any, receive: Any, send: Any) -> None:
        state = Request(scope).state
        state.of_middleware = 1
        await SignaKitMiddleware(app, signakit=signakit)(scope, receive, send)
        assert state.of_handler == 2

    async def run() -> list[str]:
        async with signakit:
            state: dict[str, Any] = {}
            scopes = [scope_of(visitor, state=state if shares else {}) for visitor in VISITORS]
            return [await answer(around, scope) for scope in scopes]

    assert asyncio.run(run()) == [f'"{visitor}"' for visitor in VISITORS]


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("copies", [True, False])
def test_mounted_applications_have_their_own_and_give_back_those_around_them(
    signakit: SignaKit, make: Callable[..., SignaKit], shares: bool, copies: bool
) -> None:
    other = make(identify=lambda _connection: Identity("of the mounted one"))

    async def run() -> list[list[str]]:
        barrier = asyncio.Barrier(len(VISITORS))
        seen: dict[str, list[str]] = {}

        async def mounted(scope: Any, receive: Any, send: Any) -> None:
            await barrier.wait()
            seen[scope["name"]].append(Request(scope).state.flags.user_id)
            await JSONResponse(None)(scope, receive, send)

        inner = SignaKitMiddleware(mounted, signakit=other)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen[scope["name"]] = [Request(scope).state.flags.user_id]
            await barrier.wait()
            await inner({**scope} if copies else scope, receive, send)
            await barrier.wait()
            seen[scope["name"]].append(Request(scope).state.flags.user_id)

        async with signakit, other:
            outer = SignaKitMiddleware(app, signakit=signakit)
            state: dict[str, Any] = {}
            scopes = [scope_of(visitor, name=visitor, state=state if shares else {}) for visitor in VISITORS]
            await asyncio.gather(*(answer(outer, scope) for scope in scopes))
        return [seen[visitor] for visitor in VISITORS]

    assert asyncio.run(run()) == [[visitor, "of the mounted one", visitor] for visitor in VISITORS]


def test_the_state_of_a_server_that_copies_it_stays_the_same_object(signakit: SignaKit) -> None:
    """So that what Starlette's ``Request`` of a middleware around ours keeps is what handlers write to."""
    state: dict[str, Any] = {"motto": "of the lifespan"}
    scope = scope_of(VISITORS[0], state=state)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse(scope["state"] is state)(scope, receive, send)

    async def run() -> str:
        async with signakit:
            found: str = await answer(SignaKitMiddleware(app, signakit=signakit), scope)
            return found

    assert asyncio.run(run()) == "true"
    assert set(state) == {"motto", "flags"}


@pytest.mark.parametrize("more", [{}, {"state": None}], ids=["absent", "none"])
def test_a_scope_without_a_state_gets_one(signakit: SignaKit, more: dict[str, Any]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse(Request(scope).state.flags.user_id)(scope, receive, send)

    async def run() -> str:
        async with signakit:
            scope = scope_of(VISITORS[0], **more)
            found: str = await answer(SignaKitMiddleware(app, signakit=signakit), scope)
            return found

    assert asyncio.run(run()) == f'"{VISITORS[0]}"'


@pytest.mark.parametrize("more", [{}, {"state": None}], ids=["absent", "none"])
def test_without_a_state_and_without_the_middleware_the_error_says_what_to_do(more: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match=r"Pass lifespan=signakit\.lifespan"):
        asyncio.run(get_flags(Request(scope_of(VISITORS[0], **more))))


def test_a_state_with_flags_of_its_own_is_a_view_of_the_servers() -> None:
    shared: dict[str, Any] = {"motto": "first", "flags": "of another request"}
    state = OwnFlags(shared, "own")
    assert dict(state) == {"flags": "own", "motto": "first"}
    assert (len(state), state["flags"], state.get("nothing")) == (2, "own", None)
    state["motto"] = "second"
    state["flags"] = "new"
    state.update(more=1)
    assert shared == {"motto": "second", "more": 1, "flags": "of another request"}
    assert state.copy() == {"flags": "new", "motto": "second", "more": 1}
    del state["more"]
    del state["flags"]
    assert "flags" not in state
    assert shared == {"motto": "second", "flags": "of another request"}
    assert dict(state) == {"motto": "second"}
