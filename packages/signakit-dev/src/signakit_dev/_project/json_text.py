"""The text of a JSON document: where each value stands in it, and how to change a few without touching the rest.

The file is kept by hand, in a layout of its own. An edit from the page replaces the characters of the values that
changed and leaves every other one alone, instead of printing the whole document anew.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Path: TypeAlias = tuple[str | int, ...]
"""Keys and positions, from the root."""

WIDTH = 100
_TOKEN = re.compile(r'[{}\[\],:]|"(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+')
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")


class Span(NamedTuple):
    """Characters ``start`` up to ``end``, without it."""

    start: int
    end: int


class Layout(NamedTuple):
    """Where everything stands.

    Attributes:
        spans: Of each value. Where a key is written twice, of the last, which is the one that counts.
        repeated: Path and offset of each key that was in its object before.
    """

    spans: dict[Path, Span]
    repeated: list[tuple[Path, int]]


class _Container:
    """An object or a list that is still open."""

    __slots__ = ("index", "is_object", "key", "path", "seen", "start")

    def __init__(self, path: Path, start: int, *, is_object: bool) -> None:
        self.path = path
        self.start = start
        self.is_object = is_object
        self.index = 0
        self.key: str | None = None
        self.seen: set[str] = set()


def layout(text: str) -> Layout:
    """Return where each value stands in ``text``, which must be valid JSON."""
    spans: dict[Path, Span] = {}
    repeated: list[tuple[Path, int]] = []
    open_: list[_Container] = []
    for token in _TOKEN.finditer(text):
        first = token[0][0]
        inner = open_[-1] if open_ else None
        if first in ":,":
            if first == "," and inner is not None:
                inner.index += 1
                inner.key = None
        elif first in "}]":
            closed = open_.pop()
            spans[closed.path] = Span(closed.start, token.end())
        elif inner is not None and inner.is_object and inner.key is None:
            inner.key = json.loads(token[0])
            if inner.key in inner.seen:
                repeated.append(((*inner.path, inner.key), token.start()))
            inner.seen.add(inner.key)
        else:
            path: Path = () if inner is None else (*inner.path, inner.index if inner.key is None else inner.key)
            if first in "{[":
                open_.append(_Container(path, token.start(), is_object=first == "{"))
            else:
                spans[path] = Span(*token.span())
    return Layout(spans, repeated)


def token_offset(text: str, word: str) -> int:
    """Return where a bare word, such as ``NaN``, stands first outside of texts; the end of ``text`` if nowhere."""
    return next((token.start() for token in _TOKEN.finditer(text) if token[0] == word), len(text))


def line_of(text: str, offset: int) -> int:
    """Return the line, from 1, of a character."""
    return text.count("\n", 0, offset) + 1


def lines_of(text: str, offsets: Iterable[int]) -> dict[int, int]:
    """Return the line, from 1, of each character: a file may have as many problems as lines."""
    lines: dict[int, int] = {}
    line, before = 1, 0
    for offset in sorted(set(offsets)):
        line += text.count("\n", before, offset)
        lines[offset] = line
        before = offset
    return lines


def path_text(path: Path) -> str:
    """Return a path as a reader writes it: ``flags[2].rules[0].trafficPercentage``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif not _PLAIN_KEY.fullmatch(step):
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
        else:
            text += f".{step}" if text else step
    return text


def patch(text: str, old: Any, new: Any) -> str:
    """Return ``text``, which reads as ``old``, so changed that it reads as ``new``.

    A value that is the same keeps its characters; one that gains or loses a member is written anew, in the indentation
    of the document.
    """
    editor = _Editor(text)
    changes = sorted(editor.changes(old, new, ()), reverse=True)
    for span, written in changes:
        text = text[: span.start] + written + text[span.end :]
    return text


class _Editor:
    """Finds what to replace in one document, and by what."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.spans = layout(text).spans
        found = re.search(r"\n([ \t]+)\S", text)
        self.indent = found[1] if found else "  "
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.on_one_line = "\n" not in text.strip()

    def changes(self, old: Any, new: Any, path: Path) -> Iterator[tuple[Span, str]]:
        """Yield the characters to replace and those that take their place."""
        if old == new and _same_types(old, new):
            return
        alike = (isinstance(old, dict) and isinstance(new, dict) and list(old) == list(new)) or (
            isinstance(old, list) and isinstance(new, list) and len(old) == len(new)
        )
        span = self.spans[path]
        written = self.written(new, span)
        # What stood on one line and no longer can is written anew as a whole, not broken off in the middle.
        grows = not self.on_one_line and "\n" in written and "\n" not in self.text[span.start : span.end]
        if not alike or grows:
            yield span, written
            return
        for step, value in new.items() if isinstance(new, dict) else enumerate(new):
            yield from self.changes(old[step], value, (*path, step))

    def written(self, value: Any, span: Span) -> str:
        """Return ``value`` as it is written in the place of ``span``."""
        if self.on_one_line:
            return json.dumps(value, ensure_ascii=False, allow_nan=False)
        line = self.text[self.text.rfind("\n", 0, span.start) + 1 : span.start]
        margin = line[: len(line) - len(line.lstrip())]
        return dump(value, indent=self.indent, margin=margin, used=len(line)).replace("\n", self.newline)


def _same_types(old: Any, new: Any) -> bool:
    """Say whether equal values are written alike: ``1``, ``1.0`` and ``true`` are equal and are not."""
    if type(old) is not type(new):
        return False
    if isinstance(old, dict):
        return list(old) == list(new) and all(_same_types(value, new[key]) for key, value in old.items())
    return not isinstance(old, list) or all(map(_same_types, old, new))


def dump(value: Any, *, indent: str = "  ", margin: str = "", used: int = 0) -> str:
    """Return ``value`` as JSON for a reader: what is short and flat on one line, the rest over several.

    Args:
        value: JSON data.
        indent: One level of indentation.
        margin: Indentation of the line on which it begins.
        used: Characters that stand before it on that line.
    """
    line = _one_line(value)
    if not isinstance(value, (dict, list)) or not value or (used + len(line) <= WIDTH and _is_flat(value)):
        return line
    deeper = margin + indent
    if isinstance(value, dict):
        names = [f"{json.dumps(key, ensure_ascii=False)}: " for key in value]
        items = [
            name + dump(item, indent=indent, margin=deeper, used=len(deeper) + len(name))
            for name, item in zip(names, value.values(), strict=True)
        ]
        opening, closing = "{", "}"
    else:
        items = [dump(item, indent=indent, margin=deeper, used=len(deeper)) for item in value]
        opening, closing = "[", "]"
    body = ",\n".join(deeper + item for item in items)
    return f"{opening}\n{body}\n{margin}{closing}"


def _one_line(value: Any) -> str:
    match value:
        case dict() if value:
            members = (f"{json.dumps(key, ensure_ascii=False)}: {_one_line(item)}" for key, item in value.items())
            return f"{{ {', '.join(members)} }}"
        case list():
            return f"[{', '.join(map(_one_line, value))}]"
        case _:
            return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _is_flat(value: Any) -> bool:
    """Say whether ``value`` may stand on one line: two ranges or two variations are read better below each other."""
    if not isinstance(value, (dict, list)):
        return True
    items = list(value.values()) if isinstance(value, dict) else value
    if isinstance(value, list) and len([item for item in items if isinstance(item, (dict, list))]) > 1:
        return False
    return all(map(_is_flat, items))
