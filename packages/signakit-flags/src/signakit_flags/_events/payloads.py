"""Events, and what of them goes over the wire (PROTOCOL section 7 and the rows on events in section 8).

An event is accepted where the application waits. What it takes from there is cut to what will be sent, made plain and
copied at once: a text that waits in the queue takes no more memory than is sent of it, a lazy object is resolved by the
thread that it belongs to, and a list may go on changing. The rest happens later, where a batch is encoded.

State: ``_usual_names``, names of attributes that were looked at. Any thread adds to it, up to ``_MAX_USUAL`` or a few
more, and nothing is taken out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from .._log import Warnings, logger
from .._names import BEYOND_DOUBLES, EXPOSURE
from .._signal_handlers import let_through
from .._types import plain_text, short
from .._values import PLAIN, NoForm, NoFormError, plain, plain_attribute, raised_by, say_not_sent

if TYPE_CHECKING:
    from .._types import Decision
    from .exposure_filter import ExposureKey

MAX_EVENT_KEY = 100
MAX_USER_ID = 256
MAX_ATTRIBUTES = 50
MAX_ATTRIBUTE_KEY = 100
MAX_ATTRIBUTE_TEXT = 1_000
MAX_ATTRIBUTE_ITEMS = 100
MAX_METADATA_BYTES = 5_000
MAX_VALUE_TEXT = 1_000
_LEAST, _MOST = -BEYOND_DOUBLES, BEYOND_DOUBLES
_MAX_DEPTH = 64
_MAX_USUAL = 1_000
_DECISION_SIZE = 50
"""Bytes that an entry of a dict takes, about."""
_ITEM_SIZE = 64
"""Bytes that an item of a list takes besides its characters."""


@dataclass(slots=True, eq=False)
class Exposure:
    """A user was shown a variation.

    Attributes:
        at: When, in seconds since the epoch.
        user_id: The user, cut.
        attributes: The attributes of the user, as they are sent.
        flag_key, variation_key, rule_key: What was decided.
        key: Identity in the exposure filter.
        size: What the event takes in memory, in characters, about.
    """

    at: float
    user_id: str
    attributes: dict[str, Any]
    flag_key: str
    variation_key: str
    rule_key: str | None
    key: ExposureKey
    size: int = 0

    def payload(self) -> dict[str, Any]:
        """Return the event as JSON data."""
        decisions = {self.flag_key: self.variation_key}
        payload = _payload(EXPOSURE, self.user_id, self.at, self.attributes, decisions)
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
        user_id, event_key: Cut.
        attributes: The attributes of the user, as they are sent.
        decisions: What the user's context had decided by then, variation by flag.
        value: A number, cut text (the vendor's SDKs pass it on), or None. One that is not finite is sent as null.
        metadata: JSON, already encoded, or None.
        size: What the event takes in memory, in characters, about.
    """

    at: float
    user_id: str
    attributes: dict[str, Any]
    event_key: str
    decisions: dict[str, str]
    value: float | str | None
    metadata: Any
    size: int = 0

    def payload(self) -> dict[str, Any]:
        """Return the event as JSON data."""
        payload = _payload(self.event_key, self.user_id, self.at, self.attributes, self.decisions)
        if self.value is not None:
            payload["value"] = self.value
        if self.metadata is not None:
            payload["metadata"] = self.metadata
        return payload


Event = Exposure | Conversion


def exposure(
    at: float, user_id: str, attributes: dict[str, Any], decision: Decision, key: ExposureKey, warnings: Warnings
) -> Exposure:
    """Return the exposure of a decision. ``user_id`` needs no cutting, and ``attributes`` are the context's own."""
    sent, size = sent_attributes(attributes, warnings)
    flag_key, variation_key = decision.flag_key, decision.variation_key
    return Exposure(at, cut(user_id, MAX_USER_ID), sent, flag_key, variation_key, decision.rule_key, key, size)


def conversion(
    at: float,
    user_id: str,
    attributes: dict[str, Any],
    event_key: str,
    decisions: dict[str, str],
    value: float | str | None,
    metadata: Any,
    warnings: Warnings,
) -> Conversion:
    """Return a conversion. Nothing needs to be cut, ``value`` is plain, and ``attributes`` are the context's own."""
    sent, size = sent_attributes(attributes, warnings)
    event_key = cut(event_key, MAX_EVENT_KEY)
    if isinstance(value, str):
        value = cut(value, MAX_VALUE_TEXT)
    elif value is not None and json_number(value, warnings) is None:
        value = nan  # which the encoder writes as null
    cleaned, length = None, 0
    if metadata is not None:
        cleaned, length = clean_metadata(metadata, event_key, warnings)
    size += length + _DECISION_SIZE * len(decisions)
    return Conversion(at, cut(user_id, MAX_USER_ID), sent, event_key, decisions, value, cleaned, size)


def cut(text: str, longest: int) -> str:
    """Return plain text, cut by code points."""
    # A look costs less than to cut what is nearly always short enough.
    if type(text) is str and len(text) <= longest:
        return text
    return plain_text(text)[:longest]


