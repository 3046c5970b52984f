"""The config over HTTP: where it is, of which project it is, and its ETag."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from signakit_dev._emulator.cdn import Cdn
from signakit_dev._emulator.faults import Faults
from signakit_dev._emulator.stopping import Stopping
from signakit_dev._emulator.store import ProjectStore
from signakit_dev._project.sample import SAMPLE
from support.configs import flag, whole
from support.emulator import CONFIG, stop
from support.wire import ask

if TYPE_CHECKING:
    from signakit_dev.testing import Emulator


def test_the_config_comes_with_an_etag_and_then_not_again(signakit_emulator: Emulator) -> None:
    first = ask(signakit_emulator.url + CONFIG)
    assert first.status == 200
    assert first.headers["Content-Type"] == "application/json"
    assert first.json()["projectId"] == "shop"
    again = ask(signakit_emulator.url + CONFIG, If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    signakit_emulator.set_flag("banner", running=False)
    changed = ask(signakit_emulator.url + CONFIG, If_None_Match=first.headers["ETag"])
    assert changed.status == 200
    assert changed.json()["version"] == first.json()["version"] + 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/configs/any-org/any-project/production/latest.json", 200),
        ("/configs/a/b/staging/latest.json", 404),
        ("/configs/a_b/c/development/latest.json", 404),
        ("/configs/a/..%2Fb/development/latest.json", 404),
        ("/configs/a/b/development/other.json", 404),
    ],
)
def test_the_config_is_where_a_well_formed_key_says(signakit_emulator: Emulator, path: str, status: int) -> None:
    assert ask(signakit_emulator.url + path).status == status


def test_a_config_is_read_and_not_written(signakit_emulator: Emulator) -> None:
    assert ask(signakit_emulator.url + CONFIG, "POST", {}).status == 405


def cdn_of(project: dict[str, Any]) -> Cdn:
    return Cdn(ProjectStore(None, project), Faults(), Stopping())


def test_whoever_asks_gets_a_config_of_his_own_project() -> None:
    cdn = cdn_of({"flags": [flag("f", allocation=whole("on"))]})
    body = json.loads(cdn.config("acme", "shop", "production").body)
    assert body["projectId"] == "shop"
    assert body["environmentKey"] == "production"
    assert body["sdkKey"] == "sk_prod_acme_shop_emulator"
    assert body["version"] == 1
    assert body["generatedAt"].endswith("Z")
    assert [item["key"] for item in body["flags"]] == ["f"]


def test_the_etag_is_of_the_content() -> None:
    dated = {**json.loads(SAMPLE), "generatedAt": "2026-01-01T00:00:00.000Z"}
    one, same = cdn_of(dated), cdn_of(dated)
    config = one.config("a", "b", "development")
    assert config == same.config("a", "b", "development")
    assert config.etag != one.config("a", "c", "development").etag
    assert config is one.config("a", "b", "development")
    one.store.edit(stop("banner"))
    assert one.config("a", "b", "development").etag != config.etag
