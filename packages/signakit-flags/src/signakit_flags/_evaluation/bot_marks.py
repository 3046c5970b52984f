"""The words by which a program or a person's software is known: data of ``bots``, in lower case, as are the texts.

Plain text is looked for wherever it stands; an expression is linear in the length of the text.
"""

# Taken out before the marks are looked for: people's software that contains one.
NOT_MARKS = (
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

# Marks of a crawler or one of its kin, wherever they stand. What the package knows by name is not repeated here.
CRAWLER_MARKS = (
    "www.",  # an address to complain to
    # What such programs call themselves. Not "fetch" and "scan": apps that people use are called that.
    "crawl",
    "spider",
    "scrape",
    "validator",
    "linkcheck",
    "semantic",  # text analysis
    # Browsers without a person in front of them: automation, and editors that browse for their agents.
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
)

# Marks of any program. "http" is part of most HTTP libraries' names, and of an address to complain to, the oldest
# convention of crawlers; browsers send neither.
PROGRAM_MARKS = (
    "http",
    "python",
    "mozilla%2f",  # a browser's string, percent-encoded by a script
    *CRAWLER_MARKS,
)

# Further marks of a crawler or one of its kin, in what is a program's anyway: people's software may be called so.
CRAWLER_WORDS = (
    "://",
    *("healthcheck", "health-check", "health check", "healthservice", "-probe", "prober", "pinger"),
    *("googlehc", "uptime", "prometheus", "munin/", "xymon", "collectd", "arachni"),  # monitors, and a scanner
    *("fetcher", "preview", "archiver"),
)

# An address without "http": "Name/1.0 (+example.com/crawling)". Where a library's address was, "http" is left.
PLAIN_ADDRESS = r"[(;]\s?\+(?!https?\s)[a-z0-9]"

# Taken out before these are looked for: names of libraries that contain one, and the addresses that libraries send by
# themselves, which name the library and not who uses it.
LIBRARIES = (
    "google-http-",
    "google-api-",
    "indy library",  # Delphi's: "Mozilla/3.0 (compatible; Indy Library)"
    "://github.com/bitinn/node-fetch",
    "://github.com/node-fetch/node-fetch",
    "://github.com/sindresorhus/got",
    "://github.com/sparklemotion/mechanize",
    "://github.com/go-resty/resty",
    "://github.com/imroc/req",
    "://github.com/typhoeus/typhoeus",
    "://github.com/php-curl-class/php-curl-class",
    "://github.com/pear/http_request2",
    "://pear.php.net/package/http_request2",
    "://software.schmorp.de/pkg/anyevent",
    "://www.thunderclient.com",
    "://apidog.com",
    "-fetch/",  # node-fetch, expo-fetch; the package knows a crawler by the name of "Fetch/2.0"
)

# Marks at the end of a word: "Googlebot/2.1", "robots", "QuiteRSS/0.18", but not "bottom".
WORD_END = r"(?:bot|rss)s?(?![a-z])"

# The model of a handset, where no mark counts: makers are free to say "M bot 51" or "Spider 8".
HANDSET = r"android [\d.]+; [^;()/]*"

# A mail address. A version ("ios@9.2.3") and a locale ("th-TH@calendar=gregorian") do not match.
MAIL = r"[\w.+-]@[a-z0-9-]+\.[a-z]"

# "Mozilla/5.0 (compatible; Name/1.0; ...)" is how crawlers introduce themselves. A few old browsers do too: these, in
# the same comment.
COMPATIBLE = "msie|konqueror|browse|opera|netfront|windows|ubuntu|; u;"

# What a person's software names, commonest first.
PERSONAL = (
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
PERSONAL_WORDS = (
    *(r"\bmac\b", r"\bos ?x\b", r"\bcros\b", r"\bwin(?:\d|nt)", r"watch\d", "tv(?![a-z])"),
    *(r"\bwap", r"\bsec-", r"\bsgh-", r"\blg", r"\bmot-", r"\bsie-", r"\bzte", r"\bhtc", r"\bsharp"),
    r"(?<!\.)app/",  # an app that says no more than that it is one: "MyApp/2.3", but not "example.app/1"
    r"(?:\b|py|unit)test",  # test doubles
)

# Systems that servers run as well. They are a person's in a browser's string: "Mozilla/5.0 (X11; Linux x86_64)".
SERVERS_TOO = ("linux", "x11", "bsd", "sunos")
