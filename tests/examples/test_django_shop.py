"""The example shop in Django: in ``signakit demo``, walked through in a real browser, and by its ``manage.py``."""

from __future__ import annotations

import json
import queue
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from signakit_dev._demo.shop_processes import SHOPS, RunningShop
from signakit_dev._project.sample import SAMPLE
from signakit_dev.testing import Emulator
from signakit_flags.integration import is_visitor_id
from support.browser import with_chromium
from support.command import Command
from support.contract import BROWSER
from support.demo import Demo, Visitors
from support.server import wait_until
from support.servers import Running, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from support.server import FlagServer

SHOP = Path(__file__).parents[2] / "examples" / "django_shop"
DEMO = ("demo", "--shop", "django", "--port", 0, "--shop-port", 0, "--visitors", 0, "--json")
PASSWORD = "a cup of tea"


# --- in the demo, in a browser ----------------------------------------------------------------------------------------


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with Command(*DEMO, TMPDIR=str(tmp_path)) as command:
        yield Demo(command, shop="django")
        assert command.interrupt() == 0
        assert command.err == ""
    assert list(tmp_path.iterdir()) == []  # the database is gone


def sign_up(page: Page, name: str, *, plan: str = "pro", country: str = "DE") -> None:
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("Username").fill(name)
    page.get_by_label("Plan").select_option(plan)
    page.get_by_label("Country").select_option(country)
    page.get_by_label("Password").first.fill(PASSWORD)
    page.get_by_label("Password confirmation").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text(f"{name}, {plan}, {country}")).to_be_visible()


def log_in(page: Page, name: str) -> None:
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text(f"{name}, pro")).to_be_visible()


def checkout_of(page: Page, demo: Demo) -> str:
    """Go to the checkout of the teapot, and return which one it is."""
    page.goto(demo.shop)
    page.get_by_role("link", name="Teapot").click()
    variation = page.locator("form[data-checkout]").get_attribute("data-checkout")
    assert variation is not None
    return variation


@with_chromium
@pytest.mark.timeout(300)
def test_customers_go_from_the_products_to_a_purchase_and_are_counted(visitors: Visitors, demo: Demo) -> None:
    emulator = visitors.open(demo.emulator)
    seen: dict[str, str] = {}
    for number in range(20):
        page = visitors.open(demo.shop)
        assert checkout_of(page, demo) == "off"
        sign_up(page, name := f"customer{number}")
        seen[name] = checkout_of(page, demo)
        page.get_by_role("button", name="Buy now for 24.50 €" if seen[name] == "treatment" else "Buy").click()
        expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        page.context.close()
        if number >= 3 and set(seen.values()) == {"control", "treatment"}:
            break
    assert set(seen.values()) == {"control", "treatment"}, "twenty customers and all in one variation"

    assert wait_until(lambda: len(demo.events("purchase")) == len(seen))
    purchases = {event["userId"]: event for event in demo.events("purchase")}
    assert {user: event["decisions"] for user, event in purchases.items()} == {
        user: {"new-checkout": variation} for user, variation in seen.items()
    }
    assert {event["value"] for event in purchases.values()} == {24.5}
    assert purchases["customer0"]["attributes"] == {"plan": "pro", "country": "DE"}
    exposed = [
        (event["userId"], event["decisions"]["new-checkout"])
        for event in demo.events("$exposure")
        if event["metadata"]["ruleKey"] == "pro-customers"
    ]
    assert sorted(exposed) == sorted(seen.items()), "each customer once"
    # The visitors that they had been, before they signed up: the default allocation, once each.
    default = [event for event in demo.events("$exposure") if event["decisions"] == {"new-checkout": "off"}]
    assert len({event["userId"] for event in default}) == len(default) == len(seen)
    assert all(is_visitor_id(event["userId"]) for event in default)

    # The emulator's page shows the same.
    for variation, count in Counter(seen.values()).items():
        row = emulator.locator(f'#flag-1-1 [data-variation="{variation}"]')
        expect(row.locator('[data-part="count"]')).to_have_text(str(count))
        expect(row.locator('[data-part="conversions"]')).to_have_text(re.compile(rf"^{count} purchases?$"))
    assert visitors.errors == []


@with_chromium
@pytest.mark.timeout(300)
def test_what_is_flipped_on_the_emulators_page_is_seen_in_the_shop(visitors: Visitors, demo: Demo) -> None:
    emulator, page = visitors.open(demo.emulator), visitors.open(demo.shop)
    expect(page.get_by_text("Free delivery")).to_be_visible()
    assert Axe().run(page).response["violations"] == []
    sign_up(page, "ada")
    tested = checkout_of(page, demo)
    assert tested in {"control", "treatment"}

    # Switches. The shop asks twice a second.
    emulator.get_by_role("switch", name="new-checkout running").click()
    assert wait_until(lambda: checkout_of(page, demo) == "off")
    emulator.get_by_role("switch", name="new-checkout running").click()
    assert wait_until(lambda: checkout_of(page, demo) == tested)
    emulator.get_by_role("switch", name="banner running").click()
    assert wait_until(lambda: page.goto(demo.shop) is not None and not page.get_by_text("Free delivery").is_visible())

    # A split: with another variation of the list comes another layout, which is JSON.
    form = emulator.locator("#flag-4-1")
    for name, percent in {
        "Traffic": 100,
        "Split of popular": 0,
        "Split of similar": 0,
        "Split of personal": 100,
    }.items():
        form.get_by_role("spinbutton", name=name).fill(str(percent))
    form.get_by_role("button", name="Save").click()
    assert wait_until(lambda: page.goto(demo.shop) is not None and page.locator(".products li").count() == 6)
    expect(page.get_by_role("heading", name="Picked for you")).to_be_visible()
    expect(page.locator(".products")).to_have_attribute("data-columns", "3")
    assert visitors.errors == []


