"""Many events at once: none is lost, and the live stream tells them in few messages."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from signakit_flags import SignaKitClient
from support.configs import config, flag, rule
from support.wire import ask

if TYPE_CHECKING:
    from signakit_dev.testing import Emulator

SENDERS = 4

POSTS = 250

BATCH = 100


def test_a_hundred_thousand_events_from_several_senders_are_all_counted(signakit_emulator: Emulator) -> None:
    """What ten seconds of 10,000 events a second are, sent as fast as they are taken."""
    address = urlsplit(signakit_emulator.url)

    def send(sender: int) -> None:
        connection = HTTPConnection("127.0.0.1", address.port, timeout=60)
        headers = {"X-SDK-Key": "sk_dev_a_b_c", "Content-Type": "application/json"}
        for post in range(POSTS):
            variation = "on" if post % 5 else "off"
            event = {
                "eventKey": "$exposure",
                "timestamp": "2026-01-31T12:00:00.000Z",
                "attributes": {"plan": "pro", "country": "DE"},
                "decisions": {"banner": variation},
                "metadata": {"flagKey": "banner", "variationKey": variation, "ruleKey": None},
            }
            events = [{**event, "userId": f"{sender}-{post}-{number}"} for number in range(BATCH)]
            connection.request("POST", "/v1/flag-events", json.dumps({"events": events}), headers)
            response = connection.getresponse()
            assert (response.status, json.loads(response.read())) == (200, {"accepted": BATCH})
        connection.close()

    onlooker = HTTPConnection("127.0.0.1", address.port, timeout=60)
    onlooker.request("GET", "/api/stream")
    stream = onlooker.getresponse()
    senders = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
    for thread in senders:
        thread.start()
    longest = 0
    while True:
        line = stream.readline()
        longest = max(longest, len(line))
        if line.startswith(b"id: ") and int(line.rpartition(b"-")[2]) == SENDERS * POSTS * BATCH:
            break
    for thread in senders:
        thread.join()
    onlooker.close()
    assert longest < 20_000
    state = ask(f"{signakit_emulator.url}/api/state").json()["events"]
    assert (state["total"], state["refused"]) == (100_000, 0)
    assert {item["variation"]: item["count"] for item in state["exposures"]} == {"on": 80_000, "off": 20_000}
    kept = Counter(event["userId"] for event in signakit_emulator.events())
    assert len(kept) == 100_000
    assert ask(signakit_emulator.url).status == 200


def test_a_client_in_a_hurry_loses_nothing(signakit_emulator: Emulator) -> None:
    signakit_emulator.set_config(config(flag("exp", rule())))
    client = SignaKitClient(
        signakit_emulator.sdk_key,
        cdn_url=signakit_emulator.url,
        events_url=signakit_emulator.events_url,
        max_queue_size=100_000,
    )
    with client:
        assert client.on_ready_sync().success
        for number in range(20_000):
            context = client.create_user_context(f"u{number}")
            assert context is not None
            context.decide("exp")
        assert client.flush_sync(60)
        status = client.status()
    assert (status.sent, status.dropped) == (20_000, 0)
    assert len({event["userId"] for event in signakit_emulator.events("exposure")}) == 20_000


def test_batches_over_the_limit_are_halved_until_they_are_taken(signakit_emulator: Emulator) -> None:
    client = SignaKitClient(
        signakit_emulator.sdk_key,
        cdn_url=signakit_emulator.url,
        events_url=signakit_emulator.events_url,
        max_batch_size=1_000,
    )
    with client:
        assert client.on_ready_sync().success
        context = client.create_user_context("u")
        assert context is not None
        for number in range(1_000):
            context.track("bought", value=number, metadata={"text": "x" * 4_900})
        assert client.flush_sync(60)
    assert sorted(event["value"] for event in signakit_emulator.events()) == list(range(1_000))
    assert any("413" in problem for problem in signakit_emulator.refused())
