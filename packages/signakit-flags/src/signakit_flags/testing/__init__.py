"""Flags in tests: forced, asserted, and never over the network.

::

    with override_flags({"new-checkout": "treatment"}), recorded() as events:
        page = browser.get("/checkout")

    events.assert_exposed("new-checkout", variation="treatment")

The same in plain code, Django, Flask, FastAPI and Starlette, sync and async, with a client that is ready and without
one. With pytest, the fixture ``signakit`` and the marker ``@pytest.mark.signakit({...})`` do both; with unittest,
``SignaKitMixin``. A config of a few lines, for what a rule decides, comes from ``config(flag(...))``.
"""

from ._builder import FlagConfig, config, flag
from ._forced import Override
from ._kit import Kit, SignaKitMixin
from ._overrides import override_flags
from ._recording import Conversion, Exposure, Recording, recorded
from ._serving import use_client

__all__ = [
    "Conversion",
    "Exposure",
    "FlagConfig",
    "Kit",
    "Override",
    "Recording",
    "SignaKitMixin",
    "config",
    "flag",
    "override_flags",
    "recorded",
    "use_client",
]
