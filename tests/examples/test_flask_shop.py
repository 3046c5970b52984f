"""The example shop in Flask: in ``signakit demo``, walked through in a real browser."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

from support.browser import with_chromium
from support.command import Command, signakit
from support.demo import Demo, Visitors
from support.server import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page


@pytest.fixture
def demo() -> Iterator[Demo]:
    with Command("demo", "--shop", "flask", "--port", 0, "--shop-port", 0, "--visitors", 0, "--json") as command:
        yield Demo(command, shop="flask")
        assert command.interrupt() == 0
        assert command.err == ""


def log_in(page: Page, name: str, *, plan: str = "pro", country: str = "DE") -> None:
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Plan").select_option(plan)
    page.get_by_label("Country").select_option(country)
    page.get_by_role("button", name="Log in").click()


@with_chromium
@pytest.mark.timeout(300)
def test_a_visit_from_the_lamp_to_a_purchase(visitors: Visitors, demo: Demo) -> None:
    seen: dict[str, str] = {}
    for number in range(20):
        page = visitors.open(demo.shop)
        expect(page.get_by_text("Free delivery")).to_be_visible()
        expect(page.locator("form[data-checkout]")).to_have_attribute("data-checkout", "off")
        log_in(page, f"customer {number}")
        variation = page.locator("form[data-checkout]").get_attribute("data-checkout")
        assert variation in {"control", "treatment"}
        seen[f"customer {number}"] = variation
        page.get_by_role("button", name="Buy now for 89.00 €" if variation == "treatment" else "Add to basket").click()
        expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        page.context.close()
        if set(seen.values()) == {"control", "treatment"}:
            break
    assert set(seen.values()) == {"control", "treatment"}, "twenty customers and all in one variation"

    def purchases() -> dict[str, Any]:
        return {event["userId"]: event for event in demo.events() if event["eventKey"] == "purchase"}

    assert wait_until(lambda: purchases().keys() == seen.keys())
    bought = {user: (event["value"], event["decisions"]["new-checkout"]) for user, event in purchases().items()}
    assert bought == {user: (89.0, variation) for user, variation in seen.items()}
    exposed = [
        (event["userId"], event["decisions"]["new-checkout"])
        for event in demo.events()
        if event["eventKey"] == "$exposure" and event["userId"] in seen and "new-checkout" in event["decisions"]
    ]
    assert sorted(exposed) == sorted(seen.items()), "each customer once"
    assert visitors.errors == []


@with_chromium
@pytest.mark.timeout(300)
def test_a_flag_that_is_flipped_shows_and_a_rule_opens_the_beta_page(visitors: Visitors, demo: Demo) -> None:
    demo.change("banner", running=False)
    page = visitors.open(demo.shop)
    assert wait_until(lambda: page.reload() is not None and not page.get_by_text("Free delivery").is_visible())
    log_in(page, "ada", country="US")  # on the allowlist
    page.get_by_role("link", name="Your lights (beta)").click()
    expect(page.get_by_text("You are ada.")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="Your lights (beta)")).to_have_count(0)
    answer = page.goto(f"{demo.shop}beta")
    assert answer is not None
    assert answer.status == 404
    assert [error for error in visitors.errors if "404" not in error] == []


def test_a_bots_visit_leaves_no_trace(demo: Demo) -> None:
    answer = httpx.get(demo.shop, headers={"User-Agent": "Googlebot/2.1"}, trust_env=False)
    assert 'data-checkout="off"' in answer.text
    assert "set-cookie" not in answer.headers
    assert httpx.get(f"{demo.shop}flags/health", trust_env=False).json()["ready"] is True
    assert demo.events() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_demo(number: signal.Signals) -> None:
    with Command("demo", "--shop", "flask", "--port", 0, "--shop-port", 0, "--visitors", 0, "--json") as command:
        demo = Demo(command, shop="flask")
        command.signal(number)
        assert command.end() in {0, -number}
        with pytest.raises(httpx.ConnectError):
            httpx.get(demo.shop, trust_env=False)


def test_visitors_come_by_themselves() -> None:
    with Command("demo", "--shop", "flask", "--port", 0, "--shop-port", 0, "--visitors", 50, "--json") as command:
        demo = Demo(command, shop="flask")
        assert wait_until(lambda: len({event["userId"] for event in demo.events()}) > 20)
        assert command.interrupt() == 0
        assert command.err == ""


def test_a_shop_that_does_not_exist_is_told() -> None:
    assert re.search(r"There are starlette, .*\bflask\b", signakit("demo", "--shop", "cobol", code=1).err)
