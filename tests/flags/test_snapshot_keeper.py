"""When a store is read and replaced, driven by hand: what the CDN answers, and what others save meanwhile."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signakit_flags import parse_sdk_key
from signakit_flags._runtime import snapshot_keeper
from signakit_flags._runtime.snapshot_keeper import LOOK_EVERY, SnapshotKeeper
from signakit_flags._runtime.snapshot_store import KeyedStore
from support.snapshots import KEY, LIMIT, Snapshots, done

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER_KEY = parse_sdk_key("sk_prod_org1_1234_S3cr3t")


class Clock:
    now = 1_000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    yield clock
    monkeypatch.undo()


class Store:
    """A store that counts what is done with it, and is away while it is told to be."""

    def __init__(self) -> None:
        self.data: bytes | None = None
        self.looks = 0
        self.saves = 0
        self.away = False

    def load(self) -> bytes | None:
        self.looks += 1
        if self.away:
            raise ConnectionError("away")
        return self.data

    def save(self, data: bytes) -> None:
        if self.away:
            raise ConnectionError("away")
        self.saves += 1
        self.data = data

    @property
    def version(self) -> object:
        stored = Snapshots(self).load()
        self.looks -= 1
        return None if stored is None else json.loads(bytes(stored.kept.body)).get("version")


def body(version: object, text: str = "") -> bytes:
    return json.dumps({"sdkKey": "k", "version": version, "generatedAt": text, "flags": []}).encode()


class Process:
    """One process that shares a store with others."""

    def __init__(self, store: object) -> None:
        self.keeper = SnapshotKeeper(KeyedStore(store, KEY, LIMIT))

    def gets(self, version: object, text: str = "") -> None:
        """The CDN answers 200."""
        self.keeper.fetched(body(version, text), f'"{version}{text[:9]}"', version if type(version) is int else None)
        done(self.keeper.keep())

    def gets_304(self) -> None:
        self.keeper.confirmed()
        done(self.keeper.keep())

    def starts(self) -> bool:
        """Load what is stored, as a start does; return whether there was something."""
        stored = done(self.keeper.load())
        if stored is not None:
            self.keeper.loaded(stored, json.loads(bytes(stored.kept.body)).get("version"))
        return stored is not None


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def process(store: Store) -> Process:
    return Process(store)


def test_what_is_fetched_is_saved_with_its_etag_and_version(store: Store, process: Process) -> None:
    process.gets(3)
    found = Snapshots(store).look()
    assert found is not None
    assert (found.version, found.etag) == (3, '"3"')
    assert b"sdkKey" not in (store.data or b"")


def test_what_is_stored_already_is_not_saved_again(store: Store) -> None:
    for _ in range(5):
        Process(store).gets(1)
    assert store.saves == 1


def test_an_emptied_store_is_filled_again_while_the_config_does_not_change(
    store: Store, process: Process, clock: Clock
) -> None:
    process.gets(1)
    process.gets_304()
    for _ in range(3):
        store.data = None
        clock.now += 1.2 * LOOK_EVERY
        process.gets_304()
        assert store.version == 1
        process.gets_304()  # the look that follows each save


@pytest.mark.parametrize("garbage", [b"", b"x", b"{}\n{}"])
def test_a_damaged_store_is_filled_again(store: Store, process: Process, garbage: bytes) -> None:
    process.gets(1)
    store.data = garbage
    process.gets_304()
    assert store.version == 1


def test_a_body_that_is_damaged_is_found_out_by_a_look(store: Store, process: Process) -> None:
    process.gets(1)
    assert store.data is not None
    store.data = store.data[:-1]
    process.gets_304()
    assert store.version == 1


def test_a_process_that_started_from_the_store_fills_it_again_too(store: Store, process: Process) -> None:
    process.gets(1)
    late = Process(store)
    assert late.starts()
    store.data = None
    late.gets_304()
    assert store.version == 1


def test_a_look_comes_after_a_save_and_then_once_a_minute(store: Store, process: Process, clock: Clock) -> None:
    process.gets(1)
    assert store.looks == 1, "before the save"
    process.gets_304()
    assert store.looks == 2, "two processes may have saved at the same time"
    for _ in range(100):
        process.gets_304()
    assert store.looks == 2
    for number in range(3, 10):
        clock.now += 0.89 * LOOK_EVERY
        process.gets_304()
        assert store.looks == number - 1
        clock.now += 0.22 * LOOK_EVERY
        process.gets_304()
        assert store.looks == number


def test_looks_of_processes_that_start_together_drift_apart(clock: Clock) -> None:
    due = 0
    for _ in range(200):
        store = Store()
        process = Process(store)
        process.gets(1)
        process.gets_304()
        clock.now += LOOK_EVERY
        process.gets_304()
        due += store.looks == 3
    assert 50 < due < 150


# --- versions --------------------------------------------------------------------------------------------------------


def test_a_newer_version_replaces_an_older_one_at_once(store: Store) -> None:
    Process(store).gets(1)
    Process(store).gets(2)
    assert store.version == 2


def test_an_older_version_is_not_stored_when_one_answer_gave_it(store: Store) -> None:
    Process(store).gets(2)
    Process(store).gets(1)
    assert store.version == 2


@pytest.mark.parametrize("again", ["200", "304"])
def test_an_older_version_is_stored_when_two_answers_in_a_row_gave_it(
    store: Store, process: Process, again: str
) -> None:
    Process(store).gets(2)
    process.gets(1)
    if again == "304":
        process.gets_304()
    else:
        process.gets(1, "generated anew")
    assert store.version == 1


def test_answers_that_change_between_two_edges_never_store_the_older_one(store: Store, process: Process) -> None:
    for _ in range(10):
        process.gets(1)
        process.gets(2)
        assert store.version == 2
    process.gets(1)
    assert store.version == 2


def test_a_process_takes_a_newer_version_back_once(store: Store, process: Process, clock: Clock) -> None:
    """Else two processes, one of them at an edge that lags behind, would replace each other's for ever."""
    current = Process(store)
    current.gets(2)
    process.gets(1)
    process.gets_304()
    assert store.version == 1
    current.gets_304()
    assert store.version == 2
    for _ in range(5):
        clock.now += 2 * LOOK_EVERY
        process.gets_304()
        assert store.version == 2
        current.gets_304()


