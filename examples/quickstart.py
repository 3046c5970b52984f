"""A tour of signakit_flags that needs no account: a small server in this process plays the service.

    python3 dev.py quickstart

First comes the tour, in the order in which it prints; the flags and the server that it uses stand below.
"""

from __future__ import annotations

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from signakit_flags import SignaKitClient, SignaKitUserContext

if TYPE_CHECKING:
    from collections.abc import Callable

SDK_KEY = "sk_dev_acme_shop_quickstart"  # the form is checked; a real key comes from the environment
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
VISITORS = {
    "ada": {"plan": "pro", "country": "DE"},
    "ben": {"plan": "pro", "country": "FR"},
    "cleo": {"plan": "free", "country": "DE"},
    "dan": {"plan": "free", "country": "AT"},
}


def main() -> None:
    os.environ["no_proxy"] = "127.0.0.1"  # if there is a proxy, it does not know the way into this process
    service = LocalService()
    service.publish(flags(dashboard_percent=50))
    events_url = f"{service.url}/v1/flag-events"
    # Without the two URLs a client talks to SignaKit itself. It polls every 30 seconds unless told otherwise.
    with SignaKitClient(SDK_KEY, cdn_url=service.url, events_url=events_url, polling_interval=0.2) as client:
        print(f"1. A client: {client!r}")
        decide(client)
        explain(client)
        meet_a_crawler(client)
        track(client, service)
        change_a_flag(client, service)
    status = client.status()
    print("\n7. Closed, on leaving the with block")
    print(f"   sent {status.sent}, queued {status.queued}, dropped {status.dropped}, last error {status.last_error}")


def visitor(client: SignaKitClient, name: str, user_agent: str = FIREFOX) -> SignaKitUserContext:
    """Make what an application makes once a request: the context of one user."""
    context = client.create_user_context(name, {**VISITORS[name], "$userAgent": user_agent})
    assert context is not None, "it is None only while the client is not ready"
    return context


def decide(client: SignaKitClient) -> None:
    print("\n2. Decisions, made in this process")
    row = "   {:8}{:8}{:10}{:16}{:18}{}".format
    print(row("user", "plan", "country", "new-checkout", "beta-dashboard", "banner"))
    for name, attributes in VISITORS.items():
        user = visitor(client, name)
        banner = f"{user.variable('banner', 'text', '')!r} for {user.variable('banner', 'seconds', 0)} s"
        dashboard = "yes" if user.is_enabled("beta-dashboard") else "no"
        print(row(name, attributes["plan"], attributes["country"], user.variation("new-checkout"), dashboard, banner))
    for name in VISITORS:
        visitor(client, name).decide("new-checkout")
    print(f"   asked again in another request: {client.status().exposures_suppressed} exposures not sent twice")


def explain(client: SignaKitClient) -> None:
    print("\n3. Why?")
    print(visitor(client, "ada").explain("new-checkout"))
    print(visitor(client, "dan").explain("beta-dashboard"))


def meet_a_crawler(client: SignaKitClient) -> None:
    crawler = visitor(client, "ada", user_agent=CRAWLER)
    print(f"\n4. The same user id from a crawler (is_bot {crawler.is_bot})")
    print(f"   new-checkout: {crawler.variation('new-checkout')}, and no event is sent")


def track(client: SignaKitClient, service: LocalService) -> None:
    user = visitor(client, "ada")
    user.decide("new-checkout")  # a tracked event names what its context decided before
    user.track("purchase", value=49.9, metadata={"items": 2})
    everything_sent = client.flush_sync(timeout=5)
    print(f"\n5. A purchase is tracked. All sent: {everything_sent}. The server got:")
    for number, batch in enumerate(service.batches, start=1):
        print(f"   batch {number}, {len(batch)} event(s)")
        for event in batch:
            value = f" value {event['value']}" if "value" in event else ""
            print(f"     {event['eventKey']:10}{event['userId']:6}{event['decisions']}{value}")


