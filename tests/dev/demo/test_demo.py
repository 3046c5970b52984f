"""``signakit demo``, as a newcomer runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from signakit_dev._demo import visitors
from support.command import Command, here
from support.server import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

FIREFOX = {"User-Agent": visitors.BROWSER}

PORTS = ("--port", 0, "--shop-port", 0)


class Demo:
    """A demo that runs, and its shop's only customer."""

    def __init__(self, command: Command) -> None:
        said = json.loads(command.wait_for(r"^\{\n(?:.*\n)*?\}$")[0])
        self.command = command
        self.emulator: str = said["emulator_url"]
        self.shop: str = said["shops"][0]["url"]
        self.customer = httpx.Client(base_url=self.shop, headers=FIREFOX, follow_redirects=True, trust_env=False)

    def events(self) -> list[dict[str, object]]:
        answer = httpx.get(f"{self.emulator}/api/events", trust_env=False).json()
        assert answer["refused"] == 0
        events = answer["events"]
        assert isinstance(events, list)
        return events

    def change(self, flag: str, **change: object) -> None:
        httpx.post(f"{self.emulator}/api/flags/{flag}", json=change, trust_env=False).raise_for_status()

    def checkout(self) -> str:
        match = re.search(r'data-checkout="(\w+)"', self.customer.get("/").text)
        assert match is not None
        return match[1]


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with Command("demo", *PORTS, "--visitors", 0, "--json") as command:
        running = Demo(command)
        with running.customer:
            yield running
        assert command.interrupt() == 0
        assert command.err == ""


@pytest.fixture(autouse=True)
def _as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "demo" in request.fixturenames:
        demo = request.getfixturevalue("demo")
        demo.change("new-checkout", running=True, split={"control": 50, "treatment": 50})
        demo.change("banner", running=True)
        demo.change("beta-dashboard", traffic=50)
        demo.customer.cookies.clear()


def test_it_says_where_to_look_and_ends_on_ctrl_c_without_a_word(tmp_path: Path) -> None:
    with Command("demo", *PORTS, cwd=tmp_path) as command:
        said = command.wait_for(
            r"page +(?P<page>http://127\.0\.0\.1:\d+/)(?:.*\n)+ +shop +(?P<shop>http://127\.0\.0\.1:\d+/)"
        )
        command.wait_for(r"export SIGNAKIT_EMULATOR_URL=")
        assert "Try this\n  1. Open both. 20 visitors a second" in command.out
        for url in (said["page"], said["shop"]):
            assert httpx.get(url, trust_env=False).status_code == 200
        state = f"{said['page']}api/state"
        assert wait_until(lambda: httpx.get(state, trust_env=False).json()["events"]["total"] > 20)
        assert command.interrupt() == 0
        assert command.err == ""
    assert list(tmp_path.iterdir()) == []


def test_sigterm_stops_it_and_its_shop(tmp_path: Path) -> None:
    with Command("demo", *PORTS, "--json", cwd=tmp_path) as command:
        demo = Demo(command)
        demo.customer.close()
        command.signal(signal.SIGTERM)
        assert command.end() in {0, -signal.SIGTERM}
        with pytest.raises(httpx.ConnectError):
            httpx.get(demo.shop, trust_env=False)


def test_the_shop_ends_with_a_demo_that_is_killed(tmp_path: Path) -> None:
    with Command("demo", *PORTS, "--json", cwd=tmp_path) as command:
        demo = Demo(command)
        demo.customer.close()
        command.signal(signal.SIGKILL)
        assert command.end() == -signal.SIGKILL  # once its shop has closed stdout, too


def test_a_flipped_switch_changes_what_the_shop_serves(demo: Demo) -> None:
    demo.change("new-checkout", split={"control": 0, "treatment": 100})
    assert wait_until(lambda: demo.checkout() == "treatment")
    demo.change("new-checkout", running=False)
    assert wait_until(lambda: demo.checkout() == "off")
    assert "Free delivery" in demo.customer.get("/").text
    demo.change("banner", running=False)
    assert wait_until(lambda: "Free delivery" not in demo.customer.get("/").text)