def encode_batch(events: Iterable[Event]) -> bytes:
    """Return the body of a post."""
    import msgspec  # not before the first post: `import signakit_flags` stays light

    payloads = [event.payload() for event in events]
    try:
        return msgspec.json.encode({"events": payloads})
    except UnicodeEncodeError:
        # A lone surrogate somewhere. Rare, so only this path pays for looking.
        return msgspec.json.encode({"events": _replace_surrogates(payloads)})


def as_sent(event: Event) -> list[dict[str, Any]]:
    """Return the event as the server would read it, in a list of one; an empty list where there is no such form."""
    import msgspec

    try:
        events: list[dict[str, Any]] = msgspec.json.decode(encode_batch([event]))["events"]
    except Exception as error:
        let_through(error)
        logger.exception("an event cannot be encoded")
        return []
    return events


def clean_metadata(metadata: Any, event_key: str, warnings: Warnings) -> tuple[Any, int]:
    """Return ``metadata`` as JSON, ``msgspec.Raw``, with its size in bytes; None and 0 when it cannot be sent.

    Copied at once, since the application may go on changing it. What JSON has no form for is left out alone. All of it
    is dropped when its compact JSON is over 5,000 bytes of UTF-8. Each is said once for an event and a key.
    """
    import msgspec

    copy = _JsonCopy(event_key, warnings)
    try:
        cleaned = copy.of(metadata)
    except NoFormError as error:
        copy.say_left_out("", error)
        return None, 0
    except _TooLargeError:
        copy.say_dropped(f"over {MAX_METADATA_BYTES} bytes, reached in {short(copy.name)}")
        return None, 0
    if cleaned is None:
        return None, 0
    encoded = msgspec.json.encode(cleaned)
    size = len(encoded)
    if size > MAX_METADATA_BYTES:
        copy.say_dropped(f"{size} bytes, the limit is {MAX_METADATA_BYTES}{_largest(cleaned)}")
        return None, 0
    # As JSON: the objects would take twenty times as much while the event waits.
    return msgspec.Raw(encoded), size


def _largest(cleaned: Any) -> str:
    """Return words for the key whose value takes the most, if there are keys."""
    import msgspec

    if not isinstance(cleaned, dict):
        return ""
    name = max(cleaned, key=lambda name: len(msgspec.json.encode(cleaned[name])))
    return f", and the most is in {short(name)}"


class _TooLargeError(Exception):
    """It is over 5,000 bytes by far."""


