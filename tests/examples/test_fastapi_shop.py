"""The FastAPI shop under uvicorn: its API, its page in a real browser, and in the demo."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect

from signakit_dev._project.sample import SAMPLE
from support.browser import chromium, with_chromium
from support.command import Command, signakit
from support.contract import BROWSER
from support.server import wait_until
from support.servers import Running, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from support.server import FlagServer

EXAMPLES = Path(__file__).parents[2] / "examples"


class Shop(Running):
    """The shop, running."""

    def __init__(self, server: FlagServer) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        command = (sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "fastapi_shop.app:app")
        super().__init__(*command, "--port", str(port), server=server, SHOP_POLLING_INTERVAL="0.1")
        self.until(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(httpx.get(f"{self.url}/health/flags").status_code == 200)
        except httpx.TransportError:
            return False

    def client(self, **cookies: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"user-agent": BROWSER}, cookies=cookies)


@pytest.fixture
def shop(server: FlagServer) -> Iterator[Shop]:
    server.set_config(json.loads(SAMPLE))
    with Shop(server) as running:
        yield running


def test_a_visit_from_the_offer_to_a_purchase(shop: Shop, server: FlagServer) -> None:
    seen: dict[str, str] = {}
    for number in range(20):
        with shop.client(user=f"pro{number}", plan="pro") as browser:
            offer = browser.get("/api/offer").json()
            assert offer["banner"] == "Free delivery"
            assert browser.post("/api/buy/lamp").status_code == 201
            seen[f"pro{number}"] = offer["checkout"]
    assert set(seen.values()) == {"control", "treatment"}
    shop.until(lambda: len([event for event in server.events if event["eventKey"] == "purchase"]) == 20)
    exposures = [event for event in server.events if "new-checkout" in event["decisions"]]
    assert {e["userId"]: e["decisions"]["new-checkout"] for e in exposures if e["eventKey"] == "$exposure"} == seen
    bought = {e["userId"]: e["decisions"]["new-checkout"] for e in exposures if e["eventKey"] == "purchase"}
    assert bought == seen


def test_the_beta_is_for_those_whom_a_rule_lets_in(shop: Shop) -> None:
    with shop.client(user="ada") as ada, shop.client() as visitor:
        assert ada.get("/api/beta/sales").status_code == 200
        assert visitor.get("/api/beta/sales").status_code == 404
        assert set(visitor.cookies) == {"visitor_id"}
        document = visitor.get("/openapi.json").json()
    assert set(document["paths"]["/api/beta/sales"]["get"]["responses"]) == {"200", "404"}
    assert "/health/flags" not in document["paths"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def come_as(page: Page, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Plan").select_option("pro")
    page.get_by_role("button", name="Come as").click()


@with_chromium
def test_the_page_in_a_browser(shop: Shop, server: FlagServer, browser: Browser) -> None:
    context = browser.new_context(user_agent=BROWSER)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    # A visitor: the banner, four products, no ticker.
    page.goto(shop.url)
    expect(page.locator("#banner")).to_have_text("Free delivery")
    expect(page.locator("#ticker")).to_have_text("not for you yet")
    visitor = {cookie["name"]: cookie["value"] for cookie in context.cookies()}["visitor_id"]

    # Ada is let in to the ticker, and has a checkout that is tested.
    come_as(page, "ada")
    expect(page.locator("#user")).to_have_text("ada")
    expect(page.locator("#ticker")).to_contain_text("€")
    page.get_by_role("button", name="Buy").first.click()
    expect(page.locator("#said")).to_have_text("Nightjar lamp is yours. Thank you!")
    checkout = page.locator("body").get_attribute("data-checkout")
    assert checkout in {"control", "treatment"}

    # A flag that is flipped shows at the next reload.
    config = json.loads(SAMPLE)
    config["flags"][2]["running"] = False
    server.set_config(config)
    shop.until(lambda: httpx.get(f"{shop.url}/api/offer", headers={"user-agent": BROWSER}).json()["banner"] == "")
    page.reload()
    expect(page.locator("#user")).to_have_text("ada")
    expect(page.locator("#products li").first).to_be_visible()
    assert page.locator("#banner").text_content() == ""
    assert errors == []
    context.close()
    shop.stop()
    assert {event["userId"] for event in server.events} >= {visitor, "ada"}
    purchases = [event for event in server.events if event["eventKey"] == "purchase"]
    assert [(event["userId"], event["decisions"]["new-checkout"]) for event in purchases] == [("ada", checkout)]


def test_the_demo_runs_it_with_visitors() -> None:
    with Command("demo", "--shop", "fastapi", "--port", 0, "--shop-port", 0, "--visitors", 50, "--json") as command:
        said = json.loads(command.wait_for(r"^\{\n(?:.*\n)*?\}$")[0])
        (shop,) = said["shops"]
        assert shop["name"] == "fastapi"
        with httpx.Client(headers={"user-agent": BROWSER}, trust_env=False) as browser:
            assert browser.get(f"{shop['url']}api/offer").json()["banner"] == "Free delivery"
            events = f"{said['emulator_url']}/api/events"
            assert wait_until(lambda: len({event["userId"] for event in browser.get(events).json()["events"]}) > 20)
        assert command.interrupt() == 0
        assert command.err == ""


def test_the_demo_names_the_shops_it_knows() -> None:
    done = signakit("demo", "--shop", "bakery", code=1)
    assert "there is no shop 'bakery'" in done.err
    known = done.err.rsplit("There are ", 1)[1].rstrip(".\n").split(", ")
    assert {"starlette", "fastapi"} <= set(known)
