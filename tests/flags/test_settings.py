"""Settings of a client: numbers, and where configs come from and events go. Nothing here is fetched."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signakit_flags import SignaKitClient, create_instance
from signakit_flags._settings import conceal, is_loopback, shown_url, without_secrets
from support.configs import SDK_KEY

CDN = "https://d30l2rkped5b4m.cloudfront.net"
EVENTS = "https://60amq9ozsf.execute-api.us-east-2.amazonaws.com/v1/flag-events"
PATH = "/configs/org1/1234/development/latest.json"


def urls(client: SignaKitClient) -> tuple[str, str]:
    """Where configs come from and where events go."""
    engine = client._engine
    assert engine.ingest is not None
    return engine.feed._url, engine.ingest.url


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["polling_interval", "timeout", "max_batch_size", "max_queue_size", "max_config_size"])
@pytest.mark.parametrize("value", [-1, -0.5, math.nan, math.inf, -math.inf, "30", None, True, [1]])
def test_a_number_that_is_out_of_range_or_none_is_a_value_error(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        SignaKitClient(SDK_KEY, **{name: value})


@pytest.mark.parametrize("name", ["timeout", "max_batch_size", "max_queue_size", "max_config_size"])
def test_zero_is_out_of_range_where_nothing_would_work(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        SignaKitClient(SDK_KEY, **{name: 0})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("polling_interval", 0),
        ("polling_interval", 0.25),
        ("timeout", 0.1),
        ("max_batch_size", 1),
        ("max_queue_size", 1),
    ],
)
def test_numbers_within_range_are_taken(name: str, value: float) -> None:
    assert not SignaKitClient(SDK_KEY, **{name: value}).is_ready


@pytest.mark.parametrize("name", ["max_batch_size", "max_queue_size", "max_config_size"])
def test_a_size_that_is_no_whole_number_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        SignaKitClient(SDK_KEY, **{name: 1.5})


def test_a_number_beyond_every_double_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="polling_interval must be"):
        SignaKitClient(SDK_KEY, polling_interval=10**400)


# --- URLs -------------------------------------------------------------------------------------------------------------


BAD_URLS = [
    "example.com",
    "//example.com",
    "/configs",
    "ftp://example.com",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "unix:///run/x.sock",
    "http://",
    "https://",
    "http:///path",
    "http://[::1",
    "HTTPX://example.com",
]


@pytest.mark.parametrize("name", ["cdn_url", "events_url"])
@pytest.mark.parametrize("url", BAD_URLS)
def test_a_url_that_is_not_http_is_a_value_error_that_names_where_it_came_from(
    name: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be an http\(s\) URL"):
        SignaKitClient(SDK_KEY, **{name: url})
    for variable in (f"SIGNAKIT_{name.upper()}", "SIGNAKIT_EMULATOR_URL"):
        with monkeypatch.context() as patch:
            patch.setenv(variable, url)
            with pytest.raises(ValueError, match=rf"{variable} must be an http\(s\) URL"):
                SignaKitClient(SDK_KEY)


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "HTTPS://Example.com/base", "http://[::1]:80", "http://10.0.0.1"]
)
def test_http_urls_are_taken(url: str) -> None:
    assert urls(SignaKitClient(SDK_KEY, cdn_url=url, events_url=url)) == (url + PATH, url)


@pytest.mark.parametrize("name", ["cdn_url", "events_url"])
@pytest.mark.parametrize("url", [5, 0, False, b"http://example.com", ["http://example.com"]])
def test_a_url_that_is_not_text_is_a_type_error_that_names_its_type(name: str, url: Any) -> None:
    with pytest.raises(TypeError, match=rf"{name} must be an http\(s\) URL as a str, not {type(url).__name__}$"):
        SignaKitClient(SDK_KEY, **{name: url})


# --- a production key in the wrong place ------------------------------------------------------------------------------

PROD = "sk_prod_org1_1234_s3cret"


def said(caplog: pytest.LogCaptureFixture, key: str, **arguments: Any) -> list[str]:
    SignaKitClient(key, **arguments)
    assert all(record.levelname == "WARNING" for record in caplog.records)
    assert "s3cret" not in caplog.text
    return [record.getMessage() for record in caplog.records]


def test_a_production_key_with_the_variable_of_the_emulator_is_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SIGNAKIT_EMULATOR_URL", "http://me:s3cret@127.0.0.1:4747")
    [message] = said(caplog, PROD)
    assert message == (
        "a production key (sk_prod_***) is used with SIGNAKIT_EMULATOR_URL (http://***@127.0.0.1:4747):"
        " unset the variable, or use a development key"
    )
    caplog.clear()
    assert len(said(caplog, PROD, cdn_url="https://cdn.example")) == 1
    caplog.clear()
    assert said(caplog, PROD, cdn_url="https://cdn.example", events_url="https://events.example") == []


@pytest.mark.parametrize(
    ("name", "url"), [("cdn_url", "http://cdn.example/x"), ("events_url", "HTTP://me:s3cret@10.0.0.1:80/x?s3cret")]
)
def test_a_production_key_over_http_to_another_host_is_a_warning(
    name: str, url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    message = f"a production key (sk_prod_***) is used over http, where others can read it: {{}} is {shown_url(url)}"
    assert said(caplog, PROD, **{name: url}) == [message.format(name)]
    caplog.clear()
    monkeypatch.setenv(f"SIGNAKIT_{name.upper()}", url)
    assert said(caplog, PROD) == [message.format(f"SIGNAKIT_{name.upper()}")]


@pytest.mark.parametrize(
    ("key", "url"),
    [
        (PROD, "https://cdn.example"),
        (PROD, "HTTPS://cdn.example"),
        (PROD, "http://localhost:8000"),
        (PROD, "http://[::1]:8000"),
        (SDK_KEY, "http://cdn.example"),
    ],
)
def test_nothing_is_said_of_https_of_this_machine_and_of_a_development_key(
    key: str, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert said(caplog, key, cdn_url=url, events_url=url) == []


def test_nothing_is_said_of_a_development_key_with_the_emulator(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SIGNAKIT_EMULATOR_URL", EMULATOR)
    assert said(caplog, SDK_KEY) == []


# --- how a URL is shown -----------------------------------------------------------------------------------------------

KEPT = [
    "http://example.com/base",
    "https://example.com:8443",
    "http://[::1]:80/x",
    "http://[::1",
    "http:///path",
    "unix:///run/x.sock",
    "example.com/configs",
    "proxy:3128",
    "localhost",
]


@pytest.mark.parametrize("url", KEPT)
def test_a_url_without_secrets_is_shown_as_it_is(url: str) -> None:
    assert shown_url(f" {url}\n") == url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:s3cret@example.com/base", "http://***@example.com/base"),
        ("http://s3cret@example.com", "http://***@example.com"),
        ("http://user:s3/c@ret?s3cret@example.com:80", "http://***@example.com:80"),
        ("user:s3cret@proxy:3128", "***@proxy:3128"),
        ("http:/user:s3cret@example.com", "***@example.com"),
        ("http://user:s3cret", "http://user:***"),
        ("user:s3cret", "user:***"),
        ("http://example.com/x?token=s3cret#s3cret", "http://example.com/x?***"),
        ("http://example.com/#s3cret", "http://example.com/#***"),
        ("sk_prod_org_project_s3cret", "sk_prod_***"),
        ("SK_DEV_org_project_s3cret", "SK_DEV_***"),
        ("https://example.com/sk_dev_org_1_s3cret/x", "https://example.com/sk_dev_***"),
        ("s3cret", "***"),
        ("/s3cret", "***"),
        ("//s3cret", "***"),
        (f"s3cret.{'payload' * 20}.signature", "***"),
    ],
)
def test_what_may_be_secret_in_a_url_is_hidden(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_settings_are_concealed_and_stay_equal() -> None:
    given = {
        "SIGNAKIT_SDK_KEY": "s3cret",
        "sdk_key": None,
        "cdn_url": "http://user:s3cret@cdn",
        "sdkkey": "sk_dev_org_1_s3cret",
        "identify": "task_helpers.identify",
        "timeout": 3,
    }
    concealed = conceal(given)
    assert concealed == given
    assert repr(concealed) == repr(
        {
            "SIGNAKIT_SDK_KEY": "***",
            "sdk_key": None,
            "cdn_url": "http://***@cdn",
            "sdkkey": "sk_dev_***",
            "identify": "task_helpers.identify",
            "timeout": 3,
        }
    )
    assert concealed is not given
    assert repr(conceal(concealed)) == repr(concealed)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("no answer for http://me:s3cret@cdn:80/x@y", "no answer for http://***@cdn:80/x@y"),
        ("<Request('GET', 'http://me:s3cret@cdn/x')> http://a", "<Request('GET', 'http://***@cdn/x')> http://a"),
        ("header b'sk_prod_org_1_s3cret' is illegal", "header b'sk_prod_***' is illegal"),
        ("[Errno 111] Connection refused", "[Errno 111] Connection refused"),
    ],
)
def test_secrets_are_taken_out_of_text(text: str, left: str) -> None:
    assert without_secrets(text) == left


def test_a_long_url_is_shown_cut() -> None:
    shown = shown_url(f"http://example.com/{'x' * 10_000}")
    assert len(shown) == 200
    assert shown.endswith("xxx...")


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["http://", "", "//", "http:/", "\t"]))
def test_a_url_of_any_text_can_be_shown(before: str, after: str, start: str) -> None:
    assert "s3cret" not in shown_url(f"{start}{before}:s3cret@{after}")


@pytest.mark.parametrize(
    "url",
    ["htp://user:s3cret@example.com", "http://user:s3cret@", "http://us er:s3cret@example.com", "sk_prod_o_p_s3cret"],
)
@pytest.mark.parametrize("name", ["cdn_url", "events_url", "SIGNAKIT_EMULATOR_URL", "SIGNAKIT_CDN_URL"])
def test_a_refused_url_is_shown_without_its_secrets(url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments: Any = {name: url} if name.islower() else {}
    if not arguments:
        monkeypatch.setenv(name, url)
    with pytest.raises(ValueError, match=f"{name} must be") as raised:
        SignaKitClient(SDK_KEY, **arguments)
    assert "s3cret" not in str(raised.value)
    assert shown_url(url) in str(raised.value)


# --- where configs come from and events go ---------------------------------------------------------------------------


def test_without_any_setting_it_is_the_service_itself() -> None:
    assert urls(SignaKitClient(SDK_KEY)) == (CDN + PATH, EVENTS)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("sk_prod_Org-2_99_x_y", "/configs/Org-2/99/production/latest.json"),
        (" sk_dev_org1_1234_abcdef\n", PATH),
    ],
)
def test_the_key_names_the_config(key: str, path: str) -> None:
    assert urls(SignaKitClient(key))[0] == CDN + path


EMULATOR, OTHER_CDN, OTHER_EVENTS = "http://emulator:4000", "http://cdn:1", "http://events:2/in"


@pytest.mark.parametrize(
    ("environment", "arguments", "cdn", "events"),
    [
        ({"EMULATOR": EMULATOR}, {}, EMULATOR, f"{EMULATOR}/v1/flag-events"),
        ({"EMULATOR": f" {EMULATOR}/ "}, {}, EMULATOR, f"{EMULATOR}/v1/flag-events"),
        ({"CDN": OTHER_CDN}, {}, OTHER_CDN, EVENTS),
        ({"EVENTS": OTHER_EVENTS}, {}, CDN, OTHER_EVENTS),
        ({"CDN": f"{OTHER_CDN}/", "EVENTS": f" {OTHER_EVENTS}\n"}, {}, OTHER_CDN, OTHER_EVENTS),
        ({"CDN": OTHER_CDN, "EMULATOR": EMULATOR}, {}, OTHER_CDN, f"{EMULATOR}/v1/flag-events"),
        ({"EVENTS": OTHER_EVENTS, "EMULATOR": EMULATOR}, {}, EMULATOR, OTHER_EVENTS),
        ({"CDN": "", "EVENTS": " ", "EMULATOR": ""}, {}, CDN, EVENTS),
        (
            {"CDN": OTHER_CDN, "EMULATOR": EMULATOR},
            {"cdn_url": "http://mine"},
            "http://mine",
            f"{EMULATOR}/v1/flag-events",
        ),
        ({"EVENTS": OTHER_EVENTS, "EMULATOR": EMULATOR}, {"events_url": "http://mine/e"}, EMULATOR, "http://mine/e"),
        ({"EMULATOR": EMULATOR}, {"cdn_url": "http://a", "events_url": "http://b"}, "http://a", "http://b"),
        ({"CDN": "ftp://broken"}, {"cdn_url": "http://mine"}, "http://mine", EVENTS),
        ({}, {"cdn_url": "http://mine///"}, "http://mine", EVENTS),
        ({}, {"cdn_url": "", "events_url": " "}, CDN, EVENTS),
        ({}, {"cdn_url": " http://mine/\n"}, "http://mine", EVENTS),
    ],
)
def test_arguments_come_before_their_variables_and_those_before_the_emulator(
    environment: dict[str, str],
    arguments: dict[str, str],
    cdn: str,
    events: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"SIGNAKIT_{name}_URL", value)
    assert urls(SignaKitClient(SDK_KEY, **arguments)) == (cdn + PATH, events)


def test_the_environment_is_read_when_the_client_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    client = SignaKitClient(SDK_KEY)
    monkeypatch.setenv("SIGNAKIT_EMULATOR_URL", EMULATOR)
    assert urls(client) == (CDN + PATH, EVENTS)


# --- arguments of other types ----------------------------------------------------------------------------------------


class SyncDouble:
    """What a test may hand in: as little of a client as is used."""

    def build_request(self) -> None: ...
    def send(self) -> None: ...


class AsyncDouble:
    def build_request(self) -> None: ...
    async def send(self) -> None: ...


class Named(httpx.Client):
    """A client of a subclass."""


class AsyncNamed(httpx.AsyncClient):
    """Its other face."""


@pytest.mark.parametrize("kind", [httpx.Client, Named, SyncDouble, lambda: Mock(spec=httpx.Client), Mock, MagicMock])
def test_a_sync_client_and_what_plays_one_are_taken(kind: Any) -> None:
    SignaKitClient(SDK_KEY, sync_client=kind())


@pytest.mark.parametrize(
    "kind", [httpx.AsyncClient, AsyncNamed, AsyncDouble, lambda: Mock(spec=httpx.AsyncClient), SyncDouble, AsyncMock]
)
def test_an_async_client_and_what_plays_one_are_taken(kind: Any) -> None:
    SignaKitClient(SDK_KEY, async_client=kind())


@pytest.mark.parametrize("kind", [httpx.AsyncClient, AsyncNamed, AsyncDouble, lambda: Mock(spec=httpx.AsyncClient)])
def test_an_async_client_as_sync_client_is_a_type_error_that_says_where_it_belongs(kind: Any) -> None:
    client = kind()
    with pytest.raises(
        TypeError, match=r"sync_client must be an httpx\.Client, not an async .*as async_client$"
    ) as raised:
        SignaKitClient(SDK_KEY, sync_client=client)
    assert type(client).__name__ in str(raised.value)


@pytest.mark.parametrize("kind", [httpx.Client, Named, lambda: Mock(spec=httpx.Client)])
def test_a_sync_client_as_async_client_is_a_type_error_that_says_where_it_belongs(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"async_client must be an httpx\.AsyncClient, not a sync .*as sync_client$"):
        SignaKitClient(SDK_KEY, async_client=kind())


class Sender:
    """As a session of requests: it sends, and builds no requests of httpx."""

    def send(self) -> None: ...


class Store:
    def load(self) -> None: ...
    def save(self, data: bytes) -> None: ...


class OnlyLoads:
    def load(self) -> None: ...


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sync_client", "httpx", "sync_client must be an httpx.Client, not str"),
        ("sync_client", True, "sync_client must be an httpx.Client, not bool"),
        ("async_client", Sender(), "async_client must be an httpx.AsyncClient, not Sender"),
        ("sync_client", httpx.Client, "sync_client must be an httpx.Client, not the class Client: pass an instance"),
        ("async_client", httpx.AsyncClient, "not the class AsyncClient"),
        ("bot_detector", True, "bot_detector must be a function, not bool"),
        ("bot_detector", "is_bot", "bot_detector must be a function, not str"),
        ("snapshot_path", 3, "snapshot_path must be a str or a path, not int"),
        ("snapshot_path", b"flags", "snapshot_path must be a str or a path, not bytes"),
        ("snapshot_store", OnlyLoads(), "snapshot_store must have the methods load and save, which OnlyLoads has not"),
        ("snapshot_store", {}, "snapshot_store must have the methods load and save, which dict has not"),
        ("snapshot_store", Store, "snapshot_store must be an instance, not the class Store"),
    ],
)
def test_an_argument_of_a_wrong_type_is_a_type_error_that_names_it(name: str, value: Any, message: str) -> None:
    with pytest.raises(TypeError) as raised:
        SignaKitClient(SDK_KEY, **{name: value})
    assert message in str(raised.value)
    with pytest.raises(TypeError):
        create_instance(SDK_KEY, **{name: value})


@pytest.mark.parametrize("value", [True, "is_bot", 5])
def test_an_offline_client_takes_a_function_as_bot_detector(value: Any) -> None:
    with pytest.raises(TypeError, match=f"bot_detector must be a function, not {type(value).__name__}"):
        SignaKitClient.offline({"flags": []}, bot_detector=value)


@pytest.mark.parametrize("config", [None, 0, 5, [], True, object()])
def test_an_offline_client_takes_a_config_or_a_path(config: Any) -> None:
    with pytest.raises(TypeError, match=f"config must be a mapping, .* not {type(config).__name__}"):
        SignaKitClient.offline(config)


def test_an_injected_client_is_looked_at_without_an_import_of_httpx() -> None:
    program = (
        "import sys, signakit_flags\n"
        "class Double:\n"
        "    def build_request(self): ...\n"
        "    def send(self): ...\n"
        f"signakit_flags.SignaKitClient({SDK_KEY!r}, sync_client=Double(), async_client=Double())\n"
        "print('httpx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# --- which hosts are this machine -------------------------------------------------------------------------------------

LOOPBACK = [
    "localhost",
    "LocalHost",
    "localhost.",
    "shop.localhost",
    "a.b.localhost.",
    "127.0.0.1",
    "127.9.9.9",
    "127.255.255.255",
    "::1",
    "[::1]",
    "::1%lo",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "[::ffff:7f00:1]",
]
ELSEWHERE = [
    "",
    ".",
    "example.test",
    "localhost.example.test",
    "notlocalhost",
    "127.example.test",
    "127.0.0.1.example.test",
    "127.0.0.256",
    "128.0.0.1",
    "10.0.0.1",
    "0.0.0.0",
    "::",
    "::2",
    "2001:db8::1",
    "::ffff:10.0.0.1",
    "1::127.0.0.1",
    "::1::",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_names_and_addresses_of_this_machine_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_no_other_name_or_address_is_loopback(host: str) -> None:
    assert not is_loopback(host)
