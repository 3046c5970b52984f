"""The last good config in Redis, shared by all processes and hosts of an application.

A store keeps no connection and no other state: for each call it opens a connection of its own and closes it again. A
call is made at most about once a minute, and so a fleet does not use up the connections that Redis allows. Nothing is
shared across threads, event loops or a fork either. Clients of the application's are used as they are, and stay open.

Passwords: URL, secret and clients are attributes of the store, and its ``repr()`` shows none of them. They are not
local variables, since error trackers store the ``repr()`` of those, and that of a Redis client may show its password.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import math
from typing import TYPE_CHECKING, Any, cast

from ..integration import conceal, shown_url

if TYPE_CHECKING:
    from redis import Redis, RedisCluster
    from redis.asyncio import Redis as AsyncRedis
    from redis.asyncio import RedisCluster as AsyncRedisCluster

__all__ = ["RedisSnapshotStore"]

_BYTES = {"NEVER_DECODE": True}  # redis-py's option of a command, for clients with decode_responses=True


class RedisSnapshotStore:
    """Keeps the last good config in Redis, for all processes and hosts that share it.

    For ``SignaKitClient(snapshot_store=...)``. One store serves any number of SDK keys: each has a key of its own in
    Redis, which does not expire. Needs ``pip install "signakit-flags[redis]"``.

    Args:
        url: A server, as redis-py takes it: ``"redis://user:password@host:6379/0"``, ``"rediss://..."`` for TLS,
            ``"unix:///path"``. Each call opens a connection and closes it. Use a client for a cluster or Sentinel.
        client: Instead of a URL, a ``redis.Redis`` or ``redis.RedisCluster`` for the sync methods. It is used as it is,
            with its own timeouts and retries, and never closed. Its ``decode_responses`` does not matter.
        async_client: The same for the async methods: a ``redis.asyncio.Redis`` or ``redis.asyncio.RedisCluster``.
        secret: The key of the HMAC-SHA256 signature on what is stored. Only a process that has it can make a config
            that another one accepts. None: the SDK key, which proves that nothing was damaged, and not who wrote it.
        prefix: The start of all keys in Redis.
        timeout: Seconds to connect, to send, and to wait for each piece of the answer. With a URL only; it is not
            retried.

    Raises:
        ImportError: A URL is given, and the package ``redis`` is not installed.
        TypeError: Neither URL nor client is given, or both are; an argument has a wrong type.
        ValueError: A URL, secret or timeout cannot be used.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        client: Redis | RedisCluster | None = None,
        async_client: AsyncRedis | AsyncRedisCluster | None = None,
        secret: str | bytes | None = None,
        prefix: str = "signakit:",
        timeout: float = 0.25,
    ) -> None:
        url = conceal(url)
        self._client: Any = client
        self._async_client: Any = async_client
        self._secret = secret
        del client, async_client, secret
        self._prefix = prefix
        self._name = "default"
        self._source = "without a server"
        self._has_tls = False
        self._open: _Opener | None = None
        self._aopen: _Opener | None = None
        _check_arguments(url, prefix, timeout)
        if secret_problem := _secret_problem(self._secret):
            raise secret_problem
        if (url is None) == (self._client is None and self._async_client is None):
            raise TypeError("RedisSnapshotStore takes a url=, or else clients: client=, async_client= or both")
        problem = _client_problem("client", self._client) or _client_problem("async_client", self._async_client)
        if problem:
            raise problem
        if url is None:
            clients = (self._client, self._async_client)
            self._source = " and ".join(type(client).__qualname__ for client in clients if client is not None)
        else:
            self._source = shown_url(url)
            self._has_tls = url.lower().startswith("rediss:")
            self._open, self._aopen = _openers(url, timeout)

    def __repr__(self) -> str:
        return f"<RedisSnapshotStore {self._source}, key {self._key!r}>"

    @property
    def secret(self) -> str | bytes | None:
        """The key of the signature on what is stored; None: the SDK key."""
        return conceal(self._secret) if isinstance(self._secret, str) else self._secret

    @property
    def has_async(self) -> bool:
        """Whether an event loop is to await the async methods: there is a URL without TLS, or an ``async_client``.

        With TLS a connection reads all certificates first, which would hold the loop for 50 ms. The client calls the
        sync methods in a thread then.
        """
        return self._async_client is not None or (self._aopen is not None and not self._has_tls)

    def bind(self, name: str, /) -> RedisSnapshotStore:
        """Return a copy that keeps its value under ``f"{prefix}snapshot:{name}"``. The name is ``"default"`` at first.

        The client calls it with a digest of its SDK key and the secret.
        """
        bound = copy.copy(self)
        bound._name = name  # noqa: SLF001  # a copy of this store
        return bound

    def load(self) -> bytes | None:
        """Return what was saved last, or None when there is nothing.

        Raises:
            redis.RedisError: Redis cannot be reached, is too slow or refuses the command.
            RuntimeError: There is neither a URL nor a ``client``.
        """
        return cast("bytes | None", self._call("GET", self._key))

    def load_head(self, size: int, /) -> bytes | None:
        """Return the first ``size`` bytes of what was saved last. None and raises as ``load()``."""
        return cast("bytes", self._call("GETRANGE", self._key, 0, _last(size))) or None

    def save(self, data: bytes) -> None:
        """Keep ``data`` in place of what was saved before, without expiry. Raises as ``load()``."""
        view = memoryview(data)
        del data  # error trackers store the repr() of what a frame holds
        self._call("SET", self._key, view)

    async def aload(self) -> bytes | None:
        """Return what ``load()`` returns.

        Raises:
            redis.RedisError: Redis cannot be reached, is too slow or refuses the command.
            RuntimeError: There is neither a URL nor an ``async_client``.
        """
        return cast("bytes | None", await self._acall("GET", self._key))

    async def aload_head(self, size: int, /) -> bytes | None:
        """Return what ``load_head()`` returns. Raises as ``aload()``."""
        return cast("bytes", await self._acall("GETRANGE", self._key, 0, _last(size))) or None

    async def asave(self, data: bytes) -> None:
        """Do what ``save()`` does. Raises as ``aload()``."""
        view = memoryview(data)
        del data  # as above
        await self._acall("SET", self._key, view)

    @property
    def _key(self) -> str:
        return f"{self._prefix}snapshot:{self._name}"

    def _call(self, *command: str | memoryview | int) -> object:
        if self._client is not None:
            return self._client.execute_command(*command, **_BYTES)
        if self._open is None:
            raise RuntimeError("this store has no sync client: give RedisSnapshotStore a client= too, or a url=")
        connection = self._open()
        try:
            connection.connect()
            connection.send_command(*command)
            return connection.read_response(disable_decoding=True)
        finally:
            connection.disconnect()

    async def _acall(self, *command: str | memoryview | int) -> object:
        if self._async_client is not None:
            return await self._async_client.execute_command(*command, **_BYTES)
        if self._aopen is None:
            raise RuntimeError(
                "this store has no async client: give RedisSnapshotStore an async_client= too, or a url="
            )
        connection = self._aopen()
        try:
            await connection.connect()
            await connection.send_command(*command)
            return await connection.read_response(disable_decoding=True)
        finally:
            await connection.disconnect()


