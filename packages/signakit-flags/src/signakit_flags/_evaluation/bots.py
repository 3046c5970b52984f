"""Is this User-Agent a program's? PROTOCOL.md, sections 6 and 9: truth, not the vendor's list.

Three questions, each answered in linear time:

1. Does it carry a mark that only programs carry: an address, "crawl", a word that ends in "bot"? (`_MARKS` and the
   expressions below it.)
2. Does it carry a name that the `crawler-user-agents` package knows?
3. Does it name no browser, no system and no device at all? Then no person's software wrote it.

In doubt the answer is no: a person taken for a bot loses the feature, a bot taken for a person costs an exposure.

The package's regular expressions are never run: nearly all are plain text and are read as such, the rest are skipped
(the marks find what they mean). One big expression of 1,500 alternatives takes milliseconds a string; and a new release
of the package cannot bring one that backtracks.

The state is one object of the module, `_state`, and under no lock, so that a fork at any moment is harmless:

* `judge` is built at the first call and assigned once. Two threads that come first together both build it.
* `recent` and `older` are two generations of verdicts. Any thread may add to `recent`; the one that finds it full
  makes it `older` and starts a new one. A race there forgets verdicts, it never makes a wrong one.
* Nothing is imported by the first call: an import is a lock too, and a child forked in its midst waits forever. So the
  package's JSON is read with `re`, not with json or msgspec, which must not be imported along with this module.
"""

from __future__ import annotations

import logging
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# In characters. Browsers send 80 to 250, in-app browsers up to 500, attackers as much as the server lets through.
_LOOKED_AT = 1024
# Verdicts on longer ones are not kept. Two generations stay under 5 MB whatever is sent; 1 MB if it is ASCII.
_KEPT_LENGTH = 512
_KEPT_ENTRIES = 1024

# The words below are in lower case, as is the text they are looked for in.

# Taken out before the marks are looked for: people's software that contains one.
_NOT_MARKS = (
    "cubot",  # handsets of that make, also named outside the place for the model
    "irobot",  # the app that goes with a vacuum cleaner
    "google-pixel",  # handsets
    "-googleplay",  # where an app was installed from
    "http pgdl",  # features of MediaTek's feature phones: "WAP Browser/MAUI (HTTP PGDL;HTTPS)"
    "https)",
    "https;",
    "http://bsalsa.com",  # a component that adds its address to Internet Explorer's string
    "http://www.bsalsa.com",
)

# Marks of a program, wherever they stand. What the package knows by name is not repeated here.
_MARKS = (
    # An address to complain to, the oldest convention of crawlers; and "http" is part of most HTTP libraries' names.
    # Browsers send neither.
    "http",
    "www.",
    # What such programs call themselves. Not "fetch" and "scan": apps that people use are called that.
    "crawl",
    "spider",
    "scrape",
    "validator",
    "linkcheck",
    "semantic",  # text analysis
    "python",
    # Browsers that nobody looks at: automation, and editors that browse for their agents.
    "headless",
    "webdriver",
    "cypress/",
    "cursor/",
    "devtools",
    "screenshot",
    "wkhtmlto",  # HTML to PDF or picture
    # Monitors that time pages from data centres with real browsers.
    "monitor",
    "synthetic",
    "ptst",  # WebPageTest
    "gomezagent",
    "dejaclick",
    "cloudflare",
    # Google's programs that are not called bots: "Storebot-Google/1.0", "Google-InspectionTool/1.0".
    "-google",
    "google-",
    # Crawlers that run a browser name themselves inside this comment, where browsers end it.
    "(khtml, like gecko; ",
    # Servers that load a page to rewrite it or to keep its pictures; and a daemon.
    "(via ",
    "transcoder",
    "googleweblight",
    "swcd",  # Apple's: which app belongs to this site?
    "mozilla%2f",  # a browser's string, percent-encoded by a script
)

# Marks at the end of a word: "Googlebot/2.1", "robots", "QuiteRSS/0.18", but not "bottom".
_WORD_END = r"(?:bot|rss)s?(?![a-z])"

# The model of a handset, where no mark counts: makers are free to say "M bot 51" or "Spider 8".
_HANDSET = r"android [\d.]+; [^;()/]*"

# Somebody's mail address. A version ("ios@9.2.3") or a locale ("th-TH@calendar=gregorian") is none.
_MAIL = r"[\w.+-]@[a-z0-9-]+\.[a-z]"

# "Mozilla/5.0 (compatible; Name/1.0; ...)" is how crawlers introduce themselves. A few old browsers do too: these, in
# the same comment.
_COMPATIBLE = "msie|konqueror|browse|opera|netfront|windows|ubuntu|; u;"

