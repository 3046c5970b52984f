"""What the arguments of a client have to be. Nothing here is fetched."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock

import httpx
import pytest

from signakit_flags import SignaKitClient, create_instance
from support.configs import SDK_KEY

# --- numbers ----------------------------------------------------------------------------------------------------------


NUMBERS = ["polling_interval", "timeout", "max_batch_size", "flush_interval", "max_queue_size", "max_config_size"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1, -0.5, math.nan, math.inf, -math.inf, "30", None, True, [1]])
def test_a_number_that_is_out_of_range_or_none_is_a_value_error(name: str, value: Any) -> None:
    if (name, value) == ("max_batch_size", None):
        return  # the default
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
        ("flush_interval", 0),
        ("flush_interval", 0.25),
        ("max_batch_size", 1),
        ("max_batch_size", None),
        ("max_queue_size", 1),
    ],
)
def test_numbers_within_range_are_taken(name: str, value: float | None) -> None:
    assert not SignaKitClient(SDK_KEY, **{name: value}).is_ready


@pytest.mark.parametrize("name", ["max_batch_size", "max_queue_size", "max_config_size"])
def test_a_size_that_is_no_whole_number_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        SignaKitClient(SDK_KEY, **{name: 1.5})


def test_a_number_beyond_every_double_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="polling_interval must be"):
        SignaKitClient(SDK_KEY, polling_interval=10**400)


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


METHODS = "snapshot_store must have the methods load and save, or aload and asave"


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
        ("snapshot_store", OnlyLoads(), f"{METHODS}, which OnlyLoads has not"),
        ("snapshot_store", {}, f"{METHODS}, which dict has not"),
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


@pytest.mark.parametrize("name", ["timeout", "polling_interval", "max_batch_size", "max_queue_size"])
def test_a_key_at_the_place_of_a_number_is_not_shown(name: str) -> None:
    for value in (SDK_KEY, [SDK_KEY], {"key": SDK_KEY}, SDK_KEY.encode()):
        with pytest.raises(ValueError, match=rf"{name} must be a finite .*number, not {type(value).__name__}$"):
            SignaKitClient(SDK_KEY, **{name: value})
