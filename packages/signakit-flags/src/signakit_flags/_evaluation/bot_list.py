"""The list of known crawlers: what is read of the `crawler-user-agents` package, and how a name is found in a text.

The package's regular expressions are never run: nearly all are plain text and are read as such, the rest are skipped
(the marks find what they mean). One big expression of 1,500 alternatives takes milliseconds a string; and a new release
of the package cannot bring one that backtracks.

Reading imports nothing, for the reason that ``bots`` gives. So the package's JSON is read with `re`, not with json or
msgspec, which must not be imported along with this module.
"""

from __future__ import annotations

import logging
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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

# The kind of entry that is an HTTP library, a command-line client or a proxy. Names of all other kinds are crawlers'.
_LIBRARY = "http-library"

# Names of that kind whose programs go from page to page, or take pages apart, by themselves.
_CRAWLS = frozenset({"httrack", "scrapy", "larbin", "newspaper/", "trafilatura", "colly", "python-opengraph"})

# A name is found by its head: how its first word of at least this many characters begins.
HEAD = r"([a-z0-9]{4})[a-z0-9]*"

# The package's data is a JSON array of objects that hold strings and arrays of strings.
_STRING = r'"(?:[^"\\]++|\\.)*+"'
_ENTRY = rf'\{{(?:[^{{}}"]++|{_STRING})*+\}}'
_FIELD = rf'"(pattern|instances|tags)"\s*:\s*({_STRING}|\[(?:[^\]"]++|{_STRING})*+\])'


def names_by_head() -> dict[str, list[tuple[str, bool, bool]]]:
    """Index the package's names by their heads.

    Each comes with whether its program sends browsers' strings too, and with whether it is a crawler's and not a
    library's. Where the package cannot be read there are none, which is logged at WARNING.
    """
    found: dict[str, list[tuple[str, bool, bool]]] = {}
    try:
        entries = _read()
    except (ImportError, OSError, ValueError) as error:
        logging.getLogger("signakit_flags").warning(
            "bots are detected without the list of known crawlers, so fewer are found: %s; a frozen application has to"
            " contain the package crawler-user-agents with its data",
            error,
        )
        return found
    for pattern, imitates, crawls in entries:
        for literal in _literals(pattern):
            # An anchor or a leading blank says that a word begins here, which is all that counts for us.
            name = literal.lstrip("^ ;").lower()
            head = re.search(HEAD, name)
            if head and name not in _SET_ASIDE:
                found.setdefault(head[1], []).append((name, imitates, crawls or name in _CRAWLS))
    return found


def _read() -> list[tuple[str, bool, bool]]:
    """Read the package's patterns.

    Each comes with whether its program sends browsers' strings too, and whether it is tagged as other than a library.

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
        crawls = f'"{_LIBRARY}"' not in entry.get("tags", "")
        if "pattern" in entry:
            entries.append((re.sub(r"\\(.)", r"\1", entry["pattern"][1:-1]), imitates, crawls))
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
