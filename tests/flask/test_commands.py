"""``flask signakit``, and what every other command must not do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from signakit_flask import SignaKit
from support.configs import SDK_KEY
from support.contract import BROWSER
from support.server import FlagServer, closed_port_url, status
from support.servers import Running, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

TESTS = Path(__file__).parents[1]


@pytest.fixture
def call(make_app: Any) -> Callable[..., str]:
    def run(*arguments: str, code: int = 0, **more: Any) -> str:
        app: Flask = make_app(**more)
        SignaKit(app)
        done = app.test_cli_runner().invoke(args=["signakit", *arguments])
        assert done.exit_code == code, done.output
        return done.output.strip()

    return run


def flask(server: FlagServer, *arguments: str, code: int = 0, **more: str) -> str:
    ours = {"SIGNAKIT_SDK_KEY": SDK_KEY, "SIGNAKIT_EMULATOR_URL": server.url, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "support.flask_site.deployed", *arguments],
        env={**os.environ, **ours, **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout


# --- ours ------------------------------------------------------------------------------------------------------------


def test_list(call: Callable[..., str]) -> None:
    assert call("list") == "exp\ntgt\nswitch"
    assert json.loads(call("list", "--json")) == ["exp", "tgt", "switch"]


def test_decide_explains_and_exposes_nobody(make_app: Any, server: FlagServer) -> None:
    app = make_app()
    SignaKit(app)
    invoke = app.test_cli_runner().invoke
    text = invoke(args=["signakit", "decide", "ada", "exp", "-a", "plan=pro", "-a", "age=5"]).output
    assert text.startswith("exp for 'ada': ")
    decided = json.loads(invoke(args=["signakit", "decide", "ada", "--json"]).output)
    assert set(decided) == {"exp", "tgt", "switch"}
    assert decided["switch"]["enabled"] is True
    assert decided["exp"]["rule_key"] == "r-exp"
    unknown = invoke(args=["signakit", "decide", "ada", "unknown", "--json"]).output
    assert json.loads(unknown) == {"unknown": None}
    assert app.extensions["signakit"].client.flush_sync(10)
    assert server.events == []


def test_an_attribute_is_json_or_else_text(make_app: Any, server: FlagServer) -> None:
    from support.configs import config, rule, whole
    from support.configs import flag as flag_of

    condition = {"attribute": "age", "operator": "equals", "value": 5}
    targeted = rule("r", kind="targeted", split=whole("on"))
    targeted["audiences"] = [{"conditions": [condition]}]
    server.set_config(config(flag_of("tgt", targeted, allocation=whole("off"))))
    app = make_app()
    SignaKit(app)
    decided = [
        json.loads(app.test_cli_runner().invoke(args=["signakit", "decide", "ada", "--json", "-a", given]).output)
        for given in ("age=5", 'age="5"', "age=five")
    ]
    assert [values["tgt"]["variation_key"] for values in decided] == ["on", "off", "off"]


def test_status(call: Callable[..., str]) -> None:
    assert json.loads(call("status", "--json"))["source"] == "cdn"
    assert re.search(r"^ready +True$", call("status"), re.MULTILINE)


@pytest.mark.parametrize("given", ["plan", "=pro", ""])
def test_an_attribute_that_is_none_is_refused(call: Callable[..., str], given: str) -> None:
    assert "NAME=VALUE" in call("decide", "ada", "exp", "-a", given, code=2)


@pytest.mark.parametrize(
    "value", ["[" * 90_000, "9" * 5_000, "NaN", "\udcff"], ids=["deep", "long", "NaN", "not UTF-8"]
)
def test_any_value_of_an_attribute_is_survived(call: Callable[..., str], value: str) -> None:
    assert call("decide", "ada", "exp", "-a", f"plan={value}").startswith("exp for 'ada': ")


@pytest.mark.parametrize("timeout", ["-1", "soon"])
def test_a_timeout_that_is_none_is_refused(call: Callable[..., str], server: FlagServer, timeout: str) -> None:
    assert "--timeout" in call("list", "--timeout", timeout, code=2)
    assert server.config_requests == []


def test_no_config_is_an_error_and_status_prints_all_the_same(call: Callable[..., str], server: FlagServer) -> None:
    server.config_fault = status(503)
    assert re.search(r"last_error .*HTTP 503(.|\n)*Error: no config: .*HTTP 503", call("status", code=1))
    assert "no config" in call("list", code=1)


def test_settings_that_cannot_be_used_are_named(call: Callable[..., str]) -> None:
    said = call("list", code=1, SIGNAKIT_TIMEOUT=0, SIGNAKIT_SDK_KEY=None, SIGNAKIT_POLING_INTERVAL=5)
    assert re.search(r"flags are off: SIGNAKIT_SDK_KEY.*SIGNAKIT_TIMEOUT", said)
    assert "POLING" not in said.split("flags are off: ")[1], "that one is ignored, and flags are not off for it"


def test_under_test_the_network_is_left_alone(call: Callable[..., str], server: FlagServer) -> None:
    assert "under test" in call("list", code=1, TESTING=True)
    assert server.config_requests == []


def test_from_the_command_line(server: FlagServer) -> None:
    assert flask(server, "signakit", "list") == "exp\ntgt\nswitch\n"
    assert "Traceback" not in flask(server, "signakit", "status", code=1, SIGNAKIT_CDN_URL=closed_port_url())


# --- all the others --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["--help"], ["routes"], ["signakit", "--help"], ["note"]], ids=" ".join)
def test_a_command_that_asks_no_flag_touches_no_network(server: FlagServer, command: list[str]) -> None:
    flask(server, *command)
    assert server.config_requests == []


def test_a_command_that_asks_waits_for_the_config_and_delivers(server: FlagServer) -> None:
    assert flask(server, "decide-for", "ada").startswith("on ")
    assert [event["userId"] for event in server.events if "exp" in event["decisions"]] == ["ada"]


# --- flask run -------------------------------------------------------------------------------------------------------


def test_of_the_two_processes_of_flask_run_one_loads_and_after_a_change_of_the_code_the_next(
    server: FlagServer, tmp_path: Path
) -> None:
    watched = tmp_path / "watched.py"
    watched.write_text("")
    port = free_port()
    flask = tmp_path / "flask_without_watchdog.py"  # which would watch all of the checkout, and lose events over it
    flask.write_text("import sys; sys.modules['watchdog.observers'] = None; from flask.cli import main; main()")
    command = (sys.executable, str(flask), "--app", "support.flask_site.deployed", "run", "--port", str(port))
    reloader = ("--debug", "--extra-files", str(watched))
    with Running(*command, *reloader, server=server, SITE_POLLING_INTERVAL="0") as running:
        first = answer(running, port)
        assert first["exp"] in {"control", "treatment"}
        assert len(server.config_requests) == 1
        later = watched.stat().st_mtime + 10
        os.utime(watched, (later, later))
        running.until(lambda: answer(running, port)["pid"] != first["pid"])
        assert answer(running, port)["exp"] == first["exp"]
        assert len(server.config_requests) == 2


def answer(running: Running, port: int) -> dict[str, Any]:
    """Ask the site until it answers: it is away for a moment while it starts anew."""
    answers: list[dict[str, Any]] = []

    def asked() -> bool:
        try:
            got = httpx.get(
                f"http://127.0.0.1:{port}/sync/worker?user=ada", headers={"user-agent": BROWSER}, timeout=60
            )
        except httpx.TransportError:
            return False
        answers.append(got.json())
        return True

    running.until(asked)
    return answers[0]
