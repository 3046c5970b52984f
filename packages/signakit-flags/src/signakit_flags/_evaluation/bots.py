"""Is this User-Agent a program's, and of which kind? PROTOCOL.md, sections 6 and 9: truth, not the vendor's list.

A bot is found by three questions, each answered in linear time:

1. Does it carry a mark that only programs carry: an address, "crawl", a word that ends in "bot"? (``bot_marks``)
2. Does it carry a name that the `crawler-user-agents` package knows? (``bot_list``)
3. Does it name no browser, no system and no device at all? Then no person's software wrote it.

In doubt the answer is no: a person taken for a bot loses the feature, a bot taken for a person costs an exposure.

A bot is a crawler if it says so, by a mark or a name of a crawler, a headless browser, a monitor, a scanner, a link
preview or a feed reader. Any other one is a library: of the rest of the text, names of HTTP libraries included, no
word says what the program does. So is an app's own name, "MyShop/1.2", which the third question finds. In doubt
again the answer is the one that costs no person the feature: apps send such names for people who are logged in, and a
crawler that hides what it is has no account.

The state is one object of the module, `_state`, and under no lock, so that a fork at any moment is harmless:

* `judge` is built at the first call and assigned once. Two threads that come first together both build it.
* `recent` and `older` are two generations of verdicts. Any thread may add to `recent`; the one that finds it full
  makes it `older` and starts a new one. A race there forgets verdicts, it never makes a wrong one. None is a
  verdict, so False stands for one that is not kept.
* Nothing is imported by the first call: an import is a lock too, and a child forked in its midst waits forever.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from .bot_list import HEAD, names_by_head
from .bot_marks import (
    COMPATIBLE,
    CRAWLER_MARKS,
    CRAWLER_WORDS,
    HANDSET,
    LIBRARIES,
    MAIL,
    NOT_MARKS,
    PERSONAL,
    PERSONAL_WORDS,
    PLAIN_ADDRESS,
    PROGRAM_MARKS,
    SERVERS_TOO,
    WORD_END,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Kind = Literal["crawler", "library"]
    Kept = Kind | Literal[False] | None  # False: no verdict is kept

# In characters. Browsers send 80 to 250, in-app browsers up to 500, attackers as much as the server lets through.
_LOOKED_AT = 1024
# Verdicts on longer ones are not kept. Two generations stay under 5 MB whatever is sent; 1 MB if it is ASCII.
_KEPT_LENGTH = 512
_KEPT_ENTRIES = 1024


class _State:
    """The state of the module; its rules stand in the module's docstring."""

    __slots__ = ("judge", "older", "recent")

    def __init__(self) -> None:
        self.judge: Callable[[str], Kind | None] | None = None
        self.recent: dict[str, Kind | None] = {}
        self.older: dict[str, Kind | None] = {}


_state = _State()


def is_bot(user_agent: str | None) -> bool:
    """Tell whether a User-Agent is a program's rather than that of a person's browser or app.

    Crawlers, HTTP libraries, headless browsers and monitors are bots. In-app browsers are not, nor are native apps that
    name the system they run on. An empty or blank User-Agent is not a bot, and neither is None, which
    ``headers.get("User-Agent")`` gives without the header. Only the first 1,024 characters count.

    The first call reads the `crawler-user-agents` package's list (tens of milliseconds); a User-Agent seen lately
    costs a look-up. Safe in any thread and after a fork: there is no lock. Never raises for any `str`.

    Args:
        user_agent: The header's value as it came, well-formed or not; None without the header.

    Returns:
        True for a bot. Where the package's list cannot be read (a frozen application without its data), our own marks
        decide alone and find fewer, which is logged once at WARNING. PyInstaller brings the list, by a hook of ours.

    Raises:
        TypeError: `user_agent` is neither text nor None. Decode bytes first.
    """
    # As in `bot_kind`: a call of it would double what a User-Agent seen before costs.
    if type(user_agent) is str and len(user_agent) <= _KEPT_LENGTH:
        kind: Kept = _state.recent.get(user_agent, False)
        if kind is not False:
            return kind is not None
    return bot_kind(user_agent) is not None


def bot_kind(user_agent: str | None) -> Literal["crawler", "library"] | None:
    """Tell which kind of program sent a User-Agent; None for a person's browser or app.

    A person may be behind a library: the one who is logged in to an app that calls your API by it. A crawler is never a
    person. Otherwise as ``is_bot``, which is True exactly where this is not None.

    Args:
        user_agent: The header's value as it came, well-formed or not; None without the header.

    Returns:
        ``"crawler"`` for a declared crawler, a headless browser, a monitor, a scanner, a link preview or a feed
        reader's fetcher. ``"library"`` for an HTTP library, a command-line client, and a program of which only its own
        name is known, as ``MyShop/1.2``. A crawler that uses a library and says what it is, is a crawler:
        ``ShopBot/1.0 python-requests/2.32``. None for everything else. Where the package's list cannot be read, some
        crawlers come out as libraries.

    Raises:
        TypeError: `user_agent` is neither text nor None. Decode bytes first.
    """
    if type(user_agent) is not str:
        if user_agent is None:
            return None
        if not isinstance(user_agent, str):
            raise TypeError(f"user_agent must be a str or None, not {type(user_agent).__name__}")
    if len(user_agent) > _KEPT_LENGTH:
        return _detector()(user_agent[:_LOOKED_AT])
    kind: Kept = _state.recent.get(user_agent, False)
    return _remember(user_agent) if kind is False else kind


