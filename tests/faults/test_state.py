"""What a client keeps: the config under its readers, the clock, the snapshot file, and memory."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags import SignaKitClient
from signakit_flags._runtime import backoff, config_feed, delivery, engine, snapshot_store, waiting
from support.configs import SDK_KEY, config, flag, rule, whole
from support.faults import arrived, lines, once_each
from support.server import FlagServer, Handler, status, wait_until
from support.snapshots import Snapshots

if TYPE_CHECKING:
    from pathlib import Path

    from support.faces import Face

WATCHDOG = 30.0
OTHER_KEY = "sk_dev_org1_1234_another"


def versioned(number: int) -> dict[str, Any]:
    """Return a config in which everything says which one it is."""
    names = [flag(name, allocation=whole(f"v{number}")) for name in ("first", "second", "third")]
    return config(*names, flag("exp", rule("r-exp")), flag("switch", allocation=whole("on")), version=number)


# --- configs that change under the reader -----------------------------------------------------------------------------


def test_eight_threads_decide_while_configs_swap_and_no_context_sees_two_of_them(
    face: Face, server: FlagServer
) -> None:
    served = 0

    def the_next_one(handler: Handler) -> None:
        nonlocal served
        served += 1
        handler.answer(200, json.dumps(versioned(served)).encode(), ETag=f'"{served}"')

    server.config_fault = the_next_one
    client = face.client(polling_interval=0.001)
    assert face.on_ready(client).success
    stop = threading.Event()
    problems: list[str] = []
    seen: list[set[str]] = [set() for _ in range(8)]
    decided = [0] * 8
    overtaken = [0] * 8

    def decide(number: int) -> None:
        newest = 0
        try:
            while not stop.is_set():
                context = client.create_user_context("u")
                assert context is not None
                one = context.variation("first")
                time.sleep(0.001)  # so that the config mostly changes between the first decision and the next
                every = {context.variation("second"), context.variation("third"), context.variation("first")}
                every |= {context.decide_all()[name].variation_key for name in ("first", "second", "third")}
                version = int(one.removeprefix("v"))
                if every != {one}:
                    problems.append(f"one context saw {one} and {every}")
                if version < newest:
                    problems.append(f"v{newest} and then v{version}")
                newest = version
                seen[number].add(one)
                decided[number] += 1
                overtaken[number] += one != f"v{client.status().version}"
        except BaseException as error:
            problems.append(repr(error))

    threads = [threading.Thread(target=decide, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    enough = wait_until(lambda: served >= 200 and min(decided) >= 200, timeout=60)
    stop.set()
    for thread in threads:
        thread.join(WATCHDOG)
    assert problems == []
    assert enough, f"{served} configs, {decided} contexts"
    assert len(set.union(*seen)) > 100
    assert sum(overtaken) > 100
    assert all(version in {f"v{number}" for number in range(1, served + 1)} for version in set.union(*seen))


# --- clocks -----------------------------------------------------------------------------------------------------------


class Clock:
    """Stands in for the module ``time`` of one of ours; what counts seconds goes on as it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
        ours = SimpleNamespace(time=lambda: self.now, monotonic=time.monotonic, sleep=time.sleep)
        for module in (backoff, config_feed, delivery, engine, snapshot_store, waiting):
            monkeypatch.setattr(module, "time", ours)


