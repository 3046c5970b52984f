"""The text of a project: an edit leaves the rest of it as it was."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from signakit_dev._project.edits import change_flag
from signakit_dev._project.json_text import dump, layout, lines_of, patch
from signakit_dev._project.sample import SAMPLE

many = settings(max_examples=60, derandomize=True, deadline=None, database=None)


def test_an_edit_changes_the_characters_of_what_changed_and_no_other() -> None:
    text = SAMPLE.replace('"key": "control"', '"key"  :\t"control"').replace("\n", "\r\n")
    old = json.loads(text)
    new = copy.deepcopy(old)
    change_flag(new, "new-checkout", running=False)
    edited = patch(text, old, new)
    assert json.loads(edited) == new
    assert edited == text.replace('"running": true', '"running": false', 1)


def test_a_replaced_value_is_indented_like_the_rest() -> None:
    old = json.loads(SAMPLE)
    new = copy.deepcopy(old)
    change_flag(new, "beta-dashboard", split={"on": 50, "off": 50})
    edited = patch(SAMPLE, old, new)
    assert edited == dump(new) + "\n"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@many
@given(old=JSON, new=JSON, indent=st.sampled_from([None, 1, 4, "\t"]))
def test_whatever_changes_the_text_reads_as_the_new_data(old: Any, new: Any, indent: Any) -> None:
    text = json.dumps(old, indent=indent, ensure_ascii=False)
    assert json.loads(patch(text, old, new)) == new
    assert patch(text, old, copy.deepcopy(old)) == text


@many
@given(value=JSON, indent=st.sampled_from([None, 2]))
def test_each_value_is_found_where_it_stands(value: Any, indent: Any) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    for path, span in layout(text).spans.items():
        expected = value
        for step in path:
            expected = expected[step]
        assert json.loads(text[span.start : span.end]) == expected


def test_a_document_on_one_line_stays_on_one_line() -> None:
    old = json.loads(SAMPLE)
    new = copy.deepcopy(old)
    change_flag(new, "beta-dashboard", split={"on": 50, "off": 50})
    edited = patch(json.dumps(old), old, new)
    assert "\n" not in edited
    assert json.loads(edited) == new


class Counted(str):
    """Text that knows how many of its characters were looked through."""

    __slots__ = ("looked",)

    def count(self, part: str, start: int = 0, end: int | None = None) -> int:  # type: ignore[override]  # as it is called
        self.looked = getattr(self, "looked", 0) + (len(self) if end is None else end) - start
        return super().count(part, start, end)


@given(st.text(alphabet="a\n", max_size=200), st.lists(st.integers(min_value=0, max_value=200), max_size=50))
def test_lines_are_found_in_one_pass(text: str, offsets: list[int]) -> None:
    counted = Counted(text)
    offsets = [min(offset, len(text)) for offset in offsets]
    assert lines_of(counted, offsets) == {offset: text[:offset].count("\n") + 1 for offset in offsets}
    assert getattr(counted, "looked", 0) <= len(text)
