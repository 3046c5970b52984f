"""Who is logged in: users of sessions, and those that a middleware of the project's puts there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.contrib.auth import get_user_model
from django.contrib.auth.middleware import AuthenticationMiddleware, RemoteUserMiddleware
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path
from django.utils.decorators import sync_and_async_middleware
from django.utils.functional import SimpleLazyObject

from signakit_django import flags_of
from signakit_flags.integration import is_visitor_id
from support.contract import BROWSER

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("configure")]
SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
OURS = "signakit_django.middleware.SignaKitMiddleware"


def by_name(name: str) -> Any:
    return get_user_model().objects.get(username=name)


def with_user(put: Callable[[Any, str], None]) -> Callable[..., Any]:
    """Return a middleware that puts the user of the header ``X-User`` on the request."""

    @sync_and_async_middleware
    def middleware(get_response: Any) -> Any:
        def prepared(request: Any) -> Any:
            if name := request.headers.get("X-User"):
                put(request, name)
            return request

        if not iscoroutinefunction(get_response):
            return lambda request: get_response(prepared(request))

        async def served(request: Any) -> Any:
            return await get_response(prepared(request))

        return served

    return middleware


@with_user
def lazy_user(request: Any, name: str) -> None:
    request.user = SimpleLazyObject(lambda: by_name(name))


@with_user
def lazy_partial(request: Any, name: str) -> None:
    request.user = SimpleLazyObject(partial(by_name, name))


@with_user
def both(request: Any, name: str) -> None:
    async def auser() -> Any:
        return await get_user_model().objects.aget(username=name)

    request.user, request.auser = SimpleLazyObject(partial(by_name, name)), auser


class OwnAuthentication(AuthenticationMiddleware):
    """A project's own, which knows another way."""

    def process_request(self, request: Any) -> None:
        super().process_request(request)
        if name := request.headers.get("X-User"):
            request.user = SimpleLazyObject(lambda: by_name(name))


class SameAuthentication(AuthenticationMiddleware):
    """A project's own, which adds nothing."""


class WithoutAsync(AuthenticationMiddleware):
    """A project's own, which has a lazy user alone."""

    def process_request(self, request: Any) -> None:
        request.user = SimpleLazyObject(partial(by_name, request.headers["X-User"]))


class ByHeader(RemoteUserMiddleware):
    """Believes a header, as behind a proxy that authenticates."""

    header = "HTTP_REMOTE"


def sync_view(request: Any) -> HttpResponse:
    return HttpResponse(request.flags.user_id)


seen: list[Any] = []


async def async_view(request: Any) -> HttpResponse:
    flags = await request.aflags()
    seen[:] = [request]
    return HttpResponse(flags.user_id)


urlpatterns = (path("sync", sync_view), path("async", async_view))


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, settings: Any) -> Callable[..., str]:
    """Asks who asks, in a stack of these middlewares, and returns the user id."""
    settings.ROOT_URLCONF = urlpatterns

    def get(*middlewares: str, session: Any = None, **headers: str) -> str:
        settings.MIDDLEWARE = [SESSION, *middlewares, OURS]
        client: Any = (Client if request.param == "sync" else AsyncClient)(headers={"user-agent": BROWSER})
        if session is not None:
            client.force_login(session)
        call = client.get if request.param == "sync" else async_to_sync(client.get)
        content: bytes = call(f"/{request.param}", headers=headers).content
        return content.decode()

    return get


@pytest.mark.parametrize("middleware", ["lazy_user", "lazy_partial", "both"])
@pytest.mark.parametrize("logged_in", [False, True])
def test_a_lazy_user_of_a_middleware_counts_before_that_of_the_session(
    ask: Callable[..., str], middleware: str, logged_in: bool
) -> None:
    ada, staff = map(get_user_model().objects.create_user, ["ada", "staff"])
    session = staff if logged_in else None
    stack = (AUTH, f"{__name__}.{middleware}")
    assert ask(*stack, session=session, **{"x-user": "ada"}) == str(ada.pk)
    without = ask(*stack, session=session)
    assert without == str(staff.pk) if logged_in else is_visitor_id(without)


@pytest.mark.parametrize("kind", [OwnAuthentication, WithoutAsync])
def test_a_subclass_that_knows_another_way_is_believed(ask: Callable[..., str], kind: type) -> None:
    ada, staff = map(get_user_model().objects.create_user, ["ada", "staff"])
    assert ask(f"{__name__}.{kind.__name__}", session=staff, **{"x-user": "ada"}) == str(ada.pk)


@pytest.mark.parametrize("auth", [AUTH, f"{__name__}.SameAuthentication"])
def test_in_an_async_view_djangos_own_user_is_awaited_and_not_loaded_in_a_thread(settings: Any, auth: str) -> None:
    settings.ROOT_URLCONF = urlpatterns
    settings.MIDDLEWARE = [SESSION, auth, OURS]
    ada = get_user_model().objects.create_user("ada")
    client = AsyncClient(headers={"user-agent": BROWSER})
    client.force_login(ada)
    answer = async_to_sync(client.get)("/async")
    assert answer.content.decode() == str(ada.pk)
    [request] = seen
    assert hasattr(request, "_acached_user")
    assert not hasattr(request, "_cached_user"), "that would have been the thread's"


def test_the_login_required_middleware_changes_nothing(ask: Callable[..., str]) -> None:
    ada = get_user_model().objects.create_user("ada")
    login_required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    assert ask(AUTH, login_required, session=ada) == str(ada.pk)
    assert ask(AUTH, f"{__name__}.lazy_user", login_required, **{"x-user": "ada"}) == str(ada.pk)


def test_a_user_whom_the_web_server_names_counts(ask: Callable[..., str], settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    # Django's async half puts "HTTP_" before the name of the header.
    found = ask(AUTH, f"{__name__}.ByHeader", **{"remote": "eve", "http-remote": "eve"})
    assert found == str(get_user_model().objects.get(username="eve").pk)
    assert is_visitor_id(ask(AUTH, f"{__name__}.ByHeader"))


def test_a_lazy_user_that_cannot_be_loaded_is_logged_and_the_page_is_served(
    ask: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(AUTH, f"{__name__}.lazy_user", **{"x-user": "missing"}) == ""
    assert "DoesNotExist" in caplog.text


VISITOR = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"
OTHER = "0e5f6c1e-31a6-4d6e-8d0b-6a2f0f6f4a55"


@pytest.mark.parametrize(
    ("header", "jar", "user_id"),
    [
        (f"visitor_id={VISITOR}; visitor_id={OTHER}", {"visitor_id": OTHER}, VISITOR),
        (f"visitor_id={VISITOR}", {"visitor_id": OTHER}, OTHER),
        (f"visitor_id={VISITOR}", {}, ""),
        ("", {"visitor_id": OTHER}, OTHER),
    ],
    ids=["as Django reads it", "replaced", "taken out", "put there"],
)
def test_what_a_middleware_makes_of_the_cookies_counts(header: str, jar: dict[str, str], user_id: str) -> None:
    request = RequestFactory().get("/", headers={"user-agent": BROWSER}, HTTP_COOKIE=header)
    request.COOKIES = jar
    assert flags_of(request).user_id == user_id


def test_a_lazy_token_of_a_middleware_is_not_the_user() -> None:
    ada = get_user_model().objects.create_user("ada")
    request = RequestFactory().get("/", headers={"user-agent": BROWSER})
    request.user = SimpleLazyObject(lambda: ada)
    request.auth = SimpleLazyObject(lambda: "a token")  # type: ignore[attr-defined]  # as a middleware puts it there
    assert flags_of(request).user_id == str(ada.pk)
