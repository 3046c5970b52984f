"""Settings of a client: numbers, and where configs come from and events go. Nothing here is fetched."""

from __future__ import annotations

import math
from typing import Any

import pytest

from signakit_flags import SignaKitClient
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


def test_a_url_that_is_no_text_is_a_type_or_value_error() -> None:
    with pytest.raises((TypeError, ValueError)):
        SignaKitClient(SDK_KEY, cdn_url=5)  # type: ignore[arg-type]  # what is tested


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
