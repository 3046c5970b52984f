"""Fetching a config with an SDK key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.command import here, signakit
from support.configs import SDK_KEY
from support.server import FlagServer, closed_port_url, status

if TYPE_CHECKING:
    from pathlib import Path


def test_a_malformed_key_is_a_usage_error_that_hides_it(project: Path) -> None:
    done = here("decide", "banner", "--user", "a", "--sdk-key", "sk_dev_topsecret", code=2)
    assert "malformed SignaKit SDK key" in done.err
    assert "topsecret" not in done.err


def test_a_key_fetches_the_config_and_sends_no_event(server: FlagServer) -> None:
    server.gzip = True
    done = signakit(
        "decide", "exp", "--user", "ada", "--json", SIGNAKIT_SDK_KEY=SDK_KEY, SIGNAKIT_EMULATOR_URL=server.url
    )
    assert done.json["source"] == f"{server.url}/configs/org1/1234/development/latest.json"
    assert done.json["decision"]["rule_key"] == "r-exp"
    assert (len(server.config_paths), server.posts) == (1, 0)


def test_a_cdn_that_is_away_or_refuses_is_told(server: FlagServer) -> None:
    arguments = ("decide", "exp", "--user", "ada", "--sdk-key", SDK_KEY)
    gone = here(*arguments, code=1, SIGNAKIT_CDN_URL=closed_port_url())
    assert gone.err.startswith("error: no config could be fetched")
    server.config_fault = status(403)
    refused = here(*arguments, "--json", code=1, SIGNAKIT_CDN_URL=server.url).json
    assert "403" in refused["error"]
    assert gone.err.count("\n") == 1
    assert refused["url"].startswith(server.url)
