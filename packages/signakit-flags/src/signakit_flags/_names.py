"""Names and numbers of the service that several modules share, each written here once (PROTOCOL sections 1 to 7)."""

from __future__ import annotations

from typing import Final

OFF: Final = "off"
"""The variation that is not enabled, and what a user gets when nothing else holds."""

USER_AGENT: Final = "$userAgent"
"""The attribute that takes a request's User-Agent. It decides whether the user is a bot, and is never sent."""

EXPOSURE: Final = "$exposure"
"""The event key of an exposure."""

BUCKETS: Final = 10_000
"""Buckets of a user, numbered from 0."""

AB_TEST: Final = "ab-test"
"""The type of a rule that divides users for an experiment."""

MULTI_ARMED_BANDIT: Final = "multi-armed-bandit"
"""The type of a rule that the service divides anew as results come in."""

TARGETED: Final = "targeted"
"""The type of a rule that gives its users a variation and exposes nothing."""

ARCHIVED: Final = "archived"
"""The status of a flag that has no decision any more."""

DEVELOPMENT: Final = "development"
"""The environment of a key that begins with ``sk_dev_``."""

PRODUCTION: Final = "production"
"""The environment of a key that begins with ``sk_prod_``."""

BEYOND_DOUBLES: Final = 2**1023
"""Whole numbers of this size are not sent, and are not given for a ``float``: other readers of JSON hold doubles."""
