"""A Celery application: its worker hands itself numbered tasks, each of which tracks one event.

The client is made and made ready in the parent of the pool. Nobody closes it, or, with CLOSES set, Celery's own signal
does in each process of the pool.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_shutdown, worker_ready
from common import ready_client, say

COUNT = 40

app = Celery("tasks", broker="memory://")
client = ready_client(polling_interval=0.05)


@app.task(ignore_result=True)
def visit(number: int) -> None:
    context = client.create_user_context(f"visitor{number}")
    assert context is not None
    context.decide("exp")
    context.track("visit", metadata={"n": number})
    say(pid=os.getpid(), task=number, tgt=context.variation("tgt"))


@worker_ready.connect
def begin(**_: Any) -> None:
    for number in range(COUNT):
        visit.delay(number)


if "CLOSES" in os.environ:

    @worker_process_shutdown.connect
    def close_flags(**_: Any) -> None:
        say(pid=os.getpid(), closing=True)
        client.close(timeout=30)
