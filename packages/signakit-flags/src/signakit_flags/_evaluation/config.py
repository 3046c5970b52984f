"""The config as the CDN sends it, decoded tolerantly into typed values (PROTOCOL sections 2 and 8).

One flag of a wrong shape is left out and named in ``problems``; the rest load. What is no JSON, no object, or has no
list of flags is refused whole. Fields that evaluation never needs (``id``, ``generatedAt``...) are not looked at.

A config is untrusted and may have ``max_config_size`` bytes, so it is decoded in slices, see ``slices``. One call of
the decoder is a slice at most: a small config, one flag, or the search for the flags of a config.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from .problems import ConfigError, NotJsonError, Problems, shown
from .slices import SLICE, Budget
from .splitting import Guesses, SplitError, Splitter, trimmed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from .slices import Slices


BOM = b"\xef\xbb\xbf"

NO_VALUE: Final = object()
"""The value of a condition that has none; such a condition never matches (PROTOCOL section 8)."""


class Range(msgspec.Struct, frozen=True, gc=False):
    """Buckets ``start``..``end``, both inclusive, within 0..9999."""

    variation: str
    start: int | float
    end: int | float


class Allocation(msgspec.Struct, frozen=True, gc=False):
    """Which bucket gets which variation: the first range that holds it."""

    ranges: tuple[Range, ...]


class Condition(msgspec.Struct, frozen=True, gc=False):
    """One test of one attribute. ``value`` is ``NO_VALUE`` where it has none, which is not the same as null."""

    attribute: str
    operator: str
    value: Any = NO_VALUE


class Audience(msgspec.Struct, frozen=True, gc=False):
    """Conditions that must all hold."""

    conditions: tuple[Condition, ...] | None = None


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
    audiences: tuple[Audience, ...] | None = None
    allowlist: tuple[AllowlistEntry, ...] | None = None


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
    variations: tuple[Variation, ...] | None = None
    variables: tuple[Variable, ...] | None = None
    rules: tuple[Rule, ...] | None = None


_NO_RAW = msgspec.Raw(b"null")


class _Document(msgspec.Struct):
    flags: list[Flag]
    version: msgspec.Raw = _NO_RAW


class _LooseDocument(msgspec.Struct):
    flags: list[msgspec.Raw]
    version: msgspec.Raw = _NO_RAW


class _Around(msgspec.Struct):
    version: msgspec.Raw = _NO_RAW


class _Named(msgspec.Struct):
    key: str


class _RuleWithRaw(msgspec.Struct):
    allowlist: msgspec.Raw = _NO_RAW


class _Rules(msgspec.Struct):
    rules: list[_RuleWithRaw] | None = None


class Config(msgspec.Struct, frozen=True, gc=False):
    """A decoded config.

    Attributes:
        flags: The flags that could be read, in the order of the config.
        version: The config's version when it is an integer, else None.
        problems: What was left out.
        size: How many bytes it had.
    """

    flags: list[Flag]
    version: int | None
    problems: Problems
    size: int


_decode_document = msgspec.json.Decoder(_Document).decode
_decode_loosely = msgspec.json.Decoder(_LooseDocument).decode
_decode_around = msgspec.json.Decoder(_Around).decode
_decode_flag = msgspec.json.Decoder(Flag).decode
_decode_flags = msgspec.json.Decoder(list[Flag]).decode
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_integer = msgspec.json.Decoder(int).decode
_decode_name = msgspec.json.Decoder(_Named).decode
_decode_rules = msgspec.json.Decoder(_Rules).decode

_SENTINEL_KEY = "\0"
_SENTINEL = b'{"key":"\\u0000","salt":"","allocation":{"ranges":[]}},'
"""A flag of ours."""

_MAX_COMMAS = 200_000
_BYTES_A_COMMA = 12
"""A config with more commas than both bounds is split by ``Splitter``. Ordinary ones have one in 20 bytes."""

_BAD = 100
"""What a flag that cannot be used costs beside its bytes, in bytes: an exception and a line."""

MAX_CONTAINERS = 50_000
"""Lists, and objects beside the entries of allowlists, that any flag of more than one slice may have."""

_CONTAINERS = 10_000
_BYTES_A_CONTAINER = 16
"""A large flag may have so many for a start, and one more in so many bytes. Ordinary ones have one in 33."""

MAX_FIELDS = 100_000
"""Fields beside those of allowlists, in the same flag: each is a name that is kept."""

_BYTES_AN_ITEM = 5
"""Bytes of an item of a large flag, at least, with its comma: 200,000 different numbers take more than six each."""

_WHITE = b" \t\r\n"
_DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER = b"0" * 200
_MAX_LONG_NUMBERS = 1_000
"""Numbers of 200 digits, in a large flag. Making a number takes a time that grows with the square of its digits."""


class Decoding:
    """The decoding of one config, in slices.

    Attributes:
        version: After the last group: the config's version when it is an integer, else None.
        problems: What was left out so far.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        body = memoryview(data)
        self._body = body[len(BOM) :] if body[: len(BOM)] == BOM else body
        self.version: int | None = None
        self.problems: Problems = Problems()
        self._budget = Budget()
        self._count = 0  # flags before the body

    def groups(self) -> Generator[list[Flag] | None, None, None]:
        """Give the flags in groups, each of them the flags of one slice, in the order of the config; None is a pause.

        Raises:
            NotJsonError: The body is not JSON; a lone surrogate in it is enough.
            ConfigError: It is not an object, its ``flags`` is not a list, or too many flags cannot be used.
        """
        try:
            cut = False
            if len(self._body) > SLICE:
                cut = yield from self._ordinary_part()
            for group in self._rest():
                if cut and group:
                    cut = group.pop(0).key != _SENTINEL_KEY
                    if cut:
                        break
                yield group
            if cut:
                raise ConfigError("config is not an object with a list of flags: it has several of them")
        except RecursionError as error:  # the calling code is near the limit itself
            raise ConfigError("config is nested too deeply") from error
        except (msgspec.DecodeError, UnicodeDecodeError, SplitError) as error:
            raise NotJsonError(f"config is not valid JSON: {error}") from error

    def _ordinary_part(self) -> Generator[list[Flag] | None, None, bool]:
        """Decode the flags at the beginning of an ordinary config, and return whether there were any.

        What is left is a config as before, with a flag of ours in their place: where it is not the first afterwards,
        the config has another list of flags. To find the flags by the decoder, as below, takes a third more.
        """
        body = self._body
        guesses = Guesses(body)
        start = guesses.start
        # The list is that of the config, and not one within something else, if this is all that is open.
        if start is None or start > SLICE or not _is_json(memoryview(bytes(body[:start]) + b"]}")):
            return False
        position = start
        while len(body) - position > SLICE:
            end = yield from self._ordinary_slice(guesses, position)
            if end == position:
                break
            position = end
        if position > start:
            self._body = memoryview(b"".join((body[:start], _SENTINEL, body[position:])))
            self._count -= 1
        return position > start

    def _ordinary_slice(self, guesses: Guesses, position: int) -> Generator[list[Flag] | None, None, int]:
        for end in guesses.after(position, SLICE):
            text = b"".join((b"[", self._body[position : end - 1], b"]"))
            try:
                try:
                    flags = _decode_flags(text)
                except msgspec.ValidationError:  # some flag is of a wrong shape
                    raws = _decode_raws(text)
                    yield from self._flags(raws)
                    self._count += len(raws)
                else:
                    yield flags
                    self._count += len(flags)
            except (msgspec.DecodeError, RecursionError):
                yield None
                continue  # not a flag begins there, but something in one
            return end
        return position

    def _rest(self) -> Generator[list[Flag] | None, None, None]:
        if len(self._body) > SLICE or not (yield from self._at_once()):
            yield from self._one_by_one()

    def _at_once(self) -> Generator[list[Flag] | None, None, bool]:
        try:
            document = _decode_document(self._body)
        except (msgspec.ValidationError, RecursionError):
            return False  # some flag is of a wrong shape, or the whole is
        self.version = _version(document.version)
        yield document.flags
        return True

    def _one_by_one(self) -> Generator[list[Flag] | None, None, None]:
        raws = self._raws()
        yield None
        if raws is not None:
            yield from self._flags(raws)
            return
        splitter = Splitter(self._body, self._budget)
        yield from self._flags(splitter.items())
        around = _decode_around(splitter.around)
        if splitter.found != 1:
            raise ConfigError(f"config is not an object with a list of flags: it has {splitter.found} of them")
        self.version = _version(around.version)

    def _raws(self) -> list[msgspec.Raw] | None:
        """Find the flags; None where the decoder would take too long or does not get deep enough."""
        body = self._body
        # In pieces: a memoryview cannot count, and a copy of the whole takes memory.
        commas = sum(bytes(body[start : start + SLICE]).count(b",") for start in range(0, len(body), SLICE))
        if commas > max(_MAX_COMMAS, len(body) // _BYTES_A_COMMA):
            return None
        try:
            document = _decode_loosely(body)
        except msgspec.ValidationError as error:
            raise ConfigError(f"config is not an object with a list of flags: {error}") from error
        except RecursionError:
            return None
        self.version = _version(document.version)
        return document.flags

    def _flags(self, items: Iterable[msgspec.Raw | memoryview | None]) -> Generator[list[Flag] | None, None, None]:
        """Decode each item of the list of flags; an item that is None is a pause."""
        group: list[Flag] = []
        index = self._count - 1
        for item in items:
            if item is None:
                yield group
                group = []
                continue
            index += 1
            size = memoryview(item).nbytes
            flag: Flag | None
            if size > SLICE:
                yield group
                group = []
                flag = yield from self._large_flag(item, index)
            else:
                try:
                    flag = _decode_flag(item)
                except (msgspec.ValidationError, RecursionError) as error:
                    flag = yield from self._second_look(item, index, error)
                    size += _BAD
            if flag is not None:
                group.append(flag)
            if self._budget.spend(size):
                yield group
                group = []
        yield group

    def _large_flag(self, item: msgspec.Raw | memoryview, index: int) -> Slices[Flag | None]:
        reason = _too_dense(item)
        yield None
        if reason is not None:
            name = yield from self._name(item, index)
            self.problems.skip(name, reason)
            return None
        flag: Flag | None
        try:
            flag = _decode_flag(item)
        except (msgspec.ValidationError, RecursionError) as error:
            flag = yield from self._second_look(item, index, error)
        return flag

    def _second_look(self, item: msgspec.Raw | memoryview, index: int, error: Exception) -> Slices[Flag | None]:
        """Return a flag that was nested too deeply for the decoder, without what is; name one of a wrong shape."""
        if isinstance(error, RecursionError):
            text = yield from trimmed(memoryview(item), self._budget)
            try:
                return _decode_flag(text)
            except msgspec.ValidationError as wrong:
                item, error = msgspec.Raw(text), wrong
        name = yield from self._name(item, index)
        self.problems.skip(name, error)
        return None

    def _name(self, item: msgspec.Raw | memoryview, index: int) -> Slices[str]:
        """Return how a flag that cannot be used is named. It need not be JSON as yet, and is decoded to its end."""
        try:
            try:
                named = _decode_name(item)
            except RecursionError:
                named = _decode_name((yield from trimmed(memoryview(item), self._budget)))
        except msgspec.ValidationError:
            return f"number {index}"
        return shown(named.key)


def decode_config(data: bytes | memoryview) -> Config:
    """Decode the body of a config response, all of it at once.

    Raises:
        NotJsonError: The body is not JSON; a lone surrogate in it is enough.
        ConfigError: It is not an object, its ``flags`` is not a list, or too many flags cannot be used.
    """
    decoding = Decoding(data)
    flags = [flag for group in decoding.groups() for flag in group or ()]
    return Config(flags, decoding.version, decoding.problems, len(data))


def _too_dense(item: msgspec.Raw | memoryview) -> str | None:
    """Return why a large flag takes longer to decode than any real one of its size; None where it does not."""
    # Without white space, so that a field is known by two bytes. A colon alone may be in any text.
    text = bytes(item).translate(_DIGITS_AS_ZERO, _WHITE)
    entries = _entries(text)
    if entries > _CONTAINERS:
        # What only looks like them, as in a condition, is an object each, at six times the cost.
        entries = sum(_entries(bytes(rule.allowlist).translate(None, _WHITE)) for rule in _allowlists(item))
    limit = min(MAX_CONTAINERS, _CONTAINERS + len(text) // _BYTES_A_CONTAINER)
    if max(text.count(b"["), text.count(b"{") - entries) > limit:
        return f"it holds more lists and objects than {limit:,}"
    if text.count(b'":') - 2 * entries > MAX_FIELDS:
        return f"it holds more fields than {MAX_FIELDS:,}"
    if text.count(b",") > max(_MAX_COMMAS, len(text) // _BYTES_AN_ITEM):
        return "its lists hold more items than they can have values"
    if text.count(_LONG_NUMBER) > _MAX_LONG_NUMBERS:
        return "it holds too many numbers of hundreds of digits"
    return None


def _entries(text: bytes) -> int:
    """Return how many entries of allowlists are in JSON without white space, at most."""
    return min(text.count(b'"userId":'), text.count(b'"variation":'))


def _allowlists(item: msgspec.Raw | memoryview) -> list[_RuleWithRaw]:
    """Return the rules of a flag; none where it is of a wrong shape or nested too deeply, which is told later."""
    try:
        return _decode_rules(item).rules or []
    except (msgspec.ValidationError, RecursionError):
        return []


def _is_json(text: memoryview) -> bool:  # as a view, whose repr() shows no SDK key
    try:
        _decode_around(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _version(raw: msgspec.Raw) -> int | None:
    try:
        return _decode_integer(raw)
    except msgspec.ValidationError:
        return None
