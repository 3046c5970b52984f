"""Names and numbers of the protocol that several modules share, each written here once (PROTOCOL sections 1 to 7)."""

from __future__ import annotations

from typing import Final

BUCKETS: Final = 10_000
"""Buckets that the users of a flag fall into, 0..9999."""

OFF: Final = "off"
"""The variation of a flag that does not run, and of a bucket outside every range."""

ACTIVE: Final = "active"
"""The status of a flag that can have decisions."""

ARCHIVED: Final = "archived"
"""The status of a flag that has no decisions any more."""

AB_TEST: Final = "ab-test"
"""The type of a rule that divides users for an experiment."""

MULTI_ARMED_BANDIT: Final = "multi-armed-bandit"
"""The type of a rule that the service divides again as results come in."""

TARGETED: Final = "targeted"
"""The type of a rule that exposes nothing."""

DEVELOPMENT: Final = "development"
"""The environment of a key that begins with ``sk_dev_``."""

PRODUCTION: Final = "production"
"""The environment of a key that begins with ``sk_prod_``."""

USER_AGENT: Final = "$userAgent"
"""The attribute that carries the User-Agent. It tells bots; no condition matches it, and it is never sent."""

EXPOSURE: Final = "$exposure"
"""The event key of an exposure."""