def test_after_that_it_still_fills_an_emptied_store(store: Store, process: Process, clock: Clock) -> None:
    Process(store).gets(2)
    process.gets(1)
    process.gets_304()
    process.gets_304()
    store.data = None
    clock.now += 2 * LOOK_EVERY
    process.gets_304()
    assert store.version == 1


def test_a_version_that_was_taken_back_for_everybody_ends_in_the_store(store: Store, clock: Clock) -> None:
    fleet = [Process(store) for _ in range(4)]
    for process in fleet:
        process.gets(2)
        process.gets_304()
    for process in fleet:  # somebody has taken version 2 back
        process.gets(1)
        clock.now += 30
        for other in fleet:
            other.gets_304()
    for process in fleet:
        process.gets_304()
    assert store.version == 1


def test_a_start_from_the_store_does_not_count_as_an_answer(store: Store) -> None:
    Process(store).gets(1)
    late = Process(store)
    late.starts()
    Process(store).gets(2)
    late.gets_304()
    assert store.version == 2
    late.gets_304()
    assert store.version == 1


@pytest.mark.parametrize("version", [None, "7", 1.5, True, 2**63, -(2**63)])
def test_a_config_without_a_version_to_compare_is_saved_whenever_it_is_fetched(
    store: Store, process: Process, version: object
) -> None:
    process.gets(5)
    other = Process(store)
    other.gets(version)
    assert store.version == version
    process.gets_304()
    process.gets_304()
    assert store.version == version, "who only heard that nothing has changed leaves it"
    process.gets(4)
    assert store.version == 4


def test_of_one_version_with_two_texts_the_one_fetched_last_stays(store: Store, process: Process) -> None:
    process.gets(1, "a")
    Process(store).gets(1, "b")
    after = store.data
    process.gets_304()
    process.gets_304()
    assert store.data == after