def test_a_clock_that_goes_backwards_stops_no_event(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    client = face.client(polling_interval=0.02)
    assert face.on_ready(client).success
    assert (client.status().age or 0.0) < WATCHDOG
    moments = ["2026-03-01T12:00:00.250Z", "2026-03-01T11:59:59.999Z", "2020-02-29T00:00:00.000Z"]
    moments += ["1970-01-01T00:00:00.000Z", "1969-12-31T23:59:58.500Z", "2026-03-01T12:00:00.251Z"]
    for moment in moments:
        clock.now = datetime.fromisoformat(moment).timestamp()
        face.decide(client, "exp", user=moment)
        assert face.flush(client)
    assert arrived(server) == once_each(moments)
    assert [event["timestamp"] for event in server.events] == moments
    # Polling does not look at this clock.
    clock.now = 0.0
    server.set_config(versioned(2))
    assert face.wait_until(lambda: client.status().version == 2)
    assert (client.status().age or 0.0) < WATCHDOG


def test_a_clock_that_goes_backwards_while_events_wait_delays_none_of_them(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_BACKOFF", 0.02)
    clock = Clock(monkeypatch)
    server.events_faults = [status(503)] * 4
    client = face.client()
    assert face.on_ready(client).success
    face.decide(client, "exp")
    assert face.wait_until(lambda: server.posts >= 1)
    clock.now -= 10 * 365 * 86_400
    server.wait_for_events(1)
    assert server.events[0]["timestamp"] == "2026-03-01T12:00:00.000Z"  # when it happened, not when it was sent


def test_a_retry_after_date_seen_by_a_clock_that_went_backwards_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    date = format_datetime(datetime.fromtimestamp(clock.now, UTC) + timedelta(seconds=5), usegmt=True)
    assert backoff.parse_retry_after(date) == 5.0
    clock.now -= 86_400
    assert backoff.parse_retry_after(date) == 3_600.0
    clock.now += 2 * 86_400
    assert backoff.parse_retry_after(date) == 0.0


# --- the snapshot file ------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flags.snapshot"


def saved_by(face: Face, path: Path, **settings: Any) -> bytes:
    """Have a client save what the server has, and return the file."""
    client = face.client(snapshot_path=path, polling_interval=0, **settings)
    assert face.on_ready(client).success
    face.close(client)
    return path.read_bytes()


@pytest.mark.usefixtures("quick_retries")
def test_with_a_snapshot_a_start_while_the_cdn_is_away_is_ready(face: Face, server: FlagServer, path: Path) -> None:
    server.set_config(versioned(1), etag='"one"')
    saved_by(face, path)
    server.down()
    client = face.client(snapshot_path=path, polling_interval=0)
    result = face.on_ready(client)
    assert not result.success
    assert "serving the config of the snapshot file" in (result.reason or "")
    assert client.is_ready
    assert face.decide(client, "first") == "v1"
    face.decide(client, "exp")
    found = client.status()
    assert (found.source, found.version, found.etag) == ("snapshot", 1, '"one"')
    assert found.age is not None
    # It goes on trying although polling is off: a snapshot may be old.
    server.up()
    assert face.wait_until(lambda: client.status().source == "cdn" and client.status().last_error is None)
    assert server.config_requests[-1]["if-none-match"] == '"one"'  # not downloaded again
    assert face.flush(client)
    assert Counter(event["metadata"]["flagKey"] for event in server.events) == {"first": 1, "exp": 1}


@pytest.mark.usefixtures("quick_retries")
def test_a_snapshot_is_replaced_by_the_config_that_comes(face: Face, server: FlagServer, path: Path) -> None:
    server.set_config(versioned(1))
    before = saved_by(face, path)
    server.down()
    client = face.client(snapshot_path=path, polling_interval=0)
    face.on_ready(client)
    server.set_config(versioned(2))
    server.up()
    assert face.wait_until(lambda: client.status().version == 2)
    assert face.decide(client, "first") == "v2"
    assert face.wait_until(lambda: path.read_bytes() != before)
    stored = Snapshots.in_file(path).load()
    assert stored is not None
    assert json.loads(bytes(stored.kept.body))["version"] == 2


DAMAGE = {
    "empty": lambda whole: b"",
    "half": lambda whole: whole[: len(whole) // 2],
    "all-but-one-byte": lambda whole: whole[:-1],
    "header-only": lambda whole: whole[: whole.index(b"\n") + 1],
    "half-a-header": lambda whole: whole[: whole.index(b"\n") // 2],
    "one-byte-changed": lambda whole: whole.replace(b'"v1"', b'"v2"', 1),
    "something-behind": lambda whole: whole + b" ",
    "no-snapshot": lambda whole: b"\x00\xff" * 50_000,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.usefixtures("quick_retries")
def test_a_damaged_snapshot_is_ignored_and_replaced(
    face: Face, server: FlagServer, path: Path, caplog: pytest.LogCaptureFixture, damage: Any
) -> None:
    server.set_config(versioned(1))
    undamaged = saved_by(face, path)
    path.write_bytes(damage(undamaged))
    server.down()
    client = face.client(snapshot_path=path, polling_interval=0)
    assert not face.on_ready(client).success
    assert not client.is_ready
    assert len(lines(caplog, "is damaged")) == 1
    server.up()
    assert face.wait_until(lambda: client.is_ready)
    assert face.decide(client, "first") == "v1"
    assert face.wait_until(lambda: Snapshots.in_file(path).load() is not None)


def test_a_snapshot_of_another_key_is_not_used(
    face: Face, server: FlagServer, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved_by(face, path)
    server.down()
    client = SignaKitClient(OTHER_KEY, snapshot_path=path, polling_interval=0, **server.urls)
    assert not client.on_ready_sync().success
    assert not client.is_ready
    client.close()
    # Which key it is of, the header says by a digest; configs themselves name their key, so nobody else may read it.
    assert SDK_KEY.encode() not in path.read_bytes().split(b"\n", 1)[0]
    assert path.stat().st_mode & 0o777 == 0o600
    assert lines(caplog, "damaged") == []


@pytest.mark.usefixtures("quick_retries")
def test_a_snapshot_that_cannot_be_written_disturbs_nothing_and_is_said_once(
    face: Face, server: FlagServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that nobody can write to, not even root: one that is a file."""
    (tmp_path / "file").write_bytes(b"")
    client = face.client(snapshot_path=tmp_path / "file" / "flags.snapshot", polling_interval=0)
    for number in range(1, 4):
        server.set_config(versioned(number))
        assert face.on_ready(client).success
        assert client.status().version == number
    assert face.decide(client, "first") == "v3"
    assert len(lines(caplog, "snapshot file cannot be written")) == 1
    assert len(lines(caplog, "snapshot file cannot be read")) == 1


HEADER_VALUES = [None, True, -1, 10**400, 1e308, "Infinity", "NaN", [], {}, "x" * 20_000, "\ud800"]


@pytest.mark.parametrize("field", ["format", "owner", "etag", "version", "saved", "length", "digest", "signature"])
def test_a_snapshot_header_may_hold_anything(face: Face, server: FlagServer, path: Path, field: str) -> None:
    header, body = saved_by(face, path).split(b"\n", 1)
    store = Snapshots.in_file(path)
    for value in HEADER_VALUES:
        path.write_bytes(json.dumps(json.loads(header) | {field: value}).encode() + b"\n" + body)
        stored = store.load()
        assert stored is None or (stored.kept.body == body and stored.age >= 0.0)


WRITER = """
import sys, time
from signakit_flags import SignaKitClient

key, url, path, number = sys.argv[1:]
client = SignaKitClient(key, cdn_url=url, events_url=url, snapshot_path=path, polling_interval=0.001)
assert client.on_ready_sync().success
versions = set()
deadline = time.monotonic() + 50
while len(versions) < int(number):
    assert time.monotonic() < deadline
    versions.add(client.status().version)
    time.sleep(0.0005)
assert client.status().last_error is None, client.status()
client.close()
"""


def test_two_processes_that_write_one_snapshot_never_leave_half_of_one(server: FlagServer, path: Path) -> None:
    served = 0

    def the_next_one(handler: Handler) -> None:
        nonlocal served
        served += 1
        # Of very different lengths: two writers of one file would leave the tail of the longer behind the shorter.
        content = json.dumps(versioned(served) | {"padding": "x" * (served % 7) * 20_000}).encode()
        handler.answer(200, content, ETag=f'"{served}"')

    server.config_fault = the_next_one
    command = [sys.executable, "-W", "error", "-c", WRITER, SDK_KEY, server.url, str(path), "100"]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    store = Snapshots.in_file(path)
    found: Counter[int] = Counter()
    missing = 0
    while any(writer.poll() is None for writer in writers):
        stored = store.load()
        if stored is not None:
            found[json.loads(bytes(stored.kept.body))["version"]] += 1
        elif found:
            missing += 1
    for writer in writers:
        _out, errors = writer.communicate()
        assert (writer.returncode, errors) == (0, "")
    assert missing == 0
    assert len(found) > 10
    assert store.load() is not None
    assert list(path.parent.iterdir()) == [path]  # no half-written file is left behind


# --- memory -----------------------------------------------------------------------------------------------------------

MILLION = """
import json, sys, threading
from signakit_flags import SignaKitClient

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

client = SignaKitClient.offline(json.loads(sys.argv[1]))
for number in range(1_000_000):
    context = client.create_user_context(f"user-{number}", {"plan": "pro"})
    assert context.decide("exp").variation_key in ("control", "treatment")
    if number == 200_000:
        early = resident()
print(resident() - early)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_million_distinct_users_take_no_more_memory_than_200_000() -> None:
    experiment = json.dumps(config(flag("exp", rule("r-exp"))))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", MILLION, experiment], capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stderr) == (0, "")
    # 800,000 users more; the two generations of the exposure filter fill up before and take turns after. What leaks
    # a hundred bytes a user takes 80 MB.
    assert int(done.stdout) < 16_000_000


class Cache:
    """A store of the application's: one value, in memory."""

    data: bytes | None = None

    def load(self) -> bytes | None:
        return self.data

    def save(self, data: bytes) -> None:
        self.data = data


def test_a_store_of_the_applications_serves_a_start_while_the_cdn_is_away(face: Face, server: FlagServer) -> None:
    cache = Cache()
    assert face.on_ready(face.client(snapshot_store=cache)).success
    assert cache.data is not None
    fetched = json.loads(server.config_body)
    assert fetched.pop("sdkKey") == SDK_KEY
    assert json.loads(cache.data.split(b"\n", 1)[1]) == fetched
    assert SDK_KEY.encode() not in cache.data
    server.config_fault = status(503)
    client = face.client(snapshot_store=cache)
    assert not face.on_ready(client).success
    assert client.status().source == "snapshot"
    assert face.decide(client, "switch") == "on"
