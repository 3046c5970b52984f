from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator  # noqa: TC003  # FastAPI reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Request,
    Response,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.testclient import TestClient
from starlette.middleware import Middleware

from signakit_fastapi import Flags, Identity, SignaKit, get_flags, require_flag
from signakit_fastapi.openapi import document_refusals
from signakit_flags import SignaKitClient, SignaKitUserContext
from signakit_flags.integration import is_visitor_id
from support.configs import config, flag, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import FlagServer

CONFIG = config(flag("switch", allocation=whole("on")))


def new_app(signakit: SignaKit, **keywords: Any) -> FastAPI:
    return FastAPI(lifespan=signakit.lifespan, middleware=signakit.middleware, **keywords)


# --- flags wherever a request goes -----------------------------------------------------------------------------------


def test_one_context_for_a_whole_request(signakit: SignaKit, server: FlagServer) -> None:
    app = new_app(signakit, dependencies=[Depends(require_flag("switch"))])

    @app.get("/")
    async def index(request: Request, flags: Flags) -> bool:
        return flags is request.state.flags and flags is await get_flags(request)

    with TestClient(app) as browser:
        assert browser.get("/").json() is True
    assert len(server.events) == 1


@pytest.mark.parametrize("path", ["/made", "/injected", "/plain", "/empty"])
def test_the_cookie_is_set_whoever_makes_the_response(signakit: SignaKit, path: str) -> None:
    app = new_app(signakit)

    @app.get("/made")
    async def made(flags: Flags) -> Response:
        return Response(flags.user_id)

    @app.get("/injected", response_class=PlainTextResponse)
    async def injected(flags: Flags, response: Response) -> str:
        response.set_cookie("own", "1")
        return flags.user_id

    @app.get("/plain", response_class=PlainTextResponse)
    def plain(flags: Flags) -> str:
        return flags.user_id

    @app.get("/empty", status_code=204, response_model=None)
    def empty(flags: Flags) -> None:
        flags.decide("switch")

    with TestClient(app) as browser:
        answer = browser.get(path)
        assert is_visitor_id(browser.cookies["visitor_id"])
        if path != "/empty":
            assert answer.text == browser.cookies["visitor_id"]
        assert ("own" in browser.cookies) == (path == "/injected")


def test_background_tasks_ask_for_the_same_user(signakit: SignaKit, server: FlagServer) -> None:
    app = new_app(signakit)

    def in_a_thread(flags: SignaKitUserContext) -> None:
        flags.track("thread")

    async def on_the_loop(request: Request) -> None:
        await (await get_flags(request)).track_event("loop")

    @app.get("/")
    async def index(request: Request, flags: Flags, tasks: BackgroundTasks) -> str:
        tasks.add_task(in_a_thread, flags)
        tasks.add_task(on_the_loop, request)
        return flags.user_id

    with TestClient(app) as browser:
        user_id = browser.get("/").json()
    assert {(event["eventKey"], event["userId"]) for event in server.events} == {
        ("thread", user_id),
        ("loop", user_id),
    }


def test_a_first_touch_in_a_background_task_is_nobodys_without_a_cookie(
    signakit: SignaKit, caplog: pytest.LogCaptureFixture
) -> None:
    app = new_app(signakit)
    seen: list[Any] = []

    async def late(request: Request) -> None:
        seen.append((await get_flags(request)).decide("switch"))

    @app.get("/")
    async def index(request: Request, tasks: BackgroundTasks) -> None:
        tasks.add_task(late, request)

    with TestClient(app) as browser:
        assert "set-cookie" not in browser.get("/").headers
        browser.get("/")
    assert seen == [None, None]
    assert caplog.text.count("after the response has started") == 1


def test_server_sent_events_know_the_visitor(signakit: SignaKit, server: FlagServer) -> None:
    app = new_app(signakit)

    @app.get("/events")
    async def events(flags: Flags) -> StreamingResponse:
        assert flags.user_id  # a question, while the cookie can be set

        async def body() -> AsyncIterator[str]:
            for number in range(3):
                await asyncio.sleep(0)
                yield f"id: {number}\ndata: {flags.variation('switch')}\n\n"

        return StreamingResponse(body(), media_type="text/event-stream")

    @app.get("/generated")
    def generated(flags: Flags) -> StreamingResponse:
        assert flags.user_id

        def body() -> Iterator[str]:
            yield f"data: {flags.variation('switch')}\n\n"

        return StreamingResponse(body(), media_type="text/event-stream")

    with TestClient(app) as browser:
        assert browser.get("/events").text.count("data: on") == 3
        assert browser.get("/generated").text.count("data: on") == 1
        visitor = browser.cookies["visitor_id"]
    assert [event["userId"] for event in server.events] == [visitor]


