"""No local variable of a frame of ours shows the SDK key: error trackers store the ``repr()`` of each of them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import flask
import httpx
import pytest
import typer
from django.test import override_settings
from typer.testing import CliRunner

import signakit_fastapi
import signakit_flask
from signakit_dev import cli
from signakit_dev._commands.config_source import load
from signakit_django.conf import Conf
from signakit_flags import SignaKitClient, create_instance, parse_sdk_key
from signakit_flags._evaluation import selection
from signakit_flags._events.batches import Batch
from signakit_flags.integration import Integration, LazyClient, conceal, parse_options
from support.configs import config, flag, whole
from support.frames import leaks, of_error, of_stack
from support.server import FlagServer, body, flag_server, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET = "S3cr3tRandomPart"
KEY = f"sk_prod_org_12_{SECRET}"
MALFORMED = [
    SECRET,
    f"sk_prod_org_1 2_{SECRET}",
    f"sk_test_org_12_{SECRET}",
    KEY.encode(),
    bytearray(KEY.encode()),
    [KEY],
]


@pytest.fixture
def server() -> Iterator[FlagServer]:
    with flag_server() as running:
        running.set_config({**config(flag("f", allocation=whole("on"))), "sdkKey": KEY})
        yield running


class Watch(logging.Handler):
    """Looks at the stack wherever code of the application's is called, such as this handler."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: list[str] = []
        self.found: list[str] = []
        self.said: list[str] = []

    def look(self, where: str, *_: object) -> None:
        self.seen.append(where)
        self.found += [f"{where}: {leak}" for leak in leaks(SECRET, of_stack())]

    def emit(self, record: logging.LogRecord) -> None:
        self.look("log")
        self.said.append(record.getMessage())
        if record.exc_info and record.exc_info[1]:
            self.found += leaks(SECRET, of_error(record.exc_info[1]))
        for argument in record.args if isinstance(record.args, tuple) else ():
            if isinstance(argument, BaseException):
                self.found += leaks(SECRET, of_error(argument))
        if SECRET in record.getMessage():
            self.found.append(record.getMessage())
        raise RuntimeError("a handler that raises")


@pytest.fixture
def watch() -> Iterator[Watch]:
    handler = Watch()
    names = ("signakit_flags", "signakit_django", "signakit_flask", "signakit_fastapi")
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield handler
    for logger in loggers:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


# --- while a client is made ------------------------------------------------------------------------------------------


def shown(action: Callable[[], object]) -> list[str]:
    """Return what the frames of the exception show that ``action`` raises."""
    with pytest.raises((ValueError, TypeError, typer.BadParameter)) as raised:
        action()
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(raised.value)
    found = leaks(SECRET, of_error(raised.value))
    assert any(frame.f_globals["__name__"].startswith("signakit") for frame in of_error(raised.value))
    return found


@pytest.mark.parametrize("key", MALFORMED, ids=lambda key: type(key).__name__)
@pytest.mark.parametrize("take", [SignaKitClient, LazyClient, parse_sdk_key])
def test_a_malformed_key_is_in_no_frame(take: Any, key: Any) -> None:
    assert shown(lambda: take(key)) == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"cdn_url": "nowhere"},
        {"events_url": 5},
        {"cdn_url": KEY},
        {"events_url": f"http://user:{SECRET}@"},
        {"polling_interval": "soon"},
        {"max_batch_size": 0},
        {"bot_detector": True},
        {"sync_client": "httpx"},
        {"snapshot_path": 3},
    ],
    ids=lambda arguments: "-".join(arguments),
)
@pytest.mark.parametrize("take", [SignaKitClient, LazyClient])
def test_a_key_is_in_no_frame_when_another_argument_is_refused(take: Any, arguments: dict[str, Any]) -> None:
    assert shown(lambda: take(KEY, **arguments)) == []


@pytest.mark.parametrize("variable", ["SIGNAKIT_CDN_URL", "SIGNAKIT_EVENTS_URL", "SIGNAKIT_EMULATOR_URL"])
def test_a_password_of_a_url_of_the_environment_is_in_no_frame(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, f"ftp://user:{SECRET}@cdn.test")
    with pytest.raises(ValueError, match=variable) as raised:
        SignaKitClient(KEY)
    assert leaks(SECRET, of_error(raised.value)) == []


