from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import pytest
import trio
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from signakit_fastapi import Flags, SignaKit, get_client, get_flags, health
from signakit_fastapi.integration import NOT_STARTED
from support.configs import SDK_KEY
from support.faults import threads_of_ours
from support.server import hang, status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from support.server import FlagServer


def site(signakit: SignaKit, **keywords: Any) -> FastAPI:
    app = FastAPI(**{"lifespan": signakit.lifespan, "middleware": signakit.middleware, **keywords})

    @app.get("/")
    async def index(flags: Flags) -> str:
        return flags.variation("switch", "none")

    return app


def test_the_config_is_there_before_the_first_request_and_events_are_sent_before_the_end(
    signakit: SignaKit, server: FlagServer
) -> None:
    server.events_latency = 0.1
    with TestClient(site(signakit)) as browser:
        assert browser.get("/").json() == "on"
        assert len(server.config_requests) == 1
    assert [event["decisions"] for event in server.events] == [{"switch": "on"}]


def test_making_and_importing_touch_no_network(make: Callable[..., SignaKit], server: FlagServer) -> None:
    site(make())
    assert server.config_requests == []


def test_nothing_of_ours_runs_in_a_thread(signakit: SignaKit, server: FlagServer) -> None:
    before = threads_of_ours()
    with TestClient(site(signakit)) as browser:
        browser.get("/")
        server.wait_for_events(1)
        assert threads_of_ours() == before
    assert threads_of_ours() == before


def test_an_application_starts_again(signakit: SignaKit, server: FlagServer) -> None:
    app = site(signakit)
    for _ in range(3):
        with TestClient(app) as browser:
            assert browser.get("/").json() == "on"
    assert len(server.config_requests) == 3
    assert len({event["userId"] for event in server.events}) == 3


def test_applications_that_share_one_share_its_client(signakit: SignaKit, server: FlagServer) -> None:
    async def both() -> None:
        async with signakit.lifespan(None), signakit.lifespan(None):
            client = signakit.client
            assert client is not None
        async with signakit:
            async with signakit:
                inner = signakit.client
            assert inner is signakit.client
            signakit.flags_for("ada").track("still open")
        assert inner is not client

    asyncio.run(both())
    assert [event["eventKey"] for event in server.events] == ["still open"]


# --- with a lifespan of the application's own ------------------------------------------------------------------------


def states(app: FastAPI) -> dict[str, Any]:
    @app.get("/state")
    async def state(request: Request) -> dict[str, Any]:
        return {"db": request.state.db, "signakit": type(request.state.signakit).__name__}

    with TestClient(app) as browser:
        assert browser.get("/").json() == "on"
        seen: dict[str, Any] = browser.get("/state").json()
    return seen


def test_an_own_lifespan_enters_ours(signakit: SignaKit) -> None:
    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with signakit.lifespan(app) as state:
            yield {**state, "db": "open"}

    assert states(site(signakit, lifespan=own)) == {"db": "open", "signakit": "SignaKit"}


def test_ours_goes_around_an_own_lifespan(signakit: SignaKit, server: FlagServer) -> None:
    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        assert signakit.flags_for("starts").is_enabled("switch")
        yield {"db": "open"}
        assert signakit.flags_for("ends").is_enabled("switch")

    app = site(signakit, lifespan=signakit.lifespan_around(own))
    assert states(app) == {"db": "open", "signakit": "SignaKit"}
    assert {event["userId"] for event in server.events} >= {"starts", "ends"}


def test_ours_goes_around_an_own_lifespan_without_state(signakit: SignaKit) -> None:
    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[None]:
        yield

    with TestClient(site(signakit, lifespan=signakit.lifespan_around(own))) as browser:
        assert browser.get("/").json() == "on"


@pytest.mark.parametrize("name", ["signakit", "flags"])
def test_an_own_state_of_the_same_name_is_refused(signakit: SignaKit, name: str) -> None:
    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        yield {name: "mine"}

    app = site(signakit, lifespan=signakit.lifespan_around(own))
    with pytest.raises(RuntimeError, match=f"has a key '{name}'"), TestClient(app):
        pass


@pytest.mark.filterwarnings(r"ignore:\s*on_event is deprecated:DeprecationWarning")
def test_ours_goes_around_the_handlers_of_on_event(signakit: SignaKit) -> None:
    ran: list[str] = []
    app = FastAPI(middleware=signakit.middleware)

    @app.on_event("startup")
    async def start() -> None:
        ran.append(signakit.flags_for("starts").variation("switch", "none"))

    @app.on_event("shutdown")
    def end() -> None:
        ran.append(signakit.flags_for("ends").variation("switch", "none"))

    @app.get("/")
    async def index(flags: Flags) -> str:
        return flags.variation("switch")

    app.router.lifespan_context = signakit.lifespan_around(app.router.lifespan_context)
    with TestClient(app) as browser:
        assert browser.get("/").json() == "on"
        assert ran == ["on"]
    assert ran == ["on", "on"]


