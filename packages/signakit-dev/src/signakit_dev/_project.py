"""A project's JSON: what is wrong with it, what it says in plain words, and a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
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

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = list(problems)


def check(text: str | bytes) -> list[Problem]:
    """Return every problem of a project's JSON, in the order of the text."""
    raise NotImplementedError


def describe_rule(rule: Mapping[str, Any]) -> str:
    """Say a rule in plain words."""
    raise NotImplementedError


def describe_condition(condition: Mapping[str, Any]) -> str:
    """Say a condition in plain words."""
    raise NotImplementedError


SAMPLE: str = "{}"
