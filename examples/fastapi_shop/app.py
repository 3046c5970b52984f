"""The shop: an API, a small page that uses it, and a ticker behind a flag. Each flag is asked where it is needed."""

import asyncio
import os
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response, WebSocket
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, Field
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from signakit_fastapi import Flags, SignaKit, health, require_flag

from .catalogue import PRODUCTS, Product
from .identity import Country, Plan, identify

signakit = SignaKit(  # the key comes from SIGNAKIT_SDK_KEY
    identify=identify,
    polling_interval=float(os.environ.get("SHOP_POLLING_INTERVAL", "30")),
)
app = FastAPI(
    title="Shop",
    lifespan=signakit.lifespan,
    middleware=[
        Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"]),
        *signakit.middleware,
    ],
)
templates = Jinja2Templates(Path(__file__).parent / "templates")
app.get("/health/flags", include_in_schema=False)(health)


class Offer(BaseModel):
    """What the page shows a user."""

    checkout: str
    banner: str
    products: list[Product]


@app.get("/api/offer")
async def offer(flags: Flags) -> Offer:
    """Return the products, as many as a variable says, and the checkout of the A/B test. This is the exposure."""
    count = flags.variable("recommendations", "count", 4)
    return Offer(
        checkout=flags.variation("new-checkout"),
        banner=flags.variable("banner", "text", "") if flags.is_enabled("banner") else "",
        products=list(PRODUCTS.values())[: max(0, count)],
    )


@app.post("/api/buy/{slug}", status_code=201)
def buy(slug: str, flags: Flags) -> Product:
    """Sell a product: the conversion that the A/B test is about. `def` endpoints have the same flags."""
    product = PRODUCTS.get(slug)
    if product is None:
        raise HTTPException(404)
    flags.decide("new-checkout")
    flags.track("purchase", value=product.price, metadata={"product": slug})
    return product


# For those alone for whom a targeted rule switches it on: everybody else gets 404, which the OpenAPI document says.
beta = APIRouter(prefix="/api/beta", dependencies=[Depends(require_flag("beta-dashboard"))])


@beta.get("/sales")
async def sales() -> dict[str, int]:
    """Show a page of the beta."""
    return {"today": 17}


app.include_router(beta)


@app.websocket("/ticker", dependencies=[Depends(require_flag("beta-dashboard"))])
async def ticker(socket: WebSocket) -> None:
    """Tell the price of the lamp, again and again. Without the flag the handshake is refused."""
    await socket.accept()
    for number in range(1_000):
        await socket.send_json({"price": PRODUCTS["lamp"].price + number % 3})
        await asyncio.sleep(1)


@app.get("/", include_in_schema=False)
async def page(request: Request, flags: Flags) -> HTMLResponse:
    """Show the page. A template has `request.state.flags`, too."""
    return templates.TemplateResponse(request, "page.html", {"user": flags.user_id, "known": "user" in request.cookies})


class SignIn(BaseModel):
    """The form on the page."""

    user: str = Field(max_length=40, pattern=r"^[A-Za-z0-9.-]*$")
    plan: Plan = "free"
    country: Country = "US"


@app.post("/api/sign-in", status_code=204)
async def sign_in(form: SignIn, response: Response) -> None:
    """Come as somebody else; without a name, as a visitor."""
    for name, value in form.model_dump().items():
        if form.user:
            response.set_cookie(name, value, httponly=True, samesite="lax")
        else:
            response.delete_cookie(name)
