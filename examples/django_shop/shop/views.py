"""The pages. Each flag is asked where it is needed, and nowhere else."""

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from signakit_django.decorators import flag_required
from signakit_django.request import FlagsRequest

from .catalogue import PRODUCTS, Product

PLAIN_LAYOUT: dict[str, Any] = {"columns": 2, "banner": ""}


def products(request: FlagsRequest) -> HttpResponse:
    """List the products, laid out as the JSON variable of a flag says."""
    layout = request.flags.variable("shop-layout", "layout", PLAIN_LAYOUT)
    return render(request, "shop/products.html", {"products": PRODUCTS.values(), "layout": layout})


def checkout(request: FlagsRequest, slug: str) -> HttpResponse:
    """Show one of two checkouts: the A/B test. Being shown one is the exposure."""
    template = "shop/checkout.html"
    if request.flags.variation("new-checkout", "control") == "treatment":
        template = "shop/checkout_new.html"
    button = request.flags.variable("new-checkout", "button", "Buy")
    return render(request, template, {"product": product_or_404(slug), "button": button})


@require_POST
def buy(request: FlagsRequest, slug: str) -> HttpResponse:
    """Sell a product: the conversion that the A/B test is about."""
    product = product_or_404(slug)
    request.flags.track("purchase", value=product.price, metadata={"product": product.slug})
    return redirect("thanks", slug=product.slug)


def thanks(request: FlagsRequest, slug: str) -> HttpResponse:
    """Say thank you. No flag is asked, so this page costs none."""
    return render(request, "shop/thanks.html", {"product": product_or_404(slug)})


@flag_required("beta-page")
async def beta(request: FlagsRequest) -> HttpResponse:
    """Show a page to those alone for whom a targeted rule switches it on. In an async view flags are awaited."""
    flags = await request.aflags()
    return render(request, "shop/beta.html", {"user_id": flags.user_id})


def product_or_404(slug: str) -> Product:
    """Return a product.

    Raises:
        Http404: There is none of this name.
    """
    if slug not in PRODUCTS:
        raise Http404(slug)
    return PRODUCTS[slug]
