"""Stores of the last good config on both faces: a hanging CDN, a slow store, one for threads and one for loops."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags._runtime import engine, snapshot_keeper, snapshot_store
from support.configs import config, flag, whole
from support.faces import AsyncFace, SyncFace
from support.faults import answer_after, lines, threads_of_ours, within
from support.server import FlagServer, hang, status, wait_until
from support.snapshots import Snapshots

if TYPE_CHECKING:
    from pathlib import Path

    from signakit_flags import SignaKitClient
    from support.faces import Face

WATCHDOG = 30.0


class Store:
    """A store for threads, which notes where it is called."""

    def __init__(self) -> None:
        self.data: bytes | None = None
        self.threads: set[str] = set()

    def load(self) -> bytes | None:
        self.threads.add(threading.current_thread().name)
        return self.data

    def save(self, data: bytes) -> None:
        self.threads.add(threading.current_thread().name)
        self.data = data


class AsyncStore:
    """A store for loops, which notes on which it is called."""

    def __init__(self) -> None:
        self.data: bytes | None = None
        self.loops: set[asyncio.AbstractEventLoop] = set()

    async def aload(self) -> bytes | None:
        self.loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return self.data

    async def asave(self, data: bytes) -> None:
        self.loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0)
        self.data = data


class BothStore(Store, AsyncStore):
    """A store with both faces."""

    def __init__(self) -> None:
        Store.__init__(self)
        self.loops = set()


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a start wait for the CDN for a tenth of a second while it has a stored config."""
    monkeypatch.setattr(engine, "START_PATIENCE", 0.1)


def versioned(number: int) -> dict[str, Any]:
    return config(flag("first", allocation=whole(f"v{number}")), version=number)


def filled(face: Face, server: FlagServer, store: Any) -> Any:
    """Return the store after a client has saved version 1 in it."""
    server.set_config(versioned(1))
    client = face.client(snapshot_store=store, polling_interval=0)
    assert face.on_ready(client).success
    face.close(client)
    return store


def start(face: Face, client: SignaKitClient, timeout: float = 2 * WATCHDOG) -> Any:
    """Start a client whose CDN hangs; fail if it waits for longer than the watchdog."""
    return within(WATCHDOG, lambda: face.on_ready(client, timeout))


# --- a CDN that hangs -------------------------------------------------------------------------------------------------


def test_a_start_with_a_stored_config_does_not_wait_for_a_hanging_cdn_which_is_still_asked(
    face: Face, server: FlagServer
) -> None:
    store = filled(face, server, Store())
    gate = threading.Event()
    server.set_config(versioned(2))
    server.config_fault = answer_after(gate)
    client = face.client(snapshot_store=store, polling_interval=0, timeout=2 * WATCHDOG)
    result = start(face, client)
    assert (result.success, client.is_ready) == (False, True)
    assert result.reason == "no config within 1 s; it is still being tried; serving the config of the snapshot"
    assert face.decide(client, "first") == "v1"
    gate.set()
    assert face.wait_until(lambda: client.status().source == "cdn")
    assert face.decide(client, "first") == "v2"


@pytest.mark.usefixtures("little_patience")
def test_a_second_call_does_not_wait_for_it_either_and_a_refresh_does(face: Face, server: FlagServer) -> None:
    store = filled(face, server, Store())
    gate = threading.Event()
    server.config_fault = answer_after(gate)
    client = face.client(snapshot_store=store, polling_interval=0, timeout=2 * WATCHDOG)
    for _ in range(2):
        assert not start(face, client).success
    opener = threading.Timer(0.5, gate.set)
    opener.start()
    assert face.refresh(client)
    opener.join()
    assert client.status().source == "cdn"


@pytest.mark.usefixtures("little_patience")
def test_a_start_with_an_empty_store_waits_for_the_cdn(face: Face, server: FlagServer) -> None:
    gate = threading.Event()
    server.config_fault = answer_after(gate)
    opener = threading.Timer(0.5, gate.set)
    opener.start()
    assert start(face, face.client(snapshot_store=Store(), polling_interval=0)).success
    opener.join()


@pytest.mark.usefixtures("little_patience")
def test_a_call_with_less_time_than_that_keeps_to_its_own(face: Face, server: FlagServer) -> None:
    store = filled(face, server, Store())
    server.config_fault = hang
    client = face.client(snapshot_store=store, polling_interval=0, timeout=2 * WATCHDOG)
    result = start(face, client, 0.05)
    assert (result.reason or "").startswith("no config within 0.05 s; it is still being tried")


@pytest.mark.usefixtures("little_patience")
def test_a_config_that_is_loaded_late_ends_the_wait(face: Face, server: FlagServer) -> None:
    store = filled(face, server, Store())
    gate = threading.Event()

    class Slow(Store):
        def load(self) -> bytes | None:
            assert gate.wait(WATCHDOG)
            return store.data  # type: ignore[no-any-return]

    server.config_fault = hang
    client = face.client(snapshot_store=Slow(), polling_interval=0, timeout=2 * WATCHDOG)
    opener = threading.Timer(0.5, gate.set)
    opener.start()
    result = start(face, client)
    opener.join()
    assert result.reason == "no config; it is still being tried; serving the config of the snapshot"
    assert face.decide(client, "first") == "v1"


