"""Bodies of a config that cost much time or memory where they are read carelessly, each of any size.

The tests say what becomes of each, on both faces; ``benchmarks/hostile_configs.py`` says how long the longest piece of
its work takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MERSENNE = 2**61 - 1
"""Multiples of it, plus one number, have one hash."""

GOOD = b'{"key":"good","salt":"s","running":true,"allocation":{"ranges":[{"variation":"on","start":0,"end":9999}]}}'
"""A flag that has to load beside what is hostile."""

DENSE = "holds more lists and objects than"
FIELDS = "holds more fields than"
ITEMS = "hold more items than they can have"
MANY_BAD = "more than 10,000 flags that cannot be used"
NOT_JSON = "config is not valid JSON"


@dataclass(frozen=True, slots=True)
class Hostile:
    """A body.

    Attributes:
        make: Returns it, with about so many bytes.
        says: A part of the reason, where it is refused; else of a line of the log; empty where nothing is wrong.
        refused: The config is refused whole. Otherwise ``GOOD`` loads.
    """

    make: Callable[[int], bytes]
    says: str = ""
    refused: bool = False


def repeated(item: bytes, size: int) -> bytes:
    """Return ``item`` over and over, with commas."""
    return b",".join([item] * max(1, size // (len(item) + 1)))


def counted(item: bytes, size: int, *, step: int = 1) -> bytes:
    """Return ``item`` with one number after another in place of each ``%d``, with commas."""
    items: list[bytes] = []
    length = 0
    while length < size:
        items.append(item.replace(b"%d", b"%d" % (7 + step * len(items))))
        length += len(items[-1]) + 1
    return b",".join(items)


def flags(items: bytes) -> bytes:
    return b'{"flags":[%s,%s]}' % (GOOD, items)


def flag(fields: bytes) -> bytes:
    return b'{"key":"f","salt":"s","allocation":{"ranges":[]},%s}' % fields


def rule(fields: bytes) -> bytes:
    return flag(b'"rules":[{"trafficPercentage":100,"variationAllocation":{"ranges":[]},%s}]' % fields)


def condition(value: bytes) -> bytes:
    return rule(b'"audiences":[{"conditions":[{"attribute":"a","operator":"in","value":%s}]}]' % value)


def nested(opening: bytes, closing: bytes, size: int) -> bytes:
    levels = size // len(opening + closing)
    return opening * levels + b"0" + closing * levels


HOSTILE: dict[str, Hostile] = {
    # Not flags at all.
    "numbers for flags": Hostile(lambda size: flags(repeated(b"0", size)), MANY_BAD, refused=True),
    "empty objects for flags": Hostile(lambda size: flags(repeated(b"{}", size)), MANY_BAD, refused=True),
    "empty lists for flags": Hostile(lambda size: flags(repeated(b"[]", size)), MANY_BAD, refused=True),
    "empty texts for flags": Hostile(lambda size: flags(repeated(b'""', size)), MANY_BAD, refused=True),
    "names for flags": Hostile(lambda size: flags(repeated(b'{"key":"k"}', size)), MANY_BAD, refused=True),
    "deep lists for flags": Hostile(
        lambda size: flags(repeated(b"[" * 1_500 + b"]" * 1_500, size)), "flag number 1 skipped"
    ),
    "small flags": Hostile(
        lambda size: flags(counted(b'{"key":"%d","salt":"","allocation":{"ranges":[]}}', size)),
    ),
    "nothing but spaces": Hostile(lambda size: b'{"flags":[' + GOOD + b" " * size + b"]}"),
    # One flag that is large and dense.
    "lists in a condition": Hostile(lambda size: flags(condition(b"[%s]" % repeated(b"[]", size))), DENSE),
    "objects in a condition": Hostile(lambda size: flags(condition(b"[%s]" % repeated(b'{"a":0}', size))), DENSE),
    "false entries in a condition": Hostile(
        lambda size: flags(condition(b"[%s]" % repeated(b'{"userId":0,"variation":0}', size))),
        DENSE,
    ),
    "names in a condition": Hostile(lambda size: flags(condition(b"{%s}" % counted(b'"%d":0', size))), FIELDS),
    "zeros in a condition": Hostile(lambda size: flags(condition(b"[%s]" % repeated(b"0", size))), ITEMS),
    "texts in a condition": Hostile(lambda size: flags(condition(b"[%s]" % counted(b'"%d"', size)))),
    "numbers in a condition": Hostile(lambda size: flags(condition(b"[%s]" % counted(b"1.%d", size)))),
    "numbers of one hash": Hostile(lambda size: flags(condition(b"[%s]" % counted(b"%d", size, step=MERSENNE)))),
    "numbers of 4,300 digits": Hostile(
        lambda size: flags(condition(b"[%s]" % repeated(b"9" * 4_300, size))), "numbers of hundreds of digits"
    ),
    "an allowlist": Hostile(
        lambda size: flags(rule(b'"allowlist":[%s]' % counted(b'{"userId":"user-%d","variation":"on"}', size)))
    ),
    "an allowlist of numbers": Hostile(
        lambda size: flags(rule(b'"allowlist":[%s]' % counted(b'{"userId":%d,"variation":"on"}', size, step=MERSENNE)))
    ),
    "an allowlist of nothing": Hostile(lambda size: flags(rule(b'"allowlist":[%s]' % repeated(b"{}", size))), DENSE),
    "empty audiences": Hostile(lambda size: flags(rule(b'"audiences":[%s]' % repeated(b"{}", size))), DENSE),
    "unknown operators": Hostile(
        lambda size: flags(counted(condition(b"0").replace(b'"in"', b'"o%d"').replace(b'"f"', b'"f%d"'), size)),
        "unknown operator",
    ),
    "variables": Hostile(
        lambda size: flags(flag(b'"variations":[{"key":"on","variables":{%s}}]' % counted(b'"%d":0', size))), FIELDS
    ),
    "ranges of one hash": Hostile(
        lambda size: flags(
            counted(
                b'{"key":"%d","salt":"","allocation":{"ranges":[{"variation":"on","start":%d,"end":-%d}]}}',
                size,
                step=MERSENNE,
            )
        ),
    ),
    "rules": Hostile(
        lambda size: flags(
            flag(b'"rules":[%s]' % repeated(b'{"trafficPercentage":1,"variationAllocation":{"ranges":[]}}', size))
        ),
        DENSE,
    ),
    "one field over and over": Hostile(lambda size: flags(flag(repeated(b'"rules":[]', size))), DENSE),
    "dense flags of medium size": Hostile(
        lambda size: flags(
            counted(
                condition(b"[%s]" % repeated(b"[]", 40_000)).replace(b'"f"', b'"f%d"'),
                size,
            )
        ),
        "its conditions hold more lists and objects than 1,000",
    ),
    "dense variables of many flags": Hostile(
        lambda size: flags(
            counted(
                flag(b'"variables":[{"key":"v","defaultValue":[%s]}]' % repeated(b"[]", 2_000)).replace(
                    b'"f"', b'"f%d"'
                ),
                size,
            )
        ),
        "too many lists and objects in the values of its flags",
        refused=True,
    ),
    # Nesting.
    "nested lists in a condition": Hostile(lambda size: flags(condition(nested(b"[", b"]", size))), DENSE),
    "nested objects in a condition": Hostile(lambda size: flags(condition(nested(b'{"a":', b"}", size))), DENSE),
    "nesting that is not read": Hostile(
        lambda size: b'{"flags":[%s],"no":%s}' % (GOOD, nested(b"[", b"]", size)),
    ),
    # Around the flags.
    "lists that are not read": Hostile(lambda size: b'{"flags":[%s],"no":[%s]}' % (GOOD, repeated(b"[]", size))),
    "names that are not read": Hostile(lambda size: b'{"flags":[%s],%s}' % (GOOD, counted(b'"%d":0', size))),
    "flags twice": Hostile(lambda size: b'{"flags":[],"flags":[%s]}' % repeated(b"0", size), "flags", refused=True),
    # Texts.
    "a long text": Hostile(lambda size: flags(flag(b'"status":"%s"' % (b"a" * size)))),
    "a long key": Hostile(lambda size: flags(b'{"key":"%s"}' % (b"\\n" * (size // 2))), "flag '\\n"),
    "escapes": Hostile(lambda size: flags(flag(b'"status":"%s"' % (b"\\ud83d\\ude00" * (size // 12))))),
    "a text without an end": Hostile(
        lambda size: flags(b'"' + b'\\"' * (size // 2)),
        NOT_JSON,
        refused=True,
    ),
    "quotes and commas": Hostile(lambda size: b'{"flags":[%s' % (b'"a",' * (size // 4)), "", refused=True),
}