class _JsonCopy:
    """Copies what the application handed in as JSON data, and no more of it than can be sent.

    A list of millions, or one that holds another twice, which holds another twice, would stop the caller for long.

    Attributes:
        name: The key that was looked at last.
    """

    __slots__ = ("_event", "_room", "_warnings", "name")

    def __init__(self, event_key: str, warnings: Warnings) -> None:
        self._event = event_key
        self._warnings = warnings
        self._room = MAX_METADATA_BYTES  # an item takes a byte at least, and so does a character
        self.name: str = ""

    def say_left_out(self, name: str, error: NoFormError) -> None:
        """Say, once for an event and a key, that something has no form."""
        what = f"metadata {short(name)}" if name else "metadata"
        message = "event %s: %s is left out: %s; text, numbers, bools, dates, UUIDs, lists and dicts have one"
        which = f"{self._event} {name[:100]}"
        self._warnings.once("parts of metadata", message, short(self._event), what, error, name=which)

    def say_dropped(self, size: str) -> None:
        """Say, once for an event, that metadata is too large."""
        message = "event %s: metadata is dropped: %s"
        self._warnings.once("events with too much metadata", message, short(self._event), size, name=self._event)

    def of(self, value: Any, depth: int = 0) -> Any:
        """Return ``value`` as JSON data.

        Raises:
            NoFormError: JSON has no form for it.
            _TooLargeError: It is over 5,000 bytes by far.
        """
        try:
            if type(value) not in PLAIN and not isinstance(value, Mapping):
                value = plain(value)
            if isinstance(value, str):
                return self._text(value)
            if value is None:
                return None
            if isinstance(value, (int, float)):
                return json_number(value, self._warnings)
            self._enter(len(value), depth)
            if isinstance(value, Mapping):
                return self._items(value, depth + 1)
            return self._list(value, depth + 1)
        except (NoFormError, _TooLargeError):
            raise
        except Exception as error:  # noqa: BLE001  # whatever the application put in: tracking never raises for it
            let_through(error)
            raise raised_by(value, error) from None

    def _enter(self, length: int, depth: int) -> None:
        if depth >= _MAX_DEPTH:
            raise NoFormError(f"what is nested deeper than {_MAX_DEPTH} levels has no form")
        self._take(2 + length)

    def _items(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, item in value.items():
            shown = "a key"
            try:
                self.name = shown = name = self._text(key if type(key) is str else plain_text(plain(key)))
                made[name] = self.of(item, depth)
            except NoFormError as error:
                self.say_left_out(shown, error)
        return made

    def _list(self, value: Iterable[Any], depth: int) -> list[Any]:
        made: list[Any] = []
        name = self.name
        for item in value:
            try:
                made.append(self.of(item, depth))
            except NoFormError as error:
                self.say_left_out(name, error)
        return made

    def _text(self, text: str) -> str:
        self._take(len(text))
        return text if text.isascii() else _text(text)

    def _take(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise _TooLargeError


def _payload(
    event_key: str, user_id: str, at: float, attributes: dict[str, Any], decisions: dict[str, str]
) -> dict[str, Any]:
    payload: dict[str, Any] = {"eventKey": event_key, "userId": user_id, "timestamp": format_timestamp(at)}
    if attributes:
        payload["attributes"] = attributes
    if decisions:
        payload["decisions"] = decisions
    return payload


def sent_attributes(attributes: dict[str, Any], warnings: Warnings) -> tuple[dict[str, Any], int]:
    """Return the attributes as they are sent: at most 50, cut, of the types that the service takes.

    Args:
        attributes: The context's own copy, in which they are made plain.
        warnings: What was said already.

    Returns:
        The attributes, ``attributes`` itself where nothing is to be done; and how many characters they have, about.
    """
    size = _size_as_they_are(attributes)
    return _cut_attributes(attributes, warnings) if size is None else (attributes, size)


def _size_as_they_are(attributes: dict[Any, Any]) -> int | None:
    """Return the size where nothing is to be cut, left out or made plain: a look will nearly always do."""
    if len(attributes) > MAX_ATTRIBUTES:
        return None
    size = 0
    for name, value in attributes.items():
        if type(name) is not str or (name not in _usual_names and not _is_usual(name)):
            return None
        kind = type(value)
        if kind is str:
            length = len(value)
            if length > MAX_ATTRIBUTE_TEXT:
                return None
            size += length
        elif kind is int:
            if not _LEAST < value < _MOST:
                return None
        elif kind is not bool and (kind is not float or not isfinite(value)):
            return None
    return size


_usual_names: set[str] = set()
"""Names of attributes that are sent as they are: text that is not cut. Bounded."""


def _is_usual(name: str) -> bool:
    if len(name) > MAX_ATTRIBUTE_KEY:
        return False
    if len(_usual_names) < _MAX_USUAL:
        _usual_names.add(name)
    return True


def _cut_attributes(attributes: dict[str, Any], warnings: Warnings) -> tuple[dict[str, Any], int]:
    sent: dict[str, Any] = {}
    for name, value in list(islice(attributes.items(), MAX_ATTRIBUTES)):  # which are made plain meanwhile
        if value is not None:
            try:
                _send_attribute(sent, attributes, name, value, warnings)
            except Exception as error:  # noqa: BLE001  # an object may raise whatever is asked of it, even what it is
                let_through(error)
                message = "attribute %s is not sent: it raised %s"
                warnings.once("attribute-raised", message, short(name), type(error).__name__)
    return sent, sum(map(_size, sent.values()))


def _size(value: Any) -> int:
    if type(value) is list:
        return sum(map(_size, value)) + _ITEM_SIZE * len(value)
    return len(value) if type(value) is str else 0


def _send_attribute(
    sent: dict[str, Any], attributes: dict[str, Any], name: object, value: Any, warnings: Warnings
) -> None:
    if not isinstance(name, str):
        warnings.once("attribute-name", "an attribute is not sent, as its name is not text: %s", short(name))
        return
    value = plain_attribute(attributes, name, value)
    name = cut(name, MAX_ATTRIBUTE_KEY)
    if value is None:
        return
    if isinstance(value, str):
        sent[name] = cut(value, MAX_ATTRIBUTE_TEXT)
    elif isinstance(value, (int, float)):
        sent[name] = json_number(value, warnings)
    elif isinstance(value, list):
        items = map(partial(_sent_item, name), value[:MAX_ATTRIBUTE_ITEMS])
        sent[name] = [item for item in items if item is not None]
    else:
        say_not_sent(name, "a dict is sent by no event")


def _sent_item(name: str, item: Any) -> str | float | None:
    """Return an item of a list as it is sent; None where it is not."""
    if isinstance(item, str):
        return cut(item, MAX_ATTRIBUTE_TEXT)
    if isinstance(item, (int, float)) and is_sent(item):
        return item
    if item is not None:
        why = item.why if isinstance(item, NoForm) else f"{short(item)} is neither text nor a finite number"
        say_not_sent(name, f"an item of it is left out: {why}")
    return None


def json_number(value: float, warnings: Warnings) -> int | float | None:
    """Return a plain number, or None, with a warning, where JSON or another reader of it would not take it."""
    if is_sent(value):
        return value
    warnings.once("not-finite", "a number of an event is not finite (%s) and sent as null", short(value))
    return None


def is_sent(number: float) -> bool:
    """Say whether a plain number is sent: not NaN, not infinite, and of less than 300 digits."""
    return isfinite(number) if type(number) is float else _LEAST < number < _MOST


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
