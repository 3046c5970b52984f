"""The settings that the pages show for traces, error reports and cassettes, with the real libraries.

OpenTelemetry and Sentry patch httpx for a whole process: they are set up in processes of their own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from signakit_flags import SignaKitClient
from signakit_flags._settings import DEFAULT_CDN_URL, DEFAULT_EVENTS_URL
from support.configs import SDK_KEY

if TYPE_CHECKING:
    from support.server import FlagServer

ROOT = Path(__file__).parents[2]
DELIVERY, TESTING = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("delivery.md", "testing.md"))
CASSETTES = TESTING.split("## Cassettes")[1]
HOSTS = [str(urlsplit(url).hostname) for url in (DEFAULT_CDN_URL, DEFAULT_EVENTS_URL)]

USE = """
import asyncio, json, os, sys
from signakit_flags import SignaKitClient

def use_client(face, begin):
    if face == "sync":
        with begin(), SignaKitClient(os.environ["SIGNAKIT_SDK_KEY"]) as client:
            client.on_ready_sync()
            client.create_user_context("ada").track("sync")
            client.flush_sync()

    async def on_a_loop():
        if face == "async":
            with begin():
                async with SignaKitClient(os.environ["SIGNAKIT_SDK_KEY"]) as client:
                    await client.on_ready()
                    await client.create_user_context("ada").track_event("async")
                    await client.flush()
        else:
            client = SignaKitClient(os.environ["SIGNAKIT_SDK_KEY"])
            await client.on_ready()
            with begin():
                client.create_user_context("ada").track("close")
                client.close()  # on the thread of the home loop: the post is made here

    if face != "sync":
        asyncio.run(on_a_loop())
"""
OPENTELEMETRY = f"""{USE}
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
HTTPXClientInstrumentor().instrument()
use_client(sys.argv[1], lambda: trace.get_tracer("shop").start_as_current_span("request"))
print(json.dumps([[span.name, span.parent is None] for span in spans.get_finished_spans()]))
"""
SENTRY = f"""{USE}
import sentry_sdk

class Sent(sentry_sdk.transport.Transport):
    items = []

    def capture_envelope(self, envelope):
        self.items += [item.payload.json for item in envelope.items]

if sys.argv[2]:
    exec(sys.argv[2])
else:
    sentry_sdk.init(os.environ["SENTRY_DSN"], traces_sample_rate=1.0)
sentry_sdk.get_client().transport = Sent()

class Request:
    def __enter__(self):
        self.transaction = sentry_sdk.start_transaction(op="http.server", name="request")
        self.transaction.__enter__()

    def __exit__(self, *error):
        sentry_sdk.capture_message("a message")
        self.transaction.__exit__(*error)

def crumbs(item):
    return (item.get("breadcrumbs") or {{}}).get("values", ())

