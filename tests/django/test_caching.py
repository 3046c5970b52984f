"""Django's page caches: of the whole site, of a view, in any order with the middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.core.cache import caches
from django.http import HttpResponse, JsonResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.views.decorators.cache import cache_control, cache_page, never_cache
from django.views.decorators.vary import vary_on_cookie

from signakit_django import flag_required
from support.configs import config, flag, whole
from support.contract import BROWSER
from support.django_site.middleware import FINDING_OUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.server import FlagServer

pytestmark = pytest.mark.usefixtures("configure")
OURS = "signakit_django.middleware.SignaKitMiddleware"
UPDATE = "django.middleware.cache.UpdateCacheMiddleware"
FETCH = "django.middleware.cache.FetchFromCacheMiddleware"
BOTH = "django.middleware.cache.CacheMiddleware"

asked: list[str] = []


def view(request: Any) -> HttpResponse:
    asked.append(request.flags.user_id)
    return JsonResponse({"user_id": request.flags.user_id, "variation": request.flags.variation("exp")})


def plain(request: Any) -> HttpResponse:
    asked.append("")
    return HttpResponse("the same for all")


def template(request: Any) -> TemplateResponse:
    text = '{% load signakit %}{% flag "exp" as exp %}{"user_id": "{{ request.flags.user_id }}"}'
    return TemplateResponse(request, engines["django"].from_string(text), content_type="application/json")


@cache_page(60)
@flag_required("switch")
def gated(request: Any) -> HttpResponse:
    return HttpResponse("let in")


urlpatterns = (
    path("view", view),
    path("plain", plain),
    path("cached", cache_page(60)(view)),
    path("cached/plain", cache_page(60)(plain)),
    path("cached/template", cache_page(60)(template)),
    path("cached/vary", cache_page(60)(vary_on_cookie(view))),
    path("vary/cached", vary_on_cookie(cache_page(60)(view))),
    path("never", never_cache(view)),
    path("cached/gated", gated),
    path("kept", cache_control(no_store=True, max_age=60)(view)),
)


@pytest.fixture(autouse=True)
def _empty_cache(settings: Any) -> Iterator[None]:
    # Without sessions, whose middleware would say by itself that the page depends on cookies.
    settings.ROOT_URLCONF, settings.MIDDLEWARE = urlpatterns, [OURS]
    caches["default"].clear()
    asked.clear()
    yield
    caches["default"].clear()


def visitor() -> Client:
    return Client(headers={"user-agent": BROWSER})


def check_that_visitors_are_kept_apart(url: str) -> None:
    """Ask as three visitors, the first time and again."""
    visitors = [visitor() for _ in range(3)]
    for person in visitors:
        assert person.get(url).json()["user_id"] == person.cookies["visitor_id"].value
    assert len({person.cookies["visitor_id"].value for person in visitors}) == 3
    for person in visitors * 2:
        again = person.get(url)
        assert again.json()["user_id"] == person.cookies["visitor_id"].value
        assert "visitor_id" not in again.cookies


@pytest.mark.parametrize(
    "middlewares",
    [[UPDATE, OURS, FETCH], [OURS, UPDATE, FETCH], [UPDATE, FETCH, OURS], [BOTH, OURS], [OURS, BOTH]],
    ids=["around", "inside", "outside", "one around", "one inside"],
)
def test_a_cache_of_the_whole_site_keeps_visitors_apart_in_any_order(settings: Any, middlewares: list[str]) -> None:
    settings.MIDDLEWARE = middlewares
    check_that_visitors_are_kept_apart("/view")


@pytest.mark.parametrize("middlewares", [[UPDATE, OURS, FETCH], [BOTH, OURS]])
def test_visitors_with_the_same_cookies_of_others_do_not_share_an_id(settings: Any, middlewares: list[str]) -> None:
    """As after a banner that asks for consent, which gives everyone the same cookie."""
    settings.MIDDLEWARE = middlewares
    ids = set()
    for _ in range(3):
        person = visitor()
        person.cookies["consent"] = "given"
        assert person.get("/view").json()["user_id"] == person.cookies["visitor_id"].value
        ids.add(person.cookies["visitor_id"].value)
    assert len(ids) == 3


@pytest.mark.parametrize("url", ["/cached", "/cached/template", "/cached/vary", "/vary/cached", "/never"])
@pytest.mark.parametrize("middlewares", [[OURS], [UPDATE, OURS, FETCH]], ids=["alone", "in a cached site"])
def test_a_cache_of_a_view_keeps_visitors_apart(settings: Any, url: str, middlewares: list[str]) -> None:
    settings.MIDDLEWARE = middlewares
    check_that_visitors_are_kept_apart(url)


@pytest.mark.parametrize("url", ["/cached", "/cached/template"])
def test_a_user_who_is_found_out_outside_of_the_cache_gets_a_page_of_their_own(settings: Any, url: str) -> None:
    settings.MIDDLEWARE = [OURS, FINDING_OUT]
    ids = set()
    for _ in range(2):
        person = AsyncClient(headers={"user-agent": BROWSER})
        ids.add(async_to_sync(person.get)(url).json()["user_id"])
    assert len(ids) == 2


@pytest.mark.parametrize("middlewares", [[UPDATE, OURS, FETCH], [BOTH, OURS]])
@pytest.mark.parametrize("url", ["/view", "/cached"])
def test_the_page_of_a_visitor_who_returns_is_stored_for_them_by_a_cache_around_the_middleware(
    settings: Any, middlewares: list[str], url: str
) -> None:
    settings.MIDDLEWARE = middlewares
    person, other = visitor(), visitor()
    person.get(url)
    other.get(url)
    asked.clear()
    for _ in range(3):
        person.get(url)
    assert asked == [person.cookies["visitor_id"].value]
    other.get(url)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("url", "middlewares"), [("/cached/plain", [OURS]), ("/plain", [UPDATE, OURS, FETCH]), ("/plain", [OURS, BOTH])]
)
def test_a_page_that_asks_for_no_flag_is_stored_for_all(settings: Any, url: str, middlewares: list[str]) -> None:
    settings.MIDDLEWARE = middlewares
    for _ in range(3):
        assert visitor().get(url).content == b"the same for all"
    assert len(asked) == 1


def test_a_gate_inside_a_cache_lets_in_by_its_flag_alone(server: FlagServer, configure: Callable[..., None]) -> None:
    assert visitor().get("/cached/gated").content == b"let in"
    server.set_config(config(flag("switch", allocation=whole("off"))))
    configure()
    assert visitor().get("/cached/gated").status_code == 404


def failing(_request: Any) -> None:
    raise LookupError("the session store is away")


@pytest.mark.parametrize("awaited", [False, True])
def test_a_page_whose_user_could_not_be_told_is_not_stored(
    settings: Any, configure: Callable[..., None], awaited: bool
) -> None:
    configure(IDENTIFY=failing)
    settings.MIDDLEWARE = [OURS, FINDING_OUT] if awaited else [OURS]
    for _ in range(2):
        if awaited:
            async_to_sync(AsyncClient(headers={"user-agent": BROWSER}).get)("/cached")
        else:
            visitor().get("/cached")
    assert len(asked) == 2


def test_a_page_that_only_finds_out_who_asks_is_stored(settings: Any) -> None:
    settings.MIDDLEWARE = [OURS, FINDING_OUT]
    for _ in range(2):
        async_to_sync(AsyncClient(headers={"user-agent": BROWSER}).get)("/cached/plain")
    assert len(asked) == 1


def test_a_page_that_sets_the_cookie_is_not_stored_though_it_may_be_shown_again(settings: Any) -> None:
    """Django stores a response of `no-store` that has a `max-age`."""
    settings.MIDDLEWARE = [UPDATE, OURS, FETCH]
    ids = set()
    for _ in range(2):
        person = visitor()
        person.cookies["consent"] = "given"
        ids.add(person.get("/kept").json()["user_id"])
    assert len(ids) == 2
