"""Operations of django-ninja: who ``auth=`` has found is who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.test import AsyncClient, Client

import signakit_django
from signakit_flags.integration import is_visitor_id
from support.contract import BROWSER
from support.django_site.middleware import FINDING_OUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import FlagServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("configure")]


@pytest.fixture(autouse=True)
def _operations(settings: Any) -> None:
    settings.ROOT_URLCONF = "support.django_site.ninja_api"


@pytest.fixture(params=[Client, AsyncClient])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    def get(path: str, token: str | None = None, *, session: Any = None) -> Any:
        client: Any = request.param(headers={"user-agent": BROWSER})
        if session is not None:
            client.force_login(session)
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        call = client.get if request.param is Client else async_to_sync(client.get)
        return call(path, headers=headers)

    return get


@pytest.mark.parametrize("path", ["/sync", "/async", "/gate", "/gate/async"])
def test_the_user_of_a_token_is_who_asks(ask: Callable[..., Any], server: FlagServer, path: str) -> None:
    ada, bob = map(get_user_model().objects.create_user, ["ada", "bob"])
    answer = ask(path, "ada")
    assert answer.json()["flags"] == str(ada.pk)
    assert answer.json()["exp"] in {"control", "treatment"}
    assert not answer.cookies
    assert ask(path, "ada", session=bob).json()["flags"] == str(ada.pk), "not that of the session"
    client = signakit_django.get_client()
    assert client is not None
    assert client.flush_sync(10)
    assert {event["userId"] for event in server.events} == {str(ada.pk)}


@pytest.mark.parametrize("path", ["/sync", "/async", "/gate", "/gate/async"])
def test_a_token_that_is_not_valid_is_answered_with_401(ask: Callable[..., Any], path: str) -> None:
    answer = ask(path, "unknown")
    assert answer.status_code == 401
    assert not answer.cookies


def test_an_operation_that_is_open_to_all_has_visitors_and_sessions(ask: Callable[..., Any]) -> None:
    ada = get_user_model().objects.create_user("ada")
    answer = ask("/none")
    assert answer.cookies["visitor_id"].value == answer.json()["flags"]
    assert ask("/none", session=ada).json()["flags"] == str(ada.pk)
    assert ask("/session", session=ada).json()["flags"] == str(ada.pk)


def test_what_is_not_a_user_says_nothing_about_who_asks(ask: Callable[..., Any]) -> None:
    assert is_visitor_id(ask("/text", "a-token").json()["flags"])


@pytest.mark.parametrize("path", ["/sync", "/async", "/gate", "/gate/async"])
def test_a_middleware_that_finds_out_earlier_changes_nothing(ask: Callable[..., Any], settings: Any, path: str) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, FINDING_OUT]
    ada = get_user_model().objects.create_user("ada")
    answer = ask(path, "ada")
    assert answer.json()["flags"] == str(ada.pk)
    assert not answer.cookies
