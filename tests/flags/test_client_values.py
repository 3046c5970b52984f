"""A client before anything is fetched: its key, its state, `create_instance`, and offline clients."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
import logging
import pickle
import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags import OnReadyResult, SignaKitClient, create_instance
from support.configs import SDK_KEY, config, flag, whole
from support.files import SPECIAL, special_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = config(flag("f", allocation=whole("on")), version=7)
BODY = json.dumps(CONFIG).encode()


def variation(client: SignaKitClient) -> str:
    context = client.create_user_context("u")
    assert context is not None
    return context.variation("f")


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


# --- copies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_neither_a_client_nor_a_context_can_be_copied_or_pickled(duplicate: Callable[[Any], Any]) -> None:
    client = SignaKitClient.offline(BODY)
    with pytest.raises(TypeError, match="a SignaKitClient can be neither copied nor pickled: make one in each process"):
        duplicate(client)
    context = client.create_user_context("u")
    with pytest.raises(TypeError, match=r"a SignaKitUserContext can be neither .*: pass on its user_id and attributes"):
        duplicate(context)


# --- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "", " ", "sk_dev_org1_1234", "pk_dev_org1_1234_x", "sk_dev_o/../rg_1_x"])
def test_a_missing_or_malformed_key_is_a_value_error(key: str | None) -> None:
    with pytest.raises(ValueError, match="SDK key"):
        SignaKitClient(key)


def test_everything_but_the_key_is_given_by_name() -> None:
    with pytest.raises(TypeError):
        SignaKitClient(SDK_KEY, "https://events.example")  # type: ignore[misc]  # what is tested


# --- create_instance -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "arguments", "message"),
    [
        (None, {}, "SDK key missing"),
        ("", {}, "SDK key missing"),
        ("garbage", {}, "malformed"),
        (SDK_KEY, {"polling_interval": -1}, "polling_interval"),
        (SDK_KEY, {"cdn_url": "ftp://x"}, "cdn_url"),
    ],
)
def test_create_instance_gives_none_and_logs_why(
    key: str | None, arguments: dict[str, Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert create_instance(key, **arguments) is None
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.ERROR, None)
    assert message in record.getMessage()


def test_create_instance_gives_a_client_and_passes_its_arguments_on() -> None:
    client = create_instance(SDK_KEY, cdn_url="http://mine")
    assert client is not None
    assert client._engine.feed._url.startswith("http://mine/configs/")


def test_create_instance_does_not_hide_a_mistake_in_the_call() -> None:
    with pytest.raises(TypeError):
        create_instance(SDK_KEY, pollinginterval=1)


# --- before anything is fetched --------------------------------------------------------------------------------------


def test_making_a_client_starts_no_thread_and_touches_no_file(tmp_path: Path) -> None:
    before = threading.enumerate()
    client = SignaKitClient(SDK_KEY, snapshot_path=tmp_path / "snapshot")
    assert client.create_user_context("u") is None
    assert client.status().ready is False
    assert threading.enumerate() == before
    assert list(tmp_path.iterdir()) == []


def test_a_client_that_is_not_ready_gives_no_context_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    client = SignaKitClient(SDK_KEY)
    assert not client.is_ready
    assert [client.create_user_context("u", {"plan": "pro"}) for _ in range(3)] == [None] * 3
    assert [(record.levelno, record.name) for record in caplog.records] == [(logging.ERROR, "signakit_flags")]
    with pytest.raises(TypeError):
        client.create_user_context(None)  # type: ignore[arg-type]  # what is tested


def test_the_status_of_a_new_client_is_empty_and_json() -> None:
    status = SignaKitClient(SDK_KEY).status()
    assert json.loads(json.dumps(dataclasses.asdict(status))) == {
        "ready": False,
        "source": None,
        "version": None,
        "etag": None,
        "age": None,
        "last_error": None,
        "queued": 0,
        "sent": 0,
        "dropped": 0,
        "exposures_suppressed": 0,
    }


def test_a_client_that_was_never_used_can_be_closed_again_and_again() -> None:
    client = SignaKitClient(SDK_KEY)
    client.close()
    client.close()
    asyncio.run(client.aclose())
    assert client.on_ready_sync() == OnReadyResult(success=False, reason="the client is closed")
    assert not client.refresh_sync()


def test_no_representation_shows_the_key() -> None:
    client = SignaKitClient("sk_prod_org1_1234_S3cr3t", snapshot_path="s")
    shown = f"{client!r} {client} {client.status()} {client._engine.feed._key!r} {client._engine.ingest!r}"
    assert repr(client) == "<SignaKitClient sk_prod_*** not ready>"
    assert "S3cr3t" not in shown
    assert "org1" not in shown


# --- offline ---------------------------------------------------------------------------------------------------------


class Named:
    """A path that is neither text nor a Path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


