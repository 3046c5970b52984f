"""Configs that cost much time or memory where they are read carelessly, over real sockets, on both faces."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from signakit_flags._evaluation.problems import MAX_PROBLEMS, ConfigError
from signakit_flags._evaluation.ruleset import load_ruleset
from support.configs import config, flag, rule, whole
from support.faces import AsyncFace, Face
from support.faults import lines, within
from support.hostile import HOSTILE, NOT_JSON, Hostile
from support.server import FlagServer, body

if TYPE_CHECKING:
    from collections.abc import Callable

    from signakit_flags import SignaKitClient

SIZE = 2_000_000
WATCHDOG = 100.0

each_body = pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)


class Ticker:
    """Counts the turns that an event loop, or a thread beside a poller, has."""

    def __init__(self, face: Face) -> None:
        self.ticks = 0
        self._ended = threading.Event()
        if isinstance(face, AsyncFace):
            self._task = asyncio.run_coroutine_threadsafe(self._on_loop(), face.loop)
        else:
            threading.Thread(target=self._in_thread, name="ticker", daemon=True).start()

    async def _on_loop(self) -> None:
        while not self._ended.is_set():
            self.ticks += 1
            await asyncio.sleep(0)

    def _in_thread(self) -> None:
        while not self._ended.is_set():
            self.ticks += 1
            time.sleep(0.001)

    def end(self) -> int:
        self._ended.set()
        return self.ticks


def slices_of(content: bytes) -> int:
    """Return in how many steps a config is read."""
    steps = 0
    try:
        for _ in load_ruleset(content):
            steps += 1
    except ConfigError:
        pass
    return steps


@pytest.fixture
def ready(face: Face, server: FlagServer) -> SignaKitClient:
    server.set_config(config(flag("switch", allocation=whole("on"))))
    client = face.client(polling_interval=0, timeout=60)
    assert face.on_ready(client).success
    return client


@each_body
def test_it_is_refused_or_costs_its_flags_alone_and_others_have_their_turns(
    face: Face, server: FlagServer, ready: SignaKitClient, hostile: Hostile, caplog: pytest.LogCaptureFixture
) -> None:
    content = hostile.make(SIZE)
    server.config_fault = body(gzip.compress(content, 1), Content_Encoding="gzip", ETag='"hostile"')
    ticker = Ticker(face)
    taken = within(WATCHDOG, lambda: face.refresh(ready))
    ticks = ticker.end()
    assert taken is not hostile.refused
    if hostile.refused:
        assert hostile.says in (ready.status().last_error or "")
        assert ready.flag_keys() == ["switch"]
        assert face.decide(ready, "switch") == "on"
    else:
        assert face.decide(ready, "good") == "on"
        assert (lines(caplog, hostile.says) != []) is bool(hostile.says)
    assert len(lines(caplog, "config: ")) <= 51
    if isinstance(face, AsyncFace):
        assert ticks >= slices_of(content), "the loop has a turn between two slices"
    assert ticks > 0


@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - {"nothing but spaces", "names that are not read"}))
def test_a_large_config_is_read_in_several_slices(name: str) -> None:
    """Two are left out: the decoder makes nothing of spaces, nor of fields that are not known."""
    hostile = HOSTILE[name]
    if hostile.refused and hostile.says == NOT_JSON:
        return  # which the decoder finds before it has made anything
    assert slices_of(hostile.make(SIZE)) >= 3


def test_a_bomb_of_bad_flags_is_named_in_one_line(
    face: Face, server: FlagServer, ready: SignaKitClient, caplog: pytest.LogCaptureFixture
) -> None:
    """8 kB of gzip that are four million numbers in place of flags."""
    packed = gzip.compress(b'{"flags":[' + b"0," * 3_999_999 + b"0]}")
    assert len(packed) < 10_000
    server.config_fault = body(packed, Content_Encoding="gzip")
    assert within(WATCHDOG, lambda: face.refresh(ready)) is False
    assert lines(caplog, "config") == [
        "config cannot be fetched, and is tried again: config has more than 10,000 flags that cannot be used"
    ]


def test_of_many_bad_flags_a_thousand_lines_are_kept_and_the_rest_counted(
    face: Face, server: FlagServer, ready: SignaKitClient, caplog: pytest.LogCaptureFixture
) -> None:
    good = flag("good", allocation=whole("on"))
    server.set_config({"flags": [*range(9_999), good]})
    assert within(WATCHDOG, lambda: face.refresh(ready)) is True
    snapshot = ready._engine.feed.snapshot
    assert snapshot is not None
    problems = snapshot.ruleset.problems
    assert (len(problems.lines), problems.more) == (MAX_PROBLEMS, 9_999 - MAX_PROBLEMS)
    assert len(lines(caplog, " skipped: ")) == 50
    assert lines(caplog, "more problem") == ["config: 9949 more problem(s)"]


def entries(count: int) -> list[dict[str, Any]]:
    return [{"userId": f"user-{number:08d}", "variation": "on"} for number in range(count)]


@pytest.mark.parametrize(
    ("make", "attributes"),
    [
        (lambda: rule(traffic=0, allowlist=entries(300_000)), {}),
        (lambda: rule(audiences=[many("id", [f"id-{number}" for number in range(100_000)])]), {"id": "id-99999"}),
        (lambda: rule(audiences=[many("id", list(range(100_000)))]), {"id": 99_999}),
    ],
    ids=["allowlist", "texts", "numbers"],
)
def test_huge_lists_of_real_values_load_and_are_compiled_before_the_first_decision(
    face: Face,
    server: FlagServer,
    ready: SignaKitClient,
    make: Callable[[], dict[str, Any]],
    attributes: dict[str, Any],
) -> None:
    server.set_config(config(flag("huge", make(), allocation=whole("off")), flag("small")))
    assert within(WATCHDOG, lambda: face.refresh(ready)) is True
    snapshot = ready._engine.feed.snapshot
    assert snapshot is not None
    assert list(snapshot.ruleset.compiled) == ["huge"]
    assert face.decide(ready, "huge", "user-00299999", attributes) == "on" if not attributes else True
    assert face.decide(ready, "huge", "stranger") == "off"


def many(attribute: str, values: list[Any]) -> dict[str, Any]:
    return {"conditions": [{"attribute": attribute, "operator": "in", "value": values}]}


def test_a_call_that_waits_returns_in_time_while_a_large_config_is_compiled(face: Face, server: FlagServer) -> None:
    """Its flags are many, so there are many slices; the call gives up between two of them."""
    template = json.dumps(flag("NAME", rule(), allocation=whole("on"))).encode()
    content = b'{"flags": [%s]}' % b",".join(template.replace(b"NAME", b"f%d" % number) for number in range(20_000))
    server.config_body, server.etag = content, '"large"'
    client = face.client(polling_interval=0, timeout=60)
    waiting = [face.on_ready(client, timeout=0.001) for _ in range(5)]
    assert {result.reason for result in waiting if not result.success} <= {
        "no config within 0.001 s; it is still being tried"
    }
    assert face.wait_until(lambda: client.is_ready, timeout=60)
    assert len(client.flag_keys()) == 20_000
