"""The shops' own tests, as their readers run them: in parallel, in random order, without key and network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SHOPS = {"django_shop": 9, "flask_shop": 7, "fastapi_shop": 9}


def run(*command: str, folder: Path) -> str:
    """Run a command and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SIGNAKIT_", "PYTEST_"))}
    environment |= {"PYTHONPATH": str(ROOT / "tests"), "SHOP_DATABASE": ":memory:"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(("shop", "count"), SHOPS.items(), ids=SHOPS)
def test_the_tests_of_a_shop_pass(shop: str, count: int) -> None:
    options = ("-p", "support.no_network", "-p", "no:asyncio", "-p", "no:cacheprovider", "-W", "error")
    said = run("-m", "pytest", "-n", "2", *options, folder=EXAMPLES / shop)
    assert re.search(rf"\b{count} passed\b", said), said
    assert "--randomly-seed" in said


def test_the_tests_of_the_django_shop_pass_under_djangos_runner() -> None:
    said = run("-W", "error", "manage.py", "test", folder=EXAMPLES / "django_shop")
    assert "Ran 3 tests" in said


def test_a_shop_that_sells_nothing_is_noticed(tmp_path: Path) -> None:
    """What the tests of a shop say is worth something: they fail when the view does."""
    shop = tmp_path / "flask_shop"
    shop.mkdir()
    for path in (EXAMPLES / "flask_shop").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            target = shop / path.relative_to(EXAMPLES / "flask_shop")
            target.parent.mkdir(exist_ok=True)
            text = path.read_text(encoding="utf-8")
            target.write_text(text.replace('flags.variation("new-checkout")', '"control"'), encoding="utf-8")
    with pytest.raises(AssertionError, match=r"no exposure of 'new-checkout' in variation 'control' was recorded"):
        run("-m", "pytest", "-p", "no:asyncio", "-p", "no:cacheprovider", folder=shop)
