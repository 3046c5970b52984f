"""``signakit_django.rest``, and the gates on views that authenticate by themselves: Django REST framework, adrf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.test import AsyncClient, Client, RequestFactory
from django.utils.functional import SimpleLazyObject
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request

import signakit_django
from signakit_django.middleware import SignaKitMiddleware
from signakit_flags.integration import is_visitor_id
from support.configs import config, flag, rule, whole
from support.contract import BROWSER
from support.django_site import arest, rest
from support.django_site.middleware import FINDING_OUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import FlagServer

pytestmark = pytest.mark.django_db(transaction=True)
OURS = "signakit_django.middleware.SignaKitMiddleware"
GATES = [("rest", path) for path in rest.GATES] + [("arest", path) for path in arest.GATES]


class Api:
    """A client of one of the two sites, with ada's token or without one."""

    def __init__(self, site: str, settings: Any, configure: Callable[..., None], server: FlagServer) -> None:
        settings.ROOT_URLCONF = f"support.django_site.{site}"
        self._is_async = site == "arest"
        self._server = server
        self.user = get_user_model().objects.create_user("ada")
        self.browser: Any = (AsyncClient if self._is_async else Client)(headers={"user-agent": BROWSER})

    def get(self, path: str, *, token: str | None = "ada", method: str = "get", **headers: str) -> Any:
        if token is not None:
            headers["authorization"] = f"Name {token}"
        ask = getattr(self.browser, method)
        if self._is_async:
            ask = async_to_sync(ask)
        return ask(f"/{path}", headers={"accept": "application/json", **headers})

    def exposed(self) -> set[str]:
        """Return the ids of all who were exposed."""
        client = signakit_django.get_client()
        assert client is not None
        assert client.flush_sync(10)
        return {event["userId"] for event in self._server.events}


@pytest.fixture
def api(request: pytest.FixtureRequest, settings: Any, configure: Callable[..., None], server: FlagServer) -> Api:
    configure()
    return Api(getattr(request, "param", "rest"), settings, configure, server)


def off(server: FlagServer, configure: Callable[..., None]) -> None:
    """Have the flag off for everybody."""
    server.set_config(config(flag("exp", allocation=whole("off")), flag("switch", allocation=whole("on"))))
    configure()


def only_treatment(server: FlagServer, configure: Callable[..., None], variation: str) -> None:
    server.set_config(config(flag("exp", rule("r-exp", split=whole(variation)))))
    configure()


# --- who is asked about ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("api", "path"), GATES, indirect=["api"])
def test_a_gate_asks_about_the_user_who_is_authenticated_in_the_view(api: Api, path: str) -> None:
    answer = api.get(path)
    ada = str(api.user.pk)
    assert answer.status_code == 200, answer.content
    assert answer.json() == {"flags": ada, "user": ada, "same": True}
    assert not answer.cookies
    assert "Cookie" in answer["Vary"]
    assert api.exposed() == {ada}


@pytest.mark.parametrize(("api", "path"), GATES, indirect=["api"])
def test_a_gate_refuses_by_the_frameworks_own_handler(
    api: Api, path: str, server: FlagServer, configure: Callable[..., None]
) -> None:
    off(server, configure)
    answer = api.get(path)
    assert answer.status_code == (403 if path in {"both", "either"} else 404)
    assert answer["Content-Type"].startswith("application/json")
    assert "detail" in answer.json()
    assert not answer.cookies


@pytest.mark.parametrize(("api", "path"), [("rest", "plain"), ("arest", "plain")], indirect=["api"])
def test_without_a_gate_the_flags_are_those_of_the_user_too(api: Api, path: str) -> None:
    answer = api.get(path)
    assert answer.json()["flags"] == str(api.user.pk)
    assert not answer.cookies


@pytest.mark.parametrize(
    ("api", "path"), [("rest", "mixin"), ("rest", "permitted"), ("arest", "mixin")], indirect=["api"]
)
def test_a_user_without_a_token_is_a_visitor(api: Api, path: str) -> None:
    first, again = api.get(path, token=None), api.get(path, token=None)
    assert is_visitor_id(first.json()["flags"])
    assert first.cookies["visitor_id"].value == first.json()["flags"] == again.json()["flags"]
    assert not again.cookies


