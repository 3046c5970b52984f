"""The example shop under Django's own server, walked through as a browser does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from support.contract import BROWSER
from support.servers import Running, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import FlagServer

SHOP = Path(__file__).parents[2] / "examples" / "django_shop"
USERS = (
    "from django.contrib.auth.models import User;"
    "User.objects.create_user('ada', password='tea', is_staff=True); User.objects.create_user('ben', password='tea')"
)


class Shop(Running):
    """The shop, running."""

    def __init__(self, server: FlagServer, database: Path) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "SHOP_DATABASE": str(database),
            "SHOP_POLLING_INTERVAL": "0.1",
        }
        run = [sys.executable, str(SHOP / "manage.py")]
        for command in (["migrate", "-v", "0"], ["shell", "-v", "0", "-c", USERS]):
            with Running(*run, *command, server=server, **self.environment) as prepared:
                assert prepared.process.wait(60) == 0, prepared.log
        super().__init__(*run, "runserver", "--noreload", f"127.0.0.1:{port}", server=server, **self.environment)
        self.until(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(httpx.get(f"{self.url}/thanks/cup/").status_code == 200)
        except httpx.TransportError:
            return False

    def browser(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"user-agent": BROWSER}, follow_redirects=True)


@pytest.fixture
def shop(server: FlagServer, tmp_path: Path) -> Iterator[Shop]:
    server.set_config(json.loads((SHOP / "flags.json").read_text()))
    with Shop(server, tmp_path / "shop.sqlite3") as running:
        yield running


def post(browser: httpx.Client, path: str, page: str, **fields: str) -> httpx.Response:
    """Send the form of a page."""
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token is not None
    return browser.post(path, data={"csrfmiddlewaretoken": token[1], **fields})


def test_a_visit_from_the_products_to_a_purchase(shop: Shop, server: FlagServer) -> None:
    seen: dict[str, str] = {}
    for _ in range(20):
        with shop.browser() as browser:
            assert "Free delivery this week" in browser.get("/").text
            page = browser.get("/checkout/teapot/").text
            variation = "treatment" if "Buy now for 24.50" in page else "control"
            assert (variation == "treatment") == ("it is yours" in page)
            assert "Beta" not in page
            assert "Thank you" in post(browser, "/buy/teapot/", page).text
            seen[browser.cookies["visitor_id"]] = variation
        if set(seen.values()) == {"control", "treatment"}:
            break
    assert set(seen.values()) == {"control", "treatment"}, "twenty visitors and all in one variation"
    shop.until(lambda: len([event for event in server.events if event["eventKey"] == "purchase"]) == len(seen))
    exposed = {
        event["userId"]: event["decisions"]["new-checkout"]
        for event in server.events
        if event["eventKey"] == "$exposure" and "new-checkout" in event["decisions"]
    }
    assert exposed == seen
    purchases = [event for event in server.events if event["eventKey"] == "purchase"]
    assert {event["userId"]: event["value"] for event in purchases} == dict.fromkeys(seen, 24.5)
    assert purchases[0]["metadata"] == {"product": "teapot"}


def test_the_beta_page_is_for_staff(shop: Shop) -> None:
    for name, status in (("ada", 200), ("ben", 404)):
        with shop.browser() as browser:
            assert browser.get("/beta/").status_code == 404
            answer = post(browser, "/login/", browser.get("/login/").text, username=name, password="tea")
            assert answer.status_code == 200
            assert ("Beta" in answer.text) == (name == "ada")
            assert browser.get("/beta/").status_code == status


def test_a_flag_that_is_flipped_shows(shop: Shop, server: FlagServer) -> None:
    config = json.loads((SHOP / "flags.json").read_text())
    config["flags"][2]["running"] = False
    server.set_config(config)
    with shop.browser() as browser:
        shop.until(lambda: "Free delivery" not in browser.get("/").text)
        assert browser.get("/health/flags/").json()["ready"] is True


def test_it_passes_djangos_checks(server: FlagServer) -> None:
    done = subprocess.run(
        [sys.executable, str(SHOP / "manage.py"), "check", "--tag", "signakit", "--deploy", "--fail-level", "WARNING"],
        env={"SIGNAKIT_SDK_KEY": "sk_dev_acme_shop_demo", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