# What a person's software names, commonest first.
_PERSONAL = (
    # Systems.
    *("windows", "android", "iphone", "mac os", "ipad", "macintosh", "ios", "darwin", "cfnetwork", "ipod", "mac_"),
    *("macos", "watchos", "watch os", "tvos", "tizen", "webos", "kaios", "symbian", "series60", "blackberry", "bb10"),
    *("palm", "brew", "beos", "haiku", "amiga", "morphos", "risc os", "os/2", "inferno", "syllable"),
    # Feature phones name profiles, gateways, carriers and makers.
    *("midp", "cldc", "up.browser", "up.link", "obigo", "openwave", "polaris", "j2me", "docomo", "kddi", "softbank"),
    *("vodafone", "j-phone", "nokia", "samsung", "motorola", "sony", "siemens", "alcatel", "huawei", "lenovo", "asus"),
    *("pantech", "sagem", "philips", "kyocera", "sanyo"),
    # Televisions, consoles, readers.
    *("roku", "sonos", "playstation", "nintendo", "xbox", "kindle"),
    # Engines and browsers.
    *("mozilla", "webkit", "gecko", "khtml", "trident", "presto", "chrome", "safari", "firefox", "mozac", "opera"),
    *("msie", "internet explorer", "edge", "browse", "ucweb", "konqueror", "netscape", "iceweasel", "netfront"),
    *("lynx", "links", "mosaic", "w3m", "dillo", "netsurf", "ms-office", "outlook", "mobile", "phone", "fbav"),
    # Flutter's apps name only their language.
    "dart:io",
    # Test suites, where "off" for every flag would surprise: Flask's client, and Starlette's below.
    "werkzeug",
)

# The same, where more than the letters count.
_PERSONAL_WORDS = (
    *(r"\bmac\b", r"\bos ?x\b", r"\bcros\b", r"\bwin(?:\d|nt)", r"watch\d", "tv(?![a-z])"),
    *(r"\bwap", r"\bsec-", r"\bsgh-", r"\blg", r"\bmot-", r"\bsie-", r"\bzte", r"\bhtc", r"\bsharp"),
    r"(?<!\.)app/",  # an app that says no more than that it is one: "MyApp/2.3", but not "example.app/1"
    r"(?:\b|py|unit)test",  # test doubles
)

# Systems that servers run as well. They are a person's in a browser's string: "Mozilla/5.0 (X11; Linux x86_64)".
_SERVERS_TOO = ("linux", "x11", "bsd", "sunos")

# Names in the package that people's browsers carry. The crawlers meant are found otherwise, or not at all.
_SET_ASIDE = frozenset(
    {
        "ap3a.240617.008",  # a build of Android 15, on millions of phones
        "metaiab facebook",  # the in-app browser of Facebook
        "butterfly",  # a handset of HTC's
        "speedy",  # another one
        "sonic",  # a handset, a browser toolbar, a firewall
        "fluid",  # makes a Mac application of a web site
        "code/1.",  # the editor, with a page open beside the code
        "mail.ru",  # a portal that puts its name into browsers
    }
)

# Kinds of entries (`tags` in the package) whose programs drive real browsers and send the browsers' strings. All other
# names count in a browser's string only if the package has seen one there: "Viber" and "WhatsApp" are link previews by
# themselves, and in-app browsers behind "Mozilla/5.0".
_DRIVES_BROWSERS = frozenset({"monitoring", "scanner", "browser-automation"})

# A name is found by its head: how its first word of at least this many characters begins.
_HEAD = r"([a-z0-9]{4})[a-z0-9]*"

# The package's data is a JSON array of objects that hold strings and arrays of strings.
_STRING = r'"(?:[^"\\]++|\\.)*+"'
_ENTRY = rf'\{{(?:[^{{}}"]++|{_STRING})*+\}}'
_FIELD = rf'"(pattern|instances|tags)"\s*:\s*({_STRING}|\[(?:[^\]"]++|{_STRING})*+\])'


class _State:
    """The state of the module; its rules stand in the module's docstring."""

    __slots__ = ("judge", "older", "recent")

    def __init__(self) -> None:
        self.judge: Callable[[str], bool] | None = None
        self.recent: dict[str, bool] = {}
        self.older: dict[str, bool] = {}


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
    if type(user_agent) is not str:
        if user_agent is None:
            return False
        if not isinstance(user_agent, str):
            raise TypeError(f"user_agent must be a str or None, not {type(user_agent).__name__}")
    if len(user_agent) > _KEPT_LENGTH:
        return _detector()(user_agent[:_LOOKED_AT])
    verdict = _state.recent.get(user_agent)
    if verdict is None:
        verdict = _remember(user_agent)
    return verdict


def _remember(user_agent: str) -> bool:
    """Return the verdict on a User-Agent that is not in `recent`, and keep it there."""
    verdict = _state.older.get(user_agent)
    if verdict is None:
        verdict = _detector()(user_agent)
    if len(_state.recent) >= _KEPT_ENTRIES:
        _state.older, _state.recent = _state.recent, {}
    _state.recent[user_agent] = verdict
    return verdict


