"""Django's page caches, and the pages of views that ask for flags.

The page of a view that asks for flags depends on the visitor. The middleware says so when the view has returned, by
``Vary: Cookie``. A cache between the middleware and the view, such as ``cache_page``, has stored the page by then, and
would give the first visitor's page to everyone. So the first question takes back Django's permission to store, and the
middleware gives it again to the caches around it. It does not where the response sets the visitor cookie: some releases
of Django 5.2 store such a page, and so hand one visitor's id to others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.http import HttpRequest

_PERMISSION = "_cache_update_cache"
"""Django's: set by what looks into a cache before the view, asked by what stores after it."""
_WITHHELD = "_signakit_cache_withheld"


def withhold(request: HttpRequest) -> None:
    """Have the caches that stand inside of the middleware store nothing of this request."""
    if getattr(request, _PERMISSION, False):
        setattr(request, _PERMISSION, False)
        setattr(request, _WITHHELD, True)


def give_back(request: Any) -> None:
    """Let the caches around the middleware store the response, which says by now what it depends on."""
    if request.__dict__.pop(_WITHHELD, False):
        setattr(request, _PERMISSION, True)
