"""The pages. Each flag is asked where it is needed, and nowhere else."""

from flask import Blueprint, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from signakit_flask import flag_required, flags

from .accounts import COUNTRIES, PLANS

PRICE = 89.0

pages = Blueprint("pages", __name__)


@pages.get("/")
def product() -> str:
    """Show the lamp with one of two checkouts: the A/B test. Being shown one is the exposure."""
    return render_template("product.html", price=PRICE, checkout=flags.variation("new-checkout"))


@pages.post("/buy")
def buy() -> Response:
    """Sell the lamp: the conversion that the A/B test is about, told together with the checkout that was seen."""
    flags.decide("new-checkout")
    flags.track("purchase", value=PRICE, metadata={"product": "lamp"})
    return redirect(url_for(".thanks"))


@pages.get("/thanks")
def thanks() -> str:
    """Say thank you. No flag is asked, so this page costs none."""
    return render_template("thanks.html")


@pages.get("/beta")
@flag_required("beta-dashboard")
async def beta() -> str:
    """Show a page to those alone for whom a targeted rule switches it on; in an async view."""
    return render_template("beta.html")


@pages.route("/login", methods=["GET", "POST"])
def login() -> str | Response:
    """Log in by a name alone: this shop is for one machine."""
    if request.method == "GET":
        return render_template("login.html", plans=PLANS, countries=COUNTRIES)
    name = request.form.get("name", "").strip()[:50]
    if not name:
        return redirect(url_for(".login"))
    session.update(
        name=name, plan=one_of(PLANS, request.form.get("plan")), country=one_of(COUNTRIES, request.form.get("country"))
    )
    return redirect(url_for(".product"))


@pages.post("/logout")
def logout() -> Response:
    """Be a visitor again."""
    session.clear()
    return redirect(url_for(".product"))


def one_of(choices: tuple[str, ...], value: str | None) -> str:
    """Return the value if it is one of the choices, else the first."""
    return value if value in choices else choices[0]
