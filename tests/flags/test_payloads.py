"""What of an event goes over the wire (PROTOCOL section 7, and the rows on events in section 8)."""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signakit_flags import _values
from signakit_flags._events import payloads
from signakit_flags._events.payloads import (
    Conversion,
    Event,
    Exposure,
    clean_metadata,
    encode_batch,
    format_timestamp,
    sent_attributes,
)
from signakit_flags._log import Warnings
from signakit_flags._values import number_or_text
from support.hostile import Counted

if TYPE_CHECKING:
    from collections.abc import Callable

AT = 1_700_000_000.25
SMILE = "\N{GRINNING FACE}"
HIGH, LOW = chr(0xD83D), chr(0xDE00)  # of a pair; each alone is no text


class Text(str):
    __slots__ = ()


class Escaping(str):
    """Text that makes more of itself whatever is done with it, as ``markupsafe.Markup`` does."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Escaping:
        return Escaping(super().__getitem__(key))

    def _escape(self, *_args: object) -> Escaping:
        return Escaping(f"<{str.__str__(self)}>")

    __str__ = __repr__ = __format__ = __add__ = __radd__ = lower = strip = _escape


class Raising(str):
    """Text that raises whatever is done with it."""

    __slots__ = ()

    def _refuse(self, *_args: object) -> Any:
        raise RuntimeError("hostile")

    __getitem__ = __str__ = __repr__ = __len__ = __iter__ = encode = _refuse  # type: ignore[assignment]  # on purpose
    __format__ = __add__ = __contains__ = __eq__ = __bool__ = _refuse  # type: ignore[assignment]  # on purpose
    __hash__ = str.__hash__


class StandIn:
    """Passes for what it stands for, as a lazy object of Django does."""

    def __init__(self, value: Any) -> None:
        self._value = value

    @property
    def __class__(self) -> Any:  # type: ignore[override]  # on purpose
        return type(self._value)

    def __str__(self) -> str:
        return str(self._value)


class Broken:
    """Raises even when it is asked what it is."""

    @property
    def __class__(self) -> Any:  # type: ignore[override]  # on purpose
        raise RuntimeError("hostile")


class Whole(int):
    pass


class Real(float):
    pass


class RaisingWhole(int):
    def _refuse(self, *_args: object) -> Any:
        raise RuntimeError("hostile")

    __int__ = __index__ = __float__ = __abs__ = __str__ = __repr__ = __lt__ = __gt__ = __bool__ = _refuse


class RaisingReal(float):
    def _refuse(self, *_args: object) -> Any:
        raise RuntimeError("hostile")

    __int__ = __float__ = __abs__ = __str__ = __repr__ = __lt__ = __gt__ = __eq__ = __bool__ = _refuse
    __hash__ = float.__hash__


class RaisingDecimal(Decimal):
    def __float__(self) -> float:
        raise RuntimeError("hostile")


class Plan(StrEnum):
    PRO = "pro"


class Level(IntEnum):
    HIGH = 3


@pytest.fixture(autouse=True)
def _no_attribute_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_values, "_warnings", Warnings())
    monkeypatch.setattr(payloads, "_usual_names", set())


def exposure(
    user_id: str = "u", *, attributes: Any = None, flag_key: str = "f", rule_key: str | None = "r"
) -> Exposure:
    return Exposure(AT, user_id[:256], cut(attributes or {}), flag_key, "on", rule_key, (0, "u"))


def conversion(
    event_key: str = "buy",
    *,
    user_id: str = "u",
    attributes: Any = None,
    decisions: dict[str, str] | None = None,
    value: Any = None,
    metadata: Any = None,
    warnings: Warnings | None = None,
) -> Conversion:
    plain = None if value is None else number_or_text(value)
    own = dict(attributes or {})
    return payloads.conversion(AT, user_id, own, event_key, decisions or {}, plain, metadata, warnings or Warnings())


def cleaned(metadata: Any, warnings: Warnings | None = None) -> Any:
    """Metadata as it is sent."""
    encoded, size = clean_metadata(metadata, "buy", warnings or Warnings())
    assert size == (0 if encoded is None else len(memoryview(encoded)))
    return None if encoded is None else json.loads(bytes(encoded))


def cut(attributes: Any, warnings: Warnings | None = None) -> dict[str, Any]:
    """Attributes as they are sent."""
    return sent_attributes(dict(attributes), warnings or Warnings())[0]


def wire(*events: Event) -> list[dict[str, Any]]:
    body = json.loads(encode_batch(events))
    assert list(body) == ["events"]
    return body["events"]


def sent(**attributes: Any) -> dict[str, Any]:
    """The attributes of an event as the server reads them."""
    return wire(conversion(attributes=attributes))[0].get("attributes", {})


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


# --- shape -----------------------------------------------------------------------------------------------------------


def test_an_exposure_says_who_saw_which_variation_of_which_flag() -> None:
    assert wire(exposure(attributes={"plan": "pro"})) == [
        {
            "eventKey": "$exposure",
            "userId": "u",
            "timestamp": "2023-11-14T22:13:20.250Z",
            "attributes": {"plan": "pro"},
            "decisions": {"f": "on"},
            "metadata": {"flagKey": "f", "variationKey": "on", "ruleKey": "r"},
        }
    ]


def test_an_exposure_of_the_default_allocation_has_a_rule_key_of_null() -> None:
    assert wire(exposure(rule_key=None))[0]["metadata"]["ruleKey"] is None


def test_a_conversion_leaves_out_what_is_empty() -> None:
    assert wire(conversion()) == [{"eventKey": "buy", "userId": "u", "timestamp": "2023-11-14T22:13:20.250Z"}]


def test_a_conversion_carries_decisions_value_and_metadata() -> None:
    (event,) = wire(conversion(decisions={"f": "on", "g": "off"}, value=9.5, metadata={"sku": "A1"}))
    assert (event["decisions"], event["value"], event["metadata"]) == ({"f": "on", "g": "off"}, 9.5, {"sku": "A1"})


def test_a_batch_keeps_the_order_of_its_events() -> None:
    assert [event["eventKey"] for event in wire(conversion("a"), exposure(), conversion("b"))] == [
        "a",
        "$exposure",
        "b",
    ]


# --- cutting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["k", "é", SMILE, "e\u0301"])
def test_event_key_and_user_id_are_cut_by_code_points(letter: str) -> None:
    (event,) = wire(conversion(letter * 300, user_id=letter * 300))
    assert event["eventKey"] == (letter * 300)[:100]
    assert event["userId"] == (letter * 300)[:256]


def test_what_is_just_short_enough_is_not_cut() -> None:
    (event,) = wire(conversion("k" * 100, user_id="u" * 256, attributes={"n" * 100: "v" * 1000}))
    assert (len(event["eventKey"]), len(event["userId"])) == (100, 256)
    assert event["attributes"] == {"n" * 100: "v" * 1000}


def test_names_and_text_of_attributes_are_cut_by_code_points() -> None:
    assert sent(**{SMILE * 101: SMILE * 1001}) == {SMILE * 100: SMILE * 1000}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"a": "x" * 1001}, {"a": "x" * 1000}),
        ({"n" * 101: "x"}, {"n" * 100: "x"}),
        ({"a": 10**400}, {"a": None}),
        ({"a": -(10**400)}, {"a": None}),
        ({"a": "x" * 1000, "n" * 100: 2**1022}, {"a": "x" * 1000, "n" * 100: 2**1022}),
    ],
)
def test_one_attribute_that_is_too_long_is_cut_alone(attributes: dict[str, Any], expected: dict[str, Any]) -> None:
    for _ in range(2):
        assert cut({**attributes, "plan": "pro"}) == {**expected, "plan": "pro"}


def test_names_that_are_looked_at_once_do_not_fill_the_memory() -> None:
    for number in range(3_000):
        assert cut({f"a{number}": 1, "n" * 101: 1}) == {f"a{number}": 1, "n" * 100: 1}
    assert len(payloads._usual_names) == 1_000


def test_lists_are_cut_to_a_hundred_items_each_cut_to_a_thousand() -> None:
    assert sent(a=["é" * 1001] * 101) == {"a": ["é" * 1000] * 100}


def test_at_most_the_first_fifty_attributes_are_sent() -> None:
    assert list(sent(**{f"a{number}": number for number in range(60)})) == [f"a{number}" for number in range(50)]


def test_exactly_fifty_attributes_are_all_sent() -> None:
    assert len(sent(**{f"a{number}": number for number in range(50)})) == 50


def test_an_exposure_is_cut_where_its_metadata_is_not() -> None:
    (event,) = wire(exposure("u" * 300, flag_key="f" * 300))
    assert len(event["userId"]) == 256
    assert event["metadata"]["flagKey"] == "f" * 300
    assert event["decisions"] == {"f" * 300: "on"}


def test_the_attributes_of_the_user_are_left_as_they_are() -> None:
    attributes = {"a": ["x" * 2000] * 200, "b": None}
    wire(conversion(attributes=attributes))
    assert attributes == {"a": ["x" * 2000] * 200, "b": None}


def test_an_event_holds_no_more_of_a_text_than_is_sent() -> None:
    """It may wait for long, with thousands of others."""
    text = "x" * 100_000
    attributes = {"a": text, text: text, "list": [text] * 1_000, "b": "b"}
    event = conversion(text, user_id=text, attributes=attributes, value=text)
    held = [event.event_key, event.user_id, event.value, *event.attributes, *event.attributes.values()]
    held += event.attributes["list"]
    assert max(len(item) for item in held if isinstance(item, str)) == 1_000
    assert len(event.attributes["list"]) == 100
    assert event.size == 100 * (1_000 + 64) + 2 * 1_000 + len("b")


@pytest.mark.parametrize("value", [[1, "a"], {"k": 1}, bytearray(b"x")])
def test_what_changes_after_an_event_was_accepted_is_sent_as_it_was(value: Any) -> None:
    names = ["a", "b"]
    event = conversion(attributes={"names": names, "other": value}, metadata={"names": names})
    names.append("c")
    (payload,) = wire(event)
    assert payload["attributes"]["names"] == payload["metadata"]["names"] == ["a", "b"]


def test_the_size_of_an_event_counts_its_texts_its_decisions_and_its_metadata() -> None:
    assert conversion(attributes={"plan": "pro", "age": 3}).size == len("pro")
    assert conversion(attributes={"plan": "pro", "age": None, "beta": True}).size == len("pro")
    assert conversion(metadata={"k": "v"}).size == len('{"k":"v"}')
    assert conversion(decisions={"f": "on", "g": "off"}).size == 100


def test_names_of_attributes_that_are_looked_up_may_raise() -> None:
    assert sent(plan="pro") == {"plan": "pro"}
    assert wire(conversion(attributes={Raising("plan"): "free"}))[0]["attributes"] == {"plan": "free"}


# --- attributes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ""),
        ("text", "text"),
        (0, 0),
        (1.5, 1.5),
        (True, True),
        (2**53 + 1, 2**53 + 1),
        (10**30, 10**30),
        ([], []),
        (["a", 1, 2.5, False], ["a", 1, 2.5, False]),
        (("a", "b"), ["a", "b"]),
        (["a", None, {"b": 1}, ["c"], object(), math.nan, math.inf, "d"], ["a", "d"]),
        (Text("t"), "t"),
        (Whole(3), 3),
        (Real(2.5), 2.5),
        (Plan.PRO, "pro"),
        (Level.HIGH, 3),
        ([Text("t"), Whole(3), Real(2.5), Plan.PRO, Level.HIGH], ["t", 3, 2.5, "pro", 3]),
    ],
)
def test_text_numbers_bools_and_lists_of_those_are_sent(value: Any, expected: Any) -> None:
    assert json.dumps(sent(a=value)) == json.dumps({"a": expected})


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Escaping("a&b"), "a&b"),
        (lambda: Raising("a&b"), "a&b"),
        (lambda: StandIn("a&b"), "a&b"),
        (lambda: RaisingWhole(3), 3),
        (lambda: RaisingReal(2.5), 2.5),
        (lambda: RaisingReal("nan"), None),
        (lambda: RaisingWhole(10**400), None),
        (lambda: [Escaping("a"), Raising("b"), RaisingWhole(3), RaisingReal(2.5)], ["a", "b", 3, 2.5]),
    ],
)
def test_methods_of_a_subclass_have_no_say_in_what_is_sent(make: Callable[[], Any], expected: Any) -> None:
    assert sent(a=make()) == {"a": expected}


@pytest.mark.parametrize("kind", [Escaping, Raising])
def test_text_of_a_subclass_is_cut_by_its_characters_wherever_it_is(kind: type[str]) -> None:
    text, name = kind("é" * 1100), kind("n" * 200)
    (event,) = wire(
        conversion(text, user_id=text, attributes={name: text, "list": [text]}, value=text, metadata={name: text})
    )
    assert (event["userId"], event["eventKey"], event["value"]) == ("é" * 256, "é" * 100, "é" * 1000)
    assert event["attributes"] == {"n" * 100: "é" * 1000, "list": ["é" * 1000]}
    assert event["metadata"] == {"n" * 200: "é" * 1100}


class RaisingList(list[Any]):
    def __getitem__(self, key: Any) -> Any:
        raise RuntimeError("hostile")


@pytest.mark.parametrize(
    "make",
    [Broken, lambda: StandIn(["a"]), lambda: StandIn(3)],
    ids=["object", "stand-in for a list", "stand-in for a number"],
)
def test_an_attribute_that_raises_is_left_out_with_one_warning(
    make: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    warnings = Warnings()
    for _ in range(2):
        assert cut({"odd": make(), "plan": "pro"}, warnings) == {"plan": "pro"}
    assert [line[:25] for line in said(caplog)] == ["attribute 'odd' is not se"]


def test_an_attribute_of_none_is_left_out_silently(caplog: pytest.LogCaptureFixture) -> None:
    assert sent(a=None, b=1) == {"b": 1}
    assert "attributes" not in wire(conversion(attributes={"a": None}))[0]
    assert said(caplog) == []


@pytest.mark.parametrize("value", [{"k": 1}, {"a"}, b"bytes", object(), 1j, range(3), timedelta(1)])
def test_an_attribute_of_another_type_is_left_out_with_one_warning_for_its_name(
    value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    warnings = Warnings()
    for _ in range(3):
        assert cut({"odd": value, "plan": "pro"}, warnings) == {"plan": "pro"}
    assert len(said(caplog)) == 1
    assert "'odd' is not sent" in said(caplog)[0]
    cut({"other": value}, warnings)
    assert len(said(caplog)) == 2


@pytest.mark.parametrize("name", [5, None, ("a",), b"a"])
def test_an_attribute_whose_name_is_no_text_is_left_out_with_one_warning(
    name: Any, caplog: pytest.LogCaptureFixture
) -> None:
    warnings = Warnings()
    for _ in range(2):
        assert cut({name: 1, "plan": "pro"}, warnings) == {"plan": "pro"}
    assert len(said(caplog)) == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, Real("nan")])
def test_a_number_that_is_not_finite_is_sent_as_null_with_one_warning(
    value: float, caplog: pytest.LogCaptureFixture
) -> None:
    warnings = Warnings()
    for _ in range(2):
        (payload,) = wire(conversion(attributes={"a": value}, value=value, metadata={"x": [value]}, warnings=warnings))
        assert (payload["attributes"], payload["value"], payload["metadata"]) == ({"a": None}, None, {"x": [None]})
    assert len(said(caplog)) == 1
    assert "not finite" in said(caplog)[0]


# --- lone surrogates -------------------------------------------------------------------------------------------------


def test_lone_surrogates_are_replaced_wherever_they_are() -> None:
    bad, good = f"a{HIGH}b", "a\ufffdb"
    (payload,) = wire(
        conversion(bad, user_id=bad, attributes={bad: bad, "list": [bad]}, decisions={"f": "on"}, metadata={bad: [bad]})
    )
    assert (payload["eventKey"], payload["userId"]) == (good, good)
    assert payload["attributes"] == {good: good, "list": [good]}
    assert payload["metadata"] == {good: [good]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LOW, "\ufffd"),
        (HIGH, "\ufffd"),
        (HIGH + HIGH, "\ufffd\ufffd"),
        (LOW + HIGH, "\ufffd\ufffd"),
        (f"{HIGH}x", "\ufffdx"),
        (f"{SMILE}{HIGH}", f"{SMILE}\ufffd"),
    ],
)
def test_each_lone_surrogate_becomes_one_replacement_character(text: str, expected: str) -> None:
    assert wire(conversion(user_id=text))[0]["userId"] == expected


def test_one_bad_event_leaves_the_others_of_its_batch_alone() -> None:
    assert [event["userId"] for event in wire(exposure("a"), exposure(HIGH), exposure("é"))] == [
        "a",
        "\ufffd",
        "é",
    ]


# --- value -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (1, "1"),
        (1.0, "1.0"),
        (-2.5, "-2.5"),
        (True, "true"),
        (12345678901234567890, "12345678901234567890"),
        (Decimal("99.99"), "99.99"),
        (Decimal(3), "3.0"),
        (Whole(3), "3"),
        (Real(2.5), "2.5"),
        (Level.HIGH, "3"),
        ("12", '"12"'),
        (Text("12"), '"12"'),
        (Escaping("12"), '"12"'),
    ],
)
def test_a_value_is_sent_as_the_number_it_is(value: Any, expected: str) -> None:
    body = encode_batch([conversion(value=value)]).decode()
    assert f'"value":{expected}}}' in body


@pytest.mark.parametrize(
    ("make", "expected"),
    [(lambda: RaisingWhole(3), 3), (lambda: RaisingReal(2.5), 2.5), (lambda: Fraction(1, 2), 0.5)],
)
def test_a_value_whose_methods_raise_is_sent_where_there_is_a_way(make: Callable[[], Any], expected: Any) -> None:
    assert wire(conversion(value=make()))[0]["value"] == expected


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), Decimal("1e999")])
def test_a_decimal_that_is_not_finite_is_sent_as_null(value: Decimal) -> None:
    assert wire(conversion(value=value))[0]["value"] is None


def test_a_signaling_nan_is_sent_as_null() -> None:
    assert wire(conversion(value=Decimal("sNaN")))[0]["value"] is None


# --- metadata --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "metadata",
    [{}, {"sku": "A1", "qty": 2, "gift": False, "note": None}, {"a": {"b": [1, 2.5, {"c": "x"}]}}, [1, 2], "abc"],
)
def test_metadata_is_sent_as_it_is(metadata: Any) -> None:
    assert wire(conversion(metadata=metadata))[0]["metadata"] == metadata


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"a": ("x", 1)}, {"a": ["x", 1]}),
        (MappingProxyType({"a": MappingProxyType({"b": 1})}), {"a": {"b": 1}}),
        ({1: "a", None: "b", 2.5: "c"}, {"1": "a", "None": "b", "2.5": "c"}),
        ({"a": Plan.PRO}, {"a": "pro"}),
        ({"a": Decimal("1.5"), "b": Whole(3), "c": Real(2.5), "d": Level.HIGH}, {"a": 1.5, "b": 3, "c": 2.5, "d": 3}),
        ({Text("k"): 1}, {"k": 1}),
        ({Escaping("k"): Escaping("v"), Plan.PRO: 1}, {"k": "v", "pro": 1}),
        ({"x": math.nan}, {"x": None}),
    ],
)
def test_metadata_is_made_json(metadata: Any, expected: Any) -> None:
    assert wire(conversion(metadata=metadata))[0]["metadata"] == expected


def test_text_of_a_subclass_is_text_in_metadata() -> None:
    assert wire(conversion(metadata={"a": Text("t")}))[0]["metadata"] == {"a": "t"}


def test_methods_of_a_subclass_have_no_say_in_metadata() -> None:
    metadata = {"a": RaisingWhole(3), "b": [RaisingReal(2.5), Raising("v")]}
    assert wire(conversion(metadata=metadata))[0]["metadata"] == {"a": 3, "b": [2.5, "v"]}


def test_metadata_is_copied_at_once() -> None:
    metadata = {"a": [1]}
    event = conversion(metadata=metadata)
    metadata["a"].append(2)
    assert wire(event)[0]["metadata"] == {"a": [1]}


@pytest.mark.parametrize(
    ("letter", "size"), [("x", 1), ("é", 2), ("日", 3), (SMILE, 4), ('"', 2), ("\\", 2), ("\n", 2), ("\x01", 6)]
)
def test_metadata_may_be_five_thousand_bytes_of_compact_json_and_not_one_more(
    letter: str, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    room = 5000 - len('{"k":""}')
    fits = letter * (room // size) + "x" * (room % size)
    assert cleaned({"k": fits}) == {"k": fits}
    assert said(caplog) == []
    assert cleaned({"k": fits + "x"}) is None
    assert said(caplog) == ["event 'buy': metadata is dropped: 5001 bytes, the limit is 5000, and the most is in 'k'"]


def test_an_event_goes_out_without_the_metadata_that_was_dropped() -> None:
    assert wire(conversion(value=1, metadata={"k": "x" * 5000})) == wire(conversion(value=1))


def self_containing() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["again"] = [value, value]
    return value


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"k": value}
    return value


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (object, "a value of type object has no form in JSON"),
        (lambda: {1, 2}, "a value of type set has no form in JSON"),
        (lambda: b"x", "a value of type bytes has no form in JSON"),
        (lambda: 1j, "a value of type complex has no form in JSON"),
        (Broken, "a value of type Broken raised RuntimeError"),
        (lambda: (_ for _ in ()), "a value of type generator has no form in JSON"),
        (lambda: str, "a value of type type has no form in JSON"),
    ],
)
def test_a_part_of_metadata_that_json_has_no_form_for_is_left_out_alone_and_named_once(
    make: Callable[[], Any], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    warnings = Warnings()
    for _ in range(2):
        made = cleaned({"id": "o1", "x": make(), "in": {"y": make(), "z": 1}, "items": [1, make(), 2]}, warnings)
        assert made == {"id": "o1", "in": {"z": 1}, "items": [1, 2]}
    lines = [f"event 'buy': metadata {name!r} is left out: {kind}; text, numbers, " for name in ("x", "y", "items")]
    assert [line.split("bools")[0] for line in said(caplog)] == lines


def test_each_event_and_each_key_is_named_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    warnings = Warnings()
    for event in ("order", "refund"):
        for key in ("a", "b"):
            for value in (object(), "x" * 6_000):
                clean_metadata({key: value}, event, warnings)
    assert [line.split(" is ")[0] for line in said(caplog)] == [
        "event 'order': metadata 'a'",
        "event 'order': metadata",
        "event 'order': metadata 'b'",
        "event 'refund': metadata 'a'",
        "event 'refund': metadata",
        "event 'refund': metadata 'b'",
    ]


def test_metadata_that_is_no_json_at_all_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert cleaned(object()) is None
    assert "metadata is left out" in said(caplog)[0]


@pytest.mark.parametrize("depth", [65, 100_000])
def test_what_is_nested_too_deeply_is_left_out_alone(depth: int, caplog: pytest.LogCaptureFixture) -> None:
    made = cleaned({"id": "o1", "deep": nested(depth)})
    assert made["id"] == "o1"
    assert json.dumps(made).count("{") == 64
    assert "nested deeper than 64 levels" in said(caplog)[0]


def test_metadata_that_holds_itself_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    assert cleaned(self_containing()) is None
    assert "is dropped: over 5000 bytes" in said(caplog)[-1]


def doubled(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value, value]
    return value


@pytest.mark.parametrize("item", [1, None, "", "text", [], {}, 1.5])
def test_no_more_of_metadata_is_looked_at_than_can_be_sent(item: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It is looked at while the application waits."""
    items = Counted([item] * 100_000)
    assert cleaned({"items": items}) is None
    assert items.asked <= 5_000
    assert said(caplog) == ["event 'buy': metadata is dropped: over 5000 bytes, reached in 'items'"]