def test_a_purchase_arrives_with_the_variation_that_was_seen(demo: Demo) -> None:
    variation = demo.checkout()
    visitor = demo.customer.cookies["visitor_id"]
    assert "Thank you" in demo.customer.post("/buy").text
    assert demo.customer.post("/add").url.path == "/"

    def of_visitor() -> dict[str, dict[str, object]]:
        return {str(event["eventKey"]): event for event in demo.events() if event["userId"] == visitor}

    assert wait_until(lambda: {"$exposure", "purchase", "add-to-cart"} <= of_visitor().keys())
    purchase = of_visitor()["purchase"]
    assert purchase["value"] == visitors.PRICE
    assert purchase["decisions"] == {"new-checkout": variation}
    assert purchase["attributes"] == {"plan": "pro", "country": "DE"}


def test_another_plan_and_country_meet_other_rules(demo: Demo) -> None:
    demo.change("beta-dashboard", traffic=100)
    assert wait_until(lambda: "beta-dashboard" in demo.customer.get("/").text.split("<footer>")[0])
    assert demo.customer.get("/beta").status_code == 200
    text = demo.customer.post("/visitor", data={"plan": "free", "country": "US"}).text
    assert 'data-checkout="off"' in text
    assert demo.customer.get("/beta").status_code == 403
    before = demo.customer.cookies["visitor_id"]
    demo.customer.post("/visitor", data={"new": "1"})
    assert demo.customer.cookies["visitor_id"] != before


def test_what_a_visitor_sends_is_not_believed(demo: Demo) -> None:
    hostile = {"visitor_id": "<b>x</b>", "plan": "<i>", "country": "{{ 7*7 }}"}
    page = httpx.get(demo.shop, headers={**FIREFOX, "Cookie": "; ".join(f"{k}={v}" for k, v in hostile.items())})
    assert page.status_code == 200
    assert not any(value in page.text for value in hostile.values())
    assert re.search(r"visitor_id=[0-9a-f-]{36};.*HttpOnly.*SameSite=lax", page.headers["set-cookie"])
    assert httpx.post(f"{demo.shop}visitor", content=b"x" * 20_000).status_code == 413
    assert httpx.get(demo.shop, headers={"Host": "evil.example"}).status_code == 400


def test_a_bot_is_told_that_it_is_one(demo: Demo) -> None:
    page = httpx.get(demo.shop, headers={"User-Agent": "Googlebot/2.1"}).text
    assert "is that of a bot" in page
    assert 'data-checkout="off"' in page


def test_the_pages_load_nothing_from_elsewhere(demo: Demo) -> None:
    for path in ("/", "/beta", "/thanks"):
        text = demo.customer.get(path).text
        assert set(re.findall(r"https?://[^\s\"'<)]+", text)) == {f"{demo.emulator}/"}
        assert "<script" not in text


def test_a_project_of_ones_own_is_served_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"flags": []}')
    with Command("demo", path, *PORTS, "--visitors", 5, "--json") as command:
        demo = Demo(command)
        with demo.customer:
            assert demo.checkout() == "off"
        assert command.interrupt() == 0
    assert path.read_text() == '{"flags": []}'


def test_a_shop_port_that_is_taken_is_told_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = here("demo", "--port", 0, "--shop-port", port, code=1)
    assert f"error: the shop cannot listen on port {port}" in done.err
    assert re.search(r"This one is free: signakit demo --shop-port \d+", done.err)


def test_a_port_of_the_emulator_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = here("demo", "--port", other.getsockname()[1], "--shop-port", 0, code=1)
    assert re.search(r"This one is free: signakit demo --port \d+", done.err)


def test_a_shop_that_ends_by_itself_ends_the_demo() -> None:
    with Command("demo", *PORTS, "--json") as command:
        demo = Demo(command)
        demo.customer.close()
        [shop] = children(command.pid)
        os.kill(shop, signal.SIGKILL)
        assert command.end() == 1
        assert '"error": "the shop starlette ended by itself"' in command.out


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
