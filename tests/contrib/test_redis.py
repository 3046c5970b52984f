"""The snapshot store in Redis, against real servers: by URL and by client, sync and async."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio
from django.test.utils import override_settings
from fastapi import FastAPI
from flask import Flask
from redis.sentinel import Sentinel

import signakit_django
import signakit_fastapi
import signakit_flask
from signakit_flags import SignaKitClient
from signakit_flags.contrib.redis import RedisSnapshotStore
from support.configs import SDK_KEY, config, flag, whole
from support.frames import leaks, of_error
from support.redis_server import RedisServer, needs_redis, redis_server
from support.server import FlagServer, flag_server, wait_until
from support.servers import GUARD, free_port
from support.tls import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

SECRET = "S3cr3t"
BINARY = bytes(range(256)) + b"\n\xff\xfe"
GENEROUS = 30.0  # seconds: no test is about it


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The one backend that hosts what calls the async methods."""
    return "asyncio"


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.fixture
def flags() -> Iterator[FlagServer]:
    """The service."""
    with flag_server() as running:
        running.set_config(config(flag("switch", allocation=whole("on"))))
        yield running


@pytest.fixture
def server(shared: RedisServer) -> RedisServer:
    """A server without data."""
    shared("FLUSHALL")
    return shared


class Face:
    """The sync or the async methods of a store, called alike."""

    def __init__(self, store: RedisSnapshotStore, *, awaited: bool) -> None:
        self.store, self._awaited = store, awaited

    async def load(self) -> bytes | None:
        return await self.store.aload() if self._awaited else self.store.load()

    async def load_head(self, size: int) -> bytes | None:
        return await self.store.aload_head(size) if self._awaited else self.store.load_head(size)

    async def save(self, data: bytes) -> None:
        await self.store.asave(data) if self._awaited else self.store.save(data)


FACES = pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])


@pytest.fixture(params=["sync url", "async url", "sync client", "async client", "sync text", "async text"])
async def face(request: pytest.FixtureRequest, server: RedisServer) -> AsyncIterator[Face]:
    """Each way to reach the server: by URL, by a client, and by a client that decodes what it gets."""
    face, source = request.param.split()
    awaited = face == "async"
    if source == "url":
        yield Face(RedisSnapshotStore(server.url, timeout=GENEROUS), awaited=awaited)
    elif awaited:
        async with redis.asyncio.Redis.from_url(server.url, decode_responses=source == "text") as client:
            yield Face(RedisSnapshotStore(async_client=client), awaited=True)
    else:
        with redis.Redis.from_url(server.url, decode_responses=source == "text") as client:
            yield Face(RedisSnapshotStore(client=client), awaited=False)


# --- what it keeps ----------------------------------------------------------------------------------------------------


@needs_redis
async def test_nothing_is_kept_at_first(face: Face) -> None:
    assert await face.load() is None
    assert await face.load_head(100) is None


@needs_redis
async def test_what_was_saved_last_is_loaded_byte_for_byte(face: Face, server: RedisServer) -> None:
    await face.save(b"old")
    await face.save(BINARY)
    assert await face.load() == BINARY
    assert await face.load_head(1) == BINARY[:1]
    assert await face.load_head(200) == BINARY[:200]
    assert await face.load_head(10_000) == BINARY
    assert server("TTL", "signakit:snapshot:default") == -1


@needs_redis
async def test_a_head_of_no_bytes_is_refused(face: Face) -> None:
    # GETRANGE takes -1 for the last byte.
    with pytest.raises(ValueError, match="size must be at least 1, not 0"):
        await face.load_head(0)


@needs_redis
async def test_sixteen_megabytes_are_kept(face: Face) -> None:
    data = os.urandom(16 * 1024 * 1024)
    await face.save(data)
    loaded = await face.load()
    assert loaded == data, "not the same bytes"  # not shown: they are many
    assert await face.load_head(100) == data[:100]


