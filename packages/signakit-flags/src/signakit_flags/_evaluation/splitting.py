r"""Finds the flags in a config that is too dense or nested too deeply for the JSON decoder, in slices.

The decoder makes an object of each item, all in one call, and follows nesting by recursion, as deep as the interpreter
lets it. Here brackets, commas and strings are walked in a loop, in linear time: an item is never looked at twice. The
regular expressions are possessive, so that a string without an end costs one look at it.

Nothing here checks the JSON. The items and what is around them are decoded by themselves afterwards, and the whole is
valid exactly when each of these parts is. So a bracket may be closed by one of the other kind here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from .slices import Budget, Slices

DEEPEST = 80
"""Levels of a flag that are decoded: ``MAX_DEPTH`` of a value, and more than the eight of the flag around it."""

_STEP = 16
"""What a step of the walk costs, in bytes: as much as the regular expression takes for so many."""

# Each match ends after a bounded number of strings and of brackets, so that it is a slice at most.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TEXT = rb'[^"\[\]{}]*+(?:' + _STRING + rb'[^"\[\]{}]*+){0,200}+'
_ITEM_TEXT = rb'[^",\[\]{}]*+(?:' + _STRING + rb'[^",\[\]{}]*+){0,200}+'
_BRACKET = rb"([\[{])|([\]}])"
_SPACE = rb"[ \t\r\n]*+"


def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


# Inside of a value: containers that hold no other are passed in one go, and so are brackets in a row.
_inside = _compiled(_TEXT + rb"(?:[\[{]" + _TEXT + rb"[\]}]" + _TEXT + rb"){0,200}(?:([\[{]+)|([\]}]+))?").match
# In the list of flags: up to the next bracket or comma.
_between = _compiled(_ITEM_TEXT + rb"(?:" + _BRACKET + rb"|(,))?").match
# In the object around: up to a bracket, or to what may be a key.
_key = rb"(" + _STRING + rb")" + _SPACE + rb"(:?)" + _SPACE
_member = _compiled(rb'[^"\[\]{}]*+(?:' + _BRACKET + rb"|" + _key + rb")?").match
_opening = _compiled(_SPACE + rb"([\[{])").match
_blank = _compiled(_SPACE).fullmatch

_OPENED, _CLOSED, _COMMA = 1, 2, 3


_START = re.compile(rb'"flags"[ \t\r\n]*:[ \t\r\n]*\[(?=[ \t\r\n]*\{[ \t\r\n]*("[^"\\]{1,50}")[ \t\r\n]*:)')
_GUESSES = 4


class Guesses:
    """Guesses where flags end in an ordinary config, without a look at what is between.

    Flags begin with the same field, as a rule. Where that is so, the text between two guesses is a list of flags.
    Whether it is has to be seen by decoding it. If it is, the text behind it is the rest of the list.

    Attributes:
        start: Where the list of flags begins, if the first ``"flags"`` in the text is it; None where there is none.
    """

    def __init__(self, body: memoryview) -> None:
        self._body = body
        found = _START.search(body)
        self.start: int | None = found and found.end()
        if found is not None:
            space = rb"[ \t\r\n]*+"
            first = space + rb"\{" + space + re.escape(found[1]) + space + rb":"
            self._end = re.compile(rb"\}" + space + rb",(?=" + first + rb")")

    def after(self, position: int, size: int) -> Iterator[int]:
        """Give some places, within ``size`` bytes behind ``position``, where a flag may begin behind a comma."""
        found = self._end.finditer(self._body, position + size // 2, position + size)
        for match, _ in zip(found, range(_GUESSES), strict=False):
            yield match.end()


class SplitError(ValueError):
    """The text is not JSON, or its ``flags`` cannot be found."""


class Splitter:
    """Splits a config into the items of its list of flags and what is around.

    Attributes:
        around: After the last item: the config with an empty list of flags, and with nothing nested too deeply.
        found: How many lists of flags there are.
    """

    def __init__(self, body: memoryview, budget: Budget) -> None:
        self._body = body
        self._budget = budget
        self._cuts: list[tuple[int, int]] = []
        self.around: bytes = b""
        self.found: int = 0

    def items(self) -> Iterator[memoryview | None]:
        """Give each item of the list of flags, and None for a pause.

        Raises:
            SplitError: The text is not an object, or it ends too early.
        """
        body, budget = self._body, self._budget
        opening = _opening(body)
        if opening is None or opening[1] != b"{":
            raise SplitError("config is not an object")
        position, is_flags = opening.end(), False
        while True:
            found = _member(body, position)
            assert found is not None
            end, kind = found.end(), found.lastindex
            if kind == _OPENED:
                if is_flags and found[1] == b"[":
                    self.found += 1
                    closed = yield from self._list(end)
                    self._cuts.append((end, closed - 1))
                else:
                    closed = yield from _closed(body, end, budget, self._cuts)
                position = closed
            elif kind == _CLOSED:
                break
            elif end == position:
                raise SplitError("the text ends too early")
            else:
                position = end
            is_flags = found[3] == b'"flags"' and found[4] == b":"
            if budget.spend(_STEP):
                yield None
        self.around = _without(body, self._cuts)

    def _list(self, position: int) -> Generator[memoryview | None, None, int]:
        """Give the items of a list that begins at ``position``, and return where it ends."""
        body, budget = self._body, self._budget
        start, first = position, True
        while True:
            found = _between(body, position)
            assert found is not None
            end, kind = found.end(), found.lastindex
            if budget.spend(end - position + _STEP):
                yield None
            if kind == _OPENED:
                end = yield from _closed(body, end, budget, None)
            elif kind is None:
                if end == position:
                    raise SplitError("the text ends too early")
            else:
                item = body[start : end - 1]
                if kind == _COMMA or not (first and _blank(item)):
                    yield item
                if kind == _CLOSED:
                    return end
                start, first = end, False
            position = end


def trimmed(text: memoryview, budget: Budget) -> Slices[bytes]:
    """Return JSON in which what is nested deeper than ``DEEPEST`` is left out: an empty list or object is there.

    That is deeper than any value that may be used, so a flag with such a value is skipped as every other that is too
    deep. In a field that is never read it does no harm. So a config means the same on every interpreter.
    """
    cuts: list[tuple[int, int]] = []
    opening = _opening(text)
    if opening is not None:
        yield from _closed(text, opening.end(), budget, cuts)
    return _without(text, cuts)


def _closed(body: memoryview, position: int, budget: Budget, cuts: list[tuple[int, int]] | None) -> Slices[int]:
    """Return where the container ends that was opened before ``position``. Add what is too deep in it to ``cuts``."""
    depth, start = 1, 0
    while depth:
        found = _inside(body, position)
        assert found is not None
        end, kind = found.end(), found.lastindex
        if kind == _OPENED:
            before, depth = depth, depth + end - found.start(_OPENED)
            if before < DEEPEST <= depth:
                start = end - (depth - DEEPEST)
        elif kind == _CLOSED:
            first = found.start(_CLOSED)
            before, depth = depth, max(0, depth - end + first)
            if before >= DEEPEST > depth and cuts is not None:
                cuts.append((start, first + before - DEEPEST))
            end = first + before - depth  # what is behind the last bracket belongs to something else
        elif end == position:
            raise SplitError("the text ends too early")
        if budget.spend(end - position + _STEP):
            yield
        position = end
    return position


def _without(body: memoryview, cuts: list[tuple[int, int]]) -> bytes:
    starts = [0, *(end for _, end in cuts)]
    ends = [*(start for start, _ in cuts), len(body)]
    return b"".join(body[start:end] for start, end in zip(starts, ends, strict=True))
