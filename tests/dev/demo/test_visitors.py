"""Synthetic visitors."""

from __future__ import annotations

import json
import random

from signakit_dev._demo import visitors
from signakit_dev._project.sample import SAMPLE
from signakit_dev.testing import Emulator
from signakit_flags import SignaKitClient


def test_visitors_drive_a_real_client_and_convert_better_with_the_treatment() -> None:
    source = random.Random(1)
    with Emulator(json.loads(SAMPLE)) as emulator:
        with SignaKitClient(emulator.sdk_key, cdn_url=emulator.url, events_url=emulator.events_url) as client:
            for _ in range(3_000):
                visitors.visit(client, source)
            assert client.flush_sync(60)
        events = emulator.events()
    shown = [event["decisions"] for event in events if event["eventKey"] == "$exposure"]
    bought = [event["decisions"] for event in events if event["eventKey"] == "purchase"]

    def rate(variation: str) -> float:
        seen = {"new-checkout": variation}
        return sum(seen.items() <= decisions.items() for decisions in bought) / shown.count(seen)

    assert 0.04 < rate("control") < 0.12 < rate("treatment") < 0.2