def test_an_included_router_may_bring_the_lifespan(signakit: SignaKit) -> None:
    app = FastAPI(middleware=signakit.middleware)
    router = APIRouter(lifespan=signakit.lifespan)

    @router.get("/")
    async def index(flags: Flags) -> str:
        return flags.variation("switch")

    app.include_router(router)
    with TestClient(app) as browser:
        assert browser.get("/").json() == "on"


# --- a lifespan that did not run -------------------------------------------------------------------------------------


@pytest.mark.parametrize("keywords", [{}, {"lifespan": None}, {"middleware": None}], ids=str)
def test_without_the_lifespan_the_error_says_what_to_do(signakit: SignaKit, keywords: dict[str, Any]) -> None:
    app = site(signakit, **keywords)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"with TestClient\(app\) as client") as raised:
            TestClient(app).get("/")
        assert str(raised.value) == NOT_STARTED
    assert TestClient(app).get("/openapi.json").status_code == 200, "what asks for no flag works"


def test_a_request_after_the_lifespan_says_the_same_and_loses_no_exposure(
    signakit: SignaKit, server: FlagServer, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a suite in which one test runs the lifespan and the next one forgets it."""
    app = site(signakit)
    with TestClient(app) as browser:
        assert browser.get("/").json() == "on"
    with pytest.raises(RuntimeError, match=r"with TestClient\(app\) as client"):
        TestClient(app).get("/")
    assert TestClient(app).get("/openapi.json").status_code == 200
    assert "dropped" not in caplog.text
    with TestClient(app) as browser:
        assert browser.get("/").json() == "on"
    assert len(server.events) == 2


def test_a_request_that_outlives_the_lifespan_still_decides(signakit: SignaKit) -> None:
    async def run() -> str:
        async with signakit:
            flags = signakit.context({"type": "http", "headers": [(b"cookie", f"visitor_id={VISITOR}".encode())]})
        return flags.variation("switch", "none")

    assert asyncio.run(run()) == "on"


VISITOR = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"


def test_plain_starlette_says_the_same(signakit: SignaKit) -> None:
    async def index(request: Any) -> JSONResponse:
        return JSONResponse(request.state.flags.variation("switch"))

    app = Starlette(routes=[Route("/", index), Route("/health", health)], middleware=signakit.middleware)
    for path in ("/", "/health"):
        with pytest.raises(RuntimeError, match="lifespan did not run"):
            TestClient(app).get(path)


def test_a_mounted_application_uses_the_lifespan_around_it(signakit: SignaKit) -> None:
    outer = FastAPI(lifespan=signakit.lifespan, middleware=signakit.middleware)
    outer.mount("/inner", site(signakit))
    with TestClient(outer) as browser:
        answer = browser.get("/inner/")
        assert answer.json() == "on"
        assert len(answer.headers.get_list("set-cookie")) == 1


def test_a_mounted_application_with_flags_of_its_own_is_entered_by_the_one_around_it(
    signakit: SignaKit, make: Callable[..., SignaKit], server: FlagServer
) -> None:
    other = make(visitor_cookie={"name": "other"}, identify=None)
    inner = site(other)

    @asynccontextmanager
    async def own(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with other.lifespan(inner):
            yield {}

    async def after(request: Any) -> JSONResponse:
        return JSONResponse((await get_flags(request)).user_id)

    outer = Starlette(
        routes=[Mount("/inner", app=inner), Route("/", after)],
        lifespan=signakit.lifespan_around(own),
        middleware=signakit.middleware,
    )
    with TestClient(outer) as browser:
        assert browser.get("/inner/").json() == "on"
        assert set(browser.cookies) == {"other"}
        assert browser.get("/").json() == browser.cookies["visitor_id"] != browser.cookies["other"]
    assert len(server.config_requests) == 2


# --- a start that goes wrong -----------------------------------------------------------------------------------------


def test_a_cdn_that_hangs_delays_the_start_by_the_timeout_alone(
    make: Callable[..., SignaKit], server: FlagServer
) -> None:
    server.config_fault = hang
    with TestClient(site(make(ready_timeout=0.05))) as browser:
        assert browser.get("/").json() == "none"


def test_a_request_neither_waits_for_a_config_nor_asks_for_one(
    make: Callable[..., SignaKit], server: FlagServer
) -> None:
    server.config_fault = status(503, Retry_After="600")
    app = site(make())

    @app.get("/def")
    def in_a_thread(flags: Flags) -> str:
        return flags.variation("switch", "none")

    before = threads_of_ours()
    with TestClient(app) as browser:
        for path in ("/", "/def"):
            assert browser.get(path).json() == "none"
        assert len(server.config_requests) == 1
        assert threads_of_ours() == before


def test_a_cdn_that_is_away_at_the_start_comes_back(make: Callable[..., SignaKit], server: FlagServer) -> None:
    server.config_faults = [status(503)]
    signakit = make()
    with TestClient(site(signakit)) as browser:
        assert browser.get("/").json() == "none"
        assert browser.portal is not None
        client = signakit.client
        assert client is not None
        assert browser.portal.call(client.refresh)
        assert browser.get("/").json() == "on"


def test_a_start_that_is_cancelled_leaves_nothing_behind(make: Callable[..., SignaKit], server: FlagServer) -> None:
    signakit = make(timeout=100)  # the request that hangs does not end by itself meanwhile
    server.config_faults = [hang]
    threads = threading.active_count()

    def left() -> bool:
        return any(task.get_name().startswith("signakit") for task in asyncio.all_tasks())

    async def cancelled() -> None:
        async def run() -> None:
            async with signakit.lifespan(FastAPI()):
                raise AssertionError("it started")

        starting = asyncio.create_task(run())
        while not server.config_requests:  # noqa: ASYNC110  # the server is in another thread
            await asyncio.sleep(0.005)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        async with asyncio.timeout(10):
            while left():  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0)

    asyncio.run(cancelled())
    server.release.set()
    assert threading.active_count() <= threads + 1, "that of the server's connection"
    with TestClient(site(signakit)) as browser:
        assert browser.get("/").json() == "on"


def test_a_start_of_the_applications_that_fails_ends_ours(signakit: SignaKit, server: FlagServer) -> None:
    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[None]:
        signakit.flags_for("ada").track("began")
        raise LookupError("no database")
        yield

    with pytest.raises(LookupError), TestClient(site(signakit, lifespan=signakit.lifespan_around(own))):
        pass
    assert [event["eventKey"] for event in server.events] == ["began"]


# --- without a usable key --------------------------------------------------------------------------------------------


def test_without_a_key_flags_are_off_and_the_log_says_so_but_not_in_tests(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for in_tests in (True, False):
        if not in_tests:
            monkeypatch.delenv("PYTEST_CURRENT_TEST")
        signakit = SignaKit()
        with TestClient(site(signakit)) as browser:
            assert browser.get("/").json() == "none"
            assert signakit.client is None
        if in_tests:
            assert caplog.records == []
    [record] = caplog.records
    assert (record.name, record.levelname) == ("signakit_fastapi", "WARNING")
    assert "sdk_key is missing; flags are off" in record.getMessage()


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, server: FlagServer) -> None:
    monkeypatch.setenv("SIGNAKIT_SDK_KEY", SDK_KEY)
    monkeypatch.setenv("SIGNAKIT_EMULATOR_URL", server.url)
    with TestClient(site(SignaKit())) as browser:
        assert browser.get("/").json() == "on"


def test_an_option_that_does_not_exist_is_named(
    make: Callable[..., SignaKit], caplog: pytest.LogCaptureFixture
) -> None:
    with TestClient(site(make(poling_interval=3))) as browser:
        assert browser.get("/").json() == "on"
    assert "poling_interval is no option" in caplog.text


# --- outside of requests, and looking in -----------------------------------------------------------------------------


def test_flags_of_a_user_in_a_job(signakit: SignaKit, server: FlagServer) -> None:
    async def job() -> None:
        async with signakit:
            assert signakit.flags_for("ada", {"plan": "pro"}).is_enabled("switch")
            assert signakit.flags_for(None).decide("switch") is None

    asyncio.run(job())
    (event,) = server.events
    assert (event["userId"], event["attributes"]) == ("ada", {"plan": "pro"})


def test_under_trio_threads_do_what_tasks_do_elsewhere(signakit: SignaKit, server: FlagServer) -> None:
    async def job() -> None:
        async with signakit:
            assert signakit.flags_for("ada").is_enabled("switch")

    trio.run(job)
    assert [event["userId"] for event in server.events] == ["ada"]


def test_the_health_check(make: Callable[..., SignaKit], server: FlagServer) -> None:
    def served(signakit: SignaKit) -> Any:
        app = FastAPI(lifespan=signakit.lifespan)
        app.get("/health", include_in_schema=False)(health)
        with TestClient(app) as browser:
            return browser.get("/health")

    answer = served(make())
    assert answer.status_code == 200
    assert answer.json()["source"] == "cdn"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    server.config_fault = status(503)
    assert served(make(ready_timeout=0.05)).status_code == 503
    assert served(make(sdk_key="nonsense")).json()["ready"] is False


def test_the_client_as_a_dependency(signakit: SignaKit) -> None:
    app = FastAPI(lifespan=signakit.lifespan)

    @app.get("/")
    async def keys(client: Annotated[Any, Depends(get_client)]) -> list[str]:
        found: list[str] = client.flag_keys()
        return found

    with TestClient(app) as browser:
        assert browser.get("/").json() == ["exp", "tgt", "switch"]
