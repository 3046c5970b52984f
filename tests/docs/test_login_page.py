"""What the page "Login and sign-up" says: its applications are built from the files that it shows, and used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import alogin, get_user_model
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.test.utils import override_settings
from django.urls import path
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

import signakit_django
from signakit_fastapi import Flags, Identity, SignaKit, get_flags
from support.configs import SDK_KEY, config, flag, rule
from support.contract import BROWSER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.server import FlagServer

PAGE = (Path(__file__).parents[2] / "docs" / "login-and-sign-up.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL))
VISITOR = "9b2f6a52-7d0e-4a52-9a5c-0d3b8f6f2b11"


@pytest.fixture(autouse=True)
def _service(server: FlagServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.set_config(config(flag("exp", rule("r-exp"))))
    monkeypatch.setenv("SIGNAKIT_SDK_KEY", SDK_KEY)
    monkeypatch.setenv("SIGNAKIT_EMULATOR_URL", server.url)


def run_file(name: str) -> dict[str, Any]:
    """Return the names that a file of the page defines."""
    found: dict[str, Any] = {"__name__": name.removesuffix(".py")}
    exec(compile(FILES[name], name, "exec"), found)
    return found


@dataclass
class Site:
    """An application of the page, and a browser.

    Attributes:
        post: Sends a form with one field, ``name``, and returns the body: the id of whose flags the request has.
        get: Returns the body.
        set_cookie: Sets the visitor cookie.
        cookie: Returns the visitor cookie, or None.
        account: Returns the user id of the account of a name.
    """

    post: Callable[[str, str], str]
    get: Callable[[str], str]
    set_cookie: Callable[[str], None]
    cookie: Callable[[], str | None]
    account: Callable[[str], str] = str


@pytest.fixture(params=["django", "flask", "fastapi"])
def site(request: pytest.FixtureRequest) -> Site:
    found: Site = request.getfixturevalue(f"{request.param}_site")
    return found


@pytest.fixture
def django_settings(db: None) -> Iterator[SimpleNamespace]:
    """The settings of a project whose views are those of the page, and more that a test adds."""
    views = run_file("django_views.py")
    urls = ModuleType("urls_of_the_page")
    patterns = [path(name.replace("_", "-"), views[name]) for name in ("sign_up", "log_in")]
    urls.urlpatterns = [*patterns, path("who", lambda request: HttpResponse(request.flags.user_id))]
    with override_settings(ROOT_URLCONF=urls, SIGNAKIT={"LOAD_IN_TESTS": True, "READY_TIMEOUT": 10}):
        yield SimpleNamespace(urls=urls)
        client = signakit_django.get_client()
        assert client is not None
        client.close(0.5)


@pytest.fixture
def django_site(django_settings: SimpleNamespace) -> Site:
    get_user_model().objects.create_user("ada")
    browser = Client(headers={"user-agent": BROWSER})

    def cookie() -> str | None:
        found = browser.cookies.get("visitor_id")
        return None if found is None else str(found.value)

    return Site(
        lambda url, name: browser.post(url, {"name": name}).content.decode(),
        lambda url: browser.get(url).content.decode(),
        lambda value: browser.cookies.__setitem__("visitor_id", value),
        cookie,
        lambda name: str(get_user_model().objects.get_by_natural_key(name).pk),
    )


@pytest.fixture
def flask_site() -> Iterator[Site]:
    app = run_file("flask_app.py")["app"]
    browser = app.test_client()
    browser.environ_base["HTTP_USER_AGENT"] = BROWSER

    def cookie() -> str | None:
        found = browser.get_cookie("visitor_id")
        return None if found is None else str(found.value)

    yield Site(
        lambda url, name: browser.post(url, data={"name": name}).text,
        lambda url: browser.get(url).text,
        lambda value: browser.set_cookie("visitor_id", value),
        cookie,
    )
    app.extensions["signakit"].client.close(0.5)


@pytest.fixture
def fastapi_site() -> Iterator[Site]:
    with TestClient(run_file("fastapi_app.py")["app"], headers={"user-agent": BROWSER}) as browser:
        yield Site(
            lambda url, name: browser.post(url, params={"name": name}).json(),
            lambda url: browser.get(url).json(),
            lambda value: browser.cookies.set("visitor_id", value),
            lambda: browser.cookies.get("visitor_id"),
        )


def users(server: FlagServer, count: int) -> dict[str, str]:
    """Return who each event is from, by its key."""
    return {event["eventKey"]: event["userId"] for event in server.wait_for_events(count)}


def test_what_is_tracked_before_the_login_is_the_visitors_and_so_are_all_flags_of_the_request(
    site: Site, server: FlagServer
) -> None:
    site.set_cookie(VISITOR)
    assert site.post("/sign-up", "ben") == VISITOR
    assert users(server, 2) == {"sign-up": VISITOR, "first-login": site.account("ben")}
    assert site.get("/who") == site.account("ben")


def test_a_visitor_without_a_cookie_gets_one_and_is_credited(site: Site, server: FlagServer) -> None:
    visitor = site.post("/sign-up", "ben")
    assert visitor == site.cookie()
    assert users(server, 2) == {"sign-up": visitor, "first-login": site.account("ben")}


def test_what_is_first_asked_after_the_login_is_the_accounts(site: Site, server: FlagServer) -> None:
    site.set_cookie(VISITOR)
    assert site.post("/log-in", "ada") == site.account("ada")
    assert users(server, 1) == {"welcome-page": site.account("ada")}
    assert server.events[0].get("decisions", {}) == {}
    assert site.get("/who") == site.account("ada")


@pytest.mark.parametrize("before", ["nothing", "awaited", "asked"])
def test_an_async_view_of_django_has_the_flags_of_the_user_when_it_first_asks(
    django_settings: SimpleNamespace, before: str
) -> None:
    async def log_in(request: Any) -> HttpResponse:
        if before != "nothing":
            flags = await request.aflags()
            assert before == "awaited" or flags.user_id
        await alogin(request, await get_user_model().objects.acreate_user("ada"))
        flags = await request.aflags()
        flags.track("seen")
        return HttpResponse(flags.user_id)

    django_settings.urls.urlpatterns.append(path("alog-in", log_in))
    browser = AsyncClient(headers={"user-agent": BROWSER})
    browser.cookies["visitor_id"] = VISITOR
    answer = async_to_sync(browser.post)("/alog-in").content.decode()
    account = str(get_user_model().objects.get_by_natural_key("ada").pk)
    assert answer == (VISITOR if before == "asked" else account)


def test_flags_that_a_route_of_fastapi_declares_are_those_from_before_the_login() -> None:
    app = run_file("fastapi_app.py")["app"]

    @app.post("/declared")
    async def declared(request: Request, flags: Flags, name: str) -> str:
        request.session["user"] = name
        return flags.user_id

    with TestClient(app, headers={"user-agent": BROWSER}, cookies={"visitor_id": VISITOR}) as browser:
        assert browser.post("/declared", params={"name": "ada"}).json() == VISITOR


def test_the_request_that_hands_out_a_token_is_the_visitors() -> None:
    def identify(connection: Any) -> Identity | None:
        token = connection.headers.get("authorization")
        return None if token is None else Identity(token)

    signakit = SignaKit(identify=identify)
    app = FastAPI(lifespan=signakit.lifespan, middleware=signakit.middleware)

    @app.post("/token")
    async def token(request: Request) -> list[str]:
        return ["ada", (await get_flags(request)).user_id]

    with TestClient(app, headers={"user-agent": BROWSER}, cookies={"visitor_id": VISITOR}) as browser:
        handed_out, user = browser.post("/token").json()
        assert user == VISITOR
        assert browser.post("/token", headers={"authorization": handed_out}).json()[1] == "ada"
