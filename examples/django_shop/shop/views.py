"""The pages. Each flag is asked where it is needed, and nowhere else."""

from typing import Any

from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from signakit_django.decorators import flag_required
from signakit_django.request import FlagsRequest

from .catalogue import PRODUCTS, Product
from .forms import SignUpForm

PLAIN_LAYOUT: dict[str, Any] = {"columns": 2, "heading": "Products"}


def products(request: FlagsRequest) -> HttpResponse:
    """List products: how many, and laid out how, say the variables of a flag, a number and a JSON object."""
    count = request.flags.variable("recommendations", "count", 4)
    layout = request.flags.variable("recommendations", "layout", PLAIN_LAYOUT)
    listed = list(PRODUCTS.values())[: max(0, count)]
    return render(request, "shop/products.html", {"products": listed, "layout": layout})


def checkout(request: FlagsRequest, slug: str) -> HttpResponse:
    """Show one of two checkouts: the A/B test. Being shown one is the exposure."""
    variation = request.flags.variation("new-checkout")
    template = "shop/checkout_new.html" if variation == "treatment" else "shop/checkout.html"
    return render(request, template, {"product": product_or_404(slug), "variation": variation})


@require_POST
def buy(request: FlagsRequest, slug: str) -> HttpResponse:
    """Sell a product: the conversion that the A/B test is about, told together with the checkout that was seen."""
    product = product_or_404(slug)
    request.flags.decide("new-checkout")
    request.flags.track("purchase", value=product.price, metadata={"product": product.slug})
    return redirect("thanks", slug=product.slug)


def thanks(request: HttpRequest, slug: str) -> HttpResponse:
    """Say thank you. No flag is asked, so this page costs none."""
    return render(request, "shop/thanks.html", {"product": product_or_404(slug)})


@flag_required("beta-dashboard")
async def beta(request: FlagsRequest) -> HttpResponse:
    """Show a page to those alone for whom a targeted rule switches it on. In an async view flags are awaited."""
    flags = await request.aflags()
    return render(request, "shop/beta.html", {"user_id": flags.user_id})


def sign_up(request: HttpRequest) -> HttpResponse:
    """Make an account, and log in."""
    form = SignUpForm(request.POST or None)
    if not form.is_valid():
        return render(request, "registration/sign_up.html", {"form": form})
    login(request, form.save())
    return redirect("products")


def product_or_404(slug: str) -> Product:
    """Return a product.

    Raises:
        Http404: There is none of this name.
    """
    if slug not in PRODUCTS:
        raise Http404(slug)
    return PRODUCTS[slug]
