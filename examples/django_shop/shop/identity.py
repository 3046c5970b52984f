"""Who asks for flags."""

from django.http import HttpRequest

from signakit_flags.integration import Identity

from .models import Customer


def identify(request: HttpRequest) -> Identity | None:
    """Name who is logged in, with what the rules of the flags ask about; visitors are left to their cookie.

    Without this it would be the account's primary key. The allowlist of the beta goes by names.
    """
    user = request.user
    if not isinstance(user, Customer):
        return None
    return Identity(user.username, {"plan": user.plan, "country": user.country})
