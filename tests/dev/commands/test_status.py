"""``signakit status``."""

from __future__ import annotations

import re

import pytest

from signakit_dev.testing import Emulator
from signakit_flags import SignaKitClient
from support.command import here, signakit
from support.configs import SDK_KEY
from support.server import FlagServer, closed_port_url, status


def test_status_shows_what_an_emulator_serves_and_counts() -> None:
    with Emulator() as emulator:
        client = SignaKitClient(emulator.sdk_key, cdn_url=emulator.url, events_url=emulator.events_url)
        with client:
            user = client.create_user_context("ada", {"plan": "pro"})
            assert user is not None
            user.decide("new-checkout")
            user.track("purchase", value=3)
            emulator.wait_for_events(2)
        emulator.fault("events", "status", status=503)
        out = signakit("status", "--url", emulator.url).out
        answer = here("status", "--json", SIGNAKIT_EMULATOR_URL=emulator.url).json
    assert re.search(r"^new-checkout +running +1  if plan is pro: ", out, re.MULTILINE)
    assert re.search(r"^dark-mode +stopped +0  ", out, re.MULTILINE)
    assert "events: 2 taken (1 exposure, 1 purchase), 0 refused\n" in out
    assert "fault of events: status=503\n" in out
    assert answer["emulator"].startswith("http://127.0.0.1:")
    assert answer["events"]["total"] == 2


def test_status_of_nobody_fails(server: FlagServer) -> None:
    away = here("status", "--url", closed_port_url(), code=1)
    assert away.err.startswith("error: no emulator answers at http://127.0.0.1:")
    assert "signakit dev starts one." in away.err
    assert "no emulator answers" in here("status", "--url", closed_port_url(), "--json", code=1).json["error"]
    other = here("status", "--url", server.url, code=1)
    assert f"what answers at {server.url} is not an emulator (HTTP 200)" in other.err


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "http://[", "http://a:b"])
def test_status_of_no_url_is_a_usage_error(url: str) -> None:
    here("status", "--url", url, code=2)


def test_status_of_a_key_shows_the_config(server: FlagServer) -> None:
    environment = {"SIGNAKIT_SDK_KEY": SDK_KEY, "SIGNAKIT_CDN_URL": server.url}
    out = here("status", **environment).out
    assert out.startswith(f"Config at {server.url}/configs/org1/1234/development/latest.json\nversion 1, ETag ")
    assert re.search(r", generated \d+ days ago\n", out)
    assert re.search(r"^exp +running +1$", out, re.MULTILINE)
    answer = here("status", "--json", **environment).json
    assert answer["etag"] == server.etag
    assert answer["flags"][0] == {"key": "exp", "running": True, "archived": False, "rules": 1}
    assert answer["age"] > 0
    assert server.posts == 0
    server.config_fault = status(404)
    assert "404" in here("status", "--sdk-key", SDK_KEY, code=1, SIGNAKIT_CDN_URL=server.url).err


def test_status_asks_one_of_the_two() -> None:
    here("status", "--url", "http://127.0.0.1:1", "--sdk-key", SDK_KEY, code=2)