def test_what_another_key_has_stored_is_replaced_by_a_fetch_and_not_for_ever(
    store: Store, process: Process, clock: Clock
) -> None:
    others = SnapshotKeeper(KeyedStore(store, OTHER_KEY, LIMIT))
    others.fetched(body(9), None, 9)
    done(others.keep())
    theirs = store.data
    process.gets(1)
    assert store.version == 1
    store.data = theirs
    for _ in range(3):
        clock.now += 2 * LOOK_EVERY
        process.gets_304()
    assert store.data == theirs


# --- a store that is away --------------------------------------------------------------------------------------------


def test_while_a_store_cannot_be_read_nothing_is_saved_and_it_is_looked_at_once_a_minute(
    store: Store, process: Process, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    Process(store).gets(2)
    store.away = True
    for _ in range(3):
        looks = store.looks
        for _ in range(5):
            process.gets_304() if process.keeper._kept else process.gets(1)
        assert store.looks == looks + 1
        clock.now += 2 * LOOK_EVERY
    store.away = False
    assert store.version == 2
    assert [record.getMessage() for record in caplog.records] == ["snapshot cannot be read: away"]


def test_what_could_not_be_saved_is_saved_once_the_store_is_back(store: Store, process: Process, clock: Clock) -> None:
    store.away = True
    process.gets(1)
    store.away = False
    clock.now += 2 * LOOK_EVERY
    process.gets_304()
    assert store.version == 1


def test_a_config_that_cannot_be_taken_apart_is_not_stored_and_that_is_said_once(
    store: Store, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    deep = b'{"flags": [], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for _ in range(3):
        process.keeper.fetched(deep, None, 1)
        done(process.keeper.keep())
        process.gets_304()
    assert store.data is None
    assert [record.getMessage() for record in caplog.records] == [
        "snapshot: the config is not stored: it cannot be taken apart: RecursionError"
    ]
    process.gets(2)
    assert store.version == 2


def test_a_store_that_gives_its_head_is_looked_at_without_the_rest() -> None:
    class Headed(Store):
        def __init__(self) -> None:
            super().__init__()
            self.sizes: list[int] = []

        def load_head(self, size: int) -> bytes | None:
            self.sizes.append(size)
            return None if self.data is None else self.data[:size]

    headed = Headed()
    large = "x" * 100_000
    first = Process(headed)
    first.gets(2, large)
    first.gets_304()
    Process(headed).gets(1, large)
    assert (headed.version, headed.saves) == (2, 1)
    assert headed.looks == 0
    assert headed.sizes == [4_096] * 3


# --- many processes ---------------------------------------------------------------------------------------------------


@given(
    history=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["current", "current", "lagging", "304", "empty", "minute"])),
        max_size=60,
    )
)
def test_whatever_happens_the_store_ends_with_what_the_cdn_gives_everybody(history: list[tuple[int, str]]) -> None:
    """Four processes at edges of one CDN that go their own ways for a while, and then agree on version 5."""
    store, now = Store(), [1_000.0]
    patch = pytest.MonkeyPatch()
    patch.setattr(time, "monotonic", lambda: now[0])
    try:
        fleet = [Process(store) for _ in range(4)]
        fetched = [False] * 4
        for number, event in history:
            process = fleet[number]
            if event in {"current", "lagging"}:
                process.gets(5 if event == "current" else 4)
                fetched[number] = True
            elif event == "304" and fetched[number]:
                process.gets_304()
            elif event == "empty":
                store.data = None
            elif event == "minute":
                now[0] += 2 * LOOK_EVERY
        for process in fleet:
            process.gets(5)
        for _ in range(3):
            now[0] += 2 * LOOK_EVERY
            for process in fleet:
                process.gets_304()
        assert store.version == 5
    finally:
        patch.undo()


def test_the_interval_is_that_of_the_documentation() -> None:
    assert snapshot_keeper.LOOK_EVERY == 60.0
