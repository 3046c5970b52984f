from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.checks import ERROR, WARNING, CheckMessage, run_checks
from django.test.utils import override_settings

from signakit_django.middleware import SignaKitMiddleware
from support.configs import SDK_KEY

SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
OURS = "signakit_django.middleware.SignaKitMiddleware"


def found(*, deploy: bool = False, **settings: Any) -> list[CheckMessage]:
    """What the checks of our tag say."""
    settings = {"SIGNAKIT": {"SDK_KEY": SDK_KEY}, **settings}
    with override_settings(**settings):
        return run_checks(tags=["signakit"], include_deployment_checks=deploy)


def ids(messages: list[CheckMessage]) -> list[str]:
    return [message.id or "" for message in messages]


@pytest.mark.parametrize("deploy", [False, True])
def test_a_site_that_is_set_up_passes(deploy: bool) -> None:
    assert found(deploy=deploy) == []


@pytest.mark.parametrize("debug", [False, True])
def test_a_missing_key_is_a_choice(debug: bool) -> None:
    assert found(SIGNAKIT={}, DEBUG=debug) == []


def test_for_a_deployment_a_missing_key_is_one_error() -> None:
    [error] = found(SIGNAKIT={}, deploy=True)
    assert (error.id, error.level, error.obj) == ("signakit.E001", ERROR, "SIGNAKIT")
    assert error.msg == 'SIGNAKIT["SDK_KEY"] is missing.'
    assert "SIGNAKIT_SDK_KEY" in (error.hint or "")


def test_an_unknown_option_is_a_warning_that_knows_better() -> None:
    [message] = found(SIGNAKIT={"SDK_KEY": SDK_KEY, "POLING_INTERVAL": 5})
    assert (message.id, message.level) == ("signakit.W002", WARNING)
    assert message.hint == 'Did you mean SIGNAKIT["POLLING_INTERVAL"]?'


@pytest.mark.parametrize("wrong", [{"TIMEOUT": 0}, {"SDK_KEY": "x"}, {"VISITOR_COOKIE": 5}, {"READY_TIMEOUT": "soon"}])
def test_a_value_that_cannot_be_used_is_an_error(wrong: dict[str, Any]) -> None:
    [message] = found(SIGNAKIT={"SDK_KEY": SDK_KEY, **wrong})
    assert (message.id, message.level) == ("signakit.E002", ERROR)
    assert next(iter(wrong)) in message.msg
    assert message.hint


def test_a_setting_that_is_no_dict_is_an_error() -> None:
    assert ids(found(SIGNAKIT=["SDK_KEY"])) == ["signakit.E002"]


@pytest.mark.parametrize("option", ["IDENTIFY", "BOT_DETECTOR"])
def test_a_dotted_path_that_leads_nowhere_is_an_error(option: str) -> None:
    [message] = found(SIGNAKIT={"SDK_KEY": SDK_KEY, option: "accounts.no_such_module.identify"})
    assert (message.id, message.level) == ("signakit.E003", ERROR)
    assert "accounts.no_such_module.identify" in message.msg


def test_a_missing_middleware_is_a_warning() -> None:
    [message] = found(MIDDLEWARE=[SESSION, AUTH])
    assert (message.id, message.level) == ("signakit.W003", WARNING)
    assert OURS in (message.hint or "")


@pytest.mark.parametrize(
    ("order", "named"),
    [
        ([OURS, SESSION, AUTH], "SessionMiddleware and AuthenticationMiddleware"),
        ([SESSION, OURS, AUTH], "before AuthenticationMiddleware"),
    ],
)
def test_a_middleware_that_comes_too_early_is_a_warning(order: list[str], named: str) -> None:
    [message] = found(MIDDLEWARE=order)
    assert (message.id, message.level) == ("signakit.W004", WARNING)
    assert named in message.msg


class OwnSessions(SessionMiddleware):
    """A project's own."""


class OwnFlags(SignaKitMiddleware):
    """A project's own."""


def test_a_subclass_counts_as_the_middleware_that_it_is() -> None:
    sessions, flags = (f"{kind.__module__}.{kind.__qualname__}" for kind in (OwnSessions, OwnFlags))
    assert found(MIDDLEWARE=[sessions, AUTH, flags]) == []
    [message] = found(MIDDLEWARE=[OURS, sessions])
    assert message.id == "signakit.W004"
    assert ids(found(MIDDLEWARE=[flags, SESSION])) == ["signakit.W004"]


def test_a_middleware_that_cannot_be_imported_is_djangos_to_tell() -> None:
    assert ids(found(MIDDLEWARE=["no.such.Middleware", "json.dumps"])) == ["signakit.W003"]


def test_a_site_without_sessions_is_no_problem() -> None:
    assert found(MIDDLEWARE=[OURS]) == []


def test_the_key_is_never_shown() -> None:
    messages = found(SIGNAKIT={"SDK_KEY": "sk_dev_org_1_very/secret", "TIMEOUT": 0}, deploy=True)
    assert messages
    assert "secret" not in str(messages)