def change_a_flag(client: SignaKitClient, service: LocalService) -> None:
    before = visitor(client, "dan")
    before.decide("beta-dashboard")  # from here on this context keeps to the config of now
    wait_until(lambda: service.not_modified >= 3)
    print(f"\n6. The poller asked, and was told {service.not_modified} times that nothing is new (HTTP 304)")
    service.publish(flags(dashboard_percent=100))
    wait_until(lambda: client.status().version == service.version)
    after = visitor(client, "dan")
    print("   Then the rollout went from 50 % to 100 %. The beta dashboard, for dan:")
    print(f"   in a request that began before: {before.variation('beta-dashboard')}")
    print(f"   in the next request: {after.variation('beta-dashboard')}")


def wait_until(condition: Callable[[], bool], timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)


# --- the flags, in the form in which the service hands them out ------------------------------------------------------


def flags(*, dashboard_percent: int) -> list[dict[str, Any]]:
    """Return an A/B test for paying customers, a rollout to two countries, and a banner with variables."""
    ab_test = {
        "ruleKey": "pro-customers",
        "ruleType": "ab-test",
        "audiences": [{"conditions": [{"attribute": "plan", "operator": "equals", "value": "pro"}]}],
        "trafficPercentage": 100,
        "variationAllocation": allocation(control=50, treatment=50),
    }
    rollout = {
        "ruleKey": "first-countries",
        "ruleType": "targeted",
        "audiences": [{"conditions": [{"attribute": "country", "operator": "in", "value": ["DE", "AT"]}]}],
        "trafficPercentage": dashboard_percent,
        "variationAllocation": allocation(on=100),
    }
    text = {"key": "text", "type": "string", "defaultValue": ""}
    seconds = {"key": "seconds", "type": "number", "defaultValue": 5}
    shown = {"key": "on", "variables": {"text": "Free delivery"}}
    return [
        flag("new-checkout", allocation(off=100), rules=[ab_test]),
        flag("beta-dashboard", allocation(off=100), rules=[rollout]),
        flag("banner", allocation(on=100), variables=[text, seconds], variations=[shown, {"key": "off"}]),
    ]


def flag(key: str, default: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"key": key, "salt": key, "running": True, "allocation": default, **fields}


def allocation(**percent: int) -> dict[str, Any]:
    """Deal the buckets, 0 to 9999, out to variations."""
    ranges: list[dict[str, Any]] = []
    start = 0
    for variation, share in percent.items():
        ranges.append({"variation": variation, "start": start, "end": start + share * 100 - 1})
        start += share * 100
    return {"ranges": ranges}


# --- the service, played by this process -----------------------------------------------------------------------------


class LocalService(ThreadingHTTPServer):
    """Hands out the config and takes events, on a free port of this machine."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), LocalServiceHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.version = 0
        self.published = (b"", "")  # the config and its ETag, replaced together
        self.not_modified = 0
        self.batches: list[list[dict[str, Any]]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def publish(self, config_flags: list[dict[str, Any]]) -> None:
        """Replace the config."""
        self.version += 1
        body = json.dumps({"version": self.version, "flags": config_flags}).encode()
        self.published = (body, f'"v{self.version}"')


class LocalServiceHandler(BaseHTTPRequestHandler):
    """Answers the two kinds of request that a client makes."""

    server: LocalService
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Hand out the config, or say that the client's is current."""
        body, etag = self.server.published
        if self.headers["If-None-Match"] == etag:
            self.server.not_modified += 1
            self.reply(304, b"", etag)
        else:
            self.reply(200, body, etag)

    def do_POST(self) -> None:
        """Take a batch of events."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.batches.append(json.loads(body)["events"])
        self.reply(200, b"{}", "")

    def reply(self, status: int, body: bytes, etag: str) -> None:
        """Send a whole answer."""
        self.send_response(status)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Leave the output to the tour."""


if __name__ == "__main__":
    main()