@pytest.mark.usefixtures("little_patience")
def test_on_the_thread_of_the_home_loop_a_start_does_not_wait_for_it_either(server: FlagServer) -> None:
    face = AsyncFace(**server.urls)
    try:
        store = filled(face, server, Store())
        client = face.client(snapshot_store=store, polling_interval=0, timeout=2 * WATCHDOG)
        server.config_fault = hang

        async def in_sync_code_on_a_loop() -> tuple[bool, bool]:
            assert not (await client.on_ready()).success
            return client.on_ready_sync(2 * WATCHDOG).success, client.is_ready

        assert within(WATCHDOG, lambda: face.run(in_sync_code_on_a_loop)) == (False, True)
    finally:
        server.release.set()
        face.finish()


@pytest.mark.usefixtures("little_patience")
def test_after_a_config_of_the_cdn_a_call_waits_as_ever(face: Face, server: FlagServer) -> None:
    client = face.client(snapshot_store=Store(), polling_interval=0)
    assert face.on_ready(client).success
    gate = threading.Event()
    server.config_fault = answer_after(gate)
    opener = threading.Timer(0.5, gate.set)
    opener.start()
    assert start(face, client).success
    opener.join()


@pytest.mark.parametrize("timeout", [1.5, 0.3])
def test_the_reason_names_the_time_that_was_given(face: Face, server: FlagServer, timeout: float) -> None:
    server.config_fault = hang
    client = face.client(snapshot_store=Store(), polling_interval=0, timeout=2 * WATCHDOG)
    assert start(face, client, timeout).reason == f"no config within {timeout} s; it is still being tried"


@pytest.mark.usefixtures("little_patience")
def test_a_config_that_came_is_a_success_although_the_store_is_slow(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_store, "STORE_TIMEOUT", WATCHDOG)
    gate = threading.Event()

    class SlowToSave(Store):
        def save(self, data: bytes) -> None:
            assert gate.wait(WATCHDOG)
            super().save(data)

    client = face.client(snapshot_store=SlowToSave(), polling_interval=0)
    try:
        assert start(face, client, 8).success
        assert face.decide(client, "switch") == "on"
    finally:
        gate.set()


# --- where a store is called ------------------------------------------------------------------------------------------


def test_a_store_for_threads_is_never_called_on_a_loop(server: FlagServer) -> None:
    face = AsyncFace(**server.urls)
    try:
        store = filled(face, server, Store())
        client = face.client(snapshot_store=store, polling_interval=0)
        assert face.on_ready(client).success
        assert store.threads == {"signakit-store"}
        assert wait_until(lambda: not [t for t in threading.enumerate() if t.name == "signakit-store"])
    finally:
        face.finish()


def test_nor_is_it_called_by_the_poller_which_goes_on_where_it_hangs(face: Face, server: FlagServer) -> None:
    gate = threading.Event()

    class Hangs(Store):
        def load(self) -> bytes | None:
            self.threads.add(threading.current_thread().name)
            assert gate.wait(WATCHDOG)
            return None

    store = Hangs()
    client = face.client(snapshot_store=store, polling_interval=0.02)
    try:
        assert within(WATCHDOG, lambda: face.on_ready(client, WATCHDOG)).success
        assert store.threads == {"signakit-store"}
        server.set_config(versioned(7))
        assert face.wait_until(lambda: client.status().version == 7, WATCHDOG)
        assert sum(thread.name == "signakit-store" for thread in threading.enumerate()) <= 2, "they do not add up"
    finally:
        gate.set()


