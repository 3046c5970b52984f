"""How commands reach a URL, as the environment says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from signakit_dev._commands.http import Transport, is_local
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


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_local(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["", "example.test", "10.0.0.1", "::2", "127.test"])
def test_other_hosts_are_not_local(host: str) -> None:
    assert not is_local(host)


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
    assert "what answers at http://emulator.test is no emulator (HTTP 200)" in answer.err
    exempted = here("status", "--url", "http://emulator.invalid", code=1, HTTP_PROXY=server.url, NO_PROXY=".invalid")
    assert "no emulator answers at http://emulator.invalid" in exempted.err
    assert len(server.config_requests) == 1


@pytest.mark.parametrize(
    ("variable", "value"), [("ALL_PROXY", "socks5://127.0.0.1:1"), ("SSL_CERT_FILE", "/no/such/file")]
)
def test_what_cannot_be_used_is_named(variable: str, value: str) -> None:
    asked = here("status", "--url", "https://emulator.invalid", code=1, **{variable: value})
    assert f"a proxy or a file of the environment cannot be used ({variable}): " in asked.err
    settings = {"SIGNAKIT_SDK_KEY": SDK_KEY, "SIGNAKIT_CDN_URL": "https://cdn.invalid", variable: value}
    fetched = signakit("status", code=1, **settings)
    assert f"cannot be used ({variable}): " in fetched.err


def test_a_transport_that_was_not_used_can_be_closed() -> None:
    Transport().close()
