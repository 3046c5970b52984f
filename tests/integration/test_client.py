from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags import OnReadyResult
from signakit_flags.integration import LazyClient
from support.configs import SDK_KEY, config, flag, whole
from support.faults import threads_of_ours
from support.server import FlagServer, hang, status, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def make(server: FlagServer) -> Iterator[Callable[..., LazyClient]]:
    clients: list[LazyClient] = []

    def made(**keywords: Any) -> LazyClient:
        client = LazyClient(SDK_KEY, **{"polling_interval": 0, **server.urls, **keywords})
        clients.append(client)
        return client

    yield made
    server.release.set()
    for client in clients:
        client.close(0.5)


def test_making_one_touches_no_network_and_starts_no_thread(
    server: FlagServer, make: Callable[..., LazyClient]
) -> None:
    before = threads_of_ours()
    assert not make().is_ready
    assert threads_of_ours() == before
    assert server.config_requests == []


def test_the_first_use_waits_for_the_config(server: FlagServer, make: Callable[..., LazyClient]) -> None:
    user = make(ready_timeout=10).create_user_context("u")
    assert user is not None
    assert user.is_enabled("switch")
    assert len(server.config_requests) == 1


def test_is_bot_reaches_the_context(server: FlagServer, make: Callable[..., LazyClient]) -> None:
    client = make(ready_timeout=10)
    users = [
        client.create_user_context("u", {"$userAgent": "curl/8.5.0"}, is_bot=known) for known in (True, False, None)
    ]
    assert [user is not None and user.is_bot for user in users] == [True, False, True]


def test_a_load_is_begun_once(server: FlagServer, make: Callable[..., LazyClient]) -> None:
    client = make(ready_timeout=10)
    client.load()
    client.load()
    client.create_user_context("u")
    assert len(server.config_requests) == 1


def test_it_waits_no_longer_than_its_time_and_gets_ready_later(
    server: FlagServer, make: Callable[..., LazyClient]
) -> None:
    server.config_faults = [status(503)]
    client = make(ready_timeout=10)
    assert client.create_user_context("u") is None
    assert wait_until(lambda: client.create_user_context("u") is not None)


def test_who_comes_while_the_first_waits_waits_with_it_for_the_one_fetch(
    server: FlagServer, make: Callable[..., LazyClient]
) -> None:
    def slow(handler: Any) -> None:
        time.sleep(0.3)  # in which the others come
        handler.answer(200, server.config_body)

    server.config_fault = slow
    client = make(ready_timeout=60)
    with ThreadPoolExecutor(8) as pool:
        users = list(pool.map(lambda number: client.create_user_context(f"u{number}"), range(8)))
    assert None not in users
    assert len(server.config_requests) == 1


def test_who_comes_while_the_first_waits_waits_for_the_rest_of_its_time(
    server: FlagServer, make: Callable[..., LazyClient]
) -> None:
    server.config_fault = hang
    client = make(ready_timeout=0.5)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda number: client.create_user_context(f"u{number}"), range(8))) == {None}
    assert len(server.config_requests) == 1


def test_nobody_waits_once_the_first_answer_was_a_failure(server: FlagServer, make: Callable[..., LazyClient]) -> None:
    server.config_faults = [status(503)]
    client = make(ready_timeout=60)
    assert client.create_user_context("first") is None
    server.config_fault = hang  # a wait for this one would last until the end of the test
    assert client.create_user_context("second") is None


def test_on_a_loop_nothing_waits_with_the_thread_that_does(server: FlagServer, make: Callable[..., LazyClient]) -> None:
    server.config_fault = hang
    client = make(ready_timeout=60)

    async def second_use() -> bool:
        return client.create_user_context("second") is None

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.create_user_context, "first")
        assert wait_until(lambda: len(server.config_requests) == 1)
        assert asyncio.run(second_use())
        assert not waiting.done()
        client.close(0.1)
        assert waiting.result(30) is None


def test_load_waits_with_the_thread_that_does(server: FlagServer, make: Callable[..., LazyClient]) -> None:
    def slow(handler: Any) -> None:
        time.sleep(0.3)  # in which the other one comes
        handler.answer(200, server.config_body)

    server.config_fault = slow
    client = make(ready_timeout=60)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.load)
        assert wait_until(lambda: len(server.config_requests) == 1)
        client.load()
        assert client.is_ready
        waiting.result(30)
    assert len(server.config_requests) == 1


def test_on_a_loop_it_begins_and_does_not_wait(server: FlagServer, make: Callable[..., LazyClient]) -> None:
    client = make(ready_timeout=60)
    server.config_fault = hang

    async def first_use() -> bool:
        return client.create_user_context("u") is None

    assert asyncio.run(first_use())
    assert wait_until(lambda: len(server.config_requests) == 1)


def test_it_loads_only_when_it_may(server: FlagServer, make: Callable[..., LazyClient]) -> None:
    allowed = False
    client = make(ready_timeout=10, may_load=lambda: allowed)
    client.load()
    assert client.create_user_context("u") is None
    assert server.config_requests == []
    allowed = True
    assert client.create_user_context("u") is not None


def test_that_there_is_no_config_is_no_error_where_none_may_be_loaded(
    make: Callable[..., LazyClient], caplog: pytest.LogCaptureFixture
) -> None:
    allowed = False
    client = make(ready_timeout=0.0, cdn_url="http://127.0.0.1:9", may_load=lambda: allowed)
    assert client.create_user_context("u") is None
    assert caplog.records == []
    allowed = True
    assert client.create_user_context("u") is None
    assert any("no config yet" in record.message for record in caplog.records)


def test_a_child_forked_before_the_config_came_asks_for_itself(
    server: FlagServer, make: Callable[..., LazyClient]
) -> None:
    # Without polling nobody but the child itself would ever ask again.
    server.config_faults = [hang]
    client = make(ready_timeout=0.0)
    client.load()
    assert wait_until(lambda: len(server.config_requests) == 1)
    if (child := os.fork()) == 0:
        ready = wait_until(lambda: client.create_user_context("u") is not None)
        os._exit(0 if ready else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_flag_flipped_later_is_seen(server: FlagServer, make: Callable[..., LazyClient]) -> None:
    client = make(ready_timeout=10, polling_interval=0.05)
    user = client.create_user_context("u")
    assert user is not None
    assert user.is_enabled("switch")
    server.set_config(config(flag("switch", allocation=whole("off")), version=2))
    assert wait_until(lambda: (user := client.create_user_context("u")) is not None and not user.is_enabled("switch"))


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"ready_timeout": "2"}, ValueError, "ready_timeout must be a finite number, not '2'"),
        ({"ready_timeout": -1}, ValueError, "ready_timeout must be at least 0, not -1"),
        ({"may_load": True}, TypeError, "may_load must be a function, not bool"),
    ],
)
def test_an_argument_that_cannot_be_used_is_an_error_at_once(
    keywords: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        LazyClient(SDK_KEY, **keywords)
    assert str(raised.value) == message


def test_a_wait_that_began_while_the_clock_stood_elsewhere_is_no_longer_than_any(
    server: FlagServer, make: Callable[..., LazyClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float | None] = []
    client = make(ready_timeout=1.5)

    def waiting(timeout: float | None = 10.0) -> OnReadyResult:
        waits.append(timeout)
        if len(waits) == 1:
            time.monotonic = now  # the clock goes on from where it was, and another thread comes
            client.load()
        return OnReadyResult(success=False)

    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: 1e9)
    monkeypatch.setattr(client, "on_ready_sync", waiting)
    client.load()
    assert waits == [1.5, 1.5]
