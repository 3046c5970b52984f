"""Bot detection: who is called a bot, what it costs, and that nothing a header can hold upsets it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path

import crawleruseragents
import pytest
from hypothesis import given
from hypothesis import strategies as st

import signakit_flags
from signakit_flags._evaluation import bot_list, bots
from signakit_flags._evaluation.bots import is_bot

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/131.0.0.0 Safari/537.36"
NEXUS = f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) {WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36"
ANDROID = "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007; wv)"
WEBVIEW = f"{ANDROID} {WEBKIT} Version/4.0 Chrome/128.0.6613.40 Mobile Safari/537.36"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"

CRAWLERS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    f"{NEXUS} (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    f"{NEXUS} (compatible; GoogleOther)",
    "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    f"{MAC} Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
    "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
    "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Twitterbot/1.0",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.23.20.0",
    "Viber",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; contact: crawling@example.org) {WEBKIT}",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko; Some Indexer) Chrome/120 Safari/537.36",
    "Mozilla/5.0 (compatible; UnheardOf/0.1)",
    "Screaming Frog SEO Spider/19.4",
    "ia_archiver",
]
LIBRARIES = [
    "curl/8.5.0",
    "Wget/1.21.4",
    "python-requests/2.32.3",
    "python-httpx/0.28.1",
    "Python/3.12 aiohttp/3.10.5",
    "Python-urllib/3.11",
    "Go-http-client/2.0",
    "okhttp/4.12.0",
    "Java/17.0.9",
    "Apache-HttpClient/4.5.14 (Java/17.0.9)",
    "axios/1.7.2",
    "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
    "undici",
    "Ruby",
    "GuzzleHttp/7",
    "PHP/8.3.1",
    "libwww-perl/6.67",
    "Scrapy/2.11.2 (+https://scrapy.org)",
    "PostmanRuntime/7.39.0",
    "grpc-go/1.65.0",
    "kube-probe/1.30",
    "ELB-HealthChecker/2.0",
    "GoogleHC/1.0",
    "some-internal-job/1.4",
]
MACHINES = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
    CHROME + " Playwright/1.47.0",
    CHROME + " Chrome-Lighthouse",
    CHROME + " PTST/240901.120000",
    CHROME + " DatadogSynthetics",
    CHROME + " RuxitSynthetic/1.0 v1 t1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Catchpoint) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0",
    "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
    "StatusCake",
    "Prometheus/2.54.1",
    "Zabbix",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:Port Check)",
    "sqlmap/1.8.4#stable (https://sqlmap.org)",
]
BROWSERS = [
    CHROME,
    f"{CHROME} Edg/131.0.2903.51",
    f"{CHROME} OPR/115.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (X11; Linux x86_64) Firefox/120.0",
    f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/131.0.0.0 Safari/537.36",
    f"{MAC} Version/18.1 Safari/605.1.15",
    f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1",
    f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) {WEBKIT} SamsungBrowser/26.0 Chrome/122.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (Linux; arm_64; Android 13; Redmi Note 9S) {WEBKIT} Chrome/126.0.0.0 YaBrowser/24.7.0.135.00 SA/3",
    "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
    "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)",
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; .NET CLR 3.5.30729)",
    "Mozilla/5.0 (compatible; Konqueror/4.14; Linux) KHTML/4.14.2 (like Gecko)",
    "Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16",
    "Lynx/2.9.0dev.6 libwww-FM/2.14 SSL-MM/1.4.1 OpenSSL/1.1.1j",
    "w3m/0.5.3+git20230121",
    f"Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) {WEBKIT} Version/7.0 TV Safari/537.36",
    f"Mozilla/5.0 (PlayStation; PlayStation 5/8.00) {WEBKIT} Version/13.0 Safari/605.1.15",
    "Nokia6300/2.0 (04.20) Profile/MIDP-2.0 Configuration/CLDC-1.1 UNTRUSTED/1.0",
    "SAMSUNG-GT-C3520/1.0 SHP/VPP/R5 Dolfin/2.0 Java/ASVM/1.1 Profile/MIDP-2.1 Configuration/CLDC-1.1",
    f"Mozilla/5.0 (Linux; Android 8.0.0; CUBOT_P20) {WEBKIT} Chrome/70.0.3538.110 Mobile Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 7.0; M bot 51 Build/NRD90M) {WEBKIT} Chrome/86.0.4240.99 Mobile Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 13; Spider 8) {WEBKIT} Chrome/124.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 4.4.2; HTC Butterfly s Build/KOT49H) {WEBKIT} Chrome/40.0.2214.89 Safari/537.36",
    "Mozilla/5.0",
    "Mozilla/5.0 (compatible)",
]
APPS = [
    f"{WEBVIEW} Snapchat/13.8.0.48 (SM-S918B; Android 14#1; gzip; )",
    f"{IPHONE} Version/17.5 Mobile/15E148 Snapchat/12.89.0.40 (like Safari/8618.2.12.10.9, panda)",
    f"{WEBVIEW} [Pinterest/Android]",
    f"{IPHONE} Mobile/15E148 [Pinterest/iOS]",
    f"{WEBVIEW} WhatsApp/2.24.20.79 A",
    f"{IPHONE} Mobile/15E148 WhatsApp/24.20.79 i",
    f"{WEBVIEW} Viber/22.9.0",
    f"{WEBVIEW} KAKAOTALK/10.8.3 (INAPP)",
    f"{IPHONE} Mobile/15E148 KAKAOTALK 10.8.3",
    f"{WEBVIEW} musical_ly_2023501030 JsSdk/1.0 NetType/WIFI Channel/googleplay AppName/musical_ly app_version/35.1.3",
    f"{IPHONE} Mobile/15E148 trill_35.1.0 BytedanceWebview/d8a21c6",
    f"{WEBVIEW} Instagram 345.0.0.35.90 Android (34/14; 480dpi; 1080x2125; samsung; SM-S918B; dm3q; qcom; en_GB)",
    f"{IPHONE} Mobile/21F79 Instagram 330.0.3.29.91 (iPhone14,3; iOS 17_5; en_IR@calendar=gregorian; en; scale=3.00)",
    f"{WEBVIEW} [FB_IAB/FB4A;FBAV/479.0.0.33.77;]",
    f"{WEBVIEW} MetaIAB Facebook",
    f"{IPHONE} Mobile/21F79 [FBAN/FBIOS;FBAV/479.0.0.51.112;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;FBLC/en_US;FBOP/5]",
    f"Mozilla/5.0 (Linux; Android 15; CPH2557 Build/AP3A.240617.008; wv) {WEBKIT} Chrome/142.0.7444.142 Instagram 406",
    f"{IPHONE} Mobile/15E148 Safari Line/14.15.0",
    f"{WEBVIEW} Line/14.15.0/IAB",
    f"{IPHONE} GSA/336.0.678656046 Mobile/15E148 Safari/604.1",
    f"{WEBVIEW} MicroMessenger/8.0.50.2701(0x28003252) WeChat/arm64 Weixin NetType/WIFI Language/zh_CN ABI/arm64",
    f"{IPHONE} Mobile/15E148 NAVER(inapp; search; 2000; 12.9.1; 14PRO)",
    f"{IPHONE} Mobile/15E148 [LinkedInApp]/9.30.2",
    f"{IPHONE} Mobile/15E148 Twitter for iPhone/10.60",
    f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1 (Ecosia ios@11.1.1.2090)",
    f"{WEBVIEW} CamScanner/6.70.0.2409180000",
    "MyApp/2.3.1",
    "MyApp/2.3.1 (com.example.myapp; build:7; iOS 17.5.0) Alamofire/5.9.1",
    "MyApp/412 CFNetwork/1496.0.7 Darwin/23.5.0",
    "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UD1A.231105.004)",
    "Dart/3.5 (dart:io)",
    "AppleCoreMedia/1.0.0.21F79 (iPhone; U; CPU OS 17_5 like Mac OS X; en_us)",
]
TEST_CLIENTS = ["testclient", "Werkzeug/3.1.3", "test-agent/1.0", "TestBrowser/1.0", "pytest"]
BLANK = ["", " ", "\t\r\n \u2003"]


@pytest.mark.parametrize("user_agent", CRAWLERS)
def test_a_crawler_is_a_bot(user_agent):
    assert is_bot(user_agent)


@pytest.mark.parametrize("user_agent", LIBRARIES)
def test_an_http_library_or_a_probe_is_a_bot(user_agent):
    assert is_bot(user_agent)


@pytest.mark.parametrize("user_agent", MACHINES)
def test_a_headless_browser_a_monitor_or_a_scanner_is_a_bot(user_agent):
    assert is_bot(user_agent)


@pytest.mark.parametrize("user_agent", BROWSERS)
def test_a_browser_or_a_handset_is_a_person(user_agent):
    assert not is_bot(user_agent)


@pytest.mark.parametrize("user_agent", APPS)
def test_an_app_or_its_in_app_browser_is_a_person(user_agent):
    assert not is_bot(user_agent)


@pytest.mark.parametrize("user_agent", TEST_CLIENTS)
def test_the_test_clients_of_web_frameworks_are_no_bots(user_agent):
    assert not is_bot(user_agent)


@pytest.mark.parametrize("user_agent", BLANK)
def test_nothing_is_no_bot(user_agent):
    assert not is_bot(user_agent)


def test_a_request_without_the_header_is_no_bot():
    assert is_bot({}.get("User-Agent")) is False


@pytest.mark.parametrize("value", [b"Googlebot/2.1", 0, False, ["Googlebot"], object(), bytearray(600)])
def test_what_is_neither_text_nor_none_is_a_type_error(value):
    with pytest.raises(TypeError, match=f"user_agent must be a str or None, not {type(value).__name__}"):
        is_bot(value)


def test_text_of_a_subclass_is_judged_as_text():
    class Header(str):
        __slots__ = ()

    assert is_bot(Header("Googlebot/2.1")) is True
    assert is_bot(Header("")) is False


@pytest.mark.parametrize("user_agent", ["GOOGLEBOT", "googlebot/2.1", "CURL/8", "mozilla/5.0 (compatible; NEWS/0.1)"])
def test_case_does_not_matter(user_agent):
    assert is_bot(user_agent)


@pytest.mark.parametrize("user_agent", [*BROWSERS, *APPS])
def test_a_crawler_that_borrows_somebodys_string_is_a_bot(user_agent):
    assert is_bot(user_agent + " (compatible; SomeBot/1.0; +https://example.com/bot)")


def test_a_link_preview_is_a_bot_where_the_in_app_browser_of_the_same_name_is_a_person():
    assert is_bot("WhatsApp/2.24.20.79 A")
    assert not is_bot(f"{WEBVIEW} WhatsApp/2.24.20.79 A")


def test_only_the_first_1024_characters_count():
    assert not is_bot(CHROME.ljust(1024, ".") + " Googlebot/2.1 (+http://www.google.com/bot.html)")
    assert is_bot(CHROME.ljust(980, ".") + " Googlebot/2.1")


def test_nearly_all_strings_that_the_package_knows_are_bots():
    known = [seen for entry in crawleruseragents.CRAWLER_USER_AGENTS_DATA for seen in entry["instances"]]
    missed = [user_agent for user_agent in known if not is_bot(user_agent)]
    assert len(known) > 1000
    assert len(missed) < len(known) / 100, missed


class TestThePackagesPatterns:
    @pytest.mark.parametrize(
        ("pattern", "literals"),
        [
            (r"Googlebot\/", {"Googlebot/"}),
            (r"yandex\.com\/bots", {"yandex.com/bots"}),
            (r"[wW]get", {"wget", "Wget"}),
            (r"^curl", {"^curl"}),
            (r"(^| )sentry\/", {"^sentry/", " sentry/"}),
            (r"Ahrefs(Bot|SiteAudit)", {"AhrefsBot", "AhrefsSiteAudit"}),
            (r"Netumo|netumo", {"Netumo", "netumo"}),
        ],
    )
    def test_plain_ones_are_read_as_text(self, pattern, literals):
        assert set(bot_list._literals(pattern)) == literals

    @pytest.mark.parametrize("pattern", [r"(a+)+$", r"A[\s\S]*B", r"x\d+", r"(a|b|c)", r"Labs$", r"a{2}", "[ab]" * 9])
    def test_others_are_skipped_and_never_run(self, pattern):
        assert list(bot_list._literals(pattern)) == []

    def test_they_are_read_as_a_json_parser_reads_them(self):
        data = crawleruseragents.CRAWLER_USER_AGENTS_DATA
        assert bot_list._read() == [
            (
                entry["pattern"],
                not bot_list._DRIVES_BROWSERS.isdisjoint(entry["tags"])
                or any(seen.startswith("Mozilla/") for seen in entry["instances"]),
                entry["tags"] != ["http-library"],
            )
            for entry in data
        ]

    def test_those_set_aside_are_still_there(self):
        names = {literal.lower() for pattern, _, _ in bot_list._read() for literal in bot_list._literals(pattern)}
        assert names >= bot_list._SET_ASIDE


@pytest.fixture
def fresh(monkeypatch):
    """No verdict is kept yet."""
    monkeypatch.setattr(bots._state, "recent", {})
    monkeypatch.setattr(bots._state, "older", {})


@pytest.mark.usefixtures("fresh")
class TestKeptVerdicts:
    def kept(self):
        return bots._state.recent.keys() | bots._state.older.keys()

    def test_a_verdict_is_not_asked_for_twice(self, monkeypatch):
        assert is_bot("curl/8.5.0")
        monkeypatch.setattr(bots._state, "judge", lambda user_agent: pytest.fail("asked again"))
        assert is_bot("curl/8.5.0")

    def test_their_number_is_bounded(self):
        for number in range(10_000):
            is_bot(f"{CHROME} Some/{number}")
            assert len(bots._state.recent) + len(bots._state.older) <= 2 * bots._KEPT_ENTRIES

    def test_one_that_comes_again_and_again_is_judged_once(self, monkeypatch):
        judged = []
        monkeypatch.setattr(bots._state, "judge", lambda user_agent: judged.append(user_agent))
        for number in range(5 * bots._KEPT_ENTRIES):
            is_bot(CHROME)
            is_bot(f"{CHROME} Some/{number}")
        assert judged.count(CHROME) == 1

    def test_giant_strings_are_not_kept(self):
        assert is_bot("curl/8.5.0 " + "x" * 64_000)
        assert not is_bot(f"{CHROME} " + "x" * 64_000)
        is_bot("y" * (bots._KEPT_LENGTH + 1))
        assert not self.kept()


characters = st.characters(exclude_categories=())  # surrogates too
pieces = st.sampled_from([*CRAWLERS, *LIBRARIES, *BROWSERS, *APPS, "(compatible;", "android 1; ", "@", "bot", "İ"])
texts = st.text(characters, max_size=2000) | st.lists(pieces | st.text(characters, max_size=20)).map("".join)


@given(texts)
def test_it_never_raises_and_always_says_the_same(user_agent):
    verdict = is_bot(user_agent)
    assert verdict is True or verdict is False
    assert is_bot(user_agent) is verdict
    assert (bots._detector()(user_agent[:1024]) is not None) is verdict


@pytest.mark.parametrize(
    "piece",
    ["a", " ", "\u2003", "@", "a@", "@a.", "android 1; ", "mozilla/5.0 (compatible;", "botx", "(", "\ud800", "\x00"],
)
def test_repetition_does_not_stall_it(piece):
    for start in ("", "Mozilla/5.0 (", "Mozilla/5.0 (compatible;", "Mozilla/5.0 (Linux; Android 14; "):
        assert is_bot(start + piece * 64_000) in {True, False}


def test_many_threads_that_come_first_together_get_the_same_answers(fresh, monkeypatch):
    monkeypatch.setattr(bots._state, "judge", None)
    people, programs = [*BROWSERS, *APPS], [*CRAWLERS, *LIBRARIES, *MACHINES]
    strings = [f"{text} Some/{number}" for number in range(40) for text in programs] + people * 40
    wanted = [True] * (40 * len(programs)) + [False] * (40 * len(people))
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: [is_bot(text) for text in strings], range(8)))
    assert runs == [wanted] * 8


def run(code, *flags):
    """Run code in a new interpreter and return what it prints."""
    command = [sys.executable, *flags, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


HEAVY = "{'crawleruseragents', 'msgspec', 'json', 'pathlib', 'asyncio', 'httpx', 'ssl'}"


def test_importing_the_module_loads_and_builds_nothing():
    code = f"""
