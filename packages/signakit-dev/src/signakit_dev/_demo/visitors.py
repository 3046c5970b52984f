"""Synthetic visitors: they decide and buy through a client of the SDK, as the handlers of a shop do."""

from __future__ import annotations

import asyncio
import random
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signakit_flags import SignaKitClient, SignaKitUserContext

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PLANS = ("pro", "free")
COUNTRIES = ("DE", "AT", "FR", "US")
PRICE = 89.0

CONVERSION = {"add-to-cart": 0.15, "purchase": 0.08}
"""How many visitors do it, before a variation changes their minds."""

LIFT = {
    ("add-to-cart", "recommendations", "similar"): 1.3,
    ("add-to-cart", "recommendations", "personal"): 1.8,
    ("purchase", "new-checkout", "treatment"): 1.6,
}
"""How many times as many do it with a variation. The page shows it once enough visitors came."""


async def keep_visiting(client: SignaKitClient, rate: float) -> None:
    """Send ``rate`` visitors a second through the shop, at random moments, until cancelled."""
    source = random.Random()
    while rate > 0:
        await asyncio.sleep(source.expovariate(rate))
        visit(client, source)


def visit(client: SignaKitClient, source: random.Random) -> None:
    """Let one new visitor see everything, and do what such visitors do."""
    attributes = {"plan": source.choice(PLANS), "country": source.choice(COUNTRIES), "$userAgent": BROWSER}
    user = client.create_user_context(str(uuid.UUID(int=source.getrandbits(128), version=4)), attributes)
    if user is None:  # no config yet
        return
    user.decide_all()  # every flag, so that those of a project of your own fill, too
    for event in CONVERSION:
        if source.random() < conversion(user, event):
            user.track(event, value=PRICE if event == "purchase" else None)


def conversion(user: SignaKitUserContext, event: str) -> float:
    """Return how probable the event is with the variations that the user has seen, 0 to 1."""
    share = CONVERSION[event]
    for (lifted, flag, variation), times in LIFT.items():
        if lifted == event and user.variation(flag) == variation:
            share *= times
    return share