@needs_redis
async def test_one_store_serves_several_sdk_keys(face: Face, server: RedisServer) -> None:
    store = face.store
    one, two = store.bind("one"), store.bind("two")
    for bound in (one, two):
        face.store = bound
        await face.save(repr(bound).encode())
        assert await face.load() == repr(bound).encode()
    assert sorted(server("KEYS", "*")) == [b"signakit:snapshot:one", b"signakit:snapshot:two"]
    face.store = store
    assert await face.load() is None
    assert one.has_async == store.has_async


@needs_redis
def test_the_keys_begin_with_the_prefix(server: RedisServer) -> None:
    store = RedisSnapshotStore(server.url, prefix="shop/", timeout=GENEROUS, secret=SECRET)
    store.bind("x").save(b"1")
    assert server("KEYS", "*") == [b"shop/snapshot:x"]
    assert store.bind("x").secret == SECRET


# --- connections ------------------------------------------------------------------------------------------------------


def connected(server: RedisServer) -> int:
    """Return how many clients are connected besides the one that asks."""
    return len(server("CLIENT", "LIST").splitlines()) - 1


@needs_redis
@FACES
async def test_a_url_leaves_no_connection_behind(server: RedisServer, *, awaited: bool) -> None:
    face = Face(RedisSnapshotStore(server.url, timeout=GENEROUS), awaited=awaited)
    await face.save(b"data")
    await face.load()
    face.store = RedisSnapshotStore(f"{server.url}?db=99", timeout=GENEROUS)
    with pytest.raises(redis.RedisError, match="out of range"):
        await face.load()
    assert wait_until(lambda: connected(server) == 0, GUARD)


@needs_redis
async def test_a_call_that_is_cancelled_leaves_no_connection_behind(server: RedisServer) -> None:
    store = RedisSnapshotStore(server.url, timeout=GENEROUS)
    server.process.send_signal(signal.SIGSTOP)
    try:
        call = asyncio.ensure_future(store.aload())
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert wait_until(lambda: connected(server) == 0, GUARD)


@needs_redis
async def test_clients_stay_open(server: RedisServer) -> None:
    async with redis.asyncio.Redis.from_url(server.url) as async_client:
        with redis.Redis.from_url(server.url) as client:
            store = RedisSnapshotStore(client=client, async_client=async_client)
            assert store.has_async
            store.save(b"data")
            assert await store.aload() == b"data"
            assert connected(server) == 2
            assert (client.ping(), await async_client.ping()) == (True, True)


@needs_redis
def test_a_url_works_in_each_of_several_loops_and_threads(server: RedisServer) -> None:
    store = RedisSnapshotStore(server.url, timeout=GENEROUS)
    asyncio.run(store.asave(b"data"))
    assert asyncio.run(store.aload()) == b"data"

    async def both() -> list[bytes | None]:
        return await asyncio.gather(
            *(asyncio.to_thread(store.load) for _ in range(4)), *(store.aload() for _ in range(4))
        )

    assert asyncio.run(both()) == [b"data"] * 8