def test_metadata_that_holds_a_part_of_itself_over_and_over_is_dropped_soon() -> None:
    shared = Counted([1])
    assert cleaned({"items": [shared] * 100_000}) is None
    assert shared.asked <= 5_000
    assert cleaned({"items": doubled(60)}) is None  # 2**60 items, if one goes through them
    assert cleaned({"items": doubled(10)}) == {"items": doubled(10)}


def test_as_much_as_can_be_sent_is_looked_at() -> None:
    fits = {"k": [1] * 2_496}
    assert len(json.dumps(fits, separators=(",", ":"))) == 4_999
    assert cleaned(fits) == fits


def test_metadata_may_be_nested_up_to_a_limit() -> None:
    assert cleaned(nested(64)) == nested(64)


@pytest.mark.parametrize("number", [10**5000, Decimal("sNaN")], ids=["integer of 5001 digits", "signaling NaN"])
def test_no_number_in_metadata_raises(number: Any) -> None:
    cleaned({"a": number})


# --- warnings --------------------------------------------------------------------------------------------------------


def test_each_name_of_a_topic_is_said_once_and_of_many_that_there_are_more(caplog: pytest.LogCaptureFixture) -> None:
    warnings = Warnings()
    for number in range(6000):
        warnings.once("names", "said %d", number, name=f"name {number // 2}")
        warnings.once("other", "other %d", number)
    assert len(said(caplog)) == 1000 + 1 + 1
    assert said(caplog)[:3] == ["said 0", "other 0", "said 2"]
    assert said(caplog)[-1] == "names: more than the 1000 that are named"