def _detector() -> Callable[[str], bool]:
    judge = _state.judge
    if judge is None:
        judge = _state.judge = _build()
    return judge


def _build() -> Callable[[str], bool]:
    """Compile marks and names into one function of a User-Agent of bounded length."""
    word_end = re.compile(_WORD_END).search
    handset = re.compile(_HANDSET, re.ASCII).sub
    mail = re.compile(_MAIL, re.ASCII).search
    old_browser = re.compile(_COMPATIBLE).search
    personal = re.compile("|".join(_PERSONAL_WORDS), re.ASCII).search
    product = re.compile(r"\s*mozilla/[\d.]*(?:\s*\(compatible;?\))?", re.ASCII).match
    heads = re.compile(_HEAD).findall
    names = _names()

    def judge(user_agent: str) -> bool:
        lower = text = user_agent.lower()
        if "android" in text:
            text = handset("android", text)
        for word in _NOT_MARKS:
            if word in text:
                text = text.replace(word, " ")
        for mark in _MARKS:
            if mark in text:
                return True
        if word_end(text) or ("@" in text and mail(text)):
            return True

        own = product(lower)
        if own is None:
            # Put together from a list, by a script or a proxy: "Anonymous, Mozilla/5.0 ...".
            if ", mozilla/" in text:
                return True
        elif "compatible;" in text and text.startswith("mozilla/5.0"):
            start = text.index("compatible;")
            end = text.find(")", start)
            if not old_browser(text, start, end if end > start else len(text)):
                return True

        for head in heads(text):
            if head in names:
                for name, imitates in names[head]:
                    if name in text and (imitates or not own):
                        return True

        # Nothing speaks for a program. Does anything speak for a person? A bare "Mozilla/5.0" may be anybody's.
        rest = lower[own.end() :] if own else lower
        if not rest or rest.isspace():
            return False
        for name in _PERSONAL:
            if name in rest:
                return False
        return not (personal(rest) or (own and any(system in rest for system in _SERVERS_TOO)))

    return judge


def _names() -> dict[str, list[tuple[str, bool]]]:
    """Index the package's names by their heads, each with whether its program sends browsers' strings too."""
    found: dict[str, list[tuple[str, bool]]] = {}
    try:
        entries = _read()
    except (ImportError, OSError, ValueError) as error:
        logging.getLogger("signakit_flags").warning(
            "bots are detected without the list of known crawlers, so fewer are found: %s; a frozen application has to"
            " contain the package crawler-user-agents with its data",
            error,
        )
        return found
    for pattern, imitates in entries:
        for literal in _literals(pattern):
            # An anchor or a leading blank says that a word begins here, which is all that counts for us.
            name = literal.lstrip("^ ;").lower()
            head = re.search(_HEAD, name)
            if head and name not in _SET_ASIDE:
                found.setdefault(head[1], []).append((name, imitates))
    return found


def _read() -> list[tuple[str, bool]]:
    """Read the package's patterns, each with whether its program sends browsers' strings too.

    Raises:
        ImportError: The package is not there.
        OSError: Its data is not.
        ValueError: The data is not what we know.
    """
    # Found, not imported: importing decodes every field, and keeps it.
    spec = find_spec("crawleruseragents")
    get_data = getattr(spec and spec.loader, "get_data", None)
    if spec is None or spec.origin is None or get_data is None:
        raise ImportError("crawleruseragents is not installed in a form that carries data")
    text: str = get_data(spec.origin.rpartition("__init__")[0] + "crawler-user-agents.json").decode()

    fields = re.compile(_FIELD, re.DOTALL).findall
    entries = []
    for match in re.finditer(_ENTRY, text, re.DOTALL):
        entry = dict(fields(match[0]))
        imitates = '"Mozilla/' in entry.get("instances", "") or any(
            f'"{tag}"' in entry.get("tags", "") for tag in _DRIVES_BROWSERS
        )
        if "pattern" in entry:
            entries.append((re.sub(r"\\(.)", r"\1", entry["pattern"][1:-1]), imitates))
    if not entries:
        raise ValueError("no pattern in the data of crawleruseragents")
    return entries


def _literals(pattern: str) -> Iterator[str]:
    """Yield the texts that a regular expression of the package stands for; nothing if it is more than a few texts."""
    choice = re.search(r"\[(\w)(\w)\]|\(([^()|]*)\|([^()|]*)\)", pattern)
    if choice and pattern.count("[") + pattern.count("(") <= 6:  # each choice doubles the work
        before, after = pattern[: choice.start()], pattern[choice.end() :]
        for option in choice.groups():
            if option is not None:
                yield from _literals(before + option + after)
        return
    if not re.search(r"(?<!\\)[\[\](){}*+?$]|\\[A-Za-z0-9]", pattern):
        for alternative in pattern.split("|"):
            yield re.sub(r"\\(.)", r"\1", alternative)
