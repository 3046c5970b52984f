"""Who asks for flags."""

from typing import Literal

from starlette.requests import HTTPConnection

from signakit_fastapi import Identity

Plan = Literal["free", "pro"]
Country = Literal["DE", "AT", "FR", "US"]


def identify(connection: HTTPConnection) -> Identity | None:
    """Name the user who is signed in, with what the rules of the flags ask about; visitors are left to their cookie.

    A shop on one machine believes the cookies. Yours looks into a session or a token; with a dependency that does it
    already, see `SignaKit.flags_from`.
    """
    cookies = connection.cookies
    user = cookies.get("user")
    if not user:
        return None
    return Identity(user, {"plan": cookies.get("plan", "free"), "country": cookies.get("country", "US")})