def test_attributes_named_by_user_do_not_fill_the_memory() -> None:
    for number in range(5000):
        cut({f"user {number}": {}})
    assert sys.getsizeof(_values._warnings._said["attributes"]) < 100_000


# --- timestamps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (0.5, "1970-01-01T00:00:00.500Z"),
        (1_700_000_000, "2023-11-14T22:13:20.000Z"),
        (1_700_000_000.9999, "2023-11-14T22:13:20.999Z"),
        (951_782_400, "2000-02-29T00:00:00.000Z"),
        (4_102_444_799.125, "2099-12-31T23:59:59.125Z"),
    ],
)
def test_a_timestamp_is_utc_with_milliseconds(at: float, text: str) -> None:
    assert format_timestamp(at) == text
    assert format_timestamp(at) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (-1.5, "1969-12-31T23:59:58.500Z"),
        (-30_610_224_000.0, "1000-01-01T00:00:00.000Z"),
        (-30_610_224_001.0, "1000-01-01T00:00:00.000Z"),
        (253_402_300_799.0, "9999-12-31T23:59:59.000Z"),
        (253_402_300_800.0, "9999-12-31T23:59:59.000Z"),
        (1e18, "9999-12-31T23:59:59.000Z"),
        (1e308, "9999-12-31T23:59:59.000Z"),
        (math.inf, "9999-12-31T23:59:59.000Z"),
        (-1e18, "1000-01-01T00:00:00.000Z"),
        (-math.inf, "1000-01-01T00:00:00.000Z"),
        (math.nan, "1970-01-01T00:00:00.000Z"),
    ],
)
def test_a_clock_that_is_far_out_gives_the_nearest_year_of_four_digits(at: float, text: str) -> None:
    """Also where the one before was of the same second, or is out as well."""
    for _ in range(2):
        assert format_timestamp(at) == text
        assert format_timestamp(1_700_000_000) == "2023-11-14T22:13:20.000Z"
    assert format_timestamp(at) == text
    assert format_timestamp(at) == text