def test_an_exception_handler_asks_too(signakit: SignaKit) -> None:
    app = new_app(signakit)

    @app.exception_handler(LookupError)
    async def handle(request: Request, _error: LookupError) -> JSONResponse:
        return JSONResponse((await get_flags(request)).variation("switch"), 409)

    @app.exception_handler(ZeroDivisionError)
    def handle_in_a_thread(request: Request, _error: ZeroDivisionError) -> JSONResponse:
        return JSONResponse(request.state.flags.variation("switch"), 409)

    @app.get("/lookup")
    async def lookup() -> None:
        raise LookupError

    @app.get("/division")
    def division() -> None:
        raise ZeroDivisionError

    for path in ("/lookup", "/division"):
        with TestClient(app) as browser:
            answer = browser.get(path)
            assert (answer.status_code, answer.json()) == (409, "on")
            assert is_visitor_id(browser.cookies["visitor_id"])


def test_a_dependency_with_yield_asks_before_and_after(signakit: SignaKit) -> None:
    app = new_app(signakit)
    seen: list[str] = []

    async def unit(flags: Flags) -> AsyncIterator[None]:
        seen.append(flags.variation("switch"))
        yield
        seen.append(flags.variation("switch"))

    @app.get("/", dependencies=[Depends(unit)])
    async def index() -> None:
        return

    with TestClient(app) as browser:
        browser.get("/")
    assert seen == ["on", "on"]


# --- require_flag ----------------------------------------------------------------------------------------------------


def gated(signakit: SignaKit) -> FastAPI:
    app = new_app(signakit)
    router = APIRouter(dependencies=[Depends(require_flag("switch"))])

    @router.get("/router")
    def of_router() -> str:
        return "in"

    @app.get("/variation", dependencies=[Depends(require_flag("exp", variation="treatment"))])
    async def variation() -> str:
        return "in"

    @app.post("/off", dependencies=[Depends(require_flag("unknown"))])
    async def off() -> str:
        return "in"

    @app.get("/teapot", dependencies=[Depends(require_flag("unknown", status_code=418))])
    async def teapot() -> str:
        return "in"

    @app.get("/documented", responses={404: {"description": "own words"}})
    async def documented(_gate: Annotated[None, Depends(require_flag("switch"))]) -> str:
        return "in"

    app.include_router(router, prefix="/in")
    app.include_router(router, prefix="/late", dependencies=[Depends(require_flag("unknown", status_code=403))])
    return app


def test_require_flag_lets_in_those_who_have_it(signakit: SignaKit, server: FlagServer) -> None:
    with TestClient(gated(signakit)) as browser:
        assert browser.get("/in/router").json() == "in"
        assert browser.get("/documented").status_code == 200
        assert browser.post("/off").status_code == 404
        assert browser.post("/off").json() == {"detail": "Not Found"}, "it does not say which flag"
        assert browser.get("/teapot").status_code == 418
        assert browser.get("/late/router").status_code == 403
        assert is_visitor_id(browser.cookies["visitor_id"])
        statuses = {
            user: browser.get("/variation", headers={"cookie": f"visitor_id={user}"}).status_code for user in IDS
        }
    exposed = {e["userId"]: e["decisions"]["exp"] for e in server.events if "exp" in e["decisions"]}
    assert statuses == {user: 200 if exposed[user] == "treatment" else 404 for user in IDS}
    assert set(statuses.values()) == {200, 404}


IDS = [f"8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b{number:02}" for number in range(10)]


def test_nobody_is_let_in_while_there_is_no_config(make: Callable[..., SignaKit]) -> None:
    with TestClient(gated(make(sdk_key="nonsense"))) as browser:
        assert browser.get("/in/router").status_code == 404


def test_require_flag_wants_a_key() -> None:
    with pytest.raises(TypeError, match="key of a flag, not a function"):
        require_flag(test_require_flag_wants_a_key)  # type: ignore[arg-type]


