"""Tasks in a Celery worker with a prefork pool, against the emulator."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.servers import Running, answering, counted, decided, exposures, flipped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from signakit_dev.testing import Emulator

APP = "support.django_site.celery"
ASK = f"""
import json, sys
from {APP} import decide
tasks = [decide.delay(user) for user in json.loads(sys.argv[1])]
results = [task.get(timeout=60, interval=0.02) for task in tasks]
open(sys.argv[2], "w").write(json.dumps(results))
"""


def test_every_process_of_the_pool_is_ready_sees_a_flip_and_delivers_once(
    signakit_emulator: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    pytest.importorskip("celery")
    emulator = signakit_emulator
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("SITE_BROKER", str(tmp_path))
    answers: list[dict[str, Any]] = []
    celery = (sys.executable, "-m", "celery", "-A", APP)
    with Running(*celery, "worker", "-c", "2", "-P", "prefork", "-l", "info", server=emulator) as worker:
        emulator.set_config(flipped("on"))

        def ask_all(users: list[str]) -> list[dict[str, Any]]:
            path = tmp_path / "answers"
            with Running(sys.executable, "-c", ASK, json.dumps(users), str(path), server=emulator) as sender:
                assert sender.process.wait(60) == 0, sender.log + worker.log
            said = [{**answer, "user": user} for user, answer in zip(users, json.loads(path.read_text()), strict=True)]
            answers.extend(said)
            return said

        users = [f"user{number}" for number in range(10)]
        worker.until(lambda: len(answering(ask_all(users), "on")) == 2)
        sent = emulator.configs_sent
        emulator.set_config(flipped("off"))
        worker.until(lambda: len(answering(ask_all(users), "off")) == 2)
        polls = emulator.configs_sent - sent
        assert 2 <= polls <= 6

        # What the last tasks have exposed is still queued when the processes of the pool come to their end, and nobody
        # would send it for half a minute, but for the end.
        refusing = emulator.fault("events", "status", status=503, retry_after=30)
        late = [f"late{number}" for number in range(10)]
        ask_all(late)
        worker.process.terminate()
        worker.until(lambda: len(list(tmp_path.glob("ending-*"))) == 2)
        assert not {event["userId"] for event in emulator.events()} & set(late)
        refusing.remove()
        (tmp_path / "may-end").touch()
        worker.process.wait(60)
        arrived = exposures(emulator)
        record_property("counts", f"django celery prefork: {counted(answers, arrived, polls)}")
        assert arrived == dict.fromkeys(decided(answers), 1), worker.log
