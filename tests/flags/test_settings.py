"""Where configs come from and events go, and which hosts are this machine. Nothing here is fetched."""

from __future__ import annotations

from typing import Any

import pytest

from signakit_flags import SignaKitClient
from signakit_flags._secrets import shown_url
from signakit_flags._settings import is_loopback
from support.configs import SDK_KEY

CDN = "https://d30l2rkped5b4m.cloudfront.net"
EVENTS = "https://60amq9ozsf.execute-api.us-east-2.amazonaws.com/v1/flag-events"
PATH = "/configs/org1/1234/development/latest.json"


def urls(client: SignaKitClient) -> tuple[str, str]:
    """Where configs come from and where events go."""
    engine = client._engine
    assert engine.ingest is not None
    return engine.feed._url, engine.ingest.url


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


# --- which hosts are this machine -------------------------------------------------------------------------------------

LOOPBACK = [
    "127.1",
    "0x7f.1",
    "2130706433",
    "0177.0.0.1",
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
