"""What docs/apis-and-mobile-apps.md says of User-Agents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from signakit_flags import bot_kind

PAGE = (Path(__file__).parents[2] / "docs/apis-and-mobile-apps.md").read_text(encoding="utf-8")
SENT = re.findall(r'^\| [^|]+ \| `([^`]+)` \| (?:`"(\w+)"`|None) \|$', PAGE, re.MULTILINE)


def test_the_table_of_what_apps_send_is_there() -> None:
    assert len(SENT) == 12


@pytest.mark.parametrize(("user_agent", "kind"), SENT)
def test_what_an_app_sends_is_of_the_kind_that_the_page_says(user_agent: str, kind: str) -> None:
    assert bot_kind(user_agent) == (kind or None)


def test_the_name_that_the_page_proposes_is_a_persons() -> None:
    [named] = re.findall(r'header\("User-Agent", "([^"]+)"\)', PAGE)
    assert bot_kind(named) is None
    assert bot_kind(f"{named} okhttp/4.12.0") == "library"


@pytest.mark.parametrize(
    "word", ["https://shop.example", "www.shop.example", "a@shop.example", "bot", "crawl", "monitor"]
)
def test_what_the_page_warns_of_makes_a_crawler(word: str) -> None:
    assert bot_kind(f"MyShop/3.1 (Android 14) {word}") == "crawler"
