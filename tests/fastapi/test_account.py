"""Users of Starlette's ``AuthenticationMiddleware``: what of them is the user id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from signakit_fastapi import get_flags
from signakit_flags.integration import is_visitor_id

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection, Request

    from signakit_fastapi import SignaKit


class OldStyle(BaseUser):
    """As Starlette's documentation had it: no ``identity``, or one that raises."""

    def __init__(self, display_name: Any = "ada") -> None:
        self._name = display_name

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def display_name(self) -> Any:
        return self._name


class LooksLikeOne:
    """No ``BaseUser`` at all, and no ``identity``."""

    is_authenticated = True
    display_name = "ada"


class WithIdentity(OldStyle):
    def __init__(self, identity: Any) -> None:
        super().__init__("another name")
        self._id = identity

    @property
    def identity(self) -> Any:
        return self._id


class Titled(SimpleUser):
    @property
    def display_name(self) -> str:
        return f"Dr. {self.username}"


class WithMethods(OldStyle):
    def identity(self) -> str:  # type: ignore[override]  # the mistake
        return "ada"


class WithNameAsMethod(OldStyle):
    def display_name(self) -> str:  # type: ignore[override]  # the mistake
        return "ada"


class BrokenIdentity(OldStyle):
    @property
    def identity(self) -> str:
        return self.no_such_attribute  # type: ignore[attr-defined,no-any-return]  # the mistake


class Failing(OldStyle):
    @property
    def identity(self) -> str:
        raise LookupError("a session that has ended")


def asked(signakit: SignaKit, user: Any, times: int = 1) -> dict[str, Any]:
    """Return what the flags say to a request of `user`."""

    class Backend(AuthenticationBackend):
        async def authenticate(self, conn: HTTPConnection) -> Any:
            return AuthCredentials(), user

    async def index(request: Request) -> Response:
        flags = await get_flags(request)
        return JSONResponse({"user": flags.user_id, "switch": flags.variation("switch", "none")})

    middleware = [*signakit.middleware, Middleware(AuthenticationMiddleware, backend=Backend())]
    app = Starlette(routes=[Route("/", index)], lifespan=signakit.lifespan, middleware=middleware)
    with TestClient(app) as browser:
        answers = [browser.get("/") for _ in range(times)]
    said: dict[str, Any] = {**answers[-1].json(), "cookie": "set-cookie" in answers[-1].headers}
    return said


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "signakit_fastapi"]


@pytest.mark.parametrize(
    ("identity", "user_id"),
    [("ada", "ada"), (17, "17"), (0, "0"), (UUID(int=7), "00000000-0000-0000-0000-000000000007")],
)
def test_an_identity_is_the_user_id_as_text(
    signakit: SignaKit, caplog: pytest.LogCaptureFixture, identity: object, user_id: str
) -> None:
    assert asked(signakit, WithIdentity(identity)) == {"user": user_id, "switch": "on", "cookie": False}
    assert warnings(caplog) == []


@pytest.mark.parametrize("user", [SimpleUser("ada"), Titled("ada")], ids=lambda user: type(user).__name__)
def test_the_username_of_a_simple_user_is_the_user_id(
    signakit: SignaKit, caplog: pytest.LogCaptureFixture, user: SimpleUser
) -> None:
    assert asked(signakit, user) == {"user": "ada", "switch": "on", "cookie": False}
    assert warnings(caplog) == []


@pytest.mark.parametrize("user", [OldStyle(), LooksLikeOne()], ids=lambda user: type(user).__name__)
def test_without_an_identity_the_display_name_is_the_user_id_and_one_warning_names_the_class(
    signakit: SignaKit, caplog: pytest.LogCaptureFixture, user: Any
) -> None:
    assert asked(signakit, user, times=3) == {"user": "ada", "switch": "on", "cookie": False}
    [said] = warnings(caplog)
    assert f"class {type(user).__name__} have no `identity`" in said
    assert "define the property `identity`" in said


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ({"name": "ada"}, "'dict' object has no attribute 'is_authenticated'"),
        (BrokenIdentity(), "'BrokenIdentity' object has no attribute 'no_such_attribute'"),
        (WithIdentity(""), "`identity` of a user of the class WithIdentity is empty"),
        (SimpleUser(""), "is empty, which is not an id"),
        (OldStyle(""), "class OldStyle have neither an `identity` nor a `display_name`"),
        (OldStyle(None), "class OldStyle have neither an `identity` nor a `display_name`"),
        (WithMethods(), "`identity` of the class WithMethods is a method: make it a property"),
        (WithNameAsMethod(), "`display_name` of the class WithNameAsMethod is a method: make it a property"),
        (Failing(), "a session that has ended"),
    ],
)
def test_a_user_without_an_id_has_no_flags_and_the_reason_is_logged_once(
    signakit: SignaKit, caplog: pytest.LogCaptureFixture, user: Any, reason: str
) -> None:
    assert asked(signakit, user, times=3) == {"user": "", "switch": "none", "cookie": False}
    [said] = warnings(caplog)
    assert reason in said


def test_a_user_whose_identity_is_none_is_a_visitor(signakit: SignaKit) -> None:
    """As an ORM has it of what is not saved yet."""
    said = asked(signakit, WithIdentity(None))
    assert is_visitor_id(said["user"])
    assert said["cookie"]