@pytest.mark.parametrize("status_code", [299, 499, 1_000])
def test_require_flag_wants_a_status_of_http(status_code: int) -> None:
    with pytest.raises(ValueError, match=f"{status_code} is not a valid HTTPStatus"):
        require_flag("switch", status_code=status_code)


def test_the_openapi_document_shows_the_refusals(signakit: SignaKit) -> None:
    app = gated(signakit)
    outer = FastAPI(lifespan=signakit.lifespan)
    outer.mount("/api", app)
    with TestClient(outer) as browser:
        document = browser.get("/api/openapi.json").json()
    shown = {
        path: {code: answer["description"] for code, answer in operation["responses"].items() if code != "200"}
        for path, methods in document["paths"].items()
        for operation in methods.values()
    }
    assert shown == {
        "/in/router": {"404": "Not Found"},
        "/late/router": {"404": "Not Found", "403": "Forbidden"},
        "/variation": {"404": "Not Found"},
        "/off": {"404": "Not Found"},
        "/teapot": {"418": "I'm a Teapot"},
        "/documented": {"404": "own words"},
    }
    assert "parameters" not in str(document), "flags ask nothing of a client"
    assert "Identity" not in str(document)


def test_a_script_documents_the_refusals_without_running_the_application(signakit: SignaKit) -> None:
    app = gated(signakit)
    app.openapi()
    document_refusals(app)
    document_refusals(app)
    assert "404" in app.openapi()["paths"]["/off"]["post"]["responses"]


# --- WebSockets ------------------------------------------------------------------------------------------------------


def test_a_websocket_has_flags_and_its_handshake_sets_the_cookie(signakit: SignaKit, server: FlagServer) -> None:
    app = new_app(signakit)

    @app.websocket("/ws")
    async def ticker(socket: WebSocket, flags: Flags) -> None:
        user_id = flags.user_id
        await socket.accept()
        assert flags is socket.state.flags
        await socket.send_json({"user": user_id, "switch": flags.variation("switch")})
        await socket.close()

    with TestClient(app) as browser, browser.websocket_connect("/ws") as socket:
        said = socket.receive_json()
        cookies = [value.decode() for name, value in socket.extra_headers or () if name == b"set-cookie"]
    assert said["switch"] == "on"
    assert [cookie.split(";")[0] for cookie in cookies] == [f"visitor_id={said['user']}"]
    assert [event["userId"] for event in server.events] == [said["user"]]


def test_a_websocket_is_refused_without_the_flag(signakit: SignaKit) -> None:
    app = new_app(signakit)

    @app.websocket("/ws", dependencies=[Depends(require_flag("unknown"))])
    async def never(_socket: WebSocket) -> None:
        raise AssertionError

    with TestClient(app) as browser, pytest.raises(WebSocketDisconnect) as refused, browser.websocket_connect("/ws"):
        pass
    assert refused.value.code == 1008