def test_a_key_is_in_no_frame_of_create_instance() -> None:
    assert shown(lambda: create_instance(KEY, bot_detector=True)) == []
    assert shown(lambda: create_instance(sdk_key=KEY, cdn_url="http://localhost", bot_detector=True)) == []
    with pytest.raises(TypeError) as raised:
        create_instance(KEY, nonsense=1)
    assert leaks(SECRET, of_error(raised.value)) == []


@pytest.mark.parametrize("key", MALFORMED[:4], ids=lambda key: type(key).__name__)
def test_a_key_is_in_no_frame_of_a_command(key: Any) -> None:
    assert shown(lambda: load(None, conceal(key))) == []


@pytest.mark.parametrize(
    "command", [["decide", "f", "--user", "u"], ["simulate", "f"], ["status"]], ids=lambda line: line[0]
)
def test_a_key_is_in_no_frame_of_a_command_line(command: list[str], server: FlagServer) -> None:
    done = CliRunner().invoke(cli.app, [*command, "--sdk-key", KEY], env={"SIGNAKIT_EMULATOR_URL": server.url + "/?"})
    assert done.exit_code != 0
    assert SECRET not in done.output
    assert done.exc_info is not None
    frames = list(of_error(done.exc_info[1]))
    assert leaks(SECRET, iter(frames)) == []


def test_the_key_of_a_config_at_hand_is_in_no_frame(tmp_path: Path) -> None:
    broken = json.dumps({"sdkKey": KEY, "flags": 5}).encode()
    file = tmp_path / "broken.json"
    file.write_bytes(broken)
    assert shown(lambda: SignaKitClient.offline(broken)) == []
    assert shown(lambda: SignaKitClient.offline(file)) == []
    assert shown(lambda: SignaKitClient.offline({"sdkKey": KEY, "flags": 5})) == []
    assert shown(lambda: SignaKitClient.offline({"sdkKey": KEY, "flags": [object()]})) == []


# --- while code of the application's runs -----------------------------------------------------------------------------


class Store:
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def load(self) -> bytes | None:
        self._watch.look("load")
        return None

    def save(self, data: bytes) -> None:
        self._watch.look("save")
        raise OSError("full")


def test_a_key_is_in_no_frame_under_code_of_the_applications(server: FlagServer, watch: Watch) -> None:
    def may_load() -> bool:
        watch.look("may_load")
        return True

    hooks: dict[str, Any] = {
        "request": [lambda _: watch.look("request")],
        "response": [lambda _: watch.look("response")],
    }
    with httpx.Client(event_hooks=hooks) as http:
        client = LazyClient(
            KEY,
            **server.urls,
            sync_client=http,
            polling_interval=0,
            snapshot_store=Store(watch),
            may_load=may_load,
            bot_detector=lambda _: watch.look("bot_detector") or False,
        )
        user = client.create_user_context("u", {"$userAgent": "x"})
        assert user is not None
        user.track("x")
        assert client.flush_sync(10)
        server.config_faults += [body(b"<html>"), status(500)]
        assert not client.refresh_sync()
        client.close()
    assert watch.found == []
    assert {"load", "save", "request", "response", "may_load", "bot_detector", "log"} <= set(watch.seen)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data.replace(b"\n", b" ")])
