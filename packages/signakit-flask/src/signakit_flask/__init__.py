"""SignaKit feature flags in Flask.

``signakit = SignaKit(app)``, or ``signakit.init_app(app)`` in a factory, and ``flags`` is the user context of whichever
request is being served: ``flags.variation("new-checkout")``. Outside of requests there are ``signakit.client`` and
``signakit.flags_for()``.
"""

from signakit_flags.integration import Identity

from ._version import __version__
from .decorators import flag_required
from .extension import SignaKit
from .proxy import aflags, flags
from .state import SignaKitState
from .views import blueprint

__all__ = [
    "Identity",
    "SignaKit",
    "SignaKitState",
    "__version__",
    "aflags",
    "blueprint",
    "flag_required",
    "flags",
]
