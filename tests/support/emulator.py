"""What tests post to the emulator, edits of its project, and a reader of its live stream."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from signakit_dev._project.edits import change_flag
from support.wire import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from signakit_dev._emulator.store import ProjectStore
    from signakit_dev.testing import Emulator

CONFIG = "/configs/acme/shop/development/latest.json"
KEY = {"X_SDK_Key": "sk_dev_acme_shop_x"}
NOW = "2026-01-31T12:00:00.000Z"


def exposure(user: str = "u", **fields: Any) -> dict[str, Any]:
    return {
        "eventKey": "$exposure",
        "userId": user,
        "timestamp": NOW,
        "decisions": {"new-checkout": "control"},
        "metadata": {"flagKey": "new-checkout", "variationKey": "control", "ruleKey": "pro-customers"},
        **fields,
    }


def conversion(user: str = "u", **fields: Any) -> dict[str, Any]:
    return {"eventKey": "purchase", "userId": user, "timestamp": NOW, **fields}


def post(emulator: Emulator, *events: Any, **headers: str) -> Answer:
    return ask(emulator.events_url, "POST", {"events": list(events)}, **{**KEY, **headers})


def stop(key: str) -> Callable[[dict[str, Any]], None]:
    """Return an edit that stops a flag, for ``ProjectStore.edit``."""
    return lambda project: change_flag(project, key, running=False)


def running(store: ProjectStore) -> list[bool]:
    """Say of each flag of the project in force whether it runs."""
    return [item["running"] for item in store.current.data["flags"]]


class Stream:
    """Reads server-sent events."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.response = response

    def next(self, *kinds: str) -> tuple[dict[str, str], Any]:
        """Return the next message of one of these kinds, and its data."""
        fields: dict[str, str] = {}
        while True:
            line = self.response.readline().decode().rstrip("\n")
            if not line:
                if fields.get("event") in kinds:
                    return fields, json.loads(fields["data"], parse_constant=pytest.fail)
                fields = {}
                assert not self.response.isclosed()
            name, _, value = line.partition(": ")
            fields[name] = value


@contextlib.contextmanager
def streaming(url: str, **headers: str) -> Iterator[Stream]:
    """Connect to the live stream of the emulator at ``url``."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=10)
    connection.request("GET", "/api/stream", headers=headers)
    response = connection.getresponse()
    assert response.headers["Content-Type"].startswith("text/event-stream")
    try:
        yield Stream(response)
    finally:
        response.close()
        connection.close()
