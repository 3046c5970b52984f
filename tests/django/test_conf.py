from __future__ import annotations

import os
import subprocess
import sys
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
    from pathlib import Path


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


def test_a_client_may_be_had_before_there_are_models_though_identify_needs_them(
    server: FlagServer, tmp_path: Path
) -> None:
    """And flags are not off for good because the path to IDENTIFY could not be followed then."""
    files = {
        "early_site/__init__.py": "from signakit_django import get_client\nclient = get_client()\n",
        "early_site/identity.py": (
            "from django.contrib.auth.models import User\n"
            "from signakit_flags.integration import Identity\n"
            "def identify(request): return Identity('ada')\n"
        ),
        "early_run.py": (
            "import django\n"
            "from django.conf import settings\n"
            "settings.configure(INSTALLED_APPS=['early_site', 'django.contrib.contenttypes', 'django.contrib.auth',"
            f" 'signakit_django'], SIGNAKIT={{'SDK_KEY': {SDK_KEY!r}, 'IDENTIFY': 'early_site.identity.identify'}})\n"
            "django.setup()\n"
            "from django.http import HttpResponse\n"
            "from django.test import RequestFactory\n"
            "from early_site import client\n"
            "from signakit_django import get_client\n"
            "from signakit_django.middleware import SignaKitMiddleware\n"
            "assert client is not None and client is get_client()\n"
            "view = lambda request: HttpResponse(f'{request.flags.user_id} {request.flags.variation(\"switch\")}')\n"
            "print(SignaKitMiddleware(view)(RequestFactory().get('/')).content.decode())\n"
        ),
    }
    (tmp_path / "early_site").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    ours = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, tmp_path / "early_run.py"],
        env={**ours, "SIGNAKIT_EMULATOR_URL": server.url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("ada on\n", 0), done.stderr


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


def test_each_sdk_key_has_an_entry_of_its_own_in_a_cache(configure: Callable[..., None], server: FlagServer) -> None:
    caches["default"].clear()
    for key in (SDK_KEY, f"{SDK_KEY}2"):
        configure(SDK_KEY=key, SNAPSHOT_CACHE="default")
        conf.integration.start()
    server.config_fault = status(503)
    for key in (SDK_KEY, f"{SDK_KEY}2"):
        configure(SDK_KEY=key, SNAPSHOT_CACHE="default")
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
