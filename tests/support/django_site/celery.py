"""The project's Celery application, with a broker of files."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery
from celery.signals import worker_process_shutdown

from support.facts import worker_facts
from support.server import wait_until

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "support.django_site.deployed")
folder = Path(os.environ["SITE_BROKER"])
(folder / "results").mkdir(exist_ok=True)

app = Celery("site")
app.conf.update(
    broker_url="filesystem://",
    broker_transport_options={
        "data_folder_in": str(folder / "queue"),
        "data_folder_out": str(folder / "queue"),
        "control_folder": str(folder / "control"),
    },
    result_backend=f"file://{folder / 'results'}",
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
)


@worker_process_shutdown.connect
def ending(pid, **_):
    """Say that a process of the pool is about to leave, and wait until it may."""
    (folder / f"ending-{pid}").touch()
    wait_until((folder / "may-end").exists, 30)


class User:
    is_authenticated = True

    def __init__(self, pk):
        self.pk = pk


@app.task
def decide(user):
    """Decide for a user, as a task of a shop would."""
    from signakit_django import flags_for

    return worker_facts(flags_for(User(user), {"pid": os.getpid()}))