def _remember(user_agent: str) -> Kind | None:
    """Return the verdict on a User-Agent that is not in `recent`, and keep it there."""
    kind: Kept = _state.older.get(user_agent, False)
    if kind is False:
        kind = _detector()(user_agent)
    if len(_state.recent) >= _KEPT_ENTRIES:
        _state.older, _state.recent = _state.recent, {}
    _state.recent[user_agent] = kind
    return kind


def _detector() -> Callable[[str], Kind | None]:
    judge = _state.judge
    if judge is None:
        judge = _state.judge = _build()
    return judge


def _build() -> Callable[[str], Kind | None]:
    return _Detector().kind


class _Detector:
    """Marks and names, compiled; nothing of it changes."""

    __slots__ = (
        "_handset",
        "_heads",
        "_mail",
        "_names",
        "_old_browser",
        "_personal",
        "_plain",
        "_product",
        "_word_end",
    )

    def __init__(self) -> None:
        self._word_end = re.compile(WORD_END).search
        self._handset = re.compile(HANDSET, re.ASCII).sub
        self._mail = re.compile(MAIL, re.ASCII).search
        self._plain = re.compile(PLAIN_ADDRESS, re.ASCII).search
        self._old_browser = re.compile(COMPATIBLE).search
        self._personal = re.compile("|".join(PERSONAL_WORDS), re.ASCII).search
        self._product = re.compile(r"\s*mozilla/[\d.]*(?:\s*\(compatible;?\))?", re.ASCII).match
        self._heads = re.compile(HEAD).findall
        self._names = names_by_head()

    def kind(self, user_agent: str) -> Kind | None:
        """Return the verdict on a User-Agent of bounded length."""
        lower = text = user_agent.lower()
        if "android" in text:
            text = self._handset("android", text)
        for word in NOT_MARKS:
            if word in text:
                text = text.replace(word, " ")
        own = self._product(lower)
        if not self._is_program(lower, text, own):
            return None
        return "crawler" if self._is_crawler(text, in_browser=own is not None) else "library"

    def _is_program(self, lower: str, text: str, own: re.Match[str] | None) -> bool:
        for mark in PROGRAM_MARKS:
            if mark in text:
                return True
        if self._word_end(text) or ("@" in text and self._mail(text)):
            return True
        # Put together from a list, by a script or a proxy: "Anonymous, Mozilla/5.0 ...".
        if (own is None and ", mozilla/" in text) or (own and self._introduces_itself(text)):
            return True
        if self._is_known(text, in_browser=own is not None):
            return True
        # Nothing speaks for a program. Does anything speak for a person? A bare "Mozilla/5.0" may be anybody's.
        rest = lower[own.end() :] if own else lower
        if not rest or rest.isspace():
            return False
        for name in PERSONAL:
            if name in rest:
                return False
        return not (self._personal(rest) or (own and any(system in rest for system in SERVERS_TOO)))

    def _is_crawler(self, text: str, *, in_browser: bool) -> bool:
        """Tell whether a program says that it is a crawler, or one of its kin, beside the libraries that it names."""
        for name in LIBRARIES:
            if name in text:
                text = text.replace(name, " ")
        for word in CRAWLER_WORDS:  # an address first, which most crawlers have
            if word in text:
                return True
        for mark in CRAWLER_MARKS:
            if mark in text:
                return True
        return bool(
            self._word_end(text)
            or ("@" in text and self._mail(text))
            or ("+" in text and self._plain(text))
            or (in_browser and self._introduces_itself(text))
            or self._is_known(text, in_browser=in_browser, crawlers_only=True)
        )

    def _introduces_itself(self, text: str) -> bool:
        if not ("compatible;" in text and text.startswith("mozilla/5.0")):
            return False
        start = text.index("compatible;")
        end = text.find(")", start)
        return not self._old_browser(text, start, end if end > start else len(text))

    def _is_known(self, text: str, *, in_browser: bool, crawlers_only: bool = False) -> bool:
        """Tell whether the package knows a name in a text, which may be that of a program in a browser's string."""
        for head in {*self._heads(text)}:  # each once, or a text of one word costs its square
            if head in self._names:
                for name, imitates, crawls in self._names[head]:
                    if name in text and (imitates or not in_browser) and (crawls or not crawlers_only):
                        return True
        return False
