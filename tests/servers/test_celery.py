"""Tasks in a Celery worker with a prefork pool."""

from __future__ import annotations

import json
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from support.configs import config, flag, rule, whole
from support.faults import hold
from support.servers import Running, decided, exposures, polls_with

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import FlagServer

APP = "support.django_site.celery"


def test_every_process_of_the_pool_is_ready_sees_a_flip_and_delivers_once(
    server: FlagServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("celery")
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("SITE_BROKER", str(tmp_path))
    answers: list[dict[str, Any]] = []
    celery = (sys.executable, "-m", "celery", "-A", APP)
    with Running(*celery, "worker", "-c", "2", "-P", "prefork", "-l", "info", server=server) as worker:
        server.set_config(flipped("on"))

        def ask_all(users: list[str]) -> list[dict[str, Any]]:
            known = len(answers)
            with Running(
                sys.executable,
                "-c",
                f"import json, sys; from {APP} import decide\n"
                "tasks = [decide.delay(user) for user in json.loads(sys.argv[1])]\n"
                "results = [task.get(timeout=60, interval=0.02) for task in tasks]\n"
                "open(sys.argv[2], 'w').write(json.dumps(results))",
                json.dumps(users),
                str(tmp_path / "answers"),
                server=server,
            ) as sender:
                assert sender.process.wait(60) == 0, sender.log + worker.log
            results = json.loads((tmp_path / "answers").read_text())
            answers.extend({**result, "user": user} for user, result in zip(users, results, strict=True))
            return answers[known:]

        users = [f"user{number}" for number in range(10)]
        worker.until(lambda: len({a["pid"] for a in ask_all(users) if a["switch"] == "on"}) == 2)
        old, since = server.etag, len(server.config_requests)
        server.set_config(flipped("off"))
        worker.until(lambda: len({a["pid"] for a in ask_all(users) if a["switch"] == "off"}) == 2)
        assert 1 <= polls_with(server, old, since=since) <= 6
        # What the last tasks have exposed is still queued when the processes of the pool come to their end.
        gate = threading.Event()
        server.events_fault = hold(gate)
        ask_all([f"late{number}" for number in range(10)])
        worker.process.terminate()
        worker.until(lambda: len(list(tmp_path.glob("ending-*"))) == 2)
        gate.set()
        worker.process.wait(60)
        assert exposures(server) == dict.fromkeys(decided(answers), 1), worker.log


def flipped(switch: str) -> dict[str, object]:
    return config(flag("exp", rule("r-exp")), flag("switch", allocation=whole(switch)))
