"""``flags_of`` and ``aflags_of``: the flags of a request, also where the middleware has not run."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template, engines
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path

from signakit_django import aflags_of, flags_of
from signakit_django.middleware import SignaKitMiddleware
from signakit_flags.integration import Identity, is_visitor_id
from support.contract import BROWSER

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http.response import HttpResponseBase

pytestmark = pytest.mark.usefixtures("configure")
ID = "8c1f2a52-7d0e-4a52-9a5c-0d3b8f6f2b11"
COMMON = "django.middleware.common.CommonMiddleware"
OURS = "signakit_django.middleware.SignaKitMiddleware"


class User:
    is_authenticated = True
    pk = 17


def test_they_are_those_that_the_middleware_has_made() -> None:
    def view(request: Any) -> HttpResponse:
        assert flags_of(request) is request.flags
        return HttpResponse(flags_of(request).user_id)

    answer = SignaKitMiddleware(view)(RequestFactory().get("/"))
    assert answer.cookies["visitor_id"].value == answer.content.decode()


def test_async_they_are_resolved() -> None:
    async def view(request: Any) -> HttpResponse:
        flags = await aflags_of(request)
        assert flags is request.flags
        return HttpResponse(flags.user_id)

    answer = async_to_sync(SignaKitMiddleware(view))(RequestFactory().get("/"))
    assert is_visitor_id(answer.content.decode())


@pytest.mark.parametrize("asynchronously", [False, True])
def test_a_request_without_the_middleware_gets_flags_that_stay(asynchronously: bool) -> None:
    request: Any = RequestFactory().get("/")
    request.user = User()
    flags = asyncio.run(aflags_of(request)) if asynchronously else flags_of(request)
    assert flags.user_id == "17"
    assert flags.is_enabled("switch")
    assert flags_of(request) is flags is request.flags
    assert asyncio.run(aflags_of(request)) is flags


def test_a_visitor_who_returns_is_known_and_a_new_one_has_defaults(caplog: pytest.LogCaptureFixture) -> None:
    back: Any = RequestFactory().get("/")
    back.COOKIES["visitor_id"] = ID
    assert flags_of(back).user_id == ID
    assert flags_of(back).is_enabled("switch")
    new: Any = RequestFactory().get("/")
    assert flags_of(new).user_id == ""
    assert flags_of(new).decide("switch") is None
    assert "SignaKitMiddleware" not in caplog.text, "it is in MIDDLEWARE: this is the handler of an error, or a test"


def test_a_middleware_that_runs_later_makes_flags_that_can_set_a_cookie() -> None:
    request: Any = RequestFactory().get("/")
    assert flags_of(request).user_id == ""
    answer = SignaKitMiddleware(lambda request: HttpResponse(flags_of(request).user_id))(request)
    assert answer.cookies["visitor_id"].value == answer.content.decode()


def test_without_the_middleware_in_the_settings_it_is_logged_once(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MIDDLEWARE = []
    for _ in range(2):
        request: Any = RequestFactory().get("/")
        request.COOKIES["visitor_id"] = ID
        assert flags_of(request).is_enabled("switch")
    [record] = caplog.records
    assert (record.name, record.levelno) == ("signakit_django", logging.WARNING)
    assert "SignaKitMiddleware" in record.getMessage()


@pytest.mark.parametrize("thing", [None, "a word", object()])
def test_what_is_not_a_request_has_no_user(thing: object, caplog: pytest.LogCaptureFixture) -> None:
    assert flags_of(thing).decide("switch") is None
    assert asyncio.run(aflags_of(thing)).is_enabled("switch", default=True)
    [record] = caplog.records
    assert "without a request" in record.getMessage()


def test_a_bare_request_without_anything_will_do() -> None:
    request = HttpRequest()
    assert flags_of(request).decide("switch") is None


@pytest.mark.django_db
def test_a_signal_of_the_test_clients_login_may_ask() -> None:
    seen: list[Any] = []

    def logged_in(request: Any, **_: Any) -> None:
        seen.append((flags_of(request).user_id, flags_of(request).variation("exp", "default")))

    user_logged_in.connect(logged_in)
    try:
        Client().force_login(get_user_model().objects.create_user("ada"))
    finally:
        user_logged_in.disconnect(logged_in)
    assert seen == [("", "default")]


# --- the handlers of errors ------------------------------------------------------------------------------------------


def failing(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A middleware before ours that lets no request through."""

    def middleware(_request: Any) -> HttpResponseBase:
        raise BadRequest

    return middleware


def answering(status: int) -> Callable[..., HttpResponse]:
    def handler(request: Any, *_: Any, **__: Any) -> HttpResponse:
        flags = flags_of(request)
        return HttpResponse(f"{flags.user_id} {flags.is_enabled('switch')}", status=status)

    return handler


class Site:
    """A URL configuration with handlers of its own."""

    handler400 = staticmethod(answering(400))
    handler404 = staticmethod(answering(404))
    handler500 = staticmethod(answering(500))

    @staticmethod
    def broken(_request: Any) -> HttpResponse:
        raise LookupError

    urlpatterns = (path("broken", broken),)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("url", "changes", "status", "reached"),
    [
        (
            "/",
            {"ALLOWED_HOSTS": ["another"], "MIDDLEWARE": [COMMON, OURS]},
            400,
            0,
        ),
        ("/", {"MIDDLEWARE": [f"{__name__}.failing", OURS]}, 400, 0),
        ("/missing", {}, 404, 1),
        ("/broken", {}, 500, 1),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_the_handler_of_an_error_may_ask(
    settings: Any, kind: Any, url: str, changes: dict[str, Any], status: int, reached: int
) -> None:
    settings.ROOT_URLCONF = Site
    for name, value in changes.items():
        setattr(settings, name, value)
    client = kind(raise_request_exception=False, headers={"user-agent": BROWSER})
    get = client.get if kind is Client else async_to_sync(client.get)
    answer = get(url)
    user_id, _, switch = answer.content.decode().partition(" ")
    assert answer.status_code == status
    assert (is_visitor_id(user_id), switch) == ((True, "True") if reached else (False, "False"))
    assert ("visitor_id" in answer.cookies) == reached
    client.cookies["visitor_id"] = ID
    assert get(url).content.decode() == f"{ID} True"


def test_a_template_with_a_request_that_no_middleware_has_seen(configure: Callable[..., None]) -> None:
    configure(IDENTIFY=lambda _request: Identity("ada"))
    context = {"request": RequestFactory().get("/")}
    assert Template('{% load signakit %}{% flag "switch" %}').render(Context(context)) == "on"
    assert engines["jinja2"].from_string('{{ ifflag("switch") }}').render(context) == "True"
