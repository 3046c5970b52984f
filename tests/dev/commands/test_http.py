"""How commands reach a URL, as the environment says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from signakit_dev._commands.http import Transport
from signakit_dev.testing import Emulator
from support.command import here, signakit
from support.configs import SDK_KEY

if TYPE_CHECKING:
    from support.server import FlagServer

DEAD = "http://127.0.0.1:1"
ENVIRONMENTS = pytest.mark.parametrize(
    "environment",
    [
        {"HTTP_PROXY": DEAD},
        {"ALL_PROXY": "socks5://127.0.0.1:1"},
        {"NO_PROXY": "fd00::/8,[::1]"},
        {"SSL_CERT_FILE": "/no/such/file"},
        {"SSL_CERT_DIR": "/no/such/folder"},
        {"SSLKEYLOGFILE": "/no/such/folder/keys"},
    ],
    ids=lambda environment: "".join(environment),
)


@ENVIRONMENTS
def test_the_emulator_of_this_machine_needs_nothing_of_the_environment(environment: dict[str, str]) -> None:
    with Emulator() as emulator:
        assert here("status", "--url", emulator.url, "--json", **environment).json["emulator"] == emulator.url


@ENVIRONMENTS
def test_a_config_of_this_machine_needs_nothing_of_the_environment(
    server: FlagServer, environment: dict[str, str]
) -> None:
    settings = {"SIGNAKIT_SDK_KEY": SDK_KEY, "SIGNAKIT_CDN_URL": server.url, **environment}
    assert signakit("status", "--json", **settings).json["etag"] == server.etag


def test_another_machine_is_reached_through_the_proxy(server: FlagServer) -> None:
    answer = here("status", "--url", "http://emulator.test", code=1, HTTP_PROXY=server.url)
    assert "what answers at http://emulator.test is not an emulator (HTTP 200)" in answer.err
    exempted = here("status", "--url", "http://emulator.invalid", code=1, HTTP_PROXY=server.url, NO_PROXY=".invalid")
    assert "no emulator answers at http://emulator.invalid" in exempted.err
    assert len(server.config_requests) == 1


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_the_proxy_may_have_no_scheme_and_a_password(server: FlagServer, scheme: str) -> None:
    proxy = server.url.replace("http://", f"{scheme}user:hunter2@")
    settings = {"SIGNAKIT_SDK_KEY": SDK_KEY, "SIGNAKIT_CDN_URL": "http://cdn.invalid", "HTTP_PROXY": proxy}
    assert signakit("status", "--json", **settings).json["etag"] == server.etag
    assert server.config_requests[0]["proxy-authorization"] == "Basic dXNlcjpodW50ZXIy"


@pytest.mark.parametrize(
    ("host", "exempted"),
    [("127.0.0.1", ""), ("[::ffff:127.0.0.1]", ""), ("[fd00::1]", "fd00::/8"), ("0.0.0.0", "0.0.0.0/8")],
)
def test_no_proxy_is_asked_for_this_machine_and_for_what_is_exempted(
    server: FlagServer, host: str, exempted: str
) -> None:
    url = f"http://{host}:1"
    assert "no emulator answers" in here("status", "--url", url, code=1, ALL_PROXY=server.url, NO_PROXY=exempted).err
    assert server.config_requests == []


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        ("ALL_PROXY", "socks5://user:hunter2@127.0.0.1:1", "the proxy ALL_PROXY=socks5://***@127.0.0.1:1"),
        ("HTTPS_PROXY", "user:hunter2@127.0.0.1:http", "the proxy HTTPS_PROXY=http://***@127.0.0.1:http"),
        ("SSL_CERT_FILE", "/no/such/file", "SSL_CERT_FILE='/no/such/file'"),
    ],
)
def test_what_cannot_be_used_is_named_alone(variable: str, value: str, shown: str) -> None:
    environment = {"HTTP_PROXY": DEAD, "SSL_CERT_DIR": "/tmp", variable: value}
    asked = here("status", "--url", "https://emulator.invalid", code=1, **environment)
    settings = {"SIGNAKIT_SDK_KEY": SDK_KEY, "SIGNAKIT_CDN_URL": "https://cdn.invalid", **environment}
    fetched = signakit("status", code=1, **settings)
    for error in (" ".join(asked.err.split()), " ".join(fetched.err.split())):
        assert f"{shown} cannot be used: " in error
        for other in ("hunter2", "HTTP_PROXY", "SSL_CERT_DIR"):
            assert other not in error


def test_a_transport_that_was_not_used_can_be_closed() -> None:
    Transport().close()
