"""Kinds of bots: a library, which a person may be behind, or a crawler, which a person never is."""

import crawleruseragents
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signakit_flags import bot_kind, is_bot
from signakit_flags._evaluation import bot_list, bots

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/131.0.0.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"

LIBRARIES = [
    # Of apps on phones.
    "okhttp/2.7.5",
    "okhttp/4.12.0",
    "okhttp/5.0.0-alpha.14",
    "Ktor client",
    "ktor-client",
    "Alamofire/5.9.1",
    "expo-fetch/1.0",
    # JavaScript.
    "axios/0.19.0",
    "axios/1.7.2",
    "node",
    "node-fetch",
    "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
    "node-fetch/1.0 (+https://github.com/node-fetch/node-fetch)",
    "node-superagent/8.1.2",
    "undici",
    "got (https://github.com/sindresorhus/got)",
    "got/9.6.0 (https://github.com/sindresorhus/got)",
    "Deno/1.44.4",
    "Bun/1.1.13",
    # Python.
    "python-requests/2.32.3",
    "python-httpx/0.28.1",
    "Python/3.12 aiohttp/3.10.5",
    "Python-urllib/3.11",
    "python-urllib3/2.2.1",
    "Mozilla/5.0 (Python-urllib2)",
    "Boto3/1.34.1 md/Botocore#1.34.1 ua/2.0 os/linux#5.10 lang/python#3.11.6",
    # Java and its kin.
    "Java/1.8.0_25",
    "Java/17.0.9",
    "Java-http-client/21.0.2",
    "Apache-HttpClient/4.5.14 (Java/17.0.9)",
    "Apache-HttpAsyncClient/5.2 (Java/17)",
    "Jakarta Commons-HttpClient/3.1",
    "Jersey/2.25.1 (HttpUrlConnection 1.8.0_141)",
    "ReactorNetty/1.1.20",
    "Vert.x-WebClient/4.5.1",
    "akka-http/10.2.9",
    "unirest-java/3.11.09",
    "AHC/2.1",
    "Google-HTTP-Java-Client/1.42.0 (gzip)",
    "Google-API-Java-Client/1.30.1 Google-HTTP-Java-Client/1.42.0 (gzip)",
    # Others.
    "Go-http-client/1.1",
    "Go-http-client/2.0",
    "go-resty/2.7.0 (https://github.com/go-resty/resty)",
    "req/v3 (https://github.com/imroc/req)",
    "reqwest/0.12.5",
    "ureq/2.9.7",
    "Ruby",
    "Faraday v2.9.2",
    "http.rb/5.2.0",
    "rest-client/2.1.0 (linux x86_64) ruby/3.3.0p0",
    "Typhoeus - https://github.com/typhoeus/typhoeus",
    "Mechanize/2.9.1 Ruby/3.1.2 (http://github.com/sparklemotion/mechanize/)",
    "HTTPClient/1.0 (2.8.3, ruby 3.2.2 (2023-03-30))",
    "GuzzleHttp/7",
    "GuzzleHttp/6.5.5 curl/7.58.0 PHP/7.4.33",
    "Symfony HttpClient (Curl)",
    "HTTP_Request2/2.5.1 (https://github.com/pear/http_request2) PHP/8.2.0",
    "PHP-Curl-Class/4.13.0 (+https://github.com/php-curl-class/php-curl-class) PHP/7.3.19 curl/7.66.0",
    "PHP/8.3.1",
    "libwww-perl/6.67",
    "lwp-trivial/1.35",
    "Mojolicious (Perl)",
    "Mozilla/5.0 (compatible; U; AnyEvent-HTTP/2.24; +http://software.schmorp.de/pkg/AnyEvent)",
    "RestSharp/110.2.0.0",
    "Mozilla/4.0 (compatible; Win32; WinHttp.WinHttpRequest.5)",
    "Mozilla/3.0 (compatible; Indy Library)",
    "hackney/1.20.1",
    "cpp-httplib/0.15.3",
    "Boost.Beast/306",
    "lua-resty-http/0.17.1 (Lua) ngx_lua/10026",
    "grpc-go/1.65.0",
    # Command lines and clients for trying out an API.
    "curl/8.5.0",
    "libcurl/7.88.1",
    "Wget/1.21.4",
    "Wget/1.20.3 (linux-gnu)",
    "HTTPie/3.2.2",
    "xh/0.22.2",
    "PostmanRuntime/7.39.0",
    "insomnia/9.3.2",
    "bruno-runtime/1.20.0",
    "Thunder Client (https://www.thunderclient.com)",
    "Apidog/1.0.0 (https://apidog.com)",
    # A proxy that replaces what browsers send.
    "Amazon CloudFront",
]
APPS_ON_LIBRARIES = [
    "MyShop/3.1 okhttp/4.9.3",
    "MyShop/3.1 (Android 14) okhttp/4.12.0",
    "Mozilla/5.0 (Linux; Android 14; SM-S918B) okhttp/4.12.0",
    "MyShop/3.1.2 python-requests/2.32.3",
    "MyShop 3.1 Go-http-client/2.0",
    "Kaufhalle/7.2 Ktor client",
    "BabyPhone/1.0 okhttp/4.12.0",
    "CamScanner/6.70.0 okhttp/4.12.0",
]
NAMES_ALONE = [
    "MyApp-Backend/1.2",
    "MyShop/1.2",
    "Kaufhalle/7.2",
    "com.example.shop/3.1",
    "some-internal-job/1.4",
    "checkout",
    "Superhuman",
    "123",
    "Anonymous, Mozilla/5.0 (Linux; Android 9; RAZER Phone) Chrome/76.0.3809.111 Mobile Safari/537.36",
]
CRAWLERS = [
    # Search engines, SEO and AI.
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; GoogleOther)",
    "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
    "APIs-Google (+https://developers.google.com/webmasters/APIs-Google.html)",
    f"Mozilla/5.0 {WEBKIT[:-1]}; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    f"{IPHONE} Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
    "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
    "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Screaming Frog SEO Spider/19.4",
    "ia_archiver",
    f"Mozilla/5.0 {WEBKIT[:-1]}; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    f"Mozilla/5.0 {WEBKIT[:-1]}; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
    "CCBot/2.0 (https://commoncrawl.org/faq/)",
    "Mozilla/5.0 (compatible; UnheardOf/0.1)",
    # That use a library, or crawl by the library's own.
    "Foobot/1.0 python-requests/2.31",
    "PriceCrawler/1.0 okhttp/4.12.0",
    "Indexer/2.0 (+https://example.com/indexer) Go-http-client/2.0",
    "Indexer/2.0 (+example.com/indexer) Go-http-client/2.0",
    "Indexer/2.0 (indexer@example.com) Java/17.0.9",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "2Bone_LinkChecker/1.0 libwww-perl/6.03",
    "WGETbot/1.0 (+http://wget.alanreed.org)",
    "Scrapy/2.11.2 (+https://scrapy.org)",
    "colly/2.1.0",
    "trafilatura/2.0.0",
    "newspaper/0.2.8",
    "Mozilla/4.5 (compatible; HTTrack 3.0x; Windows 98)",
    "Fetch/2.0a (CMS Detection/Web/SEO analysis tool)",
    # Headless and driven browsers.
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
    f"{CHROME} Playwright/1.47.0",
    f"{CHROME} Cypress/13.6.4",
    f"{CHROME} Chrome-Lighthouse",
    "selenium/4.21.0 (python linux)",
    # Monitors and probes.
    f"{CHROME} PTST/240901.120000",
    f"{CHROME} DatadogSynthetics",
    f"{CHROME} RuxitSynthetic/1.0 v1 t1",
    "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
    "Uptime-Kuma/1.23.13",
    "StatusCake",
    "Prometheus/2.54.1",
    "Zabbix",
    "check_http/v2.2.1 (nagios-plugins 2.2.1)",
    "ELB-HealthChecker/2.0",
    "kube-probe/1.30",
    "GoogleHC/1.0",
    "Datadog Agent/7.69.2",
    "NewRelicPinger/1.0 (1025794)",
    # Link previews.
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "facebookexternalhit/1.1",
    "Twitterbot/1.0",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.23.20.0",
    "Viber",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "http.rb/2.2.2 (Mastodon/1.5.1; +https://social.example/)",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    # Feed readers' fetchers.
    "Feedfetcher-Google; (+http://www.google.com/feedfetcher.html; 1 subscribers; feed-id=72874)",
    "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 5 subscribers)",
    "FreshRSS/1.24.1 (Linux; https://freshrss.org)",
    "Miniflux/2.1.4",
    # Scanners.
    "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:Port Check)",
    "sqlmap/1.8.4#stable (https://sqlmap.org)",
    "Mozilla/5.0 zgrab/0.x",
    "masscan/1.3 (https://github.com/robertdavidgraham/masscan)",
    "Nessus SOAP v0.0.1",
]
PEOPLE = [
    CHROME,
    f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1",
    "MyShop/3.1 (com.example.shop; build:7; iOS 17.5.0) Alamofire/5.9.1",
    "MyShop/412 CFNetwork/1496.0.7 Darwin/23.5.0",
    "MyApp/2.3.1",
    "MyShop/3.1 (Android 14)",
    "Dart/3.5 (dart:io)",
    "testclient",
    "Werkzeug/3.1.3",
    "",
    " \t",
]