@pytest.mark.parametrize("path", ["mixin", "permitted", "method"])
def test_a_session_counts_where_the_view_says_so(api: Api, path: str) -> None:
    api.browser.force_login(api.user)
    answer = api.get(path, token=None)
    assert answer.json() == {"flags": str(api.user.pk), "user": str(api.user.pk), "same": True}


def test_a_session_that_the_view_does_not_accept_is_not_who_asks(api: Api) -> None:
    api.browser.force_login(api.user)
    answer = api.get("set", token=None)
    assert answer.json()["user"] == "None"
    assert is_visitor_id(answer.json()["flags"])


def test_flags_that_a_middleware_has_asked_stay_what_they_were(api: Api) -> None:
    seen: list[str] = []

    def view(request: Any) -> Any:
        seen.append(request.flags.user_id)
        return rest.plain(request)

    request = RequestFactory().get("/", headers={"authorization": "Name ada", "user-agent": BROWSER})
    answer: Any = SignaKitMiddleware(view)(request)
    assert answer.data["flags"] == seen[0]
    assert answer.cookies["visitor_id"].value == seen[0]


@pytest.mark.parametrize("path", ["mixin", "below", "permitted"])
def test_a_middleware_that_finds_out_who_asks_and_asks_nothing_changes_nothing(
    api: Api, settings: Any, path: str
) -> None:
    settings.ROOT_URLCONF = "support.django_site.arest"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, FINDING_OUT]
    api.browser, api._is_async = AsyncClient(headers={"user-agent": BROWSER}), True
    ada = str(api.user.pk)
    assert api.get(path).json() == {"flags": ada, "user": ada, "same": True}


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["members", "lazily", "mixin", "permitted"])
def test_a_token_that_is_not_valid_is_answered_with_401_and_exposes_no_user(api: Api, path: str) -> None:
    answer = api.get(path, token="unknown")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Name"
    assert not answer.cookies
    assert api.exposed() == set()


def test_a_user_who_may_not_ask_is_not_exposed(api: Api) -> None:
    assert api.get("members", token=None).status_code == 401
    assert api.get("both", token=None).status_code == 401
    assert api.get("throttled").status_code == 429
    assert api.exposed() == set()


@pytest.mark.parametrize(
    ("api", "path", "status"),
    [
        ("rest", "mixin/403", 403),
        ("rest", "mixin/402", 402),
        ("rest", "method/402", 402),
        ("rest", "paid", 402),
        ("rest", "forbidden", 403),
        ("arest", "mixin/402", 402),
    ],
    indirect=["api"],
)
def test_a_refusal_may_have_another_status(
    api: Api, path: str, status: int, server: FlagServer, configure: Callable[..., None]
) -> None:
    assert api.get(path.removesuffix("/402").removesuffix("/403")).status_code == 200
    off(server, configure)
    answer = api.get(path)
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert answer["Allow"] == "GET, HEAD, OPTIONS"


def test_a_status_of_a_permission_that_has_no_name_is_answered_all_the_same() -> None:
    from signakit_django.rest import refusal

    assert (refusal(499).status_code, str(refusal(499).detail)) == (499, "Refused.")


@pytest.mark.parametrize("api", ["rest", "arest"], indirect=True)
def test_a_refusal_may_lead_elsewhere(api: Api, server: FlagServer, configure: Callable[..., None]) -> None:
    assert api.get("mixin/redirect").status_code == 200
    off(server, configure)
    answer = api.get("mixin/redirect")
    assert (answer.status_code, answer["Location"]) == (302, "/elsewhere")
    assert answer["Allow"] == "GET, HEAD, OPTIONS", "as every response of such a view"


def test_a_refusal_goes_through_the_views_own_exception_handler(
    api: Api, server: FlagServer, configure: Callable[..., None]
) -> None:
    off(server, configure)
    answer = api.get("reasoned")
    assert (answer.status_code, answer["X-Reason"]) == (402, "APIException")


def test_permissions_can_be_combined(api: Api, server: FlagServer, configure: Callable[..., None]) -> None:
    assert api.get("neither").status_code == 403
    assert api.get("either").status_code == 200
    off(server, configure)
    assert api.get("neither").status_code == 200


def test_a_permission_may_be_for_one_variation(api: Api, server: FlagServer, configure: Callable[..., None]) -> None:
    only_treatment(server, configure, "treatment")
    assert api.get("treated").status_code == 200
    only_treatment(server, configure, "control")
    assert api.get("treated").status_code == 404


