from __future__ import annotations

import os

from signakit_flags.integration import Identity


def by_query(request):
    """Say who asks by the address, and which process serves them."""
    user = request.GET.get("user")
    return None if user is None else Identity(user, {"pid": os.getpid()})