import sys
sys.path.append({str(Path(signakit_flags.__file__).parents[1])!r})
from signakit_flags._evaluation import bots
print(bots._state.judge, {HEAVY} & set(sys.modules))
"""
    assert run(code, "-IS").split() == ["None", "set()"]  # no site-packages: their start-up files import what they like


def test_the_first_call_imports_nothing():
    code = """
import sys
from signakit_flags._evaluation import bot_list, bots
before = set(sys.modules)
assert bots.is_bot("Screaming Frog SEO Spider/19.4")
assert len(bot_list.names_by_head()) > 500
print(set(sys.modules) - before)
"""
    assert run(code) == "set()\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_forked_in_the_midst_of_the_first_call_answers():
    code = """
import os, threading, warnings
from signakit_flags._evaluation.bots import is_bot

warnings.simplefilter("ignore")  # forking while threads run is the point
def work(name):
    number = 0
    while True:
        number += 1
        is_bot(f"Mozilla/5.0 (Windows NT 10.0) Firefox/{name}.{number}")

for name in range(4):
    threading.Thread(target=work, args=(name,), daemon=True).start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(0 if is_bot("curl/8.5.0") and not is_bot("Mozilla/5.0 (Windows NT 10.0) Firefox/1") else 1)
    assert os.waitpid(child, 0)[1] == 0
print("done", flush=True)
os._exit(0)
"""
    assert run(code) == "done\n"


class TestWithoutThePackagesData:
    @pytest.fixture(params=["absent", "without data", "unreadable", "not text", "of another shape"])
    def judge(self, request, monkeypatch):
        class Loader:
            def get_data(self, path):
                if request.param == "unreadable":
                    raise FileNotFoundError(path)
                return b"\xff" if request.param == "not text" else b'{"patterns": []}'

        loader = None if request.param == "without data" else Loader()
        spec = None if request.param == "absent" else ModuleSpec("crawleruseragents", loader, origin="x/__init__.py")
        monkeypatch.setattr(bot_list, "find_spec", lambda name: spec)
        return bots._build()

    def test_the_marks_decide_alone(self, judge):
        assert judge("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")
        assert judge("curl/8.5.0")
        assert not judge(CHROME)

    def test_a_warning_says_so(self, judge, caplog):
        (record,) = caplog.get_records("setup")
        assert (record.name, record.levelname) == ("signakit_flags", "WARNING")
        assert "without the list of known crawlers, so fewer are found: " in record.getMessage()