def test_a_websocket_that_is_accepted_before_it_asks_sets_no_cookie(signakit: SignaKit) -> None:
    app = new_app(signakit)

    @app.websocket("/ws")
    async def late(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json((await get_flags(socket)).decide("switch"))

    with TestClient(app) as browser, browser.websocket_connect("/ws") as socket:
        assert socket.receive_json() is None
        assert not [name for name, _ in socket.extra_headers or () if name == b"set-cookie"]


# --- who asks, from a dependency -------------------------------------------------------------------------------------


def current_user(authorization: Annotated[str | None, Header()] = None) -> Any:
    match authorization:
        case None:
            return None
        case "staff":
            return Identity("ada", {"plan": "pro"})
        case "wrong":
            return {"id": "ada"}
        case "bad":
            raise HTTPException(401, "who are you?")
    return authorization


def with_users(signakit: SignaKit, **keywords: Any) -> FastAPI:
    app = new_app(signakit, **keywords)
    user_flags = signakit.flags_from(current_user)

    # `Depends` not in an annotation, which FastAPI would look up in the module.
    @app.get("/")
    async def index(request: Request, flags: SignaKitUserContext = Depends(user_flags)) -> dict[str, Any]:
        assert (await get_flags(request)) is flags
        return {"user": flags.user_id, "attributes": flags.attributes, "switch": flags.variation("switch", "none")}

    @app.get("/gate", dependencies=[Depends(require_flag("switch", flags=user_flags))])
    def gate(request: Request) -> str:
        user_id: str = request.state.flags.user_id
        return user_id

    return app


def test_a_dependency_says_who_asks(signakit: SignaKit, server: FlagServer) -> None:
    with TestClient(with_users(signakit)) as browser:
        seen = browser.get("/", headers={"authorization": "staff"})
        assert seen.json() == {"user": "ada", "attributes": {"plan": "pro"}, "switch": "on"}
        assert seen.headers["vary"] == "Cookie"
        assert browser.get("/", headers={"authorization": "ben"}).json()["user"] == "ben"
        assert browser.get("/gate", headers={"authorization": "ben"}).json() == "ben"
        assert "visitor_id" not in browser.cookies
        visitor = browser.get("/").json()["user"]
        assert visitor == browser.cookies["visitor_id"]
    assert {event["userId"] for event in server.events} == {"ada", "ben", visitor}


def test_the_dependencys_errors_and_parameters_stay_its_own(signakit: SignaKit) -> None:
    with TestClient(with_users(signakit)) as browser:
        answer = browser.get("/", headers={"authorization": "bad"})
        assert (answer.status_code, answer.json()) == (401, {"detail": "who are you?"})
        document = browser.get("/openapi.json").json()
    for path in ("/", "/gate"):
        parameters = document["paths"][path]["get"]["parameters"]
        assert [(parameter["name"], parameter["in"]) for parameter in parameters] == [("authorization", "header")]


def test_a_dependency_that_gives_something_else_is_logged_once_and_the_page_is_served(
    signakit: SignaKit, caplog: pytest.LogCaptureFixture, server: FlagServer
) -> None:
    with TestClient(with_users(signakit)) as browser:
        for _ in range(3):
            answer = browser.get("/", headers={"authorization": "wrong"})
            assert answer.json() == {"user": "", "attributes": {}, "switch": "none"}
            assert "visitor_id" not in browser.cookies
    assert caplog.text.count("flags are off for requests whose user cannot be told") == 1
    assert server.events == []


def test_the_dependency_goes_before_identify_and_none_leaves_it_to_identify(make: Callable[..., SignaKit]) -> None:
    with TestClient(with_users(make(identify=lambda _request: Identity("identified")))) as browser:
        assert browser.get("/", headers={"authorization": "ben"}).json()["user"] == "ben"
        assert browser.get("/").json()["user"] == "identified"


def test_middleware_that_copies_the_scope_hides_nobody_from_the_dependency(signakit: SignaKit) -> None:
    class Copying:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app({**scope}, receive, send)

    app = with_users(signakit)
    app.user_middleware.append(Middleware(Copying))
    with TestClient(app) as browser:
        assert browser.get("/", headers={"authorization": "ben"}).json()["user"] == "ben"
        assert "visitor_id" not in browser.cookies


def test_flags_that_were_asked_before_the_dependency_stay_the_visitors(signakit: SignaKit, server: FlagServer) -> None:
    app = with_users(signakit, dependencies=[Depends(require_flag("switch"))])
    with TestClient(app) as browser:
        assert browser.get("/", headers={"authorization": "ben"}).json()["user"] == "ben"
        visitor = browser.cookies["visitor_id"]
        assert browser.get("/", headers={"authorization": "wrong"}).json()["switch"] == "none"
        assert browser.get("/").json()["user"] == visitor
    assert {event["userId"] for event in server.events} == {visitor, "ben"}


# --- tests of an application's own -----------------------------------------------------------------------------------


def test_an_override_replaces_the_flags_everywhere_without_a_lifespan(
    signakit: SignaKit, server: FlagServer, caplog: pytest.LogCaptureFixture
) -> None:
    app = gated(signakit)

    @app.get("/user")
    async def user(flags: Flags) -> str:
        return flags.user_id

    offline = SignaKitClient.offline(CONFIG)
    app.dependency_overrides[get_flags] = lambda: offline.create_user_context("tester")
    browser = TestClient(app)
    assert browser.get("/user").json() == "tester"
    assert browser.get("/in/router").status_code == 200
    assert browser.get("/variation").status_code == 404
    assert server.config_requests == []
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.getMessage().startswith("unknown flag 'exp'")