def test_timestamps_are_right_in_any_order() -> None:
    first, second = "2023-11-14T22:13:20.500Z", "2023-11-14T22:13:21.000Z"
    assert [format_timestamp(1_700_000_000.5 + step) for step in (0, 0.5, 0, 0.5)] == [first, second, first, second]


ATTRIBUTES = st.dictionaries(
    st.text(max_size=120) | st.integers(),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=1_100)
    | st.lists(st.text() | st.floats())
    | st.dictionaries(st.text(), st.text()),
    max_size=60,
)


@given(shared=ATTRIBUTES, others=st.lists(ATTRIBUTES, max_size=3), order=st.randoms())
def test_a_batch_holds_just_what_its_events_are_one_by_one(shared: Any, others: list[Any], order: Any) -> None:
    every = [shared, shared, dict(shared), *others]
    events: list[Event] = [exposure(attributes=attributes) for attributes in every]
    events += [conversion(attributes=attributes) for attributes in every]
    order.shuffle(events)
    assert wire(*events) == [item for event in events for item in wire(event)]


@given(st.lists(st.floats(0, 2e11), min_size=1, max_size=5))
def test_a_timestamp_does_not_depend_on_the_ones_before(times: list[float]) -> None:
    for at in [at + step for at in times for step in (0, 0.001, 1)]:
        expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(at * 1000))
        assert format_timestamp(at) == f"{expected:%Y-%m-%dT%H:%M:%S}.{expected.microsecond // 1000:03d}Z"


@given(ATTRIBUTES)
def test_attributes_that_need_only_a_look_are_sent_as_all_others_are(attributes: Any) -> None:
    # A mapping of another type always takes the longer way.
    assert wire(exposure(attributes=attributes)) == wire(exposure(attributes=MappingProxyType(attributes)))
