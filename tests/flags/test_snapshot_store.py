from __future__ import annotations

import hashlib
import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags import parse_sdk_key
from signakit_flags._runtime.config_feed import ConfigFeed
from signakit_flags._runtime.snapshot_keeper import SnapshotKeeper
from signakit_flags._runtime.snapshot_store import KeyedStore
from support.files import SPECIAL, special_file
from support.snapshots import Snapshots

if TYPE_CHECKING:
    from pathlib import Path

KEY = parse_sdk_key("sk_dev_org1_1234_S3cr3t")
OTHER = parse_sdk_key("sk_prod_org1_1234_S3cr3t")
LIMIT = 1_000_000
BODY = b'{"flags": []}\nand a second line\x00\xff'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "snapshot.json"


@pytest.fixture
def store(path: Path) -> Snapshots:
    return Snapshots.in_file(path, KEY, LIMIT)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def edit_header(store: Snapshots, path: Path, **fields: Any) -> None:
    path.write_bytes(store.resigned(path.read_bytes(), **fields))


@pytest.mark.parametrize("etag", ['"abc"', 'W/"é"', "", None])
@pytest.mark.parametrize("body", [b"", b"{}", BODY, b"x" * LIMIT])
def test_what_is_saved_is_read_back(store: Snapshots, body: bytes, etag: str | None) -> None:
    store.save(body, etag)
    stored = store.load()
    assert stored is not None
    assert (stored.kept.body, stored.etag) == (body, etag)
    assert 0 <= stored.age < 60


def test_a_later_save_replaces_the_earlier_one_and_leaves_no_other_file(store: Snapshots, path: Path) -> None:
    store.save(b"old and long", '"1"')
    store.save(b"new", None)
    stored = store.load()
    assert stored is not None
    assert (stored.kept.body, stored.etag) == (b"new", None)
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_not_there_is_no_matter(store: Snapshots, caplog: pytest.LogCaptureFixture) -> None:
    assert store.load() is None
    assert messages(caplog) == []


def test_the_path_may_be_text(path: Path) -> None:
    Snapshots.in_file(str(path), KEY, LIMIT).save(BODY, None)
    assert path.is_file()


