"""Events, and what of them goes over the wire (PROTOCOL section 7 and the rows on events in section 8).

An event is made where the application waits, and is made cheaply: it only refers to what it needs. Cutting, cleaning
and formatting happen here, later, where a batch is encoded.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any

from .._log import logger
from .._names import BEYOND_DOUBLES, EXPOSURE
from .._signal_handlers import let_through
from .._types import plain_text, short

if TYPE_CHECKING:
    from .exposure_filter import ExposureKey

MAX_EVENT_KEY = 100
MAX_USER_ID = 256
MAX_ATTRIBUTES = 50
MAX_ATTRIBUTE_KEY = 100
MAX_ATTRIBUTE_TEXT = 1_000
MAX_ATTRIBUTE_ITEMS = 100
MAX_METADATA_BYTES = 5_000
_MAX_DEPTH = 64


@dataclass(slots=True, eq=False)
class Exposure:
    """A user was shown a variation.

    Attributes:
        at: When, in seconds since the epoch.
        user_id: The user, uncut.
        attributes: The attributes of the user, uncut.
        flag_key, variation_key, rule_key: What was decided.
        key: Identity in the exposure filter.
    """

    at: float
    user_id: str
    attributes: Mapping[str, Any]
    flag_key: str
    variation_key: str
    rule_key: str | None
    key: ExposureKey

    def payload(self, cleaner: Cleaner) -> dict[str, Any]:
        """Return the event as JSON data."""
        decisions = {self.flag_key: self.variation_key}
        payload = _payload(EXPOSURE, self.user_id, self.at, self.attributes, decisions, cleaner)
        payload["metadata"] = {
            "flagKey": self.flag_key,
            "variationKey": self.variation_key,
            "ruleKey": self.rule_key,
        }
        return payload


@dataclass(slots=True, eq=False)
class Conversion:
    """A user did something worth counting.

    Attributes:
        at: When, in seconds since the epoch.
        user_id, attributes, event_key: Uncut.
        decisions: What the user's context had decided by then, variation by flag.
        value: A number, text (the vendor's SDKs pass it on), or None.
        metadata: JSON data made by ``clean_metadata``, or None.
    """

    at: float
    user_id: str
    attributes: Mapping[str, Any]
    event_key: str
    decisions: dict[str, str]
    value: Any
    metadata: Any

    def payload(self, cleaner: Cleaner) -> dict[str, Any]:
        """Return the event as JSON data."""
        payload = _payload(self.event_key, self.user_id, self.at, self.attributes, self.decisions, cleaner)
        if self.value is not None:
            value = self.value
            payload["value"] = plain_text(value) if isinstance(value, str) else json_number(value, cleaner.warnings)
        if self.metadata is not None:
            payload["metadata"] = self.metadata
        return payload


Event = Exposure | Conversion


class Warnings:
    """Says each thing once. Bounded: an application that names attributes by user would fill the memory otherwise."""

    __slots__ = ("_said",)

    _LIMIT = 1_000

    def __init__(self) -> None:
        self._said: set[str] = set()

    def once(self, topic: str, message: str, *args: object) -> None:
        """Log ``message`` at WARNING unless something was said on ``topic`` before."""
        if topic in self._said or len(self._said) >= self._LIMIT:
            return
        self._said.add(topic)
        logger.warning(message, *args)


class Cleaner:
    """Makes attributes what is sent of them, once for all events of a batch that refer to the same ones.

    Attributes:
        warnings: What was said already.
    """

    __slots__ = ("_cleaned", "warnings")

    def __init__(self, warnings: Warnings) -> None:
        self.warnings: Warnings = warnings
        self._cleaned: dict[int, dict[str, Any]] = {}  # by identity: their events keep them for as long as the batch is

    def attributes(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is sent of ``attributes``."""
        sent = self._cleaned.get(id(attributes))
        if sent is None:
            sent = self._cleaned[id(attributes)] = sent_attributes(attributes, self.warnings)
        return sent


def encode_batch(events: Iterable[Event], warnings: Warnings) -> bytes:
    """Return the body of a post."""
    import msgspec  # not before the first post: `import signakit_flags` stays light

    cleaner = Cleaner(warnings)
    payloads = [event.payload(cleaner) for event in events]
    try:
        return msgspec.json.encode({"events": payloads})
    except UnicodeEncodeError:
        # A lone surrogate somewhere. Rare, so only this path pays for looking.
        return msgspec.json.encode({"events": _replace_surrogates(payloads)})


def as_sent(event: Event, warnings: Warnings) -> list[dict[str, Any]]:
    """Return the event as the server would read it, in a list of one; an empty list where there is no such form."""
    import msgspec

    try:
        events: list[dict[str, Any]] = msgspec.json.decode(encode_batch([event], warnings))["events"]
    except Exception as error:
        let_through(error)
        logger.exception("an event cannot be encoded")
        return []
    return events


def clean_metadata(metadata: Any, warnings: Warnings) -> Any:
    """Return ``metadata`` as JSON data of its own, or None when it cannot be sent.

    Copied at once, since the application may go on changing it. Dropped, with a warning, when its compact JSON is
    over 5,000 bytes of UTF-8 or when it holds something that JSON has no form for.
    """
    import msgspec

    try:
        cleaned = _JsonCopy(warnings).of(metadata)
        size = len(msgspec.json.encode(cleaned))
    except Exception as error:  # noqa: BLE001  # whatever the application put in: tracking never raises for it
        let_through(error)
        warnings.once("metadata-type", "metadata of an event dropped: %s", error)
        return None
    if size > MAX_METADATA_BYTES:
        warnings.once(
            "metadata-size", "metadata of an event dropped: %d bytes, the limit is %d", size, MAX_METADATA_BYTES
        )
        return None
    return cleaned


class _JsonCopy:
    """Copies what the application handed in as JSON data, and no more of it than can be sent.

    A list of millions, or one that holds another twice, which holds another twice, would stop the caller for long.
    """

    __slots__ = ("_room", "_warnings")

    def __init__(self, warnings: Warnings) -> None:
        self._warnings = warnings
        self._room = MAX_METADATA_BYTES  # an item takes a byte at least, and so does a character

    def of(self, value: Any, depth: int = 0) -> Any:
        """Return ``value`` as JSON data.

        Raises:
            TypeError: JSON has no form for it.
            ValueError: It is over 5,000 bytes by far.
        """
        if isinstance(value, str):
            return self._text(value)
        if value is None:
            return None
        if isinstance(value, (int, float)) or is_decimal(value):
            return json_number(value, self._warnings)
        if depth >= _MAX_DEPTH:
            raise TypeError(f"nested deeper than {_MAX_DEPTH} levels")
        if isinstance(value, Mapping):
            self._take(2 + len(value))
            return {self._text(key): self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            self._take(2 + len(value))
            return [self.of(item, depth + 1) for item in value]
        raise TypeError(f"{type(value).__name__} has no form in JSON")

    def _text(self, value: object) -> str:
        text = value if type(value) is str else plain_text(value)
        self._take(len(text))
        return text if text.isascii() else _text(text)

    def _take(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise ValueError(f"over {MAX_METADATA_BYTES} bytes")


def _payload(
    event_key: str,
    user_id: str,
    at: float,
    attributes: Mapping[str, Any],
    decisions: dict[str, str],
    cleaner: Cleaner,
) -> dict[str, Any]:
    payload: dict[str, Any] = {
        # A look costs less than to cut what is nearly always short enough.
        "eventKey": event_key
        if type(event_key) is str and len(event_key) <= MAX_EVENT_KEY
        else plain_text(event_key)[:MAX_EVENT_KEY],
        "userId": user_id
        if type(user_id) is str and len(user_id) <= MAX_USER_ID
        else plain_text(user_id)[:MAX_USER_ID],
        "timestamp": format_timestamp(at),
    }
    if attributes:
        sent = cleaner.attributes(attributes)
        if sent:
            payload["attributes"] = sent
    if decisions:
        payload["decisions"] = decisions
    return payload


def sent_attributes(attributes: Mapping[Any, Any], warnings: Warnings) -> dict[str, Any]:
    """Return the attributes as they are sent: at most 50, cut, of the types that the service takes."""
    if type(attributes) is dict and _is_sent_as_it_is(attributes):
        return attributes
    sent: dict[str, Any] = {}
    for name, value in islice(attributes.items(), MAX_ATTRIBUTES):
        if value is None:
            continue
        try:
            _send_attribute(sent, name, value, warnings)
        except Exception as error:  # noqa: BLE001  # an object may raise whatever is asked of it, even what it is
            let_through(error)
            warnings.once(
                "attribute-raised", "attribute %s is not sent: it raised %s", short(name), type(error).__name__
            )
    return sent


def _is_sent_as_it_is(attributes: dict[Any, Any]) -> bool:
    """Say whether nothing is to be cut, left out or made another type: so it nearly always is, and a look will do."""
    if len(attributes) > MAX_ATTRIBUTES:
        return False
    for name, value in attributes.items():
        if type(name) is not str or len(name) > MAX_ATTRIBUTE_KEY:
            return False
        kind = type(value)
        if kind is str:
            if len(value) > MAX_ATTRIBUTE_TEXT:
                return False
        elif not (
            kind is bool
            or (kind is int and -BEYOND_DOUBLES < value < BEYOND_DOUBLES)
            or (kind is float and isfinite(value))
        ):
            return False
    return True


def _send_attribute(sent: dict[str, Any], name: object, value: Any, warnings: Warnings) -> None:
    if not isinstance(name, str):
        warnings.once("attribute-name", "an attribute whose name is no text is not sent: %s", short(name))
        return
    name = plain_text(name)[:MAX_ATTRIBUTE_KEY]
    if isinstance(value, str):
        sent[name] = plain_text(value)[:MAX_ATTRIBUTE_TEXT]
    elif isinstance(value, (int, float)):
        sent[name] = json_number(value, warnings)
    elif isinstance(value, (list, tuple)):
        sent[name] = [
            plain_text(item)[:MAX_ATTRIBUTE_TEXT] if isinstance(item, str) else json_number(item, warnings)
            for item in value[:MAX_ATTRIBUTE_ITEMS]
            if isinstance(item, (str, int)) or (isinstance(item, float) and isfinite(item))
        ]
    else:
        warnings.once(
            f"attribute {name}",
            "attribute %s is not sent: %s is no text, number, bool or list of those",
            short(name),
            type(value).__name__,
        )


def is_decimal(value: object) -> bool:
    """Say whether ``value`` is a ``Decimal``, without importing the module: it costs 3 ms, and who has one has it."""
    decimal = sys.modules.get("decimal")
    return decimal is not None and isinstance(value, decimal.Decimal)


def json_number(value: Any, warnings: Warnings) -> int | float | None:
    """Return a number of a plain type (the encoder knows no subclasses); None, with a warning, when not finite."""
    kind = type(value)
    if kind is bool or (kind is float and isfinite(value)):
        return value  # type: ignore[no-any-return]  # a bool or a float, by the line above
    # By methods of the plain types: those of a subclass may raise.
    if isinstance(value, int):
        whole = int.__int__(value)
        if -BEYOND_DOUBLES < whole < BEYOND_DOUBLES:
            return whole
        number = inf  # 300 digits and more: no other reader would take it
    elif isinstance(value, float):
        number = float.__float__(value)
    else:
        try:
            number = float(value)
        except Exception as error:  # noqa: BLE001  # Decimal("sNaN"), or a subclass of it
            let_through(error)
            number = nan
    if not isfinite(number):
        warnings.once("not-finite", "a number of an event is not finite (%s) and sent as null", number)
        return None
    return number


_FIRST, _LAST = -30_610_224_000, 253_402_300_799
"""The first and the last second whose year has four digits."""


class _Timestamps:
    """Writes timestamps, and keeps the last one: events of a batch share a second, and often a millisecond.

    ``_last`` is read and written as one tuple, so that threads cannot mix two of them.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = 0, "1970-01-01T00:00:00.000Z"

    def format(self, at: float) -> str:
        """Return ``YYYY-MM-DDTHH:MM:SS.mmmZ``, in UTC, of ``at`` seconds since the epoch."""
        try:
            milliseconds = int(at * 1000)
        except (OverflowError, ValueError):  # a clock at infinity or at NaN: the event is worth more than its time
            milliseconds = _LAST * 1000 if at > 0 else _FIRST * 1000 if at < 0 else 0
        last, text = self._last
        if last != milliseconds:
            seconds, rest = divmod(milliseconds, 1000)
            if last // 1000 == seconds:
                text = f"{text[:-5]}.{rest:03d}Z"
            else:
                moment = time.gmtime(min(max(seconds, _FIRST), _LAST))
                text = f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{rest:03d}Z"
            self._last = milliseconds, text
        return text


format_timestamp = _Timestamps().format


def _text(value: str) -> str:
    """Return ``value`` with U+FFFD for each lone surrogate, which JSON in UTF-8 cannot hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _replace_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_text(key): _replace_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace_surrogates(item) for item in value]
    return value
