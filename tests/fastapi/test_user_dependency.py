"""``flags_from``: what an application's user dependency may be, and what becomes of its value."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator  # noqa: TC003  # FastAPI reads the annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Security
from fastapi.security import SecurityScopes  # noqa: TC002  # as above
from fastapi.testclient import TestClient

from signakit_fastapi import Flags, Identity, SignaKit, get_flags, require_flag
from signakit_flags import SignaKitUserContext  # noqa: TC001  # as above
from signakit_flags.integration import is_visitor_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import FlagServer


@dataclass
class User:
    id: Any
    plan: str = "pro"


def as_function() -> User:
    return User(7)


async def as_coroutine() -> User:
    return User(7)


def as_generator() -> Iterator[User]:
    yield User(7)


async def as_async_generator() -> AsyncIterator[User]:
    yield User(7)


class AsClass:
    def __init__(self) -> None:
        self.id = 7
        self.plan = "pro"


AsClass.__init__.__annotations__["request"] = Request  # which older versions of FastAPI do not find by its name


class AsObject:
    async def __call__(self) -> User:
        return User(7)


def with_scopes(scopes: SecurityScopes) -> User:
    assert scopes.scopes == ["me"]
    return User(7)


CurrentUser = Annotated[User, Depends(as_coroutine)]
CurrentClass = Annotated[AsClass, "a mark of another library's", Depends()]
SecuredUser = Annotated[User, Security(with_scopes, scopes=["me"])]

FORMS = {
    "function": as_function,
    "coroutine": as_coroutine,
    "generator": as_generator,
    "async generator": as_async_generator,
    "class": AsClass,
    "object": AsObject(),
    "Depends": Depends(as_coroutine),
    "Depends without a cache": Depends(as_function, use_cache=False),
    "Security": Security(with_scopes, scopes=["me"]),
    "Annotated": CurrentUser,
    "Annotated class": CurrentClass,
    "Annotated with Security": SecuredUser,
}


def site(signakit: SignaKit, user_flags: Any, **keywords: Any) -> FastAPI:
    app = FastAPI(lifespan=signakit.lifespan, middleware=signakit.middleware, **keywords)

    @app.get("/")
    async def index(request: Request, flags: SignaKitUserContext = Depends(user_flags)) -> dict[str, Any]:
        assert flags is request.state.flags
        assert flags is await get_flags(request)
        return {"user": flags.user_id, "attributes": flags.attributes, "switch": flags.variation("switch", "none")}

    return app


def answers(app: FastAPI, times: int = 1, **headers: str) -> dict[str, Any]:
    with TestClient(app) as browser:
        said = [browser.get("/", headers=headers) for _ in range(times)]
    assert {answer.status_code for answer in said} == {200}
    answer: dict[str, Any] = said[-1].json()
    return answer


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_of_a_dependency_says_who_asks(signakit: SignaKit, server: FlagServer, form: Any) -> None:
    user_flags = signakit.flags_from(form, key=lambda user: user.id, attributes=lambda user: {"plan": user.plan})
    assert answers(site(signakit, user_flags)) == {"user": "7", "attributes": {"plan": "pro"}, "switch": "on"}
    assert [event["userId"] for event in server.events] == ["7"]


@pytest.mark.parametrize(
    ("given", "user_id"),
    [
        ("ada", "ada"),
        (17, "17"),
        (0, "0"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Identity("ada", {"plan": "free"}), "ada"),
    ],
    ids=repr,
)
def test_without_a_key_it_gives_an_id_or_an_identity(signakit: SignaKit, given: object, user_id: str) -> None:
    said = answers(site(signakit, signakit.flags_from(lambda: given)))  # type: ignore[arg-type,return-value]
    assert (said["user"], said["switch"]) == (user_id, "on")


def test_attributes_are_added_to_those_of_an_identity(signakit: SignaKit) -> None:
    def user() -> Identity:
        return Identity("ada", {"plan": "free", "age": 40})

    user_flags = signakit.flags_from(user, attributes=lambda identity: {"plan": "pro", "seen": identity.user_id})
    assert answers(site(signakit, user_flags))["attributes"] == {"plan": "pro", "age": 40, "seen": "ada"}


@pytest.mark.parametrize("user_id", [7, UUID(int=7), "7"], ids=repr)
def test_the_key_gives_an_id(signakit: SignaKit, user_id: Any) -> None:
    user_flags = signakit.flags_from(lambda: User(user_id), key=lambda user: user.id)
    assert answers(site(signakit, user_flags))["user"] == str(user_id)


def test_no_user_and_a_user_without_an_id_are_left_to_the_next_in_line(
    make: Callable[..., SignaKit], server: FlagServer
) -> None:
    def user(x_user: Annotated[str | None, Header()] = None) -> User | None:
        return None if x_user is None else User(None)

    def user_flags(signakit: SignaKit) -> Any:
        return signakit.flags_from(user, key=lambda user: user.id)

    signakit = make(identify=lambda _connection: Identity("identified"))
    assert answers(site(signakit, user_flags(signakit)))["user"] == "identified"
    assert answers(site(signakit, user_flags(signakit)), **{"x-user": "unsaved"})["user"] == "identified"
    signakit = make()
    assert is_visitor_id(answers(site(signakit, user_flags(signakit)))["user"])
    assert is_visitor_id(answers(site(signakit, user_flags(signakit)), **{"x-user": "unsaved"})["user"])


def raises(_user: Any) -> Any:
    raise LookupError("the plan is in another castle")


@pytest.mark.parametrize(
    ("keywords", "reason"),
    [
        ({}, "must give an Identity, a user id (str, int or UUID) or None, not User: pass a function"),
        ({"key": lambda _user: True}, "key of flags_from must return a user id (str, int or UUID) or None, not bool"),
        ({"key": lambda _user: 1.5}, "key of flags_from must return a user id (str, int or UUID) or None, not float"),
        ({"key": raises}, "the plan is in another castle"),
        ({"key": lambda user: user.id, "attributes": raises}, "the plan is in another castle"),
        ({"key": lambda user: user.id, "attributes": lambda user: user.plan}, "'str' object"),
    ],
)
def test_what_cannot_be_made_a_user_is_logged_once_and_the_page_is_served(
    signakit: SignaKit,
    server: FlagServer,
    caplog: pytest.LogCaptureFixture,
    keywords: dict[str, Any],
    reason: str,
) -> None:
    app = site(signakit, signakit.flags_from(as_function, **keywords))
    assert answers(app, times=3) == {"user": "", "attributes": {}, "switch": "none"}
    [record] = [record for record in caplog.records if record.name == "signakit_fastapi"]
    assert reason in record.getMessage()
    assert server.events == []


@pytest.mark.parametrize(
    "mistake",
    ["get_user", None, User(7), Depends(), Annotated[User, "no dependency"], Annotated[str | None, Header()]],
    ids=repr,
)
def test_what_is_not_a_dependency_is_refused_at_once(signakit: SignaKit, mistake: Any) -> None:
    with pytest.raises(TypeError, match="flags_from takes a dependency: a function or a class"):
        signakit.flags_from(mistake)


@pytest.mark.parametrize("name", ["key", "attributes"])
def test_functions_that_are_none_are_refused_at_once(signakit: SignaKit, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} must be a function, not str"):
        signakit.flags_from(as_function, **{name: "id"})  # type: ignore[call-overload]


def test_the_dependency_runs_once_for_a_route_that_has_its_value_too(signakit: SignaKit) -> None:
    calls: list[str] = []

    def user() -> User:
        calls.append("user")
        return User(7)

    app = FastAPI(lifespan=signakit.lifespan, middleware=signakit.middleware)
    user_flags = signakit.flags_from(user, key=lambda user: user.id)

    @app.get("/", dependencies=[Depends(require_flag("switch", flags=user_flags))])
    async def index(of_route: User = Depends(user), flags: SignaKitUserContext = Depends(user_flags)) -> dict[str, Any]:
        return {"route": of_route.id, "flags": flags.user_id}

    assert answers(app) == {"route": 7, "flags": "7"}
    assert calls == ["user"]


def test_its_errors_and_its_cleaning_up_stay_its_own(signakit: SignaKit) -> None:
    seen: list[str] = []

    async def user(x_user: Annotated[str | None, Header()] = None) -> AsyncIterator[User]:
        if x_user is None:
            raise HTTPException(401, "who are you?")
        try:
            yield User(7)
        finally:
            seen.append("cleaned up")

    app = site(signakit, signakit.flags_from(user, key=lambda user: user.id))
    with TestClient(app) as browser:
        assert browser.get("/").status_code == 401
        assert seen == []
        assert browser.get("/", headers={"x-user": "ada"}).json()["user"] == "7"
    assert seen == ["cleaned up"]


def test_two_that_name_the_same_user_share_one_context(signakit: SignaKit, server: FlagServer) -> None:
    by_id = signakit.flags_from(lambda: 7)
    by_key = signakit.flags_from(as_function, key=lambda user: user.id)
    app = FastAPI(lifespan=signakit.lifespan, middleware=signakit.middleware)

    @app.get("/")
    async def index(
        one: SignaKitUserContext = Depends(by_id), other: SignaKitUserContext = Depends(by_key)
    ) -> list[bool]:
        one.decide("switch")
        return [one is other]

    assert answers(app) == [True]
    assert len(server.events) == 1


def test_what_fails_after_a_question_leaves_no_flags_of_the_visitors(
    signakit: SignaKit, caplog: pytest.LogCaptureFixture
) -> None:
    app = site(signakit, signakit.flags_from(as_function, key=raises), dependencies=[Depends(require_flag("switch"))])
    assert answers(app) == {"user": "", "attributes": {}, "switch": "none"}
    assert caplog.text.count("flags are off for requests whose user cannot be told") == 1


@pytest.mark.parametrize("asks", [False, True])
def test_flags_that_an_outer_dependency_resolved_become_the_users_unless_it_asked(
    signakit: SignaKit, server: FlagServer, asks: bool
) -> None:
    async def outer(flags: Flags) -> None:
        if asks:
            flags.decide("switch")

    user_flags = signakit.flags_from(as_function, key=lambda user: user.id)
    app = site(signakit, user_flags, dependencies=[Depends(outer)])
    with TestClient(app) as browser:
        answer = browser.get("/")
        assert answer.json()["user"] == "7"
        assert ("set-cookie" in answer.headers) is asks
    users = [event["userId"] for event in server.events]
    assert users[-1] == "7"
    assert len(users) == (2 if asks else 1)


def test_an_identity_that_is_a_bot_is_no_context_of_the_same_id(signakit: SignaKit) -> None:
    def bot() -> Identity:
        return Identity(7, is_bot=True)

    app = FastAPI(lifespan=signakit.lifespan, middleware=signakit.middleware)
    as_person, as_program = signakit.flags_from(lambda: 7), signakit.flags_from(bot)

    @app.get("/")
    async def index(
        person: SignaKitUserContext = Depends(as_person), program: SignaKitUserContext = Depends(as_program)
    ) -> list[bool]:
        return [person.is_bot, program.is_bot]

    assert answers(app) == [True, True], "the last one named counts, as nothing was asked before"

    async def asked(flags: SignaKitUserContext = Depends(as_person)) -> str:
        return flags.variation("switch")

    @app.get("/asked", dependencies=[Depends(asked)])
    async def later(program: SignaKitUserContext = Depends(as_program)) -> list[bool]:
        return [program.is_bot]

    with TestClient(app) as browser:
        assert browser.get("/asked").json() == [True]
