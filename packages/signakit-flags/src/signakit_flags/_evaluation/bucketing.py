"""Buckets: MurmurHash3 x86 32-bit, seed 0, over UTF-8, modulo 10,000 (PROTOCOL section 3)."""

from __future__ import annotations

from mmh3 import mmh3_32_uintdigest

BUCKETS = 10_000


def bucket(prefix: str, user_id: str) -> int:
    """Return the bucket, 0..9999, of a user.

    Args:
        prefix: ``"{salt}:{traffic|variation|default}:"``.
        user_id: The user; a lone surrogate in it is hashed as its three bytes (PROTOCOL section 8).
    """
    try:
        data = (prefix + user_id).encode()
    except UnicodeEncodeError:
        data = (prefix + user_id).encode("utf-8", "surrogatepass")
    return mmh3_32_uintdigest(data) % BUCKETS
