"""Who asks for flags."""

from django.contrib.auth.models import User
from django.http import HttpRequest

from signakit_flags.integration import Identity


def identify(request: HttpRequest) -> Identity | None:
    """Name the user who is logged in, with what the rules of the flags ask about; visitors are left to their cookie."""
    user = request.user
    if not isinstance(user, User):
        return None
    return Identity(str(user.pk), {"staff": user.is_staff, "email": user.email})
