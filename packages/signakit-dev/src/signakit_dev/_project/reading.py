"""A project's JSON: reading it, and saying on which line something is wrong with it. What has errors is not served."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from .checks import MAX_DOCUMENT_DEPTH, Findings, Severity, check_project, check_values
from .json_text import Path, layout, line_of, lines_of, path_text, token_offset

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BOM", "ProjectError", "ProjectProblem", "Severity", "check", "read"]

BOM = b"\xef\xbb\xbf"
"""A byte order mark, as some editors put it in front of a file."""


@dataclass(frozen=True, slots=True)
class ProjectProblem:
    """Something wrong with a project's JSON.

    Attributes:
        path: Where, like ``"flags[2].rules[0].trafficPercentage"``; empty for the whole.
        message: What.
        line: The line in the text, from 1; None where there is none.
        severity: ``"error"`` is not served; ``"warning"`` is.
    """

    path: str
    message: str
    line: int | None
    severity: Severity

    def __str__(self) -> str:
        where = f"line {self.line}, " if self.line is not None else ""
        return f"{where}{self.path or 'project'}: {self.message}"


class ProjectError(ValueError):
    """A project that cannot be served. ``str()`` lists the problems, one a line.

    Attributes:
        problems: Every problem, warnings included.
    """

    def __init__(self, problems: Sequence[ProjectProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = list(problems)


def read(text: str | bytes) -> tuple[dict[str, Any], list[ProjectProblem]]:
    """Return a project as JSON data, and the warnings about it.

    Raises:
        ProjectError: It has errors.
    """
    data, problems = _read(text)
    if any(problem.severity == "error" for problem in problems):
        raise ProjectError(problems)
    return data, problems


def check(text: str | bytes) -> list[ProjectProblem]:
    """Return every problem of a project's JSON, in the order of the text; an empty list when it is in order."""
    return _read(text)[1]


def _read(source: str | bytes) -> tuple[Any, list[ProjectProblem]]:
    if isinstance(source, bytes):
        try:
            text = source.removeprefix(BOM).decode()
        except UnicodeDecodeError as error:
            line = source.count(b"\n", 0, error.start) + 1
            return None, [ProjectProblem("", f"not UTF-8: {error.reason} at byte {error.start}", line, "error")]
    else:
        text = source.removeprefix("\ufeff")
    repeated = False

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        made = dict(items)
        repeated = repeated or len(made) < len(items)
        return made

    try:
        data = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        return None, [ProjectProblem("", f"not JSON: {error.msg} (column {error.colno})", error.lineno, "error")]
    except RecursionError:
        return None, [ProjectProblem("", "nested too deeply", None, "error")]
    except _ConstantError as error:
        line = line_of(text, token_offset(text, error.name))
        return None, [ProjectProblem("", f"not JSON: {error.name} is not a JSON number", line, "error")]
    except ValueError as error:  # an integer of thousands of digits
        return None, [ProjectProblem("", f"cannot be read: {error}", None, "error")]
    found = Findings()
    if not check_values(data, (), found):
        return data, [ProjectProblem("", f"nested deeper than {MAX_DOCUMENT_DEPTH} levels", None, "error")]
    check_project(data, found)
    return data, _with_lines(text, found.items, repeated=repeated)


class _ConstantError(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _refuse_constant(name: str) -> NoReturn:
    raise _ConstantError(name)


def _with_lines(text: str, items: list[tuple[Path, str, Severity]], *, repeated: bool) -> list[ProjectProblem]:
    if not items and not repeated:
        return []
    found = layout(text)
    placed: list[tuple[int, Path, str, Severity]] = []
    for path, message, severity in items:
        at = path
        while at and at not in found.spans:  # what is missing stands at what it is missing from
            at = at[:-1]
        placed.append((found.spans[at].start, path, message, severity))
    for path, offset in found.repeated:
        placed.append((offset, path, f"the key {path[-1]!r} is written twice; the SDK takes the last", "error"))
    placed.sort(key=lambda entry: entry[0])
    lines = lines_of(text, (offset for offset, *_ in placed))
    return [
        ProjectProblem(path_text(path), message, lines[offset], severity) for offset, path, message, severity in placed
    ]