def test_a_key_is_in_no_frame_where_a_snapshot_is_damaged(
    server: FlagServer, watch: Watch, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "snapshot"
    arguments: dict[str, Any] = {**server.urls, "polling_interval": 0, "snapshot_path": file}
    with SignaKitClient(KEY, **arguments):
        pass
    assert SECRET.encode() not in file.read_bytes()
    file.write_bytes(damage(file.read_bytes().replace(b'{"projectId"', b'{"sdkKey":"%s","projectId"' % KEY.encode())))
    assert SECRET.encode() in file.read_bytes()
    with SignaKitClient(KEY, **arguments):
        pass
    assert f"snapshot file {file} is damaged and ignored" in watch.said
    assert watch.found == []


@pytest.mark.parametrize("kind", [bytes, bytearray, bytes.decode])
def test_a_key_is_in_no_frame_where_what_a_store_keeps_is_damaged(
    server: FlagServer, watch: Watch, kind: Callable[[bytes], Any]
) -> None:
    class Damaged(Store):
        def load(self) -> Any:
            return kind(json.dumps({"sdkKey": KEY}).encode())

    with SignaKitClient(KEY, **server.urls, polling_interval=0, snapshot_store=Damaged(watch)):
        pass
    assert "snapshot Damaged is damaged and ignored" in watch.said
    assert watch.found == []


@pytest.mark.parametrize("obstacle", ["no folder", "a folder in its place"])
def test_a_key_is_in_no_frame_where_a_snapshot_cannot_be_written(
    server: FlagServer, watch: Watch, tmp_path: Path, obstacle: str
) -> None:
    file = tmp_path / "folder" / "snapshot"
    if obstacle == "a folder in its place":
        file.mkdir(parents=True)
    with SignaKitClient(KEY, **server.urls, polling_interval=0, snapshot_path=file) as client:
        assert client.is_ready
    assert any(line.startswith("snapshot file cannot be written: ") for line in watch.said)
    assert watch.found == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_key_is_in_no_frame_under_code_of_the_applications_on_a_loop(server: FlagServer, watch: Watch) -> None:
    async def request(_: object) -> None:
        watch.look("request")

    async def response(_: object) -> None:
        watch.look("response")
        raise RuntimeError("a hook that raises")

    hooks: dict[str, Any] = {"request": [request], "response": [response]}
    async with (
        httpx.AsyncClient(event_hooks=hooks) as http,
        SignaKitClient(KEY, **server.urls, async_client=http, polling_interval=0) as client,
    ):
        assert not client.is_ready
    assert watch.found == []
    assert {"request", "response", "log"} <= set(watch.seen)


def test_a_reason_shows_neither_the_key_nor_the_password_of_a_url(watch: Watch) -> None:
    """As an injected client may name its request, and its headers, in what it raises."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"{request!r} {request.headers.raw}")

    with httpx.Client(transport=httpx.MockTransport(refuse)) as http:
        client = SignaKitClient(
            KEY,
            cdn_url=f"http://me:{SECRET}@localhost:9",
            events_url=f"http://me:{SECRET}@localhost:9/in",
            sync_client=http,
        )
        result = client.on_ready_sync()
        client.close(0)
    assert "http://***@localhost:9/configs/" in (result.reason or "")
    assert SECRET not in f"{result} {client.status()}"
    assert watch.found == []


@pytest.mark.parametrize(("owner", "method"), [(selection, "_weigh_rules"), (Batch, "encode")])
def test_a_key_is_in_no_frame_of_a_failure_that_was_not_foreseen(
    server: FlagServer, watch: Watch, monkeypatch: pytest.MonkeyPatch, owner: Any, method: str
) -> None:
    def fail(*_: object) -> None:
        watch.look("failure")
        raise LookupError("not foreseen")

    with SignaKitClient(KEY, **server.urls, polling_interval=0) as client:
        assert client.is_ready
        monkeypatch.setattr(owner, method, fail)
        server.set_config({**config(flag("f", allocation=whole("off"))), "sdkKey": KEY})
        client.refresh_sync()
        user = client.create_user_context("u")
        assert user is not None
        user.track("x")
        client.flush_sync(5)
    assert watch.found == []
    assert "failure" in watch.seen
    assert "log" in watch.seen


# --- in the integrations ----------------------------------------------------------------------------------------------

PROBLEMS: dict[str, Any] = {"polling_interval": "soon"}


@pytest.mark.parametrize("key", [KEY, *MALFORMED], ids=lambda key: type(key).__name__)
def test_a_key_is_in_no_frame_of_the_settings_of_an_integration(key: Any, watch: Watch) -> None:
    options = parse_options({"sdk_key": key, "visitor_cookie": Cookie(watch), **PROBLEMS})
    assert "settings" in watch.seen
    assert SECRET not in repr(options)
    with pytest.raises(RuntimeError, match="a handler that raises") as raised:
        Integration(options).client()
    assert leaks(SECRET, of_error(raised.value)) == []
    assert watch.found == []


@pytest.mark.parametrize("key", [KEY, *MALFORMED], ids=lambda key: type(key).__name__)
def test_a_key_is_in_no_frame_in_flask(key: Any, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    app = flask.Flask("shop")
    cookie = Cookie(watch)
    app.config.update(SIGNAKIT_SDK_KEY=key, SIGNAKIT_POLLING_INTERVAL="soon", SIGNAKIT_VISITOR_COOKIE=cookie)
    with pytest.raises(RuntimeError, match="a handler that raises") as raised:
        signakit_flask.SignaKit(app)
    assert leaks(SECRET, of_error(raised.value)) == []
    assert watch.found == []


def test_a_key_of_the_environment_is_in_no_frame_in_flask(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNAKIT_SDK_KEY", KEY)
    app = flask.Flask("shop")
    app.config["SIGNAKIT_TIMEOUT"] = "soon"
    with pytest.raises(RuntimeError, match="a handler that raises") as raised:
        signakit_flask.SignaKit(app)
    assert leaks(SECRET, of_error(raised.value)) == []
    assert app.config["SIGNAKIT_SDK_KEY"] == KEY


@pytest.mark.parametrize("key", [KEY, *MALFORMED], ids=lambda key: type(key).__name__)
def test_a_key_is_in_no_frame_in_django(key: Any, watch: Watch) -> None:
    with override_settings(SIGNAKIT={"SDK_KEY": key, "POLLING_INTERVAL": "soon", "VISITOR_COOKIE": Cookie(watch)}):
        conf = Conf()
        assert SECRET not in repr(conf.options)
        with pytest.raises(RuntimeError, match="a handler that raises") as raised:
            conf.integration.client()
    assert leaks(SECRET, of_error(raised.value)) == []
    assert watch.found == []
    assert "settings" in watch.seen


def test_a_key_in_place_of_the_settings_is_in_no_frame_in_django(watch: Watch) -> None:
    with override_settings(SIGNAKIT=KEY):
        conf = Conf()
        with pytest.raises(RuntimeError, match="a handler that raises") as raised:
            conf.integration.client()
    assert leaks(SECRET, of_error(raised.value)) == []


@pytest.mark.parametrize("key", [KEY, *MALFORMED], ids=lambda key: type(key).__name__)
async def test_a_key_is_in_no_frame_in_fastapi(key: Any, watch: Watch) -> None:
    signakit = signakit_fastapi.SignaKit(key, visitor_cookie=Cookie(watch), polling_interval="soon")  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="a handler that raises") as raised:
        async with signakit:
            ...
    assert leaks(SECRET, of_error(raised.value)) == []
    assert watch.found == []
    assert "settings" in watch.seen


class Cookie(dict[str, Any]):
    """Settings that look back at the code that reads them."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def items(self) -> Any:
        self._watch.look("settings")
        return super().items()


# --- with the real thing ---------------------------------------------------------------------------------------------

PROGRAM = """
import logging, os, sentry_sdk
from sentry_sdk.transport import Transport

class Print(Transport):
    def capture_envelope(self, envelope):
        print(envelope.serialize().decode())

logging.disable(logging.NOTSET)
sentry_sdk.init(
    "https://public@sentry.invalid/1", transport=Print, include_local_variables=True, attach_stacktrace=True,
    max_value_length=100_000, auto_enabling_integrations=False,
)
from signakit_flags import SignaKitClient
from signakit_flags._evaluation import selection

def attempt(*names, **arguments):
    try:
        SignaKitClient(*(os.environ[name] for name in names), **arguments)
    except Exception as error:
        sentry_sdk.capture_exception(error)

attempt("MALFORMED")
attempt("KEY", cdn_url="nowhere")
attempt("KEY", bot_detector=True)

def hook(request):
    sentry_sdk.capture_message("asked", level="error")

def fail(*_):
    raise LookupError("not foreseen")

selection._weigh_rules = fail
import httpx
with httpx.Client(event_hooks={"request": [hook]}) as http:
    client = SignaKitClient(os.environ["KEY"], sync_client=http, polling_interval=0)
    print(client.on_ready_sync())
    client.close()
sentry_sdk.flush(0)
"""


def test_sentry_stores_no_key(server: FlagServer) -> None:
    environment = {"KEY": KEY, "MALFORMED": MALFORMED[1], "SIGNAKIT_EMULATOR_URL": server.url}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=True, env=environment
    )
    assert done.stdout.count('"vars"') > 20
    assert "a config cannot be compiled" in done.stdout
    assert "create_function" not in done.stdout
    assert "sk_prod_***" in done.stdout
    ours = [line for line in done.stdout.splitlines() if SECRET in line]
    assert ours == []