@pytest.mark.parametrize("user_agent", LIBRARIES)
def test_an_http_library_or_a_command_line_client_is_a_library(user_agent):
    assert bot_kind(user_agent) == "library"


@pytest.mark.parametrize("user_agent", APPS_ON_LIBRARIES)
def test_an_app_that_names_the_library_it_is_built_on_is_a_library(user_agent):
    assert bot_kind(user_agent) == "library"


@pytest.mark.parametrize("user_agent", NAMES_ALONE)
def test_a_program_of_which_only_its_own_name_is_known_is_a_library(user_agent):
    assert bot_kind(user_agent) == "library"


@pytest.mark.parametrize("user_agent", CRAWLERS)
def test_a_crawler_a_monitor_a_preview_or_a_headless_browser_is_a_crawler(user_agent):
    assert bot_kind(user_agent) == "crawler"


@pytest.mark.parametrize("user_agent", PEOPLE)
def test_a_persons_browser_or_app_has_no_kind(user_agent):
    assert bot_kind(user_agent) is None


def test_a_request_without_the_header_has_no_kind():
    assert bot_kind({}.get("User-Agent")) is None


@pytest.mark.parametrize("value", [b"curl/8.5.0", 0, False, ["curl"], object(), bytearray(600)])
def test_what_is_neither_text_nor_none_is_a_type_error(value):
    with pytest.raises(TypeError, match=f"user_agent must be a str or None, not {type(value).__name__}"):
        bot_kind(value)