class _Opener:
    """Makes connections to one URL, which are still to be connected. Its attributes hold the password."""

    def __init__(self, module: Any, url: str, options: dict[str, Any]) -> None:
        self._options = module.parse_url(url)
        self._kind = self._options.pop("connection_class", module.Connection)
        self._options.pop("max_connections", None)  # a pool's
        self._options.update(options)
        self()  # for what it raises of options that it does not know

    def __call__(self) -> Any:
        return self._kind(**self._options)


def _openers(url: str, timeout: float) -> tuple[_Opener, _Opener]:
    """Return what makes the connections of the sync methods, and what makes those of the async ones.

    Raises:
        ValueError: redis-py does not take the URL. The message does not repeat redis-py's, which may show a password.
    """
    try:
        from redis import RedisError, asyncio, backoff, connection, retry
    except ImportError as error:
        problem = 'RedisSnapshotStore needs the package redis: pip install "signakit-flags[redis]"'
        raise ImportError(problem, name=error.name) from error

    # What a call needs, whatever the URL says: it may be that of a task queue, too.
    options: dict[str, Any] = {
        "socket_connect_timeout": timeout,
        "socket_timeout": timeout,
        "retry": retry.Retry(backoff.NoBackoff(), 0),
        "retry_on_timeout": False,
        "health_check_interval": 0,  # each command would follow a PING
        "protocol": 2,  # version 3 begins with commands that need a permission, and a wait for each answer
    }
    awaited = {**options, "retry": asyncio.retry.Retry(backoff.NoBackoff(), 0)}
    # redis-py's exceptions may quote a password, so they are not passed on.
    with contextlib.suppress(ValueError, TypeError, AttributeError, RedisError):
        return _Opener(connection, url, options), _Opener(asyncio.connection, url, awaited)
    raise ValueError(
        f"url must be a redis://, rediss:// or unix:// URL with options that redis-py knows, not {shown_url(url)!r}; "
        "percent-encode what is not a letter or digit in a user name or password"
    )


def _last(size: int) -> int:
    """Return the index of the last of the first ``size`` bytes. GETRANGE takes -1 for the very last one."""
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    return size - 1


def _check_arguments(url: object, prefix: object, timeout: object) -> None:
    if not isinstance(url, str | None):
        raise TypeError("url must be a str; give a client as client= or async_client=")
    if not isinstance(prefix, str):
        raise TypeError(f"prefix must be a str, not {type(prefix).__name__}")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
    if not 0 < timeout < math.inf:
        raise ValueError(f"timeout must be a finite number above 0, not {timeout}")


# The next two return what is to be raised: their local variables may show a password, and are gone by then.


def _secret_problem(secret: object) -> Exception | None:
    if not isinstance(secret, str | bytes | None):
        return TypeError(f"secret must be a str or bytes, not {type(secret).__name__}")
    if secret is not None and not secret:
        return ValueError("secret is empty, so anyone could sign with it: give it a value, or leave it out")
    return None


def _client_problem(name: str, client: Any) -> TypeError | None:
    """Return what is wrong with the argument ``name``, which takes a client of one of the two kinds, or None."""
    if client is None:
        return None
    kind = f"the class {client.__name__}" if isinstance(client, type) else type(client).__name__
    execute = getattr(client, "execute_command", None)
    if isinstance(client, type) or not callable(execute):
        return TypeError(f"{name} must be a client of redis-py, such as a redis.Redis, not {kind}")
    awaited = inspect.iscoroutinefunction(execute)
    if awaited and name == "client":
        return TypeError(f"client must be a sync client; this {kind} is an async one: give it as async_client=")
    if not awaited and name == "async_client":
        return TypeError(f"async_client must be an async client; this {kind} is a sync one: give it as client=")
    return None
