"""The config as the CDN sends it, decoded tolerantly into typed values (PROTOCOL sections 2 and 8).

One flag of a wrong shape is left out and named in ``problems``; the rest load. What is no JSON, no object, or has no
list of flags is refused whole. Fields that evaluation never needs (``id``, ``generatedAt``...) are not looked at.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

_BOM = b"\xef\xbb\xbf"

NO_VALUE: Final = object()
"""The value of a condition that has none; such a condition never matches (PROTOCOL section 8)."""


class ConfigError(ValueError):
    """The config cannot be read at all; the message says why."""


class NotJsonError(ConfigError):
    """What should be a config is not JSON."""


class Range(msgspec.Struct, frozen=True, gc=False):
    """Buckets ``start``..``end``, both inclusive, within 0..9999."""

    variation: str
    start: int | float
    end: int | float


class Allocation(msgspec.Struct, frozen=True, gc=False):
    """Which bucket gets which variation: the first range that holds it."""

    ranges: list[Range]


class Condition(msgspec.Struct, frozen=True, gc=False):
    """One test of one attribute. ``value`` is ``NO_VALUE`` where it has none, which is not the same as null."""

    attribute: str
    operator: str
    value: Any = NO_VALUE


class Audience(msgspec.Struct, frozen=True, gc=False):
    """Conditions that must all hold."""

    conditions: list[Condition] | None = None


class AllowlistEntry(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A user who gets a variation before audiences and traffic are looked at."""

    user_id: str | int | float | None = None
    variation: str | None = None


class Rule(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One rule of a flag."""

    traffic_percentage: float
    variation_allocation: Allocation
    rule_key: str | None = None
    rule_type: str | None = None
    audience_match_type: str | None = None
    audiences: list[Audience] | None = None
    allowlist: list[AllowlistEntry] | None = None


class Variation(msgspec.Struct, frozen=True, gc=False):
    """A variation and the variables it overrides. One without a key can never be named, and is ignored."""

    key: str | None = None
    variables: dict[str, Any] | None = None


class Variable(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A variable the flag defines."""

    key: str
    default_value: Any = None


class Flag(msgspec.Struct, frozen=True, gc=False):
    """One flag. Only ``key``, ``salt`` and ``allocation`` are required."""

    key: str
    salt: str
    allocation: Allocation
    status: str | None = None
    running: bool | None = None
    variations: list[Variation] | None = None
    variables: list[Variable] | None = None
    rules: list[Rule] | None = None


_NO_RAW = msgspec.Raw(b"null")


class _Document(msgspec.Struct):
    flags: list[Flag]
    version: msgspec.Raw = _NO_RAW


class _LooseDocument(msgspec.Struct):
    flags: list[msgspec.Raw]
    version: msgspec.Raw = _NO_RAW


class _Named(msgspec.Struct):
    key: str


class Config(msgspec.Struct, frozen=True, gc=False):
    """A decoded config.

    Attributes:
        flags: The flags that could be read, in the order of the config.
        version: The config's version when it is an integer, else None.
        problems: One line for each flag that was left out.
    """

    flags: list[Flag]
    version: int | None
    problems: list[str]


_decode_document = msgspec.json.Decoder(_Document).decode
_decode_loosely = msgspec.json.Decoder(_LooseDocument).decode
_decode_flag = msgspec.json.Decoder(Flag).decode
_decode_integer = msgspec.json.Decoder(int).decode
_decode_name = msgspec.json.Decoder(_Named).decode


def decode_config(data: bytes | memoryview) -> Config:
    """Decode the body of a config response.

    Raises:
        NotJsonError: The body is not JSON; a lone surrogate in it is enough.
        ConfigError: It is not an object, its ``flags`` is not a list, or it is nested too deeply.
    """
    body = memoryview(data)
    if body[: len(_BOM)] == _BOM:
        body = body[len(_BOM) :]
    try:
        try:
            document = _decode_document(body)
        except msgspec.ValidationError:
            # Some flag is of a wrong shape, or the whole is: decode flag by flag, which is several times slower.
            return _decode_each_flag(body)
    except RecursionError as error:
        raise ConfigError("config is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotJsonError(f"config is not valid JSON: {error}") from error
    return Config(document.flags, _version(document.version), [])


def _decode_each_flag(data: memoryview) -> Config:
    try:
        document = _decode_loosely(data)
    except msgspec.ValidationError as error:
        raise ConfigError(f"config is not an object with a list of flags: {error}") from error
    flags: list[Flag] = []
    problems: list[str] = []
    for index, raw in enumerate(document.flags):
        try:
            flags.append(_decode_flag(raw))
        except msgspec.ValidationError as error:
            problems.append(f"flag {_name(raw, index)} skipped: {error}")
    return Config(flags, _version(document.version), problems)


def _name(raw: msgspec.Raw, index: int) -> str:
    try:
        return repr(_decode_name(raw).key[:100])
    except msgspec.ValidationError:
        return f"number {index}"


def _version(raw: msgspec.Raw) -> int | None:
    try:
        return _decode_integer(raw)
    except msgspec.ValidationError:
        return None
