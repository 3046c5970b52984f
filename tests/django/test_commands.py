"""``manage.py signakit``, and what every other command must not do."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from django.core.management import CommandError, call_command

import signakit_django
from support.configs import SDK_KEY
from support.contract import BROWSER
from support.server import FlagServer, closed_port_url, status, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).parents[1]


def call(*arguments: str) -> str:
    out = io.StringIO()
    call_command("signakit", *arguments, stdout=out)
    return out.getvalue().strip()


def environment(server: FlagServer, **more: str) -> dict[str, str]:
    ours = {"SIGNAKIT_SDK_KEY": SDK_KEY, "SIGNAKIT_EMULATOR_URL": server.url, "PYTHONPATH": str(TESTS)}
    return {**os.environ, **ours, "DJANGO_SETTINGS_MODULE": "support.django_site.deployed", **more}


def manage(server: FlagServer, *arguments: str, code: int = 0, **more: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "django", *arguments],
        env=environment(server, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout


# --- ours ------------------------------------------------------------------------------------------------------------


def test_list(configure: Callable[..., None]) -> None:
    assert call("list") == "exp\ntgt\nswitch"
    assert json.loads(call("list", "--json")) == ["exp", "tgt", "switch"]


def test_decide_explains_and_exposes_nobody(configure: Callable[..., None], server: FlagServer) -> None:
    text = call("decide", "ada", "exp", "-a", "plan=pro", "-a", "age=5")
    assert text.startswith("exp for 'ada': ")
    decided = json.loads(call("decide", "ada", "--json"))
    assert set(decided) == {"exp", "tgt", "switch"}
    assert decided["switch"]["enabled"] is True
    assert decided["exp"]["rule_key"] == "r-exp"
    assert json.loads(call("decide", "ada", "unknown", "--json")) == {"unknown": None}
    client = signakit_django.get_client()
    assert client is not None
    assert client.flush_sync(10)
    assert server.events == []


def test_status(configure: Callable[..., None]) -> None:
    assert json.loads(call("status", "--json"))["source"] == "cdn"
    assert "ready                True" in call("status")


def test_an_attribute_that_is_none_is_refused(configure: Callable[..., None]) -> None:
    with pytest.raises(CommandError, match="NAME=VALUE"):
        call("decide", "ada", "exp", "-a", "plan")


def test_no_config_is_an_error_and_status_prints_all_the_same(
    configure: Callable[..., None], server: FlagServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.config_fault = status(503)
    with pytest.raises(CommandError, match="HTTP 503"):
        call_command("signakit", "status")
    assert "HTTP 503" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no config"):
        call("list")


def test_settings_that_cannot_be_used_are_named(configure: Callable[..., None]) -> None:
    configure(TIMEOUT=0, SDK_KEY=None)
    with pytest.raises(CommandError, match=r"flags are off: .*SDK_KEY.*TIMEOUT"):
        call("list")


def test_under_test_the_network_is_left_alone(configure: Callable[..., None], server: FlagServer) -> None:
    configure(LOAD_IN_TESTS=False)
    with pytest.raises(CommandError, match="under test"):
        call("list")
    assert server.config_requests == []


def test_from_the_command_line(server: FlagServer) -> None:
    assert manage(server, "signakit", "list") == "exp\ntgt\nswitch\n"
    assert "Traceback" not in manage(server, "signakit", "status", code=1, SIGNAKIT_CDN_URL=closed_port_url())


# --- all the others --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ["check"],
        ["migrate", "--verbosity", "0"],
        ["collectstatic", "--noinput", "--verbosity", "0"],
        ["showmigrations"],
        ["diffsettings"],
        ["shell", "-c", "import support.django_site.urls, signakit_django; signakit_django.get_client()"],
        ["help"],
    ],
    ids=lambda command: command[0],
)
def test_a_command_that_serves_no_request_touches_no_network(
    server: FlagServer, command: list[str], tmp_path: Path
) -> None:
    manage(server, *command, SITE_STATIC_ROOT=str(tmp_path / "static"))
    assert server.config_requests == []


def test_the_first_use_in_a_command_waits_for_the_config(server: FlagServer) -> None:
    code = (
        "import signakit_django; user = type('User', (), {'is_authenticated': True, 'pk': 7});"
        "flags = signakit_django.flags_for(user); print(flags.variation('switch'), flags.variation('exp'))"
    )
    assert manage(server, "shell", "-v", "0", "-c", code).startswith("on ")
    assert [event["userId"] for event in server.events if "exp" in event["decisions"]] == ["7"]


def test_mail_that_is_kept_in_memory_makes_no_test_of_a_process(server: FlagServer) -> None:
    code = (
        "from django.core.mail import get_connection; import signakit_django;"
        "get_connection('django.core.mail.backends.locmem.EmailBackend');"
        "user = type('User', (), {'is_authenticated': True, 'pk': 7});"
        "print(signakit_django.flags_for(user).variation('switch'))"
    )
    assert manage(server, "shell", "-v", "0", "-c", code).startswith("on")


def test_of_the_two_processes_of_runserver_one_loads(server: FlagServer) -> None:
    port = closed_port_url().rpartition(":")[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "django", "runserver", f"127.0.0.1:{port}"],
        env=environment(server, SITE_DEBUG="1", SITE_POLLING_INTERVAL="0"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{port}/sync/flags"
        assert wait_until(lambda: answers(url), 40)
        assert httpx.get(url, headers={"user-agent": BROWSER}).json()["variation"] in {"control", "treatment"}
        assert len(server.config_requests) == 1
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(url: str) -> bool:
    try:
        return bool(httpx.get(url, timeout=30).status_code == 200)
    except httpx.TransportError:
        return False


def test_the_settings_of_the_readme_need_no_key_to_collect_static_files(tmp_path: Path) -> None:
    readme = (TESTS.parent / "packages" / "signakit-django" / "README.md").read_text()
    shown = next(block for block in readme.split("```py\n") if block.startswith("# settings.py")).partition("```")[0]
    (tmp_path / "readme_settings.py").write_text(
        shown + "INSTALLED_APPS = [app for app in INSTALLED_APPS if app is not ...] + ['django.contrib.staticfiles']\n"
        "MIDDLEWARE = [path for path in MIDDLEWARE if path is not ...]\n"
        f"STATIC_URL, STATIC_ROOT = 'static/', {str(tmp_path / 'static')!r}\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIGNAKIT_")}
    done = subprocess.run(
        [sys.executable, "-m", "django", "collectstatic", "--noinput"],
        env={**environment, "PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "readme_settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 static files copied" in done.stdout


# --- outside of requests ---------------------------------------------------------------------------------------------


class User:
    def __init__(self, pk: int | None, *, is_authenticated: bool = True) -> None:
        self.pk = pk
        self.is_authenticated = is_authenticated


def test_flags_for_a_user_are_those_of_their_requests(configure: Callable[..., None], server: FlagServer) -> None:
    user: Any = User(17)
    flags = signakit_django.flags_for(user, {"plan": "pro"})
    assert (flags.user_id, flags.attributes) == ("17", {"plan": "pro"})
    assert flags.is_enabled("switch")
    flags.track("purchase", value=5)
    client = signakit_django.get_client()
    assert client is not None
    assert client.flush_sync(10)
    assert [(event["eventKey"], event["userId"]) for event in server.events if event["eventKey"] == "purchase"] == [
        ("purchase", "17")
    ]


@pytest.mark.parametrize("user", [None, User(None), User(5, is_authenticated=False)])
def test_flags_for_nobody_are_none_and_defaults(configure: Callable[..., None], user: Any) -> None:
    flags = signakit_django.flags_for(user)
    assert flags.decide("switch") is None
    assert flags.is_enabled("switch", True) is True


@pytest.mark.parametrize("user", [b"ada", 1.5, object()])
def test_what_is_no_user_is_a_mistake_of_the_callers(configure: Callable[..., None], user: Any) -> None:
    with pytest.raises(TypeError, match="a user of Django's"):
        signakit_django.flags_for(user)


def test_importing_the_package_needs_no_settings() -> None:
    code = "import signakit_django, sys; assert 'django.conf' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": os.environ["PATH"]})


# --- the end of an ASGI server ---------------------------------------------------------------------------------------


def test_the_lifespan_sends_what_is_queued_and_leaves_the_client_usable(
    configure: Callable[..., None], server: FlagServer
) -> None:
    import asyncio

    from signakit_django.asgi import with_lifespan

    served: list[str] = []
    sent: list[str] = []
    messages = ["lifespan.startup", "lifespan.shutdown"]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        served.append(scope["type"])

    async def receive() -> Any:
        return {"type": messages.pop(0)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    user: Any = User(17)
    for flag in ("exp", "switch"):
        signakit_django.flags_for(user).decide(flag)
    wrapped = with_lifespan(application)
    asyncio.run(wrapped({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert len(server.events) == 2
    asyncio.run(wrapped({"type": "http"}, receive, send))
    assert served == ["http"], "Django is never asked about a lifespan"
    client = signakit_django.get_client()
    assert client is not None
    signakit_django.flags_for(user).track("later")
    assert client.flush_sync(10)
    assert len(server.events) == 3
