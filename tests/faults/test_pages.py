"""The pages on failure and delivery name tests that exist, and every row of theirs names one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "readiness-and-failure.md", ROOT / "docs" / "delivery.md"]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
HERE = Path(__file__).parent


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_each_test_that_a_page_names_exists(page: Path) -> None:
    named = NAMED.findall(page.read_text(encoding="utf-8"))
    assert len(named) > 20
    for path, name in named:
        assert name.startswith("test_")
        assert name in names_in(ROOT / path), f"{path}::{name}"


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_each_row_with_a_column_of_tests_names_one(page: Path) -> None:
    seen = 0
    for table in TABLE.findall(page.read_text(encoding="utf-8")):
        header, _line, *rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()]
        if header[-1].strip(" |") != "test":
            continue
        for row in rows:
            assert len(row) == len(header), row
            assert NAMED.search(row[-1]) or row[-1].strip(" |") == "as above", row
            seen += 1
    assert seen > 5


def test_each_test_of_a_failure_is_named_on_a_page() -> None:
    pages = [*PAGES, ROOT / "docs" / "processes.md"]
    named = {name for page in pages for _path, name in NAMED.findall(page.read_text(encoding="utf-8"))}
    for path in (HERE / "test_cdn.py", HERE / "test_ingest.py", HERE / "test_state.py", HERE / "test_drivers.py"):
        missing = {name for name in names_in(path) if name.startswith("test_")} - named
        assert missing == set(), path.name