@pytest.mark.parametrize("user_agent", [*LIBRARIES, *APPS_ON_LIBRARIES, *NAMES_ALONE])
@pytest.mark.parametrize("said", ["ShopBot/1.0", "(+https://example.com/crawling)", "contact@example.com", "Headless"])
def test_a_library_that_says_what_it_is_used_for_is_a_crawler(user_agent, said):
    assert bot_kind(f"{user_agent} {said}") == "crawler"


@pytest.mark.parametrize("user_agent", [*CRAWLERS, *LIBRARIES])
def test_case_does_not_matter(user_agent):
    assert bot_kind(user_agent.upper()) == bot_kind(user_agent.lower()) == bot_kind(user_agent)


def test_only_the_first_1024_characters_count():
    assert bot_kind("okhttp/4.12.0".ljust(1024, ".") + " Googlebot/2.1") == "library"
    assert bot_kind("okhttp/4.12.0".ljust(980, ".") + " Googlebot/2.1") == "crawler"
    assert bot_kind("curl/8.5.0 " + "x" * 64_000) == "library"


def of_the_package():
    """Give each string that the package has seen, and whether it is tagged as a library's alone."""
    for entry in crawleruseragents.CRAWLER_USER_AGENTS_DATA:
        for user_agent in entry["instances"]:
            yield user_agent, entry["tags"] == ["http-library"]


def test_nearly_all_crawlers_that_the_package_knows_are_crawlers():
    seen = [user_agent for user_agent, library in of_the_package() if not library]
    missed = [user_agent for user_agent in seen if bot_kind(user_agent) != "crawler"]
    assert len(seen) > 1000
    assert len(missed) < len(seen) / 100, missed


def test_libraries_that_the_package_knows_are_libraries_unless_they_crawl():
    names = {*bot_list._CRAWLS, "crawl", "bot", "linkchecker"}
    missed = [
        user_agent
        for user_agent, library in of_the_package()
        if library and (bot_kind(user_agent) == "library") is any(name in user_agent.lower() for name in names)
    ]
    assert missed == []


def test_names_that_crawl_are_still_in_the_package():
    names = {literal.lower() for pattern, *_ in bot_list._read() for literal in bot_list._literals(pattern)}
    assert names >= bot_list._CRAWLS


def test_a_name_is_looked_for_once_however_often_its_first_letters_come(monkeypatch):
    asked = []

    class Names(dict):
        def __getitem__(self, head):
            asked.append(head)
            return super().__getitem__(head)

    detector = bots._Detector()
    monkeypatch.setattr(detector, "_names", Names(detector._names))
    detector.kind("googl " * 170)
    assert asked.count("goog") <= 2  # for a bot at all, and for a crawler


characters = st.characters(exclude_categories=())  # surrogates too
pieces = st.sampled_from(
    [*CRAWLERS, *LIBRARIES, *NAMES_ALONE, *PEOPLE, "(compatible;", "://", "(+", "@", "bot", "\u0130"]
)
texts = st.text(characters, max_size=2000) | st.lists(pieces | st.text(characters, max_size=20)).map("".join)


@given(texts)
def test_a_bot_is_what_has_a_kind(user_agent):
    kind = bot_kind(user_agent)
    assert kind in {"crawler", "library", None}
    assert is_bot(user_agent) is (kind is not None)
    assert bot_kind(user_agent) == kind


@given(texts)
def test_the_order_of_the_questions_does_not_matter(user_agent):
    bots._state.recent.clear()
    bots._state.older.clear()
    verdict = is_bot(user_agent)
    assert (bot_kind(user_agent) is not None) is verdict
