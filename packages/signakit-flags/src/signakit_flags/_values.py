"""What applications put into attributes, metadata and values, made plain: text, numbers and bools of JSON.

By one function, so that what is matched is what is sent (PROTOCOL section 8, row "attribute values of other types"):

- Text of a subclass is its characters, a number of a subclass its value. Methods of a subclass may say anything.
- An ``Enum`` is its value. A lazy object is what it resolves to, in the thread that first matches or sends it.
- ``Decimal``, ``Fraction``, numpy's numbers and all other real numbers are numbers.
- ``UUID``, ``date`` and ``datetime`` are text, the last two in ISO 8601.
- Lists, tuples and dicts stay what they are; the items of an attribute's list are made plain.

Anything else has no form. Nothing is imported for a look at a type: a process that has a ``Decimal`` has its module.

State: ``_warnings`` has the names of the attributes that were named in this process, by evaluation or by events.
"""

from __future__ import annotations

import sys
from enum import Enum
from math import inf, isfinite, nan
from typing import Any

from ._frozen import ReadOnlyAttributes, ReadOnlyItems
from ._log import Warnings
from ._signal_handlers import let_through
from ._types import plain_text, short

_CONTAINERS = (list, tuple, dict)
"""What holds other values."""

_EXACT = 2.0**53
"""Below it a double is exact for whole numbers."""

_DEEPEST = 8
"""Enums and lazy objects that may stand for one another."""

_warnings = Warnings()


class NoForm:
    """Takes the place of a value that has no form in JSON, so that it is looked at once. It matches nothing.

    Attributes:
        value: What was handed in.
        why: Why it has none.
    """

    __slots__ = ("value", "why")

    def __init__(self, value: Any, why: str) -> None:
        self.value = value
        self.why = why


class PlainList(list[Any]):
    """The list of an attribute, copied, with its items made plain; one without a form is a ``NoForm``."""

    __slots__ = ()


PLAIN = frozenset({str, int, float, bool, type(None), *_CONTAINERS})
"""The types of values that are plain already."""

SETTLED = frozenset({str, int, float, bool, type(None), dict, PlainList})
"""The types of attributes that stay as they are; of another type is what was not looked at yet, and a ``NoForm``."""


class NoFormError(TypeError):
    """A value has no form in JSON; the message says why."""


def raised_by(value: object, error: BaseException) -> NoFormError:
    """Return what to raise where ``value`` raises as it is looked at."""
    return NoFormError(f"a value of type {type(value).__name__} raised {type(error).__name__}")


def plain(value: Any) -> Any:
    """Return ``value`` as text, a number, a bool, None, or the list, tuple or dict that it is.

    Raises:
        NoFormError: It is of another type, or raises when it is asked what it is.
    """
    if type(value) in PLAIN:
        return value
    try:
        return _plain(_resolved(value))
    except NoFormError:
        raise
    except Exception as error:  # noqa: BLE001  # an object may raise whatever is asked of it, even what it is
        let_through(error)
        raise raised_by(value, error) from None


def plain_attribute(attributes: dict[str, Any], name: str, value: Any) -> Any:
    """Return an attribute made plain, and keep it so; None, which counts as absent, where it has no form.

    Args:
        attributes: The context's own copy. The plain value takes the place of what was handed in, so that a lazy
            object is resolved once, a list may go on changing, and what is matched is what is sent.
        name: The attribute's name.
        value: What stands there.
    """
    if type(value) in SETTLED:
        return value
    if type(value) is NoForm:
        return None
    made = _settled(value)
    attributes[name] = made
    if type(made) is NoForm:
        say_not_sent(name, f"{made.why}; it never matches")
        return None
    return made


def _settled(value: Any) -> Any:
    try:
        made = plain(value)
        return PlainList(map(_item, made)) if isinstance(made, (list, tuple)) else made
    except NoFormError as error:
        return NoForm(value, str(error))
    except Exception as error:  # noqa: BLE001  # of a list's own methods
        let_through(error)
        return NoForm(value, str(raised_by(value, error)))


def _item(item: Any) -> Any:
    try:
        return plain(item)
    except NoFormError as error:
        return NoForm(item, str(error))


def say_not_sent(name: str, why: str) -> None:
    """Say, once for an attribute in this process, that it is not sent, or not all of it."""
    shown = plain_text(name)[:100]
    _warnings.once("attributes", "attribute %s is not sent as it is: %s", short(shown), why, name=shown)


def shown_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return a read-only copy of a context's own attributes, made plain; what has no form is as it was handed in."""
    for name, value in list(attributes.items()):
        plain_attribute(attributes, name, value)
    return ReadOnlyAttributes({name: shown(value) for name, value in list(attributes.items())})


