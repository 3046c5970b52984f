"""The two faces of a client behind one set of verbs, so that a scenario is written once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from signakit_flags import SignaKitClient
from support.configs import SDK_KEY
from support.faults import threads_of_ours
from support.server import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from signakit_flags import OnReadyResult


def waiting(client: SignaKitClient) -> int:
    """How many wait for a fetch."""
    feed = client._engine.feed
    return len(feed._asked) + len(feed._served)


class Face:
    """What scenarios do with a client. ``defaults`` are its keyword arguments unless a scenario says otherwise."""

    def __init__(self, **defaults: Any) -> None:
        self._defaults = defaults
        self._clients: list[SignaKitClient] = []

    def client(self, **settings: Any) -> SignaKitClient:
        client = SignaKitClient(SDK_KEY, **{**self._defaults, **settings})
        self._clients.append(client)
        return client

    def decide(self, client: SignaKitClient, key: str, user: str = "u", attributes: Any = None) -> str | None:
        context = client.create_user_context(user, attributes)
        assert context is not None
        return context.variation(key)

    def finish(self) -> None:
        for client in self._clients:
            self.close(client, timeout=0.5)

    def on_ready(self, client: SignaKitClient, timeout: float = 10.0) -> OnReadyResult:
        raise NotImplementedError

    def on_ready_many(self, client: SignaKitClient, count: int, then: Callable[[], None]) -> list[OnReadyResult]:
        raise NotImplementedError

    def refresh(self, client: SignaKitClient) -> bool:
        raise NotImplementedError

    def flush(self, client: SignaKitClient, timeout: float | None = 10.0) -> bool:
        raise NotImplementedError

    def close(self, client: SignaKitClient, timeout: float = 5.0) -> None:
        raise NotImplementedError

    def managed(self, client: SignaKitClient) -> contextlib.AbstractContextManager[None]:
        raise NotImplementedError

    def run(self, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        raise NotImplementedError

    def wait_until(self, condition: Callable[[], bool], timeout: float = 10.0) -> bool:
        return wait_until(condition, timeout)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class SyncFace(Face):
    """Threads."""

    def on_ready(self, client: SignaKitClient, timeout: float = 10.0) -> OnReadyResult:
        return client.on_ready_sync(timeout)

    def on_ready_many(self, client: SignaKitClient, count: int, then: Callable[[], None]) -> list[OnReadyResult]:
        with ThreadPoolExecutor(count) as pool:
            futures = [pool.submit(client.on_ready_sync) for _ in range(count)]
            assert wait_until(lambda: waiting(client) == count)
            then()
            return [future.result() for future in futures]

    def refresh(self, client: SignaKitClient) -> bool:
        return client.refresh_sync()

    def flush(self, client: SignaKitClient, timeout: float | None = 10.0) -> bool:
        return client.flush_sync(timeout)

    def close(self, client: SignaKitClient, timeout: float = 5.0) -> None:
        client.close(timeout)

    @contextlib.contextmanager
    def managed(self, client: SignaKitClient) -> Iterator[None]:
        with client as entered:
            assert entered is client
            yield

    def run(self, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return asyncio.run(function())


class AsyncFace(Face):
    """A home loop that runs in a thread of its own; every verb is awaited in it."""

    def __init__(self, **defaults: Any) -> None:
        super().__init__(**defaults)
        self._threads_before = threads_of_ours()  # of tests elsewhere, in the same process
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="home-loop", daemon=True)
        self._thread.start()

    def _await(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def on_ready(self, client: SignaKitClient, timeout: float = 10.0) -> OnReadyResult:
        result: OnReadyResult = self._await(client.on_ready(timeout))
        return result

    def on_ready_many(self, client: SignaKitClient, count: int, then: Callable[[], None]) -> list[OnReadyResult]:
        async def together() -> list[OnReadyResult]:
            tasks = [asyncio.create_task(client.on_ready()) for _ in range(count)]
            while waiting(client) < count:  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0.005)
            then()
            return list(await asyncio.gather(*tasks))

        results: list[OnReadyResult] = self._await(together())
        return results

    def refresh(self, client: SignaKitClient) -> bool:
        return bool(self._await(client.refresh()))

    def flush(self, client: SignaKitClient, timeout: float | None = 10.0) -> bool:
        return bool(self._await(client.flush(timeout)))

    def close(self, client: SignaKitClient, timeout: float = 5.0) -> None:
        self._await(client.aclose(timeout))

    @contextlib.contextmanager
    def managed(self, client: SignaKitClient) -> Iterator[None]:
        assert self._await(client.__aenter__()) is client
        yield
        self._await(client.__aexit__(None, None, None))

    def run(self, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return self._await(function())

    def finish(self) -> None:
        super().finish()
        assert threads_of_ours() <= self._threads_before, "the async face started threads"
        self._await(_settle())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def _settle() -> None:
    """Let cancelled tasks end, so that a leftover one would be reported."""
    await asyncio.sleep(0.01)
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