def test_where_no_thread_can_be_started_a_store_is_called_all_the_same(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(face, server, Store())
    store.threads.clear()
    begin = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("signakit"):
            raise RuntimeError("can't start new thread")
        begin(thread)

    server.config_fault = status(503)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        client = face.client(snapshot_store=store, polling_interval=0)
        start(face, client)
    assert client.status().source == "snapshot"
    assert "signakit-store" not in store.threads


def test_a_loop_goes_on_while_a_store_for_threads_is_slow(server: FlagServer) -> None:
    face = AsyncFace(**server.urls)
    alive = threading.Event()

    class Waits(Store):
        def load(self) -> bytes | None:
            face.loop.call_soon_threadsafe(alive.set)
            assert alive.wait(WATCHDOG)
            return super().load()

    try:
        filled(face, server, Waits())
        assert alive.is_set()
    finally:
        face.finish()


def test_a_store_for_loops_is_awaited_on_the_home_loop(server: FlagServer) -> None:
    face = AsyncFace(**server.urls)
    try:
        store = filled(face, server, AsyncStore())
        server.config_fault = status(503)
        client = face.client(snapshot_store=store, polling_interval=0)
        face.on_ready(client)
        assert client.status().source == "snapshot"
        assert store.loops == {face.loop}
    finally:
        face.finish()


def test_a_store_for_loops_alone_cannot_be_used_by_threads_and_that_is_said_once(
    server: FlagServer, caplog: pytest.LogCaptureFixture
) -> None:
    face = SyncFace(**server.urls)
    try:
        store = filled(face, server, AsyncStore())
        client = face.client(snapshot_store=store, polling_interval=0)
        for _ in range(3):
            assert face.on_ready(client).success
        assert store.loops == set()
        said = "AsyncStore can only be awaited, and threads poll here: it needs load() and save() as well"
        assert lines(caplog, "snapshot") == [f"snapshot cannot be read: {said}"] * 2, "once a client"
    finally:
        face.finish()


def test_of_a_store_with_both_faces_each_is_used_where_it_fits(face: Face, server: FlagServer) -> None:
    store = filled(face, server, BothStore())
    if isinstance(face, AsyncFace):
        assert (store.loops, store.threads) == ({face.loop}, set())
    else:
        assert (store.loops, store.threads) == (set(), {"signakit-store"})


def test_a_store_that_raises_on_its_loop_disturbs_nothing(server: FlagServer, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(AsyncStore):
        async def aload(self) -> bytes | None:
            raise ConnectionError("away")

    face = AsyncFace(**server.urls)
    try:
        client = face.client(snapshot_store=Broken(), polling_interval=0)
        for _ in range(3):
            assert face.on_ready(client).success
        assert lines(caplog, "snapshot") == ["snapshot cannot be read: away"]
    finally:
        face.finish()


ODD = [StopIteration("empty"), SystemExit(3), asyncio.CancelledError("not ours"), MemoryError(), NotImplementedError()]


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("kind", [Store, AsyncStore])
def test_whatever_a_store_raises_the_client_goes_on(
    face: Face, server: FlagServer, kind: type[Any], error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(kind):  # type: ignore[misc]  # either
        def load(self) -> bytes | None:
            raise error

        async def aload(self) -> bytes | None:
            raise error

    if kind is Store:
        del Odd.aload
    client = face.client(snapshot_store=Odd(), polling_interval=0.02)
    assert start(face, client).success
    assert client._engine.handover.driver.may_vanish is isinstance(face, AsyncFace), "the loop stays the home loop"
    server.set_config(versioned(7))
    assert face.wait_until(lambda: client.status().version == 7)
    assert len(lines(caplog, "snapshot cannot be read: ")) == 1


@pytest.mark.parametrize("when", ["load", "save"])
def test_a_home_loop_that_ends_while_a_store_is_asked_leaves_the_rest_to_threads(server: FlagServer, when: str) -> None:
    began, gate = threading.Event(), threading.Event()
    before = threads_of_ours()

    class Holds(Store):
        def load(self) -> bytes | None:
            return self.held("load") or super().load()

        def save(self, data: bytes) -> None:
            self.held("save")
            super().save(data)

        def held(self, what: str) -> None:
            if what == when and not gate.is_set():
                began.set()
                assert gate.wait(WATCHDOG)

    face = SyncFace(**server.urls)
    store = Holds()
    client = face.client(snapshot_store=store, polling_interval=0)

    async def briefly() -> None:
        task = asyncio.create_task(client.on_ready())
        while not began.is_set():  # noqa: ASYNC110  # set by another thread
            await asyncio.sleep(0.005)
        task.cancel()

    try:
        asyncio.run(briefly())
        gate.set()
        assert client.on_ready_sync().success
        assert wait_until(lambda: store.data is not None)
        assert Snapshots(store).body() is not None
        assert threads_of_ours() > before
    finally:
        face.finish()


# --- an emptied store -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Store, BothStore])
def test_an_emptied_store_is_filled_again_by_polls_that_find_nothing_new(
    face: Face, server: FlagServer, kind: type[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_keeper, "LOOK_EVERY", 0.05)
    store = kind()
    client = face.client(snapshot_store=store, polling_interval=0.02)
    assert face.on_ready(client).success
    for _ in range(3):
        store.data = None
        assert face.wait_until(lambda: store.data is not None)
    assert Snapshots(store).body() is not None


def test_a_file_that_was_removed_is_written_again(
    face: Face, server: FlagServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_keeper, "LOOK_EVERY", 0.05)
    path = tmp_path / "flags.snapshot"
    client = face.client(snapshot_path=path, polling_interval=0.02)
    assert face.on_ready(client).success
    path.unlink()
    assert face.wait_until(path.exists)


def test_what_is_signed_with_a_secret_needs_that_secret(
    face: Face, server: FlagServer, caplog: pytest.LogCaptureFixture
) -> None:
    store: Any = Store()
    store.secret = "s3cret"
    filled(face, server, store)
    server.config_fault = status(503)
    for secret, source in (("s3cret", "snapshot"), (b"s3cret", "snapshot"), ("other", None), (None, None)):
        store.secret = secret
        client = face.client(snapshot_store=store, polling_interval=0)
        face.on_ready(client)
        assert client.status().source == source
    assert lines(caplog, "damaged") == [], "it is another application's, for all one knows"
    assert "s3cret" not in caplog.text
