"""The handler that the page "Processes" shows for a serverless platform, over several invocations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.configs import SDK_KEY, config, flag, whole

if TYPE_CHECKING:
    from support.server import FlagServer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "processes.md").read_text(encoding="utf-8")
SECTION = PAGE.split("### Serverless")[1].split("\n### ")[0]


def checkout(variation: str) -> dict[str, Any]:
    return config(flag("new-checkout", allocation=whole(variation)))


@pytest.mark.parametrize(("seconds", "second"), [("60", "off"), ("0", "treatment")])
def test_the_handler_of_the_page_refreshes_a_configuration_that_is_old(
    server: FlagServer, monkeypatch: pytest.MonkeyPatch, seconds: str, second: str
) -> None:
    monkeypatch.setenv("SIGNAKIT_SDK_KEY", SDK_KEY)
    monkeypatch.setenv("SIGNAKIT_EMULATOR_URL", server.url)
    server.set_config(checkout("off"))
    block = re.search(r"^```python\n(.*?)^print", SECTION, re.MULTILINE | re.DOTALL)
    assert block is not None
    assert block[1].count("age > 60") == 1
    page: dict[str, Any] = {}
    exec(block[1].replace("age > 60", f"age > {seconds}"), page)
    try:
        assert page["handler"]({"user": "ada"}, None) == {"checkout": "off"}
        server.set_config(checkout("treatment"))
        assert page["handler"]({"user": "ada"}, None) == {"checkout": second}
        assert page["client"].status().queued == 0
    finally:
        page["client"].close()
