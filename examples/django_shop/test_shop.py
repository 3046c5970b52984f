"""How this shop is tested with pytest-django: each variation of a flag, without a network and without a key.

`pytest examples/django_shop`; with pytest-xdist and pytest-randomly in parallel and in random order. The ini file names
a config, `flags_for_tests.json`: the fixture `signakit` decides by it what a test does not force. With Django's own
runner: `shop/tests.py`.
"""

import httpx
import pytest
from django.test import Client
from pytest_django.live_server_helper import LiveServer
from shop.models import Customer

from signakit_flags.testing import Kit, Override, override_flags, recorded


@pytest.mark.signakit_each_variation("new-checkout")
def test_each_checkout_sells_the_teapot(client: Client, signakit: Kit, signakit_variations: dict[str, str]) -> None:
    """The flag is forced in one line, the mark above; the test runs once for each variation of the config."""
    checkout = signakit_variations["new-checkout"]
    page = client.get("/checkout/teapot/").text
    assert ("Buy now for 24.50" in page) == (checkout == "treatment")
    visitor = client.cookies["visitor_id"].value
    signakit.assert_exposed("new-checkout", user=visitor, variation=checkout)
    client.post("/buy/teapot/")
    signakit.assert_tracked("purchase", user=visitor, value=24.5, decisions={"new-checkout": checkout})


@pytest.mark.parametrize("columns", [1, 3])
def test_the_layout_is_the_one_of_the_variable(client: Client, columns: int) -> None:
    """What is forced may have variables; the fixture is not needed."""
    layout = {"columns": columns, "heading": "Teapots at half price"}
    with override_flags({"recommendations": Override("on", variables={"layout": layout, "count": 1})}):
        page = client.get("/").text
    assert "<h1>Teapots at half price</h1>" in page
    assert f'data-columns="{columns}"' in page
    assert page.count("<li>") == 1


@pytest.mark.django_db
def test_the_beta_page_is_for_those_who_have_the_flag(client: Client) -> None:
    """In an async view, and for somebody who is logged in."""
    client.force_login(Customer.objects.create_user("ben", country="US"))
    with override_flags({"beta-dashboard": True}), recorded() as events:
        assert "You are ben." in client.get("/beta/").text
    events.assert_exposed("beta-dashboard", user="ben", variation="on")
    with override_flags({"beta-dashboard": False}):
        assert client.get("/beta/").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(("country", "status"), [("DE", 200), ("US", 404)])
def test_the_beta_page_is_for_some_countries(client: Client, signakit: Kit, country: str, status: int) -> None:
    """Nothing is forced: the rule in the config decides, by what `identify` says of the customer."""
    client.force_login(Customer.objects.create_user("ben", country=country))
    assert client.get("/beta/").status_code == status
    signakit.assert_not_exposed("beta-dashboard", variation="on")


@pytest.mark.signakit({"new-checkout": "treatment"})
def test_a_live_server_sees_it_in_its_threads(live_server: LiveServer, signakit: Kit) -> None:
    """As for a browser that is driven by Selenium or Playwright."""
    assert "it is yours" in httpx.get(f"{live_server.url}/checkout/teapot/").text
    signakit.assert_exposed("new-checkout", variation="treatment")
