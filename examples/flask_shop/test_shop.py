"""How this shop is tested: each variation of a flag, without a network and without a key.

`pytest examples/flask_shop`; with pytest-xdist and pytest-randomly in parallel and in random order.
"""

import pytest
from flask.testing import FlaskClient

from signakit_flags.testing import Kit, Override, override_flags, recorded

from . import create_app


@pytest.fixture
def browser() -> FlaskClient:
    """Return a visitor's browser."""
    app = create_app()
    app.testing = True
    return app.test_client()


@pytest.mark.signakit_each_variation("new-checkout", ["off", "control", "treatment"])
def test_each_checkout_sells_the_lamp(browser: FlaskClient, signakit: Kit, signakit_variations: dict[str, str]) -> None:
    """The flag is forced in one line, the mark above; the test runs three times."""
    checkout = signakit_variations["new-checkout"]
    page = browser.get("/").text
    assert ("Buy now for 89.00" in page) == (checkout == "treatment")
    signakit.assert_exposed("new-checkout", variation=checkout)
    assert browser.post("/buy").location == "/thanks"
    signakit.assert_tracked("purchase", value=89.0, decisions={"new-checkout": checkout})


@pytest.mark.signakit({"new-checkout": "treatment"})
def test_the_visitor_who_saw_it_is_the_one_who_buys(browser: FlaskClient, signakit: Kit) -> None:
    """A visitor is known again by their cookie, forced or not."""
    browser.get("/")
    visitor = signakit.assert_exposed("new-checkout").user_id
    browser.post("/buy")
    signakit.assert_tracked("purchase", user=visitor)
    assert len(signakit.exposures) == 1, "once, though two requests asked"


def test_the_banner_says_what_its_variable_says(browser: FlaskClient) -> None:
    """What is forced may have variables; the fixture is not needed."""
    with override_flags({"banner": Override("on", variables={"text": "Lamps at half price"})}):
        assert "Lamps at half price" in browser.get("/").text
    assert "Lamps at half price" not in browser.get("/").text


def test_the_beta_page_is_for_those_who_have_the_flag(browser: FlaskClient) -> None:
    """In an async view, and for somebody who is logged in."""
    browser.post("/login", data={"name": "ada", "plan": "pro", "country": "DE"})
    with override_flags({"beta-dashboard": True}), recorded() as events:
        assert "You are ada." in browser.get("/beta").text
    events.assert_exposed("beta-dashboard", user="ada", variation="on")
    with override_flags({"beta-dashboard": False}):
        assert browser.get("/beta").status_code == 404


def test_without_any_flags_the_shop_sells_as_it_always_did(browser: FlaskClient, signakit: Kit) -> None:
    """No config, nothing forced: every flag is at its default."""
    assert "Add to basket" in browser.get("/").text
    signakit.assert_not_exposed()
