from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.test.utils import override_settings

import signakit_django
from signakit_django.conf import conf
from signakit_flags.integration import VisitorCookie
from support.configs import SDK_KEY
from support.server import FlagServer, status, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def problems() -> list[tuple[str, str]]:
    return [(problem.kind, problem.option) for problem in conf.options.problems]


def test_settings_are_read_when_they_are_asked_for() -> None:
    with override_settings(SIGNAKIT={"SDK_KEY": SDK_KEY, "TIMEOUT": 3, "VISITOR_COOKIE": {"name": "vid"}}):
        assert conf.options.client == {"timeout": 3}
        assert conf.options.visitor_cookie == VisitorCookie(name="vid")
        assert problems() == []
    assert conf.options.client == {}


def test_what_is_in_force_stays_until_the_setting_changes() -> None:
    with override_settings(SIGNAKIT={"SDK_KEY": SDK_KEY}):
        first = conf.integration
        assert conf.integration is first
        with override_settings(DEBUG=True):
            assert conf.integration is first
        with override_settings(SIGNAKIT={"SDK_KEY": SDK_KEY, "TIMEOUT": 3}):
            assert conf.integration is not first


def test_threads_that_come_first_share_one_client() -> None:
    with override_settings(SIGNAKIT={"SDK_KEY": SDK_KEY}), ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: id(signakit_django.get_client()), range(50)))) == 1


def test_the_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNAKIT_SDK_KEY", SDK_KEY)
    with override_settings(SIGNAKIT={}):
        assert problems() == []
        assert signakit_django.get_client() is not None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("missing key", 'SIGNAKIT["SDK_KEY"]')),
        ([], ("invalid", "SIGNAKIT")),
        (None, ("invalid", "SIGNAKIT")),
        ("sk", ("invalid", "SIGNAKIT")),
        ({"SDK_KEY": SDK_KEY, "TIMEOT": 3}, ("unknown", 'SIGNAKIT["TIMEOT"]')),
        ({"SDK_KEY": SDK_KEY, 5: 3}, ("unknown", 'SIGNAKIT["5"]')),
        ({"SDK_KEY": SDK_KEY, "TIMEOUT": "x"}, ("invalid", 'SIGNAKIT["TIMEOUT"]')),
        ({"SDK_KEY": SDK_KEY, "IDENTIFY": "no.where"}, ("import", 'SIGNAKIT["IDENTIFY"]')),
        ({"SDK_KEY": SDK_KEY, "LOAD_IN_TESTS": 1}, ("invalid", 'SIGNAKIT["LOAD_IN_TESTS"]')),
        ({"SDK_KEY": SDK_KEY, "SNAPSHOT_CACHE": "none"}, ("invalid", 'SIGNAKIT["SNAPSHOT_CACHE"]')),
        ({"SDK_KEY": SDK_KEY, "SNAPSHOT_CACHE": 5}, ("invalid", 'SIGNAKIT["SNAPSHOT_CACHE"]')),
        (
            {"SDK_KEY": SDK_KEY, "SNAPSHOT_CACHE": "default", "SNAPSHOT_PATH": "x"},
            ("invalid", 'SIGNAKIT["SNAPSHOT_CACHE"]'),
        ),
    ],
)
def test_a_wrong_setting_is_a_problem_and_never_an_error(given: Any, expected: tuple[str, str]) -> None:
    with override_settings(SIGNAKIT=given):
        assert problems() == [expected]
        off = expected[0] != "unknown"
        assert (signakit_django.get_client() is None) is off
        user = type("User", (), {"is_authenticated": True, "pk": 1})()
        if off:
            assert signakit_django.flags_for(user).decide("exp") is None


def test_without_the_setting_nothing_breaks(settings: Any) -> None:
    assert not hasattr(settings, "SIGNAKIT")
    assert problems() == [("missing key", 'SIGNAKIT["SDK_KEY"]')]


# --- a snapshot in Django's cache ------------------------------------------------------------------------------------


def test_the_config_outlives_an_outage_in_djangos_cache(configure: Callable[..., None], server: FlagServer) -> None:
    caches["default"].clear()
    configure(SNAPSHOT_CACHE="default")
    conf.integration.start()
    server.config_fault = status(503)
    configure(SNAPSHOT_CACHE="default")
    conf.integration.start()
    client = signakit_django.get_client()
    assert client is not None
    assert client.status().source == "snapshot"
    caches["default"].clear()


def test_a_cache_that_is_away_breaks_nothing(configure: Callable[..., None], server: FlagServer) -> None:
    broken = {"default": {"BACKEND": "support.django_site.broken_cache.BrokenCache"}}
    with override_settings(CACHES=broken):
        configure(SNAPSHOT_CACHE="default")
        conf.integration.start()
        client = signakit_django.get_client()
        assert client is not None
        assert wait_until(lambda: client.is_ready)
