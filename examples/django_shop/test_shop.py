"""How this shop is tested with pytest-django: each variation of a flag, without a network and without a key.

`cd examples/django_shop && pytest`; with pytest-xdist and pytest-randomly in parallel and in random order. The ini file
names the shop's own `flags.json`: the fixture `signakit` decides by it what a test does not force. With Django's own
runner: `shop/tests.py`.
"""

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from signakit_flags.testing import Kit, Override, override_flags, recorded


@pytest.mark.signakit_each_variation("new-checkout")
def test_each_checkout_sells_the_teapot(client: Client, signakit: Kit, signakit_variations: dict[str, str]) -> None:
    """The flag is forced in one line, the mark above; the test runs once for each variation in `flags.json`."""
    checkout = signakit_variations["new-checkout"]
    page = client.get("/checkout/teapot/").text
    assert ("it is yours" in page) == (checkout == "treatment")
    assert ("Buy now" in page) == (checkout == "treatment"), "its variables are those of flags.json"
    visitor = client.cookies["visitor_id"].value
    signakit.assert_exposed("new-checkout", user=visitor, variation=checkout)
    client.post("/buy/teapot/")
    signakit.assert_tracked("purchase", user=visitor, value=24.5)


def test_the_layout_is_the_one_of_the_flag(client: Client) -> None:
    """What is forced may have variables; the fixture is not needed."""
    layout = {"columns": 3, "banner": "Teapots at half price"}
    with override_flags({"shop-layout": Override("on", variables={"layout": layout})}):
        assert "Teapots at half price" in client.get("/").text


@pytest.mark.django_db
def test_the_beta_page_is_for_those_who_have_the_flag(client: Client) -> None:
    """In an async view, and for somebody who is logged in."""
    ada = User.objects.create_user("ada")
    client.force_login(ada)
    with override_flags({"beta-page": True}), recorded() as events:
        assert "Beta" in client.get("/beta/").text
    events.assert_exposed("beta-page", user=str(ada.pk), variation="on")
    with override_flags({"beta-page": False}):
        assert client.get("/beta/").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("staff", [True, False])
def test_the_beta_page_is_for_staff(client: Client, signakit: Kit, staff: bool) -> None:  # noqa: FBT001  # a parameter of a test
    """Nothing is forced: the rule in `flags.json` decides, by what `identify` says of the user."""
    client.force_login(User.objects.create_user("ada", is_staff=staff))
    assert client.get("/beta/").status_code == (200 if staff else 404)
    signakit.assert_not_exposed("beta-page", variation="on")


@pytest.mark.signakit({"new-checkout": "treatment"})
def test_a_live_server_sees_it_in_its_threads(live_server: LiveServer, signakit: Kit) -> None:
    """As for a browser that is driven by Selenium or Playwright."""
    assert "it is yours" in httpx.get(f"{live_server.url}/checkout/teapot/").text
    signakit.assert_exposed("new-checkout", variation="treatment")
