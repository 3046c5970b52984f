"""How this shop is tested: each variation of a flag, without a network and without a key.

`pytest examples/fastapi_shop`; with pytest-xdist and pytest-randomly in parallel and in random order.
"""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from signakit_flags import SignaKitClient
from signakit_flags.testing import Kit, Override, config, flag, override_flags, recorded, use_client

from .app import app


@pytest.fixture
def browser() -> Iterator[TestClient]:
    """Return a visitor's browser; the `with` runs the lifespan."""
    with TestClient(app, base_url="http://localhost") as client:
        yield client


@pytest.mark.signakit_each_variation("new-checkout", ["off", "control", "treatment"])
def test_each_checkout_sells_the_lamp(browser: TestClient, signakit: Kit, signakit_variations: dict[str, str]) -> None:
    """The flag is forced in one line, the mark above; the test runs three times."""
    checkout = signakit_variations["new-checkout"]
    assert browser.get("/api/offer").json()["checkout"] == checkout
    visitor = browser.cookies["visitor_id"]
    signakit.assert_exposed("new-checkout", user=visitor, variation=checkout)
    assert browser.post("/api/buy/lamp").status_code == 201  # a `def` endpoint, in a thread
    signakit.assert_tracked("purchase", user=visitor, value=89.0, decisions={"new-checkout": checkout})


@pytest.mark.parametrize("count", [0, 2, 6])
def test_there_are_as_many_products_as_the_variable_says(browser: TestClient, count: int) -> None:
    """What is forced may have variables; the fixture is not needed."""
    with override_flags({"recommendations": Override("on", variables={"count": count})}):
        assert len(browser.get("/api/offer").json()["products"]) == count


def test_the_beta_is_for_those_who_have_the_flag(browser: TestClient) -> None:
    """For routes and for WebSockets."""
    browser.cookies.set("user", "ada")
    with override_flags({"beta-dashboard": True}), recorded() as events:
        assert browser.get("/api/beta/sales").json() == {"today": 17}
        with browser.websocket_connect("ws://localhost/ticker") as socket:
            assert socket.receive_json() == {"price": 89.0}
    events.assert_exposed("beta-dashboard", user="ada", variation="on")
    with override_flags({"beta-dashboard": False}):
        assert browser.get("/api/beta/sales").status_code == 404
        with pytest.raises(WebSocketDisconnect), browser.websocket_connect("ws://localhost/ticker"):
            pass


def test_the_test_of_the_checkout_is_for_customers_on_the_plan_pro(browser: TestClient) -> None:
    """A rule is tested by a config of its own: who is in its audience, and who is not."""
    rules = config(flag("new-checkout").split(treatment=100).when(plan="pro"))
    for plan, checkout in (("pro", "treatment"), ("free", "off")):
        browser.cookies.update({"user": f"ada-{plan}", "plan": plan})
        with use_client(SignaKitClient.offline(rules)), recorded() as events:
            assert browser.get("/api/offer").json()["checkout"] == checkout
        events.assert_exposed("new-checkout", user=f"ada-{plan}", variation=checkout)


def test_without_any_flags_the_shop_sells_as_it_always_did(browser: TestClient, signakit: Kit) -> None:
    """No config, nothing forced: every flag is at its default."""
    offer = browser.get("/api/offer").json()
    assert (offer["checkout"], offer["banner"], len(offer["products"])) == ("off", "", 4)
    signakit.assert_not_exposed()
