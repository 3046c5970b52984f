"""When a store is read and replaced, driven by hand: what the CDN answers, and what others save meanwhile."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signakit_flags import parse_sdk_key
from signakit_flags._runtime import snapshot_keeper
from signakit_flags._runtime.snapshot_keeper import LOOK_EVERY, SnapshotKeeper
from signakit_flags._runtime.snapshot_store import Kept, KeyedStore
from support.snapshots import KEY, LIMIT, Snapshots, done

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

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
        self.away: set[str] = set()  # what it does not do
        self.secret: str | None = None

    def load(self) -> bytes | None:
        self.looks += 1
        self.answers("load")
        return self.data

    def save(self, data: bytes) -> None:
        self.answers("save")
        self.saves += 1
        self.data = data

    def answers(self, method: str) -> None:
        if method in self.away:
            raise ConnectionError("away")

    @property
    def version(self) -> object:
        return self._field("version")

    @property
    def text(self) -> object:
        return self._field("generatedAt")

    def _field(self, name: str) -> object:
        return None if self.data is None else json.loads(self.data.split(b"\n", 1)[1]).get(name)


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
    store.data = store.data.replace(b'"flags"', b'"flogs"')
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
    """Else two processes, one of them at an edge that lags behind, would replace each other's at each look."""
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
    for process in fleet:  # version 2 was taken back
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
    assert store.version == version, "an answer that nothing has changed leaves it"
    process.gets(4)
    assert store.version == 4


def test_of_one_version_with_two_texts_the_one_fetched_last_stays(store: Store, process: Process) -> None:
    process.gets(1, "a")
    Process(store).gets(1, "b")
    after = store.data
    process.gets_304()
    process.gets_304()
    assert store.data == after


def test_a_config_that_was_stored_already_when_it_was_fetched_is_no_reason_to_save_later(
    store: Store, process: Process, clock: Clock
) -> None:
    Process(store).gets(None, "a")
    process.gets(None, "a")
    Process(store).gets(None, "b")
    for _ in range(3):
        clock.now += 2 * LOOK_EVERY
        process.gets_304()
    assert store.text == "b"


def test_a_version_is_taken_back_once_however_often_it_is_fetched(store: Store, process: Process, clock: Clock) -> None:
    current = Process(store)
    current.gets(2)
    found = []
    for number in range(6):
        process.gets(1, str(number))
        found.append(store.version)
        clock.now += 2 * LOOK_EVERY
        current.gets_304()
        assert store.version == 2
    assert found == [2, 1, 2, 2, 2, 2]


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
    store.away = {"load", "save"}
    for _ in range(3):
        looks = store.looks
        for _ in range(5):
            process.gets_304() if store.looks > 1 else process.gets(1)
        assert store.looks == looks + 1
        clock.now += 2 * LOOK_EVERY
    store.away = set()
    assert store.version == 2
    assert [record.getMessage() for record in caplog.records] == ["snapshot cannot be read: away"]


def test_what_could_not_be_saved_is_saved_once_the_store_is_back(store: Store, process: Process, clock: Clock) -> None:
    store.away = {"load", "save"}
    process.gets(1)
    store.away = set()
    clock.now += 2 * LOOK_EVERY
    process.gets_304()
    assert store.version == 1


@pytest.mark.parametrize("config", [(None, "b"), (1, "b"), (2, "")], ids=["no version", "same version", "newer"])
@pytest.mark.parametrize("failing", ["load", "save"])
def test_a_blip_of_the_store_costs_no_config(
    store: Store, process: Process, clock: Clock, failing: str, config: Any
) -> None:
    version, text = config
    process.gets(None if version is None else 1, "a")
    store.away = {failing}
    process.gets(version, text)
    store.away = set()
    clock.now += 2 * LOOK_EVERY
    process.gets_304()
    assert store.text == text


def test_a_version_that_could_not_be_taken_back_is_taken_back_later(
    store: Store, process: Process, clock: Clock
) -> None:
    Process(store).gets(2)
    process.gets(1)
    store.away = {"save"}
    process.gets_304()
    store.away = set()
    clock.now += 2 * LOOK_EVERY
    process.gets_304()
    assert store.version == 1


# --- flows that are replaced ------------------------------------------------------------------------------------------


def gets_slowly(process: Process, version: object, text: str = "") -> Generator[Any, Any, Any]:
    """The CDN answers 200, and the flow stands before its look into the store."""
    process.keeper.fetched(body(version, text), f'"{version}"', version if type(version) is int else None)
    work = process.keeper.keep()
    ask = next(work)
    return answered_later(work, ask)


def answered_later(work: Generator[Any, Any, Any], ask: Any) -> Generator[Any, Any, Any]:
    while True:
        yield
        try:
            ask = work.send(ask.answer())
        except StopIteration:
            return