def test_a_permission_says_what_it_is_and_needs_a_key() -> None:
    permission = rest.FlagPermission("exp")
    assert repr(permission) == "FlagPermission('exp')"
    assert permission() is permission
    with pytest.raises(TypeError, match="FlagPermission takes the key of a flag"):
        rest.FlagPermission(None)  # type: ignore[arg-type]


# --- what else such views do -----------------------------------------------------------------------------------------


def test_the_browsable_api_shows_a_page_and_a_refusal(
    api: Api, server: FlagServer, configure: Callable[..., None], settings: Any
) -> None:
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "rest_framework"]
    settings.TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
    page = api.get("browsable", accept="text/html")
    assert page.status_code == 200
    assert "<h1>Browsable</h1>" in page.content.decode()
    assert "POST" in page.content.decode()
    assert api.exposed() == {str(api.user.pk)}
    off(server, configure)
    refused = api.get("browsable", accept="text/html")
    assert refused.status_code == 404
    assert "<h1>Browsable</h1>" in refused.content.decode()


@pytest.mark.parametrize("path", ["decorated", "browsable", "above"])
def test_options_describe_the_view(api: Api, path: str) -> None:
    answer = api.get(path, method="options")
    assert answer.status_code == 200
    assert answer.json()["renders"]


def test_a_method_that_the_view_does_not_have_is_answered_as_ever(api: Api) -> None:
    assert api.get("mixin", method="post").status_code == 405


def test_a_gate_of_a_url_is_not_one_of_the_other_urls_of_its_class(
    api: Api, server: FlagServer, configure: Callable[..., None]
) -> None:
    off(server, configure)
    assert api.get("urls").status_code == 404
    assert api.get("plain").status_code == 200


def test_an_answer_that_comes_between_the_gate_and_the_view_is_gated(
    api: Api, server: FlagServer, configure: Callable[..., None]
) -> None:
    assert api.get("interrupted").content == b"we are back soon"
    off(server, configure)
    assert api.get("interrupted").status_code == 404


SECRETS = [("rest", path) for path in rest.SECRETS] + [("arest", path) for path in arest.SECRETS]


@pytest.mark.parametrize(("api", "path"), SECRETS, indirect=["api"])
def test_a_view_that_answers_without_authenticating_is_gated(
    api: Api, path: str, server: FlagServer, configure: Callable[..., None]
) -> None:
    assert api.get(path).content == b"secret"
    off(server, configure)
    assert api.get(path).status_code == 404


def test_a_refusal_that_comes_between_the_gate_and_the_view_asks_for_no_flag(api: Api) -> None:
    answer = api.get("posted")
    assert answer.status_code == 405
    assert not answer.cookies
    assert api.exposed() == set()


def test_a_partial_of_a_view_is_a_view(api: Api, server: FlagServer, configure: Callable[..., None]) -> None:
    assert api.get("partial").json()["flags"] == str(api.user.pk)
    off(server, configure)
    assert api.get("partial").status_code == 404


def test_the_user_of_the_framework_counts_and_not_what_it_calls_auth(api: Api) -> None:
    get_user_model().objects.create_user("administrator")
    assert api.get("impersonated").json() == {"flags": str(api.user.pk), "user": str(api.user.pk), "same": True}
    assert api.exposed() == {str(api.user.pk)}


def test_a_cache_inside_of_a_view_stores_no_page_that_asked(api: Api) -> None:
    bob = get_user_model().objects.create_user("bob")
    try:
        for _ in range(2):
            assert api.get("cached").json() == {"flags": str(api.user.pk)}
            assert api.get("cached", token="bob").json() == {"flags": str(bob.pk)}
    finally:
        caches["default"].clear()


@pytest.mark.parametrize("api", ["arest"], indirect=True)
def test_flags_that_were_awaited_can_be_asked_in_sync_code(api: Api) -> None:
    """As a helper of the view, and a template tag, do."""
    request = RequestFactory().get("/", headers={"user-agent": BROWSER})
    request.user = SimpleLazyObject(lambda: get_user_model().objects.get(username="ada"))

    async def view() -> list[str]:
        drf = Request(request, authenticators=[SessionAuthentication()])
        return [(await signakit_django.aflags_of(drf)).user_id, signakit_django.flags_of(drf).user_id]

    assert async_to_sync(view)() == [str(api.user.pk)] * 2
