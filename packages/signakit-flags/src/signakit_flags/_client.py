"""The client: what an application makes once and keeps."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from . import _hook
from ._arguments import (
    check_attributes,
    check_function,
    check_http_client,
    check_number,
    check_sizes,
    check_snapshot,
    plain_user_id,
)
from ._evaluation.bots import is_bot
from ._log import logger
from ._names import DEVELOPMENT, PRODUCTION, USER_AGENT
from ._pinned_context import PinnedUserContext
from ._running_loop import loop_is_running
from ._runtime import process
from ._runtime.config_feed import ConfigFeed
from ._runtime.delivery import Ingest
from ._runtime.engine import Engine
from ._sdk_key import SdkKey, parse_sdk_key, redact
from ._secrets import conceal, hide_url
from ._settings import urls
from ._signal_handlers import let_through
from ._types import text_or_none

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Never, Self

    import httpx

    from ._runtime.snapshot_keeper import SnapshotKeeper
    from ._runtime.snapshot_store import AsyncSnapshotStore, SnapshotStore
    from ._runtime.transport.environment import Environment
    from ._types import Attributes, ClientStatus, OnReadyResult
    from ._user_context import SignaKitUserContext


T = TypeVar("T")

_NO_KEY = SdkKey("", DEVELOPMENT, "", "")  # of offline clients


class SignaKitClient:
    """Fetches a project's config, decides flags from it locally, and sends exposures and conversions.

    Make one for the process and keep it: it remembers which exposures were sent. Making one touches no network. It
    reads the proxies and certificates of the environment, unless a ``sync_client`` is injected. ``on_ready()`` or
    ``on_ready_sync()`` fetches the config and starts polling. After that nothing here raises because of the network or
    the config, and only ``on_ready``, ``refresh``, ``flush`` and ``close`` wait for it.

    Args:
        sdk_key: ``sk_{dev|prod}_{orgId}_{projectId}_{random}``.
        events_url: Where events are posted. Without it ``SIGNAKIT_EVENTS_URL``, then ``SIGNAKIT_EMULATOR_URL`` plus
            ``/v1/flag-events``, then the service itself.
        cdn_url: Where configs come from. Without it ``SIGNAKIT_CDN_URL``, then ``SIGNAKIT_EMULATOR_URL``, then the
            service itself.
        async_client: Used for every request made on an event loop, instead of one of our own. Never closed by us.
        sync_client: Used for every request made from threads, instead of one of our own. Never closed by us. Injected
            alone, it makes the requests of the awaited methods, too, in a thread.
        polling_interval: Seconds between polls, give or take a tenth; 0 turns polling off.
        timeout: Seconds that one request may take. An injected ``sync_client`` may take as many for each address of a
            host that it tries to connect to.
        max_batch_size: Events in one post, at most. Without it 100, or 1,000 while more than 200 wait, and 1 MB where a
            post has several events.
        flush_interval: Seconds that events may gather before they are sent together; 0 sends the first at once.
        max_queue_size: Events waiting, at most; while that many wait, new ones are refused and counted.
        max_config_size: Bytes of a config, at most, also after decompression.
        snapshot_path: A file that keeps the last good config, for a start while the CDN is away. Several processes may
            share it. A link is read, and then replaced itself; what is not a regular file is neither read nor replaced.
        snapshot_store: Keeps it somewhere else instead: see ``signakit_flags.integration.SnapshotStore`` and
            ``AsyncSnapshotStore``, and ``signakit_flags.contrib.redis``.
        bot_detector: Says whether a User-Agent is a bot's, instead of ``signakit_flags.is_bot``.

    Raises:
        TypeError: Another argument has the wrong type, as ``sync_client`` where it is an ``httpx.AsyncClient``.
        ValueError: The key is missing, malformed or not text, a URL is not http(s), or a value that has to be a number
            is not one or is out of range.
    """

    def __init__(
        self,
        sdk_key: str | None,
        *,
        events_url: str | None = None,
        cdn_url: str | None = None,
        async_client: httpx.AsyncClient | None = None,
        sync_client: httpx.Client | None = None,
        polling_interval: float = 30.0,
        timeout: float = 10.0,
        max_batch_size: int | None = None,
        flush_interval: float = 0.0,
        max_queue_size: int = 10_000,
        max_config_size: int = 16 * 1024 * 1024,
        snapshot_path: str | os.PathLike[str] | None = None,
        snapshot_store: SnapshotStore | AsyncSnapshotStore | None = None,
        bot_detector: Callable[[str], bool] | None = None,
    ) -> None:
        # First of all, before anything can raise: error trackers store the local variables of each frame.
        sdk_key, cdn_url, events_url = conceal(sdk_key), hide_url(cdn_url), hide_url(events_url)
        key = parse_sdk_key(sdk_key)
        check_number("polling_interval", polling_interval, at_least=0)
        check_number("timeout", timeout, above=0)
        check_number("flush_interval", flush_interval, at_least=0)
        check_sizes(max_queue_size=max_queue_size, max_config_size=max_config_size)
        if max_batch_size is not None:
            check_sizes(max_batch_size=max_batch_size)
        cdn, events = urls(cdn_url, events_url, production=key.environment == PRODUCTION)
        check_http_client("async_client", async_client)
        check_http_client("sync_client", sync_client)
        check_function("bot_detector", bot_detector)
        check_snapshot(snapshot_path, snapshot_store)
        keeper = _keeper(snapshot_path, snapshot_store, key, max_config_size)
        config_url = hide_url(f"{cdn}/configs/{key.org_id}/{key.project_id}/{key.environment}/latest.json")
        feed = ConfigFeed(
            url=config_url,
            key=key,
            max_size=max_config_size,
            polling_interval=polling_interval,
            keeper=keeper,
        )
        engine = Engine(
            feed=feed,
            ingest=Ingest(events, key, flush_interval),
            max_queue_size=max_queue_size,
            max_batch_size=max_batch_size,
            timeout=timeout,
            max_config_size=max_config_size,
            # An injected sync client, alone or not, leaves no request to a client of our own.
            environment=_environment(config_url, events) if sync_client is None else _environment(),
            async_client=async_client,
            sync_client=sync_client,
        )
        self._start(engine, redact(key.text), bot_detector)

    def _start(self, engine: Engine, description: str, bot_detector: Callable[[str], bool] | None) -> None:
        self._engine = engine
        self._description = description
        self._bot_detector = bot_detector
        self._said_not_ready = False
        # A client that nobody holds any more stops polling, and ends once its events are sent.
        weakref.finalize(self, engine.release).atexit = False

    @classmethod
    def offline(
        cls,
        config: Mapping[str, Any] | bytes | str | os.PathLike[str],
        *,
        record_events: bool = False,
        bot_detector: Callable[[str], bool] | None = None,
    ) -> Self:
        """Return a client that is ready at once, from a config at hand: no key, no network.

        Args:
            config: The config as a dict or as JSON bytes, or the path of a JSON file: a regular one, or a link to one,
                of at most 256 MiB.
            record_events: Keep events in ``recorded_events`` instead of discarding them. They are never forgotten.
            bot_detector: As for the client.

        Raises:
            TypeError: ``config`` is none of these, or ``bot_detector`` is not a function.
            ValueError: The config cannot be read.
            OSError: The file cannot be read, is too large, or is not a regular file, such as a FIFO or a folder.
        """
        check_function("bot_detector", bot_detector)
        if isinstance(config, Mapping):
            import msgspec

            try:
                body = memoryview(msgspec.json.encode(dict(config)))
            except (TypeError, ValueError, RecursionError) as error:
                raise ValueError(f"config is not JSON: {error}") from error
            finally:
                del config  # it names its key: as below
        elif isinstance(config, (bytes, bytearray, memoryview)):
            body = memoryview(bytes(config))
            del config  # it names its key, which the repr() of bytes shows, and that of a memoryview does not
        elif not isinstance(config, (str, os.PathLike)):
            raise TypeError(f"config must be a mapping, JSON bytes or a path, not {type(config).__name__}")
        else:
            from ._files import read_regular  # only where it is wanted

            body = memoryview(read_regular(config))
        limit = max(1, len(body))
        feed = ConfigFeed(url="", key=_NO_KEY, max_size=limit, polling_interval=0)
        feed.load_static(body)
        engine = Engine(
            feed=feed,
            ingest=None,
            max_queue_size=1,
            max_batch_size=1,
            timeout=1.0,
            max_config_size=limit,
            environment=_environment(),
            async_client=None,
            sync_client=None,
            record_events=record_events,
        )
        self = cls.__new__(cls)
        self._start(engine, "offline", bot_detector)
        return self

    def __repr__(self) -> str:
        if not hasattr(self, "_engine"):  # an error tracker asks, where the key or a setting was refused
            return f"<{type(self).__name__} that was not made>"
        return f"<{type(self).__name__} {self._description} {'ready' if self.is_ready else 'not ready'}>"

    def __reduce__(self) -> Never:
        # A copy would share some of the state and not the rest, and stop when the original goes.
        raise TypeError(f"a {type(self).__name__} can be neither copied nor pickled: make one in each process")

    # --- deciding ---------------------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """True once a config is loaded; it never becomes False again."""
        return self._engine.feed.snapshot is not None

    def create_user_context(
        self, user_id: str, attributes: Attributes | None = None, *, is_bot: bool | None = None
    ) -> SignaKitUserContext | None:
        """Return a context for one user; make one for each request.

        Args:
            user_id: Stable and unique; the same id always gets the same variation. Any text, the empty one included.
            attributes: Matched against audience rules; copied, one level deep. ``"$userAgent"`` takes the request's
                User-Agent: a bot's gets ``off`` for every flag and sends no events; what is not text counts as absent.
                A ``Decimal`` or another real number, an ``Enum``, a ``UUID``, a date and a lazy object are made text or
                a number when they are first matched or sent. A value of any other type never matches, is not sent, and
                is logged once.
            is_bot: True or False where you know whether the user is a bot, as of a person whose app sends the
                User-Agent of an HTTP library. ``"$userAgent"`` and ``bot_detector`` then do not count. None asks them.

        Returns:
            The context; None while the client is not ready, which is logged at ERROR once.

        Raises:
            TypeError: ``user_id`` is not text, ``attributes`` is not a mapping, or ``is_bot`` is not True, False or
                None.
        """
        if type(user_id) is not str:
            user_id = plain_user_id(user_id)
        if is_bot is not None and type(is_bot) is not bool:
            raise TypeError(f"is_bot must be True, False or None, not {type(is_bot).__name__}")
        engine = self._engine
        if not process.same_process[0]:
            process.notice_fork()
        handover = engine.handover
        if handover.stale or (handover.home is not None and not handover.home.is_running()):
            handover.revive()
        if engine.feed.snapshot is None and _hook.in_scope() is None:
            self._say_not_ready()
            return None
        if attributes is None:
            return PinnedUserContext(engine, user_id, {}, is_bot or False)
        # A look at the type costs a quarter of asking an abstract class, and nearly everyone passes a dict.
        if type(attributes) is dict:
            own = attributes.copy()
        else:
            check_attributes(attributes)
            own = dict(attributes)
        if USER_AGENT in own:
            user_agent = own.pop(USER_AGENT)
            if is_bot is None:
                is_bot = self._is_bot(user_agent)
        return PinnedUserContext(engine, user_id, own, is_bot or False)

    def _is_bot(self, user_agent: object) -> bool:
        if type(user_agent) is not str:
            user_agent = text_or_none(user_agent)
        if not user_agent:
            return False
        if _hook.hooks:  # asked at each request, which nearly never is a test's
            hook = _hook.active()
            if hook is not None and hook.drives_tests(user_agent):
                return False
        if self._bot_detector is None:
            return is_bot(user_agent)
        try:
            return bool(self._bot_detector(user_agent))
        except Exception as error:  # noqa: BLE001  # the application's own code: a request must not fail by it
            let_through(error)
            self._engine.outbox.warnings.once("bot_detector", "bot_detector raised %r; taken for a human", error)
            return False

    def _say_not_ready(self) -> None:
        if not self._said_not_ready:
            self._said_not_ready = True
            logger.error("no config yet: create_user_context() returns None until on_ready() has one")

    # --- waiting for the network ------------------------------------------------------------------------------

    async def on_ready(self, timeout: float | None = 10.0) -> OnReadyResult:
        """Fetch the config, and make the running event loop the one that polls and sends events.

        Callers at the same time share one fetch; a later call asks again, with ``If-None-Match``. When the first fetch
        fails the client goes on trying in the background, and becomes ready by itself. Never raises.

        Args:
            timeout: Seconds to wait; None waits for as long as one request may take. With a config of
                ``snapshot_path`` or ``snapshot_store`` it waits for one second at most. The fetch goes on afterwards.

        Returns:
            ``success`` is True when this call got a config, or word that ours is current. When it is False the client
            may be ready all the same, with an older config; ``reason`` says so.
        """
        if not loop_is_running():
            return await _in_thread(self.on_ready_sync, timeout)
        return await self._engine.fetch(timeout, fresh=False)

    def on_ready_sync(self, timeout: float | None = 10.0) -> OnReadyResult:
        """Fetch the config, and start polling in a daemon thread; otherwise as ``on_ready``."""
        return self._engine.fetch_sync(timeout, fresh=False)

    async def refresh(self) -> bool:
        """Fetch the config now, whatever the poller is at; True when ours is current afterwards. Never raises."""
        if not loop_is_running():
            return await _in_thread(self.refresh_sync)
        return (await self._engine.fetch(None, fresh=True)).success

    def refresh_sync(self) -> bool:
        """Fetch the config now, whatever the poller is at; True when ours is current afterwards. Never raises."""
        return self._engine.fetch_sync(None, fresh=True).success

    async def flush(self, timeout: float | None = None) -> bool:
        """Send what is waiting, without waiting out a pause between attempts.

        Args:
            timeout: Seconds to wait; None waits until it is settled, however long the server is away. A server that
                answers 400 or 413 to everything is asked every 2 to 5 seconds meanwhile.

        Returns:
            True when every event accepted before the call was sent; False when time ran out or the server refused one.
        """
        if not loop_is_running():
            return await _in_thread(self.flush_sync, timeout)
        return await self._engine.flush(timeout)

    def flush_sync(self, timeout: float | None = None) -> bool:
        """Send what is waiting; as ``flush``. On the thread of the home loop it sends here, since the loop stands."""
        return self._engine.flush_sync(timeout)

    def close(self, timeout: float = 2.0) -> None:
        """Send what is waiting, then stop. Flags can still be decided, events are no longer accepted.

        Args:
            timeout: Seconds for everything together. What could not be sent by then is lost, which is logged.

        Calling it again is harmless, from another thread too. A client that was never closed does the same at the exit
        of the process, within 2 seconds for all clients together.
        """
        self._engine.close(timeout)

    async def aclose(self, timeout: float = 2.0) -> None:
        """Send what is waiting, then stop; as ``close``, without blocking the loop."""
        if not loop_is_running():
            await _in_thread(self.close, timeout)
        else:
            await self._engine.aclose(timeout)

    def __enter__(self) -> Self:
        """Wait for the config as ``on_ready_sync`` does; whether it came, ``is_ready`` says."""
        self.on_ready_sync()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        """Wait for the config as ``on_ready`` does; whether it came, ``is_ready`` says."""
        await self.on_ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # --- looking in -------------------------------------------------------------------------------------------

    def status(self) -> ClientStatus:
        """Return the state of the client: config, queue and counters."""
        return self._engine.status()

    def flag_keys(self) -> list[str]:
        """Return the keys of the flags that are not archived, in the order of the config; empty before there is one."""
        snapshot = self._engine.feed.snapshot
        return [] if snapshot is None else list(snapshot.ruleset.flags)

    @property
    def recorded_events(self) -> list[dict[str, Any]]:
        """Events of an offline client made with ``record_events=True``, as they would be sent; else empty. A copy."""
        return list(self._engine.recorded or ())


def create_instance(sdk_key: str | None, **kwargs: Any) -> SignaKitClient | None:
    """Return a client, or None, logged at ERROR, where ``SignaKitClient`` raises ``ValueError``."""
    sdk_key, kwargs = conceal(sdk_key), conceal(kwargs)
    try:
        return SignaKitClient(sdk_key, **kwargs)
    except ValueError as error:
        reason = str(error)
    logger.error("no SignaKit client: %s", reason)  # without a traceback: the message says what to change
    return None


def _keeper(
    path: str | os.PathLike[str] | None, store: SnapshotStore | AsyncSnapshotStore | None, key: SdkKey, max_size: int
) -> SnapshotKeeper | None:
    """Return what keeps the config in a file or a store, where either is given."""
    if path is None and store is None:
        return None
    from ._runtime.snapshot_keeper import SnapshotKeeper  # only where it is wanted
    from ._runtime.snapshot_store import FileStore, KeyedStore

    return SnapshotKeeper(KeyedStore(store, key, max_size) if path is None else FileStore(path, key, max_size))


def _environment(*urls: str) -> Environment:
    """Return what the environment says of ``urls``. Its module comes with the first client, not with the package."""
    if f"{__package__}._runtime.transport.environment" not in sys.modules:
        with process.no_fork:  # held by other threads for long: a later client must not wait for them
            import_module("._runtime.transport.environment", __package__)
    from ._runtime.transport.environment import Environment

    return Environment(*urls)


async def _in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Wait for the sync face, in a thread: under trio, whose loop can host nothing of ours."""
    from anyio.to_thread import run_sync  # comes with httpx

    return await run_sync(function, *arguments)
