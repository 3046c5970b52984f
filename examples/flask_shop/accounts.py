"""Who asks for flags."""

from flask import Request, session

from signakit_flags.integration import Identity
from signakit_flask import SignaKit

PLANS = ("pro", "free")
COUNTRIES = ("DE", "AT", "FR", "US")

signakit = SignaKit()


@signakit.identify
def identify(request: Request) -> Identity | None:  # noqa: ARG001  # Flask's session is that of the request
    """Name who is logged in, with what the rules of the flags ask about; visitors are left to their cookie."""
    name = session.get("name")
    return None if name is None else Identity(name, {"plan": session["plan"], "country": session["country"]})
