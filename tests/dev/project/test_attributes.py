"""Attributes as they are typed on the page, on the command line and in a query."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from signakit_dev._project.attributes import parse_assignments, parse_attributes
from signakit_dev.testing import Emulator
from support.configs import audience, condition, config, flag, rule, whole
from support.wire import ask

ASSIGNMENTS = ["zip=12", "n:=12", "on=true", "b:=true", 'l:=["a"]', "url=a=b:=c", "empty="]


def test_the_page_reads_lines_as_the_command_line_reads_each_attr() -> None:
    assert parse_assignments(ASSIGNMENTS) == {
        "zip": "12",
        "n": 12,
        "on": "true",
        "b": True,
        "l": ["a"],
        "url": "a=b:=c",
        "empty": "",
    }
    assert parse_attributes("\n".join(["", *ASSIGNMENTS, "  "])) == parse_assignments(ASSIGNMENTS)


def test_the_page_reads_a_json_object_as_well() -> None:
    assert parse_attributes(' {"zip": 12}') == {"zip": 12}


@pytest.mark.parametrize("text", ["plan", "=pro", ":=3", "n:=pro", "{", "n:=" + "9" * 5_000, "n:=" + "[" * 100_000])
def test_what_is_none_is_told(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # whichever it is, it is a sentence
        parse_attributes(text)
    assert 10 < len(str(caught.value)) < 400


def test_all_three_give_text_where_text_was_typed() -> None:
    only = rule(audiences=[audience(condition("zip", "equals", "12"))], split=whole("on"))
    with Emulator(config(flag("f", only))) as emulator:
        asked = ask(f"{emulator.url}/api/decide?user=u&attr=zip=12").json()
        assert asked["decisions"][0]["decision"]["variation_key"] == "on"
        page = ask(f"{emulator.url}/?user=u&attributes={quote('zip=12')}").text
        assert "by rule <code>r</code>" in page
        assert "name:=JSON" in page


@pytest.mark.parametrize(
    ("assignments", "attributes"),
    [
        (["plan=pro"], {"plan": "pro"}),
        (["n:=3"], {"n": 3}),
        (["n:=2.5", "b:=true", 'l:=["a"]'], {"n": 2.5, "b": True, "l": ["a"]}),
        (["url=a=b:=c"], {"url": "a=b:=c"}),
        (["empty="], {"empty": ""}),
        (["a=1", "a=2"], {"a": "2"}),
        (["$userAgent=Firefox"], {"$userAgent": "Firefox"}),
        ([], {}),
    ],
)
def test_attributes_are_text_or_json(assignments: list[str], attributes: dict[str, object]) -> None:
    parsed = parse_assignments(assignments)
    assert parsed == attributes
    assert [type(value) for value in parsed.values()] == [type(value) for value in attributes.values()]
