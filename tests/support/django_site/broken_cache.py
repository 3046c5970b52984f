from __future__ import annotations

from django.core.cache.backends.base import BaseCache


class BrokenCache(BaseCache):
    """A cache whose server is away."""

    def __init__(self, location, params):
        super().__init__(params)

    def get(self, key, default=None, version=None):
        raise ConnectionError("the cache is away")

    def set(self, key, value, timeout=None, version=None):
        raise ConnectionError("the cache is away")