def shown(value: Any) -> Any:
    """Return a settled attribute for a reader: what has no form is as it was handed in."""
    if type(value) is NoForm:
        return value.value
    if type(value) is PlainList:
        return ReadOnlyItems([item.value if type(item) is NoForm else item for item in value])
    return value


def number_or_text(value: Any) -> int | float | str:
    """Return the value of an event as a plain number or plain text.

    Raises:
        TypeError: It is neither.
    """
    made: int | float | str | None = None
    try:
        found = _resolved(value)
        made = _number(found)
        if made is None:
            made = _text(found)
        if made is None and hasattr(type(found), "__float__") and not hasattr(type(found), "__len__"):
            made = None if _is(found, "numpy", "generic") else float.__float__(float(found))  # a time of numpy's
    except Exception as error:  # noqa: BLE001  # as in `plain`
        let_through(error)
    if made is None:
        raise TypeError(f"value must be a number, not {type(value).__name__}")
    return made


def _resolved(value: Any) -> Any:
    """Return what an Enum or a lazy object stands for; anything else as it is."""
    for _ in range(_DEEPEST):
        if isinstance(value, Enum):
            value = value.value
            continue
        if _is(value, "babel.support", "LazyProxy"):
            value = value.value
            continue
        if _is(value, "django.utils.functional", "Promise") and not hasattr(type(value), "casefold"):
            value = _promised(value)
            continue
        # To ask a lazy object for its class is to resolve it: it gives that of what it stands for.
        kind = value.__class__
        if kind is type(value):
            return value
        value = _behind(value, kind)
    return value


def _promised(value: Any) -> Any:
    """Return what a lazy object of Django gives that is not text: by the way in which it is pickled."""
    _, (function, arguments, keywords, *_) = value.__reduce__()
    return function(*arguments, **keywords)


def _behind(value: Any, kind: Any) -> Any:
    """Return what stands behind a lazy object that passes for a ``kind``."""
    own = type(value)
    if hasattr(own, "_get_current_object"):  # werkzeug
        return value._get_current_object()  # noqa: SLF001  # its documented way in
    for name in ("__wrapped__", "_wrapped"):  # wrapt and lazy-object-proxy; Django, once it is resolved
        if hasattr(own, name):
            return getattr(value, name)
    for scalar in (str, int, float):
        if issubclass(kind, scalar) and kind is not bool:  # every object has a truth: its own, not what it stands for
            return scalar(value)
    return value


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in PLAIN or issubclass(kind, _CONTAINERS):
        return value
    for made in (_number(value), _text(value), _named(value)):
        if made is not None:
            return made
    raise NoFormError(f"a value of type {kind.__name__} has no form in JSON")


def _number(value: Any) -> int | float | None:
    """Return a real number as one of Python's own; None for what is not a number."""
    kind = type(value)
    # By methods of the plain types: those of a subclass may raise.
    if issubclass(kind, int):
        return value if kind is bool else int.__int__(value)
    if issubclass(kind, float):
        return float.__float__(value)
    if _is(value, "numpy", "timedelta64"):  # which numpy counts as an integer
        return None
    if _is(value, "numbers", "Integral"):
        return int(value)
    if _is(value, "decimal", "Decimal") or _is(value, "numbers", "Real"):
        return _real(value)
    return bool(value) if _is(value, "numpy", "bool_") else None


def _real(value: Any) -> int | float:
    try:
        number = float(value)
    except OverflowError:  # of a Fraction
        return inf if value > 0 else -inf
    except ValueError:  # Decimal("sNaN")
        return nan
    if -_EXACT < number < _EXACT or not isfinite(number):
        return number
    whole = int(value)
    return whole if whole == value else number


def _text(value: Any) -> str | None:
    """Return text by its characters; None for what is not text."""
    if issubclass(type(value), str):
        return str.__str__(value)
    # A type with the methods of text is text: translations that are looked up late. The type is asked, and not the
    # object: one that answers everything, a mock or a proxy of a remote server, would become text as well.
    if hasattr(type(value), "casefold") or _is(value, "flask_babel.speaklater", "LazyString"):
        return str.__str__(str(value))
    return None


def _named(value: Any) -> str | None:
    """Return a UUID or a date as text; None for what is neither."""
    if _is(value, "uuid", "UUID"):
        return str(value)
    if _is(value, "datetime", "date") and value == value:  # noqa: PLR0124  # not a time: NaT of pandas
        return str(value.isoformat())
    return None


def _is(value: Any, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and issubclass(type(value), kind)  # what it is, not what it passes for