@pytest.mark.parametrize("config", [(2, ""), (1, "b"), (None, "b")], ids=["newer", "same version", "no version"])
def test_a_flow_that_comes_back_from_a_look_saves_nothing_that_was_replaced_meanwhile(
    store: Store, process: Process, config: Any
) -> None:
    version, text = config
    old = gets_slowly(process, None if version is None else 1, "a")
    next(old)
    process.gets(version, text)
    list(old)
    process.gets_304()
    found = Snapshots(store).load()
    assert found is not None
    assert (store.text, found.etag) == (text, f'"{version}{text}"')


@pytest.mark.parametrize("config", [(2, ""), (1, "b"), (None, "b")], ids=["newer", "same version", "no version"])
def test_nor_what_a_look_had_found_before_that(store: Store, process: Process, config: Any) -> None:
    version, text = config
    process.keeper.fetched(body(None if version is None else 1, "a"), None, None if version is None else 1)
    work = process.keeper.keep()
    found = next(work).answer()
    process.gets(version, text)
    with pytest.raises(StopIteration):
        work.send(found)
    assert store.text == text


@pytest.mark.parametrize("config", [(2, ""), (1, "b"), (None, "b")], ids=["newer", "same version", "no version"])
def test_a_flow_that_saved_late_is_made_up_for_at_the_next_answer(
    store: Store, process: Process, monkeypatch: pytest.MonkeyPatch, config: Any
) -> None:
    version, text = config
    old = gets_slowly(process, None if version is None else 1, "a")
    next(old)
    next(old)  # it has looked, and is about to save
    process.gets(version, text)
    list(old)
    assert store.text == "a"
    process.gets_304()
    assert store.text == text


@pytest.mark.parametrize("version", [None, 1, 2])
def test_a_flow_that_never_comes_back_from_a_look_is_made_up_for(
    store: Store, process: Process, version: int | None
) -> None:
    process.gets(None if version is None else 1, "a")
    lost = gets_slowly(process, version, "b")
    next(lost)
    lost.close()
    process.gets_304()
    assert store.text == "b"


def test_of_two_processes_that_save_at_once_the_newer_config_stays_in_the_end(store: Store, process: Process) -> None:
    lagging = Process(store)
    late = gets_slowly(lagging, 1)
    next(late)
    next(late)  # it has found an empty store, and is about to save
    process.gets(2)
    list(late)
    assert store.version == 1
    for _ in range(3):
        lagging.gets_304()
        process.gets_304()
    assert store.version == 2


def test_processes_with_an_old_and_a_new_secret_leave_each_others_config_alone(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store.secret = "old"
    old = Process(store)
    old.gets(1)
    store.secret = "new"
    Process(store).gets(2)
    theirs = store.data
    for _ in range(5):
        clock.now += 2 * LOOK_EVERY
        old.gets_304()
    assert store.data == theirs
    assert caplog.records == []


# --- odd configs ------------------------------------------------------------------------------------------------------


def test_a_config_with_something_nested_too_deeply_is_stored_without_it(store: Store, process: Process) -> None:
    Process(store).gets(1)
    deep = b'{"version": 2, "flags": [], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    process.keeper.fetched(deep, None, 2)
    done(process.keeper.keep())
    assert store.version == 2


def test_a_config_that_cannot_be_stored_by_a_mistake_of_ours_is_left_out_with_a_traceback(
    store: Store, process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    process.gets(1)

    def fail(_body: bytes) -> Kept:
        raise KeyError("ours")

    with monkeypatch.context() as patch:
        patch.setattr(snapshot_keeper, "to_keep", fail)
        process.gets(2)
        process.gets_304()
    assert store.version == 1
    assert [record.getMessage() for record in caplog.records] == ["a config cannot be stored"]
    process.gets(3)
    assert store.version == 3


def test_a_store_that_gives_its_head_is_not_read_beyond_what_a_config_may_have() -> None:
    class Headed(Store):
        def __init__(self) -> None:
            super().__init__()
            self.sizes: list[int] = []

        def load_head(self, size: int) -> bytes | None:
            self.sizes.append(size)
            return None if self.data is None else self.data[:size]

        def load(self) -> bytes | None:
            raise AssertionError("load_head is there")

    headed = Headed()
    large = "x" * 100_000
    first = Process(headed)
    first.gets(2, large)
    first.gets_304()
    Process(headed).gets(1, large)
    assert (headed.version, headed.saves) == (2, 1)
    assert set(headed.sizes) == {4_096 + LIMIT + 1}
    headed.data = b"x" * 3 * LIMIT
    first.gets(2, large)
    assert headed.version == 2


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
