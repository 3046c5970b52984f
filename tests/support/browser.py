"""A real browser: Debian's chromium, without a window and without traffic of its own."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

_EXECUTABLE = shutil.which("chromium")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
with_chromium = pytest.mark.skipif(
    _EXECUTABLE is None, reason="there is no chromium on PATH (on Debian: apt-get install chromium)"
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run one."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_EXECUTABLE, args=_ARGUMENTS)
        yield browser
        browser.close()