def test_another_keys_file_is_not_read_and_may_be_replaced(
    store: Snapshots, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = Snapshots.in_file(path, OTHER, LIMIT)
    other.save(BODY, '"1"')
    assert store.load() is None
    assert messages(caplog) == []
    store.save(BODY, '"2"')
    assert other.load() is None


def test_the_file_does_not_hold_the_key(store: Snapshots, path: Path) -> None:
    store.save(BODY, '"1"')
    assert b"S3cr3t" not in path.read_bytes()


def test_a_body_over_the_limit_is_not_read(path: Path) -> None:
    Snapshots.in_file(path, KEY, LIMIT).save(b"x" * 1000, None)
    assert Snapshots.in_file(path, KEY, 1000).load() is not None
    assert Snapshots.in_file(path, KEY, 500).load() is None


@pytest.mark.parametrize("keep", [0, 1, 50, -1, -20])
def test_a_file_that_was_cut_short_is_ignored_with_a_warning(
    store: Snapshots, path: Path, keep: int, caplog: pytest.LogCaptureFixture
) -> None:
    store.save(BODY, '"1"')
    path.write_bytes(path.read_bytes()[:keep])
    assert store.load() is None
    assert messages(caplog) == [f"snapshot file {path} is damaged and ignored"]


def test_a_file_with_more_at_its_end_or_another_byte_in_it_is_ignored(store: Snapshots, path: Path) -> None:
    store.save(BODY, '"1"')
    whole = path.read_bytes()
    path.write_bytes(whole + b"x")
    assert store.load() is None
    path.write_bytes(whole[:-1] + b"\xfe")
    assert store.load() is None
    path.write_bytes(whole)
    assert store.load() is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"garbage",
        b"\xff\xfe\x00\n{}",
        b"null\n{}",
        b"[]\n{}",
        b'"text"\n{}',
        b"5\n{}",
        b"{}\n{}",
        b'{"format": 2}\n{}',
        b"[" * 100_000 + b"\n{}",
        b"{" * 9_999 + b"\n{}",
        b'{"format": 1, "owner": "' + b"x" * 100_000 + b'"}\n{}',
        b'{"flags": []}',
    ],
)
def test_garbage_is_ignored_with_a_warning(
    store: Snapshots, path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(content)
    assert store.load() is None
    assert messages(caplog) == [f"snapshot file {path} is damaged and ignored"]


@pytest.mark.parametrize(
    "fields",
    [
        {"format": 1},
        {"format": 3},
        {"format": None},
        {"owner": None},
        {"length": 1},
        {"length": "13"},
        {"digest": None},
        {"digest": "0" * 64},
        {"saved": "yesterday"},
        {"saved": None},
        {"saved": [1]},
    ],
)
def test_a_header_that_is_not_what_it_should_be_is_not_believed(
    store: Snapshots, path: Path, fields: dict[str, Any]
) -> None:
    store.save(BODY, '"1"')
    edit_header(store, path, **fields)
    assert store.load() is None


@pytest.mark.parametrize("field", ["etag", "version", "saved", "unknown"])
def test_a_header_that_was_changed_is_not_believed(store: Snapshots, path: Path, field: str) -> None:
    store.save(BODY, '"1"', 7)
    header, body = path.read_bytes().split(b"\n", 1)
    path.write_bytes(json.dumps(json.loads(header) | {field: 8}).encode() + b"\n" + body)
    assert store.load() is None


def test_a_config_that_was_changed_together_with_its_digest_is_not_believed(store: Snapshots, path: Path) -> None:
    store.save(BODY, '"1"')
    header = json.loads(path.read_bytes().split(b"\n", 1)[0])
    forged = BODY.replace(b"flags", b"flogs")
    header["digest"] = hashlib.sha256(forged).hexdigest()
    path.write_bytes(json.dumps(header).encode() + b"\n" + forged)
    assert store.load() is None


@pytest.mark.parametrize("secret", ["plain", "\udcff\udcfe", "\ud800", b"\xff\xfe"])
def test_any_text_and_bytes_can_sign(secret: str | bytes) -> None:
    cache = Cache()
    cache.secret = secret
    Snapshots(cache).save(BODY, None)
    assert Snapshots(cache).body() == BODY
    cache.secret = "another"
    assert Snapshots(cache).body() is None


def test_a_child_waits_for_no_call_that_its_parent_had_under_way() -> None:
    began, gate = threading.Event(), threading.Event()

    class Hangs(Cache):
        def load(self) -> bytes | None:
            if not began.is_set():
                began.set()
                assert gate.wait(30)
            return super().load()

    cache = Hangs()
    keyed = KeyedStore(cache, KEY, LIMIT)
    feed = ConfigFeed(url="", key=KEY, max_size=LIMIT, polling_interval=0, keeper=SnapshotKeeper(keyed))
    Snapshots(keyed).save(BODY, None)
    thread = threading.Thread(target=Snapshots(keyed).load)
    thread.start()
    assert began.wait(30)
    feed.forget_after_fork()  # as in a child, which has no such thread
    stored = Snapshots(keyed).body()
    gate.set()
    thread.join()
    assert stored == BODY


@pytest.mark.parametrize("name", ["format", "owner", "length", "digest", "etag", "version", "saved", "signature"])
def test_a_header_must_be_complete(store: Snapshots, path: Path, name: str) -> None:
    store.save(BODY, '"1"')
    header, body = path.read_bytes().split(b"\n", 1)
    fields = json.loads(header)
    del fields[name]
    path.write_bytes(json.dumps(fields).encode() + b"\n" + body)
    assert store.load() is None


def test_an_etag_that_is_no_text_is_none(store: Snapshots, path: Path) -> None:
    store.save(BODY, '"1"')
    edit_header(store, path, etag=5)
    stored = store.load()
    assert stored is not None
    assert stored.etag is None


def test_a_time_beyond_every_double_is_not_believed(store: Snapshots, path: Path) -> None:
    store.save(BODY, '"1"')
    edit_header(store, path, saved=10**400)
    store.load()


def test_a_file_from_the_future_is_of_age_zero(store: Snapshots, path: Path) -> None:
    store.save(BODY, None)
    edit_header(store, path, saved=1e12)
    stored = store.load()
    assert stored is not None
    assert stored.age == 0


@pytest.mark.parametrize("kind", ["parent is a file", "parent is missing", "path is a folder"])
def test_where_nothing_can_be_written_nothing_raises_and_it_is_said_once(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    path = {
        "parent is a file": tmp_path / "file" / "snapshot",
        "parent is missing": tmp_path / "nowhere" / "snapshot",
        "path is a folder": tmp_path / "folder",
    }[kind]
    store = Snapshots.in_file(path, KEY, LIMIT)
    for _ in range(3):
        store.save(BODY, '"1"')
    assert len(messages(caplog)) == 1
    assert messages(caplog)[0].startswith("snapshot file cannot be written: ")
    assert store.load() is None
    assert sorted(item.name for item in tmp_path.rglob("*")) == ["file", "folder"], "nothing is left lying about"


def test_a_file_that_can_be_written_again_is_and_a_new_failure_is_said_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "folder"
    store = Snapshots.in_file(folder / "snapshot", KEY, LIMIT)
    store.save(BODY, None)
    folder.mkdir()
    store.save(BODY, None)
    assert store.load() is not None
    (folder / "snapshot").unlink()
    folder.rmdir()
    store.save(BODY, None)
    assert len(messages(caplog)) == 2


def test_a_path_that_is_a_folder_cannot_be_read_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert Snapshots.in_file(tmp_path, KEY, LIMIT).load() is None
    assert messages(caplog)[0].startswith("snapshot file cannot be read: ")


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("linked", [False, True], ids=["itself", "by a link"])
def test_what_is_not_a_regular_file_is_neither_read_nor_replaced(
    kind: str, linked: bool, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with special_file(kind, tmp_path / "special") as special:
        path = path if linked else special
        if linked:
            path.symlink_to(special)
        before = path.lstat(), special.lstat()
        store = Snapshots.in_file(path, KEY, LIMIT)
        assert store.load() is None
        for _ in range(3):
            store.save(BODY, '"1"')
        said = f"is {SPECIAL[kind]} and not a regular file: {str(path)!r}"
        assert [line.split("] ")[1] for line in messages(caplog)] == [said, said]
        assert messages(caplog)[0].startswith("snapshot file cannot be read: ")
        assert messages(caplog)[1].startswith("snapshot file cannot be written: ")
        after = path.lstat(), special.lstat()
        assert [(stat.st_ino, stat.st_mode) for stat in after] == [(stat.st_ino, stat.st_mode) for stat in before]
        assert sorted(tmp_path.iterdir()) == sorted({path, special}), "nothing is left lying about"


def test_a_fifo_that_goes_away_leaves_room_for_the_file(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(path)
    store = Snapshots.in_file(path, KEY, LIMIT)
    store.save(BODY, None)
    path.unlink()
    store.save(BODY, None)
    assert store.load() is not None
    path.unlink()
    os.mkfifo(path)
    store.save(BODY, None)
    assert [line.startswith("snapshot file cannot be written: ") for line in messages(caplog)] == [True, True]


def test_a_link_is_read_and_replaced_and_never_what_it_leads_to(path: Path, tmp_path: Path) -> None:
    """In a folder that others may write into, a link leads to whatever they like."""
    precious = tmp_path / "precious"
    Snapshots.in_file(precious, KEY, LIMIT).save(BODY, None)
    before = precious.read_bytes()
    path.symlink_to(precious)
    store = Snapshots.in_file(path, KEY, LIMIT)
    stored = store.load()
    assert stored is not None
    assert stored.kept.body == BODY
    store.save(BODY + b" ", None)
    assert not path.is_symlink()
    assert precious.read_bytes() == before


def test_a_file_far_over_the_limit_is_not_read_to_its_end(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)  # it takes no room on the disk
    assert Snapshots.in_file(path, KEY, LIMIT).load() is None
    (said,) = messages(caplog)
    assert "is larger than 1,004,096 bytes" in said


def test_of_two_writers_at_once_the_reader_sees_one_whole_file_or_the_other(path: Path) -> None:
    bodies = {b"a" * 200_000, b"b" * 100_000}
    reader = Snapshots.in_file(path, KEY, LIMIT)
    reader.save(min(bodies), None)

    def write(body: bytes) -> None:
        writer = Snapshots.in_file(path, KEY, LIMIT)
        for _ in range(40):
            writer.save(body, None)

    threads = [threading.Thread(target=write, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        stored = reader.load()
        assert stored is not None
        assert stored.kept.body in bodies
    for thread in threads:
        thread.join()
    assert list(path.parent.iterdir()) == [path]


# --- a store of the application's ------------------------------------------------------------------------------------


class Cache:
    """A store that keeps one value, and fails while it is told to."""

    def __init__(self) -> None:
        self.data: bytes | None = None
        self.broken = False
        self.secret: str | bytes | None = None

    def load(self) -> bytes | None:
        if self.broken:
            raise ConnectionError("the cache is away")
        return self.data

    def save(self, data: bytes) -> None:
        if self.broken:
            raise ConnectionError("the cache is away")
        self.data = data


def test_what_another_store_keeps_is_read_back() -> None:
    cache = Cache()
    Snapshots(cache, KEY, LIMIT).save(BODY, '"e"')
    stored = Snapshots(cache, KEY, LIMIT).load()
    assert stored is not None
    assert (stored.kept.body, stored.etag) == (BODY, '"e"')
    assert Snapshots(cache, OTHER, LIMIT).load() is None, "a store may be shared by several keys"


@pytest.mark.parametrize("data", [b"", b"\n", b"x", b"{}\n{}", b"x" * 20_000, "text", 5, memoryview(b"{}\n")])
def test_what_another_store_hands_back_is_not_believed(data: Any, caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache()
    cache.data = data
    assert Snapshots(cache, KEY, LIMIT).load() is None
    assert messages(caplog) == ["snapshot Cache is damaged and ignored"]


def test_a_store_that_raises_disturbs_nothing_and_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache()
    cache.broken = True
    store = Snapshots(cache, KEY, LIMIT)
    assert store.load() is None
    store.save(BODY, None)
    store.save(BODY, None)
    assert messages(caplog) == [
        "snapshot cannot be read: the cache is away",
        "snapshot cannot be written: the cache is away",
    ]
    cache.broken = False
    store.save(BODY, None)
    assert store.load() is not None
