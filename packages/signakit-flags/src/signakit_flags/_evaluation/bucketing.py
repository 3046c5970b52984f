"""Buckets: MurmurHash3 x86 32-bit, seed 0, over UTF-8, modulo 10,000 (PROTOCOL section 3)."""

from __future__ import annotations

from mmh3 import mmh3_32_uintdigest as murmur3_32

from .._names import BUCKETS


def bucket(prefix: str, user_id: str) -> int:
    """Return the bucket, 0..9999, of a user.

    Args:
        prefix: ``"{salt}:{traffic|variation|default}:"``.
        user_id: The user; a lone surrogate in it is hashed as its three bytes (PROTOCOL section 8).
    """
    # Never the text itself: mmh3 takes text too, but a lone surrogate in it crashes the interpreter (mmh3 5.3).
    data = (prefix + user_id).encode("utf-8", "surrogatepass")
    return murmur3_32(data) % BUCKETS