@with_chromium
@pytest.mark.timeout(300)
def test_who_logs_in_is_somebody_else_and_a_rule_opens_the_beta_page(visitors: Visitors, demo: Demo) -> None:
    page = visitors.open(demo.shop)
    beta = page.get_by_role("link", name="Your teas (beta)")
    visitor = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}["visitor_id"]
    expect(beta).to_have_count(0)
    sign_up(page, "ada", country="US")  # on the allowlist
    beta.click()
    expect(page.get_by_text("You are ada.")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(beta).to_have_count(0)
    answer = page.goto(f"{demo.shop}beta/")
    assert answer is not None
    assert answer.status == 404
    page.goto(demo.shop)
    log_in(page, "ada")
    expect(beta).to_be_visible()
    assert {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}["visitor_id"] == visitor

    def shown() -> Counter[str]:
        return Counter(event["userId"] for event in demo.events() if "banner" in event["decisions"])

    assert wait_until(lambda: shown() == {visitor: 1, "ada": 1}), "a targeted rule exposes nobody, the banner does"
    assert [error for error in visitors.errors if "404" not in error] == []


# --- in the demo, without one -----------------------------------------------------------------------------------------


def test_a_bots_visit_leaves_no_trace(demo: Demo) -> None:
    with httpx.Client(base_url=demo.shop, headers={"User-Agent": "Googlebot/2.1"}, trust_env=False) as bot:
        assert 'data-checkout="off"' in bot.get("checkout/cup/").text
        assert "visitor_id" not in bot.cookies
        assert bot.get("health/flags/").json()["ready"] is True
    assert demo.events() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_demo_and_takes_its_database_along(number: signal.Signals, tmp_path: Path) -> None:
    with Command(*DEMO, TMPDIR=str(tmp_path)) as command:
        demo = Demo(command, shop="django")
        assert [path.name for path in tmp_path.glob("*/*")] == ["shop.sqlite3"]
        command.signal(number)
        assert command.end() in {0, -number}
        with pytest.raises(httpx.ConnectError):
            httpx.get(demo.shop, trust_env=False)
    assert list(tmp_path.iterdir()) == []


def test_visitors_come_by_themselves_until_its_stdin_is_closed(tmp_path: Path) -> None:
    [shop] = [shop for shop in SHOPS if shop.name == "django"]
    addresses: queue.SimpleQueue[str] = queue.SimpleQueue()
    codes: list[int] = []
    with Emulator() as emulator:
        environment = {**emulator.env, "TMPDIR": str(tmp_path)}
        with RunningShop(shop, port=0, visitors=50, environment=environment) as running:
            watcher = threading.Thread(target=lambda: codes.append(running.watch(addresses.put)))
            watcher.start()
            assert addresses.get(timeout=60).startswith("http://127.0.0.1:")
            emulator.wait_for_events(20, 60)
            assert running._process.stdin is not None
            running._process.stdin.close()
            watcher.join(60)
    assert codes == [0]
    assert list(tmp_path.iterdir()) == []


# --- by its manage.py -------------------------------------------------------------------------------------------------


class Shop(Running):
    """The shop under Django's own server."""

    def __init__(self, server: FlagServer, database: Path) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "SHOP_DATABASE": str(database),
            "SHOP_POLLING_INTERVAL": "0.1",
        }
        run = [sys.executable, str(SHOP / "manage.py")]
        with Running(*run, "migrate", "-v", "0", server=server, **self.environment) as prepared:
            assert prepared.process.wait(60) == 0, prepared.log
        super().__init__(*run, "runserver", "--noreload", f"127.0.0.1:{port}", server=server, **self.environment)
        self.until(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(httpx.get(f"{self.url}/thanks/cup/").status_code == 200)
        except httpx.TransportError:
            return False


def post(browser: httpx.Client, path: str, page: str, **fields: str) -> httpx.Response:
    """Send the form of a page."""
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token is not None
    return browser.post(path, data={"csrfmiddlewaretoken": token[1], **fields})


def test_manage_py_makes_its_database_and_serves_it(server: FlagServer, tmp_path: Path) -> None:
    server.set_config(json.loads(SAMPLE))
    with (
        Shop(server, tmp_path / "shop.sqlite3") as shop,
        httpx.Client(base_url=shop.url, headers={"user-agent": BROWSER}, follow_redirects=True) as browser,
    ):
        assert "Free delivery" in browser.get("/").text
        account = {"username": "ada", "plan": "pro", "country": "FR", "password1": PASSWORD, "password2": PASSWORD}
        assert "ada, pro, FR" in post(browser, "/sign-up/", browser.get("/sign-up/").text, **account).text
        page = browser.get("/checkout/teapot/").text
        assert "Thank you" in post(browser, "/buy/teapot/", page).text
        shop.until(lambda: "purchase" in {event["eventKey"] for event in server.events})
        [purchase] = [event for event in server.events if event["eventKey"] == "purchase"]
        assert (purchase["userId"], purchase["value"], purchase["metadata"]) == ("ada", 24.5, {"product": "teapot"})
        assert f'data-checkout="{purchase["decisions"]["new-checkout"]}"' in page
        config = json.loads(SAMPLE)
        config["flags"][2]["running"] = False
        server.set_config(config)
        shop.until(lambda: "Free delivery" not in browser.get("/").text)


def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SHOP / "manage.py"), *arguments],
        env={"SIGNAKIT_SDK_KEY": "sk_dev_acme_shop_demo", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_passes_djangos_checks() -> None:
    done = manage("check", "--tag", "signakit", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


def test_its_migrations_are_those_of_its_models() -> None:
    done = manage("makemigrations", "--check", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