FORKED = """
import os, sys
from signakit_flags.contrib.redis import RedisSnapshotStore
store = RedisSnapshotStore(sys.argv[1], timeout=30)
store.save(b"parent")
child = os.fork()
if not child:
    assert store.load() == b"parent"
    store.save(b"child")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(store.load())
"""
GREEN = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
from signakit_flags.contrib.redis import RedisSnapshotStore
store = RedisSnapshotStore(sys.argv[1], timeout=30)
gevent.spawn(store.save, b"green").get()
print(gevent.spawn(store.load).get())
"""


@needs_redis
@pytest.mark.parametrize(("program", "printed"), [(FORKED, "b'child'"), (GREEN, "b'green'")], ids=["fork", "gevent"])
def test_a_url_works_in_a_forked_child_and_under_gevent(server: RedisServer, program: str, printed: str) -> None:
    command = [sys.executable, "-c", program, server.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GUARD, check=False)
    assert (done.stdout.strip(), done.returncode) == (printed, 0), done.stderr


# --- servers of every kind --------------------------------------------------------------------------------------------


@needs_redis
@FACES
async def test_a_user_needs_three_commands_and_the_keys_of_the_prefix(*, awaited: bool) -> None:
    with redis_server(port_option="--port") as server:
        server("ACL", "SETUSER", "flags", "on", f">{SECRET}", "~signakit:*", "+get", "+set", "+getrange")
        url = f"redis://flags:{SECRET}@127.0.0.1:{server.port}"
        face = Face(RedisSnapshotStore(url, timeout=GENEROUS), awaited=awaited)
        await face.save(BINARY)
        assert await face.load() == BINARY
        assert await face.load_head(10) == BINARY[:10]
        face.store = RedisSnapshotStore(url, prefix="other:", timeout=GENEROUS)
        with pytest.raises(redis.exceptions.NoPermissionError):
            await face.load()


@needs_redis
@FACES
async def test_a_url_with_options_of_a_task_queue_is_taken_at_what_counts(
    server: RedisServer, *, awaited: bool
) -> None:
    options = "decode_responses=true&protocol=3&max_connections=1&retry_on_timeout=yes&health_check_interval=1&db=1"
    face = Face(RedisSnapshotStore(f"{server.url}?{options}", timeout=GENEROUS), awaited=awaited)
    await face.save(BINARY)
    assert await face.load() == BINARY
    assert server("INFO", "keyspace")["db1"]["keys"] == 1


@needs_redis
@FACES
async def test_tls_with_a_trusted_certificate(tmp_path: Path, *, awaited: bool) -> None:
    authority = Authority()
    ca = authority.write(tmp_path / "ca.pem")
    certificate, key = authority.write_server(tmp_path)
    options = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    with redis_server(*options, "--tls-ca-cert-file", str(ca), port_option="--tls-port") as server:
        url = f"rediss://127.0.0.1:{server.port}"
        face = Face(RedisSnapshotStore(f"{url}?ssl_ca_certs={ca}", timeout=GENEROUS), awaited=awaited)
        await face.save(BINARY)
        assert await face.load() == BINARY
        assert not face.store.has_async, "a TLS context is made in a thread, and not on the loop"
        face.store = RedisSnapshotStore(url, timeout=GENEROUS)
        with pytest.raises(redis.ConnectionError, match=r"certificate verify failed|Error 1 connecting"):
            await face.load()


@needs_redis
@FACES
async def test_a_cluster_by_its_client(*, awaited: bool) -> None:
    with redis_server("--cluster-enabled", "yes", "--cluster-port", str(free_port()), port_option="--port") as server:
        server("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        assert wait_until(lambda: b"cluster_state:ok" in server("CLUSTER", "INFO"), GUARD)
        address = {"host": "127.0.0.1", "port": server.port, "decode_responses": True}
        if awaited:
            async with redis.asyncio.RedisCluster(**address) as cluster:
                await check(Face(RedisSnapshotStore(async_client=cluster), awaited=True))
        else:
            with redis.RedisCluster(**address) as cluster:
                await check(Face(RedisSnapshotStore(client=cluster), awaited=False))


async def check(face: Face) -> None:
    assert await face.load() is None
    assert await face.load_head(10) is None
    await face.save(BINARY)
    assert await face.load() == BINARY
    assert await face.load_head(10) == BINARY[:10]


@needs_redis
@FACES
async def test_a_master_that_sentinel_knows_by_its_client(tmp_path: Path, *, awaited: bool) -> None:
    with redis_server(port_option="--port") as master:
        config = tmp_path / "sentinel.conf"
        config.write_text(f"sentinel monitor flags 127.0.0.1 {master.port} 1\n")
        with redis_server(port_option="--port", sentinel=config) as watcher:
            address = [("127.0.0.1", watcher.port)]
            if awaited:
                async_sentinel = redis.asyncio.Sentinel(address)
                async with async_sentinel.master_for("flags") as async_client:
                    await check(Face(RedisSnapshotStore(async_client=async_client), awaited=True))
                await async_sentinel.sentinels[0].connection_pool.disconnect()
            else:
                sentinel = Sentinel(address)
                with sentinel.master_for("flags") as client:
                    await check(Face(RedisSnapshotStore(client=client), awaited=False))
                sentinel.sentinels[0].close()


# --- servers in trouble -----------------------------------------------------------------------------------------------


async def raised(face: Face, kind: type[Exception]) -> None:
    """Make sure that each call raises."""
    calls: list[Callable[[], Awaitable[object]]] = [face.load, lambda: face.load_head(10), lambda: face.save(b"x")]
    for call in calls:
        with pytest.raises(kind):
            await call()


@FACES
async def test_a_server_that_is_away_is_raised(*, awaited: bool) -> None:
    await raised(Face(RedisSnapshotStore(f"redis://127.0.0.1:{free_port()}"), awaited=awaited), redis.ConnectionError)


@needs_redis
@FACES
async def test_a_server_that_does_not_answer_is_raised(*, awaited: bool) -> None:
    with redis_server(port_option="--port") as server:
        server.process.send_signal(signal.SIGSTOP)
        url = f"redis://user:{SECRET}@127.0.0.1:{server.port}"
        await raised(Face(RedisSnapshotStore(url, timeout=0.05), awaited=awaited), redis.TimeoutError)


@needs_redis
@FACES
async def test_a_stopped_server_is_asked_once_whatever_the_url_says(*, awaited: bool) -> None:
    with redis_server(port_option="--port") as server:
        server.process.send_signal(signal.SIGSTOP)
        url = f"redis://127.0.0.1:{server.port}?retry_on_timeout=yes&socket_timeout=90&socket_connect_timeout=90"
        await raised(Face(RedisSnapshotStore(url, timeout=0.05), awaited=awaited), redis.TimeoutError)
        server.process.send_signal(signal.SIGCONT)
        # One by the fixture, three calls, and one that asks.
        assert server("INFO", "stats")["total_connections_received"] == 5


@needs_redis
@FACES
async def test_a_replica_that_is_read_only_raises_at_a_save(*, awaited: bool) -> None:
    with redis_server("--replicaof", "127.0.0.1 9") as server:
        face = Face(RedisSnapshotStore(server.url, timeout=GENEROUS), awaited=awaited)
        assert await face.load() is None
        with pytest.raises(redis.exceptions.ReadOnlyError):
            await face.save(b"data")


@needs_redis
@FACES
async def test_a_key_that_holds_something_else_is_raised(server: RedisServer, *, awaited: bool) -> None:
    server("LPUSH", "signakit:snapshot:default", "x")
    face = Face(RedisSnapshotStore(server.url, timeout=GENEROUS), awaited=awaited)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        await face.load()


# --- how it is made ---------------------------------------------------------------------------------------------------


def clients() -> tuple[redis.Redis, redis.asyncio.Redis]:
    """Return clients that are never connected."""
    return redis.Redis(password=SECRET), redis.asyncio.Redis(password=SECRET)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda sync, awaited: {}, "takes a url=, or else clients"),
        (lambda sync, awaited: {"url": "redis://localhost", "client": sync}, "takes a url=, or else clients"),
        (lambda sync, awaited: {"url": "redis://localhost", "async_client": awaited}, "takes a url=, or else clients"),
        (lambda sync, awaited: {"client": awaited}, "give it as async_client="),
        (lambda sync, awaited: {"async_client": sync}, "give it as client="),
        (lambda sync, awaited: {"client": sync, "async_client": sync}, "give it as client="),
        (lambda sync, awaited: {"client": redis.Redis}, "not the class Redis"),
        (lambda sync, awaited: {"async_client": "redis://localhost"}, "async_client must be a client of redis-py"),
        (lambda sync, awaited: {"url": sync}, "give a client as client="),
        (lambda sync, awaited: {"url": f"redis://u:{SECRET}@h".encode()}, "url must be a str"),
        (lambda sync, awaited: {"client": sync, "secret": 5}, "secret must be a str or bytes, not int"),
        (lambda sync, awaited: {"client": sync, "prefix": b"x"}, "prefix must be a str, not bytes"),
        (lambda sync, awaited: {"url": "redis://localhost", "timeout": "1"}, "timeout must be a number of seconds"),
        (lambda sync, awaited: {"url": "redis://localhost", "timeout": None}, "timeout must be a number of seconds"),
        (lambda sync, awaited: {"url": "redis://localhost", "timeout": True}, "timeout must be a number of seconds"),
    ],
)
def test_an_argument_of_a_wrong_type_is_refused_with_the_fix(
    arguments: Callable[[Any, Any], dict[str, Any]], message: str
) -> None:
    with pytest.raises(TypeError, match=message) as raised:
        RedisSnapshotStore(**arguments(*clients()))
    assert leaks(SECRET, of_error(raised.value)) == []


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_a_timeout_that_is_not_above_zero_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout must be a finite number above 0"):
        RedisSnapshotStore("redis://localhost", timeout=timeout)


@pytest.mark.parametrize("secret", ["", b""])
def test_an_empty_secret_is_refused(secret: str | bytes) -> None:
    with pytest.raises(ValueError, match="secret is empty"):
        RedisSnapshotStore("redis://localhost", secret=secret)


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{SECRET}@localhost",
        f"user:{SECRET}@localhost",
        f"redis://user:a/{SECRET}@localhost",
        f"redis://user:{SECRET}",
        f"redis://localhost?{SECRET}=1",
        f"redis://localhost?socket_keepalive_options={SECRET}&db={SECRET}",
        f"rediss://user:{SECRET}@localhost?ssl_cert_reqs=some",
        "",
    ],
)
def test_a_url_that_redis_does_not_take_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="url must be a redis://, rediss:// or unix:// URL") as raised:
        RedisSnapshotStore(url)
    error = raised.value
    assert SECRET not in str(error)
    assert (error.__cause__, error.__context__) == (None, None)
    assert leaks(SECRET, of_error(error)) == []


async def test_a_face_without_a_client_says_what_is_missing() -> None:
    sync, awaited = clients()
    store = RedisSnapshotStore(client=sync)
    assert not store.has_async
    for call in (store.aload(), store.aload_head(1), store.asave(b"")):
        with pytest.raises(RuntimeError, match="no async client: give RedisSnapshotStore an async_client="):
            await call
    store = RedisSnapshotStore(async_client=awaited)
    assert store.has_async
    for ask in (store.load, lambda: store.load_head(1), lambda: store.save(b"")):
        with pytest.raises(RuntimeError, match="no sync client: give RedisSnapshotStore a client="):
            ask()


# --- what it shows ----------------------------------------------------------------------------------------------------


def test_its_repr_shows_no_password() -> None:
    sync, awaited = clients()
    shown = [
        repr(RedisSnapshotStore(f"rediss://flags:{SECRET}@redis.example:6380/1", secret=SECRET).bind("abc")),
        repr(RedisSnapshotStore(f"unix:///run/redis.sock?password={SECRET}", secret=SECRET.encode())),
        repr(RedisSnapshotStore(client=sync, async_client=awaited, secret=SECRET)),
    ]
    assert shown == [
        "<RedisSnapshotStore rediss://***@redis.example:6380/1, key 'signakit:snapshot:abc'>",
        "<RedisSnapshotStore unix:///run/redis.sock?***, key 'signakit:snapshot:default'>",
        "<RedisSnapshotStore Redis and Redis, key 'signakit:snapshot:default'>",
    ]
    assert SECRET not in repr(RedisSnapshotStore("redis://localhost", secret=SECRET).secret)


@needs_redis
@FACES
@pytest.mark.parametrize("method", ["load", "save"])
async def test_no_frame_and_no_error_shows_the_password_or_the_config(method: str, *, awaited: bool) -> None:
    with redis_server(port_option="--port") as server:
        url = f"redis://flags:{SECRET}@127.0.0.1:{server.port}"
        face = Face(RedisSnapshotStore(url, secret=SECRET, timeout=GENEROUS), awaited=awaited)
        with pytest.raises(redis.AuthenticationError) as raised:
            await (face.load() if method == "load" else face.save(SECRET.encode()))
        assert SECRET not in str(raised.value)
        assert leaks(SECRET, of_error(raised.value)) == []


# --- in a client ------------------------------------------------------------------------------------------------------


def stored(server: RedisServer) -> int:
    """Return for how many SDK keys there is a config."""
    return len(server("KEYS", "signakit:snapshot:*"))


@needs_redis
@FACES
async def test_a_client_starts_from_what_another_one_has_saved(
    server: RedisServer, flags: FlagServer, *, awaited: bool
) -> None:
    store = RedisSnapshotStore(server.url, secret=SECRET, timeout=GENEROUS)
    away = f"http://127.0.0.1:{free_port()}"
    with SignaKitClient(SDK_KEY, snapshot_store=store, **flags.urls) as client:
        assert client.is_ready
    assert stored(server) == 1
    if awaited:
        async with SignaKitClient(SDK_KEY, snapshot_store=store, cdn_url=away, events_url=away) as client:
            assert client.status().source == "snapshot"
    else:
        with SignaKitClient(SDK_KEY, snapshot_store=store, cdn_url=away, events_url=away) as client:
            assert client.status().source == "snapshot"


@needs_redis
def test_django_takes_it_in_its_settings(server: RedisServer, flags: FlagServer) -> None:
    store = RedisSnapshotStore(server.url, timeout=GENEROUS)
    options = {name.upper(): url for name, url in flags.urls.items()}
    options |= {"SDK_KEY": SDK_KEY, "LOAD_IN_TESTS": True, "SNAPSHOT_STORE": store}
    with override_settings(SIGNAKIT=options):
        client = signakit_django.get_client()
        assert client is not None
        with client:
            assert stored(server) == 1


@needs_redis
def test_flask_takes_it_in_its_config(server: RedisServer, flags: FlagServer) -> None:
    app = Flask("of_a_test")
    app.config.update({f"SIGNAKIT_{name.upper()}": url for name, url in flags.urls.items()})
    app.config["SIGNAKIT_SDK_KEY"] = SDK_KEY
    app.config["SIGNAKIT_SNAPSHOT_STORE"] = RedisSnapshotStore(server.url, timeout=GENEROUS)
    signakit_flask.SignaKit(app)
    with app.extensions["signakit"].client:
        assert stored(server) == 1


@needs_redis
async def test_fastapi_takes_it_as_a_keyword(server: RedisServer, flags: FlagServer) -> None:
    store = RedisSnapshotStore(server.url, timeout=GENEROUS)
    signakit = signakit_fastapi.SignaKit(sdk_key=SDK_KEY, snapshot_store=store, ready_timeout=10, **flags.urls)
    async with signakit.lifespan(FastAPI()):
        assert stored(server) == 1


# --- without redis-py -------------------------------------------------------------------------------------------------

WITHOUT = """
import sys
import signakit_flags, signakit_flags.contrib.redis as contrib
assert not {"redis", "httpx", "asyncio", "ssl"} & set(sys.modules), "imported too much"
sys.modules["redis"] = None  # as where it is not installed
try:
    contrib.RedisSnapshotStore("redis://localhost")
except ImportError as error:
    print(error)
"""


def test_redis_is_imported_by_the_first_store_and_its_absence_names_the_extra() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=GUARD, check=False)
    printed = 'RedisSnapshotStore needs the package redis: pip install "signakit-flags[redis]"'
    assert (done.stdout.strip(), done.returncode) == (printed, 0), done.stderr
