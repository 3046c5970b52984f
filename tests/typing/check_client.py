"""Checked by mypy, never run: what comes of the client's verbs."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, assert_type
from uuid import UUID

from signakit_flags import (
    Attributes,
    ClientStatus,
    OnReadyResult,
    SdkKey,
    SignaKitClient,
    SignaKitUserContext,
    UserAttributes,
    __version__,
    bot_kind,
    create_instance,
    is_bot,
    parse_sdk_key,
)
from signakit_flags.contrib.redis import RedisSnapshotStore

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    import redis
    import redis.asyncio


def made_in_every_way(key: str | None, path: Path, on_loop: httpx.AsyncClient, in_thread: httpx.Client) -> None:
    assert_type(SignaKitClient(key), SignaKitClient)
    SignaKitClient(
        key,
        events_url="https://example.com/events",
        cdn_url=None,
        async_client=on_loop,
        sync_client=in_thread,
        polling_interval=30,
        timeout=2.5,
        max_batch_size=10,
        flush_interval=0.5,
        max_queue_size=1000,
        max_config_size=1_000_000,
        snapshot_path=path,
        bot_detector=is_bot,
    )
    SignaKitClient(key, snapshot_path="snapshot", bot_detector=lambda agent: agent.startswith("curl"))
    assert_type(create_instance(key), SignaKitClient | None)
    assert_type(create_instance(None, polling_interval=0), SignaKitClient | None)


def kept_in_redis(
    key: str,
    client: redis.Redis,
    async_client: redis.asyncio.Redis,
    cluster: redis.RedisCluster,
    async_cluster: redis.asyncio.RedisCluster,
) -> None:
    store = RedisSnapshotStore("redis://localhost", secret="...", prefix="shop:", timeout=1)
    SignaKitClient(key, snapshot_store=store)
    assert_type(store.bind("name"), RedisSnapshotStore)
    assert_type(store.load(), bytes | None)
    RedisSnapshotStore(client=client, async_client=async_client, secret=b"...")
    RedisSnapshotStore(client=cluster, async_client=async_cluster)
    RedisSnapshotStore(client=async_client)  # type: ignore[arg-type]  # the other way round
    RedisSnapshotStore(async_client=cluster)  # type: ignore[arg-type]  # as above


def offline_in_every_way(path: Path) -> None:
    assert_type(SignaKitClient.offline({"flags": []}), SignaKitClient)
    SignaKitClient.offline(MappingProxyType({"flags": []}))
    SignaKitClient.offline(b"{}", record_events=True)
    SignaKitClient.offline("config.json", bot_detector=is_bot)
    SignaKitClient.offline(path)


class Mine(SignaKitClient):
    """A subclass of an application's."""

    extra = 1


def a_subclass_stays_itself() -> None:
    assert_type(Mine.offline({"flags": []}), Mine)
    with Mine("key") as client:
        assert_type(client.extra, int)


def in_a_thread(client: SignaKitClient) -> None:
    assert_type(client.is_ready, bool)
    result = client.on_ready_sync()
    assert_type(result, OnReadyResult)
    assert_type(result.success, bool)
    assert_type(result.reason, str | None)
    client.on_ready_sync(timeout=5)
    client.on_ready_sync(None)
    assert_type(client.refresh_sync(), bool)
    assert_type(client.flush_sync(), bool)
    assert_type(client.flush_sync(1.5), bool)
    client.close()
    client.close(timeout=1)
    with SignaKitClient("key") as entered:
        assert_type(entered, SignaKitClient)
    assert_type(client.recorded_events, list[dict[str, Any]])


async def on_a_loop(client: SignaKitClient) -> None:
    assert_type(await client.on_ready(), OnReadyResult)
    assert_type(await client.on_ready(timeout=None), OnReadyResult)
    assert_type(await client.refresh(), bool)
    assert_type(await client.flush(timeout=1), bool)
    await client.aclose()
    async with SignaKitClient("key") as entered:
        assert_type(entered, SignaKitClient)


def errors_go_through_a_context_manager() -> int:
    with SignaKitClient("key") as client:
        return len(client.recorded_events)
    # No return is needed here, since the context manager swallows nothing.


class Plan(Enum):
    PRO = "pro"


def users(client: SignaKitClient, attributes: UserAttributes) -> None:
    assert_type(client.create_user_context("u"), SignaKitUserContext | None)
    client.create_user_context("u", None)
    client.create_user_context("u", attributes)
    assert_type(client.create_user_context("u", attributes, is_bot=False), SignaKitUserContext | None)
    client.create_user_context("u", is_bot=None)
    client.create_user_context("u", {"plan": "pro", "age": 30, "ratio": 0.5, "beta": True, "tags": ["a"], "none": None})
    client.create_user_context("u", MappingProxyType({"plan": "pro"}))
    only_text: dict[str, str] = {"plan": "pro"}
    client.create_user_context("u", only_text)
    tags: dict[str, list[str]] = {"tags": ["a"]}
    client.create_user_context("u", tags)
    spent: dict[str, Decimal] = {"spent": Decimal("9.99")}
    client.create_user_context("u", spent)
    client.create_user_context(
        "u", {"id": UUID(int=1), "since": date(2026, 1, 2), "plan": Plan.PRO, "list": [Plan.PRO]}
    )
    client.create_user_context("u", {"share": Fraction(1, 2)})
    client.create_user_context("u", {"tags": {"a"}})  # type: ignore[dict-item]


def events(context: SignaKitUserContext) -> None:
    context.track("purchase", 9, {"items": 2})
    context.track("purchase", Decimal("9.99"))
    context.track("purchase", Fraction(1, 2))
    context.track("purchase", [1])  # type: ignore[arg-type]


def users_of_any_mapping(client: SignaKitClient, attributes: Attributes) -> None:
    client.create_user_context("u", attributes)


def looking_in(client: SignaKitClient) -> None:
    status = client.status()
    assert_type(status, ClientStatus)
    assert_type(status.ready, bool)
    assert_type(status.source, str | None)
    assert_type(status.version, int | None)
    assert_type(status.etag, str | None)
    assert_type(status.age, float | None)
    assert_type(status.last_error, str | None)
    assert_type(status.queued, int)
    assert_type(status.sent, int)
    assert_type(status.dropped, int)
    assert_type(status.exposures_suppressed, int)


def the_rest() -> None:
    assert_type(is_bot("curl/8.0"), bool)
    headers: dict[str, str] = {}
    assert_type(is_bot(headers.get("User-Agent")), bool)
    assert_type(bot_kind("curl/8.0"), Literal["crawler", "library"] | None)
    assert_type(bot_kind(headers.get("User-Agent")), Literal["crawler", "library"] | None)
    assert_type(__version__, str)
    key = parse_sdk_key("sk_dev_org_1_x")
    assert_type(key, SdkKey)
    assert_type(key.environment, str)
    assert_type(key.org_id, str)
    assert_type(key.project_id, str)
