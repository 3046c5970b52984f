"""The public API as a type checker sees it: the files ``check_*.py`` beside this one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = sorted(HERE.glob("check_*.py"))
EXPECTED = re.compile(r"  # type: ignore\[([a-z, -]+)\]$")
REPORTED = re.compile(r":(\d+): error: .*\[([a-z-]+)\]$")


def without_marks(source: str) -> tuple[str, set[tuple[int, str]]]:
    """Return the source without its ``type: ignore`` comments, and (line, code) of each error they expected."""
    expected: set[tuple[int, str]] = set()
    lines = source.splitlines()
    for number, line in enumerate(lines, start=1):
        mark = EXPECTED.search(line)
        if mark is not None:
            expected |= {(number, code.strip()) for code in mark[1].split(",")}
    return "\n".join(EXPECTED.sub("", line) for line in lines) + "\n", expected


def test_there_are_files_to_check() -> None:
    assert [path.name for path in FILES] == [
        "check_client.py",
        "check_django.py",
        "check_fastapi.py",
        "check_flask.py",
        "check_rejected.py",
        "check_testing.py",
        "check_user_context.py",
    ]


@pytest.mark.timeout(300)  # the first run reads all of httpx
def test_the_types_are_the_promised_ones_and_mistakes_are_found(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    bare = tmp_path / "rejected_bare.py"
    source, expected = without_marks((HERE / "check_rejected.py").read_text())
    bare.write_text(source)
    cache = pytestconfig.cache.mkdir("mypy")
    options = ["--strict", "--no-error-summary", "--no-pretty", "--no-color-output", "--cache-dir", str(cache)]
    command = [sys.executable, "-m", "mypy", *options, str(bare), *map(str, FILES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert done.stderr == ""
    of_bare = [line for line in done.stdout.splitlines() if bare.name in line]
    assert [line for line in done.stdout.splitlines() if line not in of_bare] == []
    assert {(int(mark[1]), mark[2]) for line in of_bare if (mark := REPORTED.search(line))} == expected
    assert len(expected) > 30
