"""Checked by mypy, never run: what a type checker knows of `signakit_fastapi`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, assert_type

from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from signakit_fastapi import (
    Flags,
    Identity,
    LifespanState,
    SignaKit,
    SignaKitMiddleware,
    get_client,
    get_flags,
    health,
    require_flag,
)
from signakit_flags import Decision, SignaKitClient, SignaKitUserContext

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
    from uuid import UUID

    from starlette.requests import HTTPConnection, Request

    from signakit_flags import Attributes


def identify(connection: HTTPConnection) -> Identity | None:
    return Identity("u", {"plan": "pro"})


async def identify_later(connection: HTTPConnection) -> Identity | None:
    return None


signakit = SignaKit("sk_dev_o_1_x", identify=identify, polling_interval=5.0, visitor_cookie={"name": "vid"})
SignaKit(identify=identify_later, visitor_cookie=None, ready_timeout=0)

app = FastAPI(lifespan=signakit.lifespan, middleware=signakit.middleware)
plain = Starlette(routes=[Route("/", health)], lifespan=signakit.lifespan, middleware=signakit.middleware)
router = APIRouter(dependencies=[Depends(require_flag("f", variation="on", status_code=403))])
app.add_middleware(SignaKitMiddleware, signakit=signakit)
app.dependency_overrides[get_flags] = lambda: signakit.flags_for("u")
assert_type(signakit.middleware, list[Middleware])


@app.get("/")
async def route(flags: Flags) -> str:
    assert_type(flags, SignaKitUserContext)
    assert_type(flags.decide("f"), Decision | None)
    return flags.variation("f")


@app.websocket("/ws")
async def socket(websocket: WebSocket, flags: Flags) -> None:
    assert_type(flags.is_enabled("f"), bool)
    assert_type(await get_flags(websocket), SignaKitUserContext)


@app.get("/client")
async def client(found: Annotated[SignaKitClient | None, Depends(get_client)]) -> None:
    assert_type(found, SignaKitClient | None)


async def asked(request: Request) -> None:
    assert_type(await get_flags(request), SignaKitUserContext)
    assert_type(await get_client(request), SignaKitClient | None)


# --- the lifespan's state --------------------------------------------------------------------------------------------


class State(LifespanState):
    db: str


@asynccontextmanager
async def own(app: FastAPI) -> AsyncIterator[State]:
    async with signakit.lifespan(app) as state:
        assert_type(state, LifespanState)
        assert_type(state["signakit"], SignaKit)
        assert_type(state["signakit"].client, SignaKitClient | None)
        yield {**state, "db": "open"}


async def with_state(request: Request[State]) -> None:
    assert_type(request.state["flags"], SignaKitUserContext)
    assert_type(request.state["signakit"], SignaKit)
    assert_type(request.state["db"], str)


class Own(TypedDict):
    db: str


@asynccontextmanager
async def inner(app: FastAPI) -> AsyncIterator[Own]:
    yield {"db": "open"}


@asynccontextmanager
async def stateless(app: Starlette) -> AsyncIterator[None]:
    yield


around: Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]] = signakit.lifespan_around(inner)
FastAPI(lifespan=around)
FastAPI(lifespan=own)
Starlette(lifespan=signakit.lifespan_around(stateless))


async def a_job() -> None:
    async with signakit as started:
        assert_type(started, SignaKit)
        assert_type(signakit.flags_for(None), SignaKitUserContext)
        assert_type(signakit.flags_for("u", {"plan": "pro"}), SignaKitUserContext)


# --- flags of a user dependency --------------------------------------------------------------------------------------


@dataclass
class User:
    id: int | None
    plan: str


class Session:
    def __init__(self, request: Request) -> None: ...

    user_id: UUID


class ByHeader:
    async def __call__(self) -> User | None: ...


def given() -> User:
    raise NotImplementedError


def optional() -> User | None:
    raise NotImplementedError


async def later() -> User:
    raise NotImplementedError


async def later_optional() -> User | None:
    raise NotImplementedError


def yielded() -> Iterator[User]:
    raise NotImplementedError


def generated() -> Generator[User | None, None, None]:
    raise NotImplementedError


def yielded_later() -> AsyncIterator[User | None]:
    raise NotImplementedError


def generated_later() -> AsyncGenerator[User, None]:
    raise NotImplementedError


def claims() -> dict[str, str]:
    raise NotImplementedError


def id_of(user: User) -> int | None:
    raise NotImplementedError


def plan_of(user: User) -> Attributes:
    raise NotImplementedError


assert_type(
    signakit.flags_from(given, key=lambda user: user.id, attributes=lambda user: {"plan": user.plan}),
    Callable[..., Awaitable[SignaKitUserContext]],
)
signakit.flags_from(given, key=id_of, attributes=plan_of)
signakit.flags_from(optional, key=lambda user: user.id)
signakit.flags_from(optional, key=id_of, attributes=plan_of)
signakit.flags_from(later, key=lambda user: user.id)
signakit.flags_from(later, key=id_of, attributes=plan_of)
signakit.flags_from(later_optional, key=lambda user: user.id)
signakit.flags_from(later_optional, key=id_of, attributes=plan_of)
signakit.flags_from(yielded, key=id_of, attributes=plan_of)
signakit.flags_from(generated, key=lambda user: user.id, attributes=lambda user: {"plan": user.plan})
signakit.flags_from(generated, key=id_of)
signakit.flags_from(yielded_later, key=lambda user: user.id, attributes=lambda user: {"plan": user.plan})
signakit.flags_from(yielded_later, key=id_of)
signakit.flags_from(generated_later, key=id_of, attributes=plan_of)
signakit.flags_from(claims, key=lambda claims: claims["sub"])
signakit.flags_from(Session, key=lambda session: session.user_id)
signakit.flags_from(ByHeader(), key=lambda user: user.id)
signakit.flags_from(Security(later, scopes=["me"]), key=id_of)


def a_number() -> int:
    raise NotImplementedError


def a_uuid() -> Iterator[UUID]:
    raise NotImplementedError


async def a_text() -> str | None:
    raise NotImplementedError


async def an_identity() -> AsyncIterator[Identity | None]:
    yield None


signakit.flags_from(a_number)
signakit.flags_from(a_uuid)
signakit.flags_from(a_text, attributes=lambda user_id: {"internal": user_id.startswith("staff-")})
signakit.flags_from(an_identity)

# --- mistakes --------------------------------------------------------------------------------------------------------

SignaKit(poling_interval=5)  # type: ignore[call-arg]
SignaKit(identify=lambda: None)  # type: ignore[arg-type]
SignaKit(17)  # type: ignore[arg-type]
require_flag("f", "on")  # type: ignore[call-arg]
require_flag(5)  # type: ignore[arg-type]
signakit.flags_from(given)  # type: ignore[arg-type]
signakit.flags_from(optional)  # type: ignore[arg-type]
signakit.flags_from(later)  # type: ignore[arg-type]
signakit.flags_from(later_optional)  # type: ignore[arg-type]
signakit.flags_from(yielded)  # type: ignore[arg-type]
signakit.flags_from(generated_later)  # type: ignore[arg-type]
signakit.flags_from(claims)  # type: ignore[arg-type]
signakit.flags_from(Session)  # type: ignore[arg-type]
signakit.flags_from(ByHeader())  # type: ignore[arg-type]
signakit.flags_from(given, attributes=plan_of)  # type: ignore[arg-type]
signakit.flags_from(given, key=lambda user: user.email)  # type: ignore[arg-type]
signakit.flags_from(optional, key=lambda user: user.email)  # type: ignore[arg-type]
signakit.flags_from(later_optional, key=lambda user: user.email)  # type: ignore[arg-type]
signakit.flags_from(yielded, key=lambda user: user.email)  # type: ignore[arg-type]
signakit.flags_from(generated_later, key=lambda user: user.email)  # type: ignore[attr-defined]
signakit.flags_from(later, key=lambda user: user)  # type: ignore[arg-type]
signakit.flags_from(claims, key=id_of)  # type: ignore[arg-type]
signakit.flags_from(later, key=id_of, attributes=id_of)  # type: ignore[arg-type]
signakit.flags_from(later, key="id")  # type: ignore[call-overload]
signakit.flags_from(later, id_of)  # type: ignore[call-overload]
signakit.flags_from("later")  # type: ignore[call-overload]
