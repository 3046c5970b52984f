from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from signakit_fastapi import Identity, SignaKit, SignaKitMiddleware, get_flags
from signakit_flags.integration import IdentityNotAwaited, is_visitor_id
from support.asgi import HeaderBackend, exchange
from support.contract import BROWSER

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import FlagServer


async def ask(request: Request) -> Response:
    flags = await get_flags(request)
    return JSONResponse({"user": flags.user_id, "switch": flags.variation("switch", "none")})


def site(signakit: SignaKit, endpoint: Any = ask, **keywords: Any) -> Starlette:
    options: dict[str, Any] = {"lifespan": signakit.lifespan, "middleware": signakit.middleware, **keywords}
    return Starlette(routes=[Route("/", endpoint)], **options)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([], "Cookie"),
        ([("Vary", "Accept")], "Accept, Cookie"),
        ([("vary", "Accept"), ("vary", "Origin")], "Accept, Origin, Cookie"),
        ([("vary", "cookie")], "cookie"),
        ([("vary", "*")], "*"),
        ([("vary", "")], "Cookie"),
    ],
    ids=str,
)
def test_vary_is_added_to(signakit: SignaKit, sent: list[tuple[str, str]], expected: str) -> None:
    async def endpoint(request: Request) -> Response:
        (await get_flags(request)).decide("switch")
        response = Response()
        response.raw_headers += [(name.encode(), value.encode()) for name, value in sent]
        return response

    with TestClient(site(signakit, endpoint)) as browser:
        assert browser.get("/").headers["vary"] == expected


def test_a_response_that_is_sent_many_times_is_left_as_it_is(signakit: SignaKit) -> None:
    response = PlainTextResponse("always the same", headers={"set-cookie": "own=1"})

    async def endpoint(request: Request) -> Response:
        (await get_flags(request)).decide("switch")
        return response

    with TestClient(site(signakit, endpoint)) as browser:
        seen = set()
        for _ in range(3):
            browser.cookies.clear()
            browser.get("/")
            assert set(browser.cookies) == {"own", "visitor_id"}
            seen.add(browser.cookies["visitor_id"])
    assert len(seen) == 3
    assert [name for name, _ in response.raw_headers if name in {b"set-cookie", b"vary"}] == [b"set-cookie"]


def test_a_message_without_headers_gets_some(signakit: SignaKit) -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["flags"].decide("switch")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> list[dict[str, Any]]:
        async with signakit:
            # A server without lifespan state, and a scope without a scheme.
            scope = {"type": "http", "headers": [(b"user-agent", BROWSER.encode())]}
            messages, _ = await exchange(SignaKitMiddleware(bare, signakit=signakit), scope)
            return messages

    names = [name for name, _ in asyncio.run(run())[0]["headers"]]
    assert names == [b"set-cookie", b"cache-control", b"vary"]


def test_a_message_that_is_sent_many_times_is_left_as_it_is(signakit: SignaKit) -> None:
    start = {"type": "http.response.start", "status": 200, "headers": []}

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/asks":
            scope["state"]["flags"].decide("switch")
        await send(start)
        await send({"type": "http.response.body", "body": b""})

    async def run() -> list[list[bytes]]:
        async with signakit:
            answers = []
            for path in ("/asks", "/asks", "/asks-not"):
                scope = {"type": "http", "path": path, "headers": [(b"user-agent", BROWSER.encode())]}
                messages, _ = await exchange(SignaKitMiddleware(bare, signakit=signakit), scope)
                answers.append([name for name, _ in messages[0]["headers"]])
            return answers

    ours = [b"set-cookie", b"cache-control", b"vary"]
    assert asyncio.run(run()) == [ours, ours, []], "each visitor gets their own cookie"
    assert start["headers"] == []


def test_twice_the_same_counts_once(signakit: SignaKit, server: FlagServer) -> None:
    with TestClient(site(signakit, middleware=[*signakit.middleware, *signakit.middleware])) as browser:
        assert len(browser.get("/").headers.get_list("set-cookie")) == 1
    assert len(server.events) == 1


def test_its_place_among_others_does_not_matter(make: Callable[..., SignaKit]) -> None:
    for first in (True, False):
        signakit = make()
        others = [Middleware(AuthenticationMiddleware, backend=HeaderBackend())]
        middleware = [*signakit.middleware, *others] if first else [*others, *signakit.middleware]
        with TestClient(site(signakit, middleware=middleware)) as browser:
            assert browser.get("/", headers={"x-user": "ada"}).json()["user"] == "ada"
            assert is_visitor_id(browser.get("/").json()["user"])


def test_middleware_outside_of_it_that_asks_gets_nobody_and_the_route_its_visitor(
    signakit: SignaKit, server: FlagServer, caplog: pytest.LogCaptureFixture
) -> None:
    app = site(signakit)
    seen: list[Any] = []

    class Outside:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                seen.append((await get_flags(Request(scope))).decide("switch"))
            await self.app(scope, receive, send)
            if scope["type"] == "http":
                seen.append((await get_flags(Request(scope))).user_id)

    app.add_middleware(Outside)  # which goes outside of those that were given at the start
    with TestClient(app) as browser:
        visitor = browser.get("/").json()["user"]
        assert browser.cookies["visitor_id"] == visitor
        assert seen == [None, visitor]
        assert browser.get("/").json()["user"] == visitor
        assert seen[2].variation_key == "on", "who has a cookie is known there, too"
    assert caplog.text.count("outside of SignaKitMiddleware") == 1
    assert [event["userId"] for event in server.events] == [visitor]