use_client(sys.argv[1], Request)
print(json.dumps({{
    "spans": [span["data"]["url"] for item in Sent.items for span in item.get("spans", ())],
    "breadcrumbs": [crumb["data"]["url"] for item in Sent.items for crumb in crumbs(item)],
    "transactions": [item["transaction"] for item in Sent.items if item.get("type") == "transaction"],
}}))
"""


def run(program: str, *arguments: str, server: FlagServer, **environment: str) -> Any:
    """Run a program with a client of ``server``, and return what it printed last."""
    ours = {"SIGNAKIT_SDK_KEY": SDK_KEY, "SIGNAKIT_EMULATOR_URL": server.url, "SENTRY_DSN": "http://key@127.0.0.1:9/1"}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(
        command, env={**os.environ, **ours, **environment}, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# --- traces and error reports -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", ["sync", "async"])
def test_each_request_is_a_trace_of_its_own(server: FlagServer, face: str) -> None:
    spans = run(OPENTELEMETRY, face, server=server)
    assert {name for name, _ in spans} == {"GET", "POST", "request"}
    assert all(is_root for _, is_root in spans)
    assert all("traceparent" in headers for headers in server.post_headers)


@pytest.mark.parametrize("face", ["sync", "async", "close"])
def test_the_variable_of_the_page_leaves_our_requests_out_of_traces(server: FlagServer, face: str) -> None:
    name, value = re.findall(r'^export (OTEL_\w+)="(.*)"$', DELIVERY, re.MULTILINE)[0]
    assert value.split(",") == HOSTS
    here = value.replace(HOSTS[0], server.url).replace(HOSTS[1], server.url)
    assert run(OPENTELEMETRY, face, server=server, **{name: here}) == [["request", True]]
    assert server.post_headers
    assert not any("traceparent" in headers for headers in server.post_headers)


def reports(server: FlagServer) -> str:
    """Return the settings of the page, for the hosts of a server."""
    block = re.search(r'^```py title="reports.py"\n(.*?)^```$', DELIVERY, re.MULTILINE | re.DOTALL)
    assert block is not None
    settings = block[1]
    for host in HOSTS:
        assert settings.count(f"https://{host}/") == 1
        settings = settings.replace(f"https://{host}/", f"{server.url}/")
    return settings


NOTHING = {"spans": [], "breadcrumbs": [], "transactions": ["request"]}


@pytest.mark.parametrize("face", ["sync", "async"])
def test_sentry_takes_no_request_in_the_background_for_part_of_a_transaction(server: FlagServer, face: str) -> None:
    assert run(SENTRY, face, "", server=server) == NOTHING
    assert server.post_headers
    assert not any("sentry-trace" in headers for headers in server.post_headers)


@pytest.mark.parametrize("with_settings", [False, True])
def test_the_settings_of_the_page_leave_out_what_a_call_sends_in_its_own_thread(
    server: FlagServer, with_settings: bool
) -> None:
    seen = run(SENTRY, "close", reports(server) if with_settings else "", server=server)
    if with_settings:
        assert seen == NOTHING
    else:
        assert seen["spans"] == [server.events_url]
    assert ["sentry-trace" in headers for headers in server.post_headers] == [not with_settings]


# --- cassettes --------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings() -> dict[str, Any]:
    """What the blocks of the page define."""
    names: dict[str, Any] = {}
    for block in re.findall(r"^```py\n(.*?)^```$", CASSETTES, re.MULTILINE | re.DOTALL):
        exec(block, names)
    return names


async def use_client(server: FlagServer, face: str) -> bool:
    client = SignaKitClient(SDK_KEY, **server.urls)
    if face == "sync":
        with client:
            client.on_ready_sync()
            client.create_user_context("ada").track("sync")
            client.flush_sync()
    else:
        async with client:
            await client.on_ready()
            await client.create_user_context("ada").track_event("async")
            await client.flush()
    return client.is_ready and client.status().sent == 1


@pytest.mark.parametrize("face", ["sync", "async"])
async def test_a_cassette_gets_our_requests_and_the_key(server: FlagServer, tmp_path: Path, face: str) -> None:
    import vcr

    path = tmp_path / "cassette.yaml"
    with vcr.VCR().use_cassette(str(path)):
        assert await use_client(server, face)
    assert path.read_text().count(SDK_KEY) >= 2  # in the configuration, and in the header of the post


@pytest.mark.parametrize("face", ["sync", "async"])
async def test_hosts_that_are_ignored_are_not_in_the_cassette(
    server: FlagServer, tmp_path: Path, settings: dict[str, Any], face: str
) -> None:
    import vcr

    assert settings["ignored"] == {"ignore_hosts": HOSTS}
    path = tmp_path / "cassette.yaml"
    with vcr.VCR(ignore_hosts=["127.0.0.1"]).use_cassette(str(path)) as cassette:
        assert await use_client(server, face)
    assert len(cassette) == 0
    assert not path.exists()
    assert len(server.events) == 1


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("face", ["sync", "async"])
async def test_what_is_recorded_safely_is_without_the_key_and_can_be_played(
    server: FlagServer, tmp_path: Path, settings: dict[str, Any], face: str, compressed: bool
) -> None:
    import vcr

    server.gzip = compressed
    path = tmp_path / "cassette.yaml"
    with vcr.VCR(**settings["recorded_safely"]).use_cassette(str(path)):
        assert await use_client(server, face)
    text = path.read_text()
    assert "/v1/flag-events" in text
    assert "sk_dev_org_project_filtered" in text
    assert SDK_KEY not in text
    assert "x-sdk-key" not in text.lower()

    server.down()
    with vcr.VCR(record_mode="none").use_cassette(str(path), allow_playback_repeats=True):
        assert await use_client(server, face)
