"""The text of a JSON document: where each value stands in it, and how to change a few without touching the rest.

Somebody keeps the file by hand, in their own layout. An edit from the page replaces the characters of the values that
changed and leaves every other one alone, instead of printing the whole document anew.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    spans = layout(text).spans
    indent = _indent(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    changes = sorted(((spans[path], value) for path, value in _changes(old, new, ())), reverse=True)
    for span, value in changes:
        line = text[text.rfind("\n", 0, span.start) + 1 : span.start]
        margin = line[: len(line) - len(line.lstrip())]
        written = dump(value, indent=indent, margin=margin, used=len(line)).replace("\n", newline)
        text = text[: span.start] + written + text[span.end :]
    return text


def _changes(old: Any, new: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(old, dict) and isinstance(new, dict) and list(old) == list(new):
        for key, value in new.items():
            yield from _changes(old[key], value, (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, value in enumerate(new):
            yield from _changes(old[index], value, (*path, index))
    elif type(old) is not type(new) or old != new:
        yield path, new


def _indent(text: str) -> str:
    found = re.search(r"\n([ \t]+)\S", text)
    return found[1] if found else "  "


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