@pytest.mark.parametrize("asks_before", [False, True])
def test_who_is_named_in_a_copy_of_the_scope_is_asked_for(
    make: Callable[..., SignaKit], server: FlagServer, asks_before: bool
) -> None:
    """ASGI asks of middleware that it copies the scope before it adds to it; Starlette's own does not."""
    signakit = make(identify=lambda connection: connection.scope.get("identity"))

    class Copying:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if asks_before:
                (await get_flags(Request(scope))).decide("switch")
            await self.app({**scope, "identity": Identity("ada")}, receive, send)

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        await (await ask(Request(scope)))(scope, receive, send)

    async def run() -> tuple[bytes, list[bytes]]:
        async with signakit:
            scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"user-agent", BROWSER.encode())]}
            app = SignaKitMiddleware(Copying(endpoint), signakit=signakit)
            messages, _ = await exchange(app, scope)
            return messages[1]["body"], [name for name, _ in messages[0]["headers"]]

    body, names = asyncio.run(run())
    assert (b'"ada"' in body) is not asks_before, "a request has one user, who is found at the first question"
    assert (b"set-cookie" in names) is asks_before
    assert len(server.events) == 1


def test_the_flags_around_a_mounted_application_come_back_after_it(
    signakit: SignaKit, make: Callable[..., SignaKit], server: FlagServer
) -> None:
    other = make(identify=lambda _request: Identity("of the other"))
    inner = SignaKitMiddleware(site(other, middleware=[]), signakit=other)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)
        (await get_flags(Request(scope))).track("afterwards")

    async def run() -> None:
        async with signakit, other:
            visitor = b"visitor_id=8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"
            scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"cookie", visitor)]}
            messages, _ = await exchange(SignaKitMiddleware(app, signakit=signakit), scope)
            assert b"of the other" in messages[1]["body"]

    asyncio.run(run())
    users = {event["eventKey"]: event["userId"] for event in server.events}
    assert users == {"$exposure": "of the other", "afterwards": "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"}


def test_without_it_who_has_no_cookie_is_nobody_which_is_said_once(
    signakit: SignaKit, caplog: pytest.LogCaptureFixture, server: FlagServer
) -> None:
    visitor = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"
    with TestClient(site(signakit, middleware=[])) as browser:
        for _ in range(3):
            answer = browser.get("/")
            assert answer.json() == {"user": "", "switch": "none"}
            assert "set-cookie" not in answer.headers
        assert browser.get("/", headers={"cookie": f"visitor_id={visitor}"}).json()["user"] == visitor
    warnings = [record.getMessage() for record in caplog.records if record.name == "signakit_fastapi"]
    assert warnings == [
        "no visitor cookie without SignaKitMiddleware: pass middleware=signakit.middleware to the application"
    ]
    assert [event["userId"] for event in server.events] == [visitor]


# --- errors that nobody handles --------------------------------------------------------------------------------------


async def mistake(request: Request) -> Response:
    (await get_flags(request)).decide("switch")
    raise LookupError("a mistake of the application's")


def test_an_error_that_nobody_handles_is_answered_by_starlette_alone(signakit: SignaKit) -> None:
    with TestClient(site(signakit, mistake), raise_server_exceptions=False) as browser:
        answer = browser.get("/")
        assert (answer.status_code, answer.text) == (500, "Internal Server Error")
        assert "set-cookie" not in answer.headers


def test_around_the_application_it_sets_the_cookie_there_too(signakit: SignaKit) -> None:
    app = SignaKitMiddleware(site(signakit, mistake), signakit=signakit)
    with TestClient(app, raise_server_exceptions=False) as browser:
        answer = browser.get("/")
        assert answer.status_code == 500
        assert len(answer.headers.get_list("set-cookie")) == 1


def test_the_handler_of_all_errors_makes_no_visitor_whom_no_cookie_brings_back(
    signakit: SignaKit, server: FlagServer
) -> None:
    async def broken(_request: Request) -> Response:
        raise LookupError

    async def handle(request: Request, _error: Exception) -> Response:
        return JSONResponse((await get_flags(request)).decide("switch"), 500)

    app = site(signakit, broken, exception_handlers={Exception: handle})
    with TestClient(app, raise_server_exceptions=False) as browser:
        assert browser.get("/").json() is None
    assert server.events == []


# --- who asks --------------------------------------------------------------------------------------------------------


def test_an_identity_that_has_to_be_awaited_says_so_to_code_that_does_not(make: Callable[..., SignaKit]) -> None:
    async def identify(_request: Any) -> Identity | None:
        return Identity("ada")

    async def hasty(request: Request) -> Response:
        with pytest.raises(IdentityNotAwaited, match=r"await get_flags\(request\)"):
            request.state.flags.decide("switch")
        await get_flags(request)
        return JSONResponse(request.state.flags.user_id)

    with TestClient(site(make(identify=identify), hasty)) as browser:
        assert browser.get("/").json() == "ada"


def test_an_async_identify_is_awaited_for_a_def_endpoint_and_not_for_a_thread_of_ones_own(
    make: Callable[..., SignaKit],
) -> None:
    async def identify(request: Any) -> Identity | None:
        await asyncio.sleep(0)
        if "broken" in request.query_params:
            raise RuntimeError("the application's own")
        return Identity("ada")

    def in_a_thread(request: Request) -> Response:
        if "own" in request.query_params:
            with ThreadPoolExecutor(1) as pool, pytest.raises(IdentityNotAwaited):
                pool.submit(request.state.flags.decide, "switch").result()
        return JSONResponse(request.state.flags.user_id)

    with TestClient(site(make(identify=identify), in_a_thread)) as browser:
        assert browser.get("/").json() == "ada"
        assert browser.get("/?own").json() == "ada"
        assert browser.get("/?broken").json() == ""
    gc.collect()  # a coroutine that nobody awaited would be reported now