@pytest.mark.parametrize(
    "form",
    [
        lambda _path: CONFIG,
        lambda _path: MappingProxyType(CONFIG),
        lambda _path: BODY,
        lambda _path: b"\xef\xbb\xbf" + BODY,
        lambda _path: bytearray(BODY),
        lambda _path: memoryview(BODY),
        lambda path: path,
        str,
        Named,
    ],
    ids=["dict", "mapping", "bytes", "BOM", "bytearray", "memoryview", "Path", "str", "PathLike"],
)
def test_an_offline_client_is_ready_at_once(form: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(BODY)
    client = SignaKitClient.offline(form(path))
    assert client.is_ready
    assert variation(client) == "on"
    assert repr(client) == "<SignaKitClient offline ready>"
    status = client.status()
    assert (status.ready, status.source, status.version, status.etag, status.last_error) == (
        True,
        "static",
        7,
        None,
        None,
    )
    assert json.loads(json.dumps(dataclasses.asdict(status)))["source"] == "static"


def test_an_offline_client_needs_neither_key_nor_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNAKIT_CDN_URL", "ftp://broken")
    assert variation(SignaKitClient.offline(CONFIG)) == "on"


@pytest.mark.parametrize("body", [b"", b"garbage", b"[]", b'{"flags": 1}', {"flags": None}, {}])
def test_a_config_that_cannot_be_read_is_a_value_error(body: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="config is not"):
        SignaKitClient.offline(body)
    if isinstance(body, bytes):
        (tmp_path / "config.json").write_bytes(body)
        with pytest.raises(ValueError, match="config is not"):
            SignaKitClient.offline(tmp_path / "config.json")


def test_a_file_that_cannot_be_read_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SignaKitClient.offline(tmp_path / "nowhere.json")
    with pytest.raises(OSError):
        SignaKitClient.offline(tmp_path)


def test_the_dict_may_be_changed_afterwards() -> None:
    data = config(flag("f", allocation=whole("on")))
    client = SignaKitClient.offline(data)
    data["flags"].clear()
    assert variation(client) == "on"


def test_the_verbs_that_wait_answer_at_once_without_a_thread() -> None:
    before = threading.enumerate()
    client = SignaKitClient.offline(CONFIG)
    assert client.on_ready_sync() == OnReadyResult(success=True)
    assert client.refresh_sync()
    assert client.flush_sync()
    with client as same:
        assert same is client
    client.close()
    assert variation(client) == "on", "flags can still be decided after close()"
    assert threading.enumerate() == before


def test_they_do_so_on_a_loop() -> None:
    async def use() -> None:
        async with SignaKitClient.offline(CONFIG) as client:
            assert await client.on_ready() == OnReadyResult(success=True)
            assert await client.refresh()
            assert await client.flush(timeout=0)
            assert variation(client) == "on"
        await client.aclose()

    asyncio.run(use())


def test_events_are_discarded_unless_they_are_to_be_recorded() -> None:
    for record in (False, True):
        client = SignaKitClient.offline(CONFIG, record_events=record)
        variation(client)
        assert len(client.recorded_events) == record
        assert (client.status().queued, client.status().sent, client.status().dropped) == (0, 0, 0)


def test_the_recorded_events_are_a_copy() -> None:
    client = SignaKitClient.offline(CONFIG, record_events=True)
    variation(client)
    client.recorded_events.clear()
    assert len(client.recorded_events) == 1


def test_an_ordinary_client_records_nothing() -> None:
    assert SignaKitClient(SDK_KEY).recorded_events == []


class Mine(SignaKitClient):
    """A subclass of an application's."""


def test_a_subclass_has_offline_clients_of_its_own_class() -> None:
    client = Mine.offline(CONFIG)
    assert type(client) is Mine
    assert repr(client) == "<Mine offline ready>"


def test_the_keys_of_the_flags_in_the_order_of_the_config_without_archived_ones() -> None:
    client = SignaKitClient.offline(config(flag("b"), flag("a"), flag("gone", status="archived")))
    assert client.flag_keys() == ["b", "a"]
    assert SignaKitClient(SDK_KEY).flag_keys() == []


def test_two_places_for_the_snapshot_are_refused(tmp_path: Path) -> None:
    class Store:
        def load(self) -> bytes | None:
            return None

        def save(self, data: bytes) -> None: ...

    with pytest.raises(ValueError, match="exclude each other"):
        SignaKitClient(SDK_KEY, snapshot_path=tmp_path / "snapshot", snapshot_store=Store())


@pytest.mark.parametrize("kind", SPECIAL)
def test_an_offline_client_waits_for_nothing_that_is_not_a_regular_file(kind: str, tmp_path: Path) -> None:
    with (
        special_file(kind, tmp_path / "special") as path,
        pytest.raises(OSError, match=f"is {SPECIAL[kind]} and not a regular file"),
    ):
        SignaKitClient.offline(path)


def test_an_offline_client_follows_a_link_and_has_a_limit(tmp_path: Path) -> None:
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to(file)
    file.write_bytes(BODY)
    assert variation(SignaKitClient.offline(link)) == "on"
    with file.open("wb") as content:
        content.truncate(257 * 2**20)  # it takes no room on the disk
    with pytest.raises(OSError, match="is larger than 268,435,456 bytes"):
        SignaKitClient.offline(link)


def test_an_empty_path_of_an_offline_client_is_a_file_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        SignaKitClient.offline("")
