"""The same with Django's own test runner: `python manage.py test`, also with `--parallel`."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.test import RequestFactory, SimpleTestCase

from signakit_django.testing import SignaKitMixin, override_flags, recorded, with_flags

from .views import checkout


class CheckoutTests(SignaKitMixin, SimpleTestCase):
    """Each test has `self.signakit`, and what is forced here."""

    signakit_flags: ClassVar[Mapping[str, Any]] = {"new-checkout": "treatment"}

    def test_the_new_checkout_sells_the_teapot(self) -> None:
        """Forced by the class."""
        self.assertContains(self.client.get("/checkout/teapot/"), "it is yours")
        self.signakit.assert_exposed("new-checkout", variation="treatment")
        self.client.post("/buy/teapot/")
        self.signakit.assert_tracked("purchase", value=24.5, decisions={"new-checkout": "treatment"})

    def test_each_checkout(self) -> None:
        """One after another."""
        for variation in ("control", "treatment"):
            with self.subTest(variation):
                self.signakit.set({"new-checkout": variation})
                found = "it is yours" in self.client.get("/checkout/teapot/").text
                assert found == (variation == "treatment")


class ViewTests(SimpleTestCase):
    """A view alone, without middleware and URLs."""

    @override_flags({"new-checkout": "control"})
    def test_the_checkout_of_a_user(self) -> None:
        """A decorator forces, too."""
        request = with_flags(RequestFactory().get("/"), "ada", {"plan": "pro"})
        with recorded() as events:
            response = checkout(request, "teapot")
        self.assertContains(response, "Checkout")
        events.assert_exposed("new-checkout", user="ada", variation="control")
