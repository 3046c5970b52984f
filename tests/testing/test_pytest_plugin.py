"""The pytest plugin, in runs of pytest of their own: alone, in parallel, and beside other plugins."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from signakit_flags.testing import config, flag
from signakit_flags.testing._variations import variations_of
from support.configs import SDK_KEY
from support.files import special_file

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import FlagServer

pytest_plugins = ["pytester"]

CONFIG = config(
    flag("checkout").split(control=50, treatment=50).when(plan="pro"), flag("beta").target("on"), flag("old").archived()
)
ASKED = """
import asyncio, threading
import pytest
from signakit_flags.integration import Integration, Options, VisitorCookie

class Framework(Integration):
    def client(self): return None
    def user_agent(self, request): return None
    def cookies(self, request, name): return ()

app = Framework(Options(visitor_cookie=VisitorCookie()))

def asked(key="checkout"):
    return app.context(None).variation(key, "none")
"""
PLAIN = ("-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:asyncio")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project whose ini file names a config."""
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini("[pytest]\nsignakit_config = flags.json\naddopts = --strict-markers\nfilterwarnings = error")
    pytester.path.joinpath("flags.json").write_text(json.dumps(CONFIG))
    return pytester


def run(project: pytest.Pytester, tests: str, *options: str, plain: tuple[str, ...] = PLAIN) -> pytest.RunResult:
    project.makepyfile(ASKED + tests)
    return project.runpytest_subprocess(*plain, "-rA", *options)


def test_the_fixture_forces_records_and_has_a_client(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
def test_fixture(signakit):
    assert asked() == "off"  # the config, for a visitor
    signakit.set({"checkout": "treatment"})
    assert asked() == "treatment"
    signakit.assert_exposed("checkout", variation="treatment")
    assert signakit.client.flag_keys() == ["checkout", "beta"]
    assert signakit.user("u", {"plan": "pro"}).variation("checkout") == "treatment"

def test_nothing_is_left(signakit):
    assert asked() == "off"
    assert len(signakit.exposures) == 1

def test_without_the_fixture():
    assert asked() == "none"
""",
    )
    result.assert_outcomes(passed=3)


def test_a_mark_forces_flags_of_functions_classes_modules_and_test_cases(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
import unittest
pytestmark = pytest.mark.signakit({"module": "yes", "checkout": "module"})

def test_module(): assert (asked("module"), asked()) == ("yes", "module")

@pytest.mark.signakit({"checkout": "class"})
class TestClass:
    def test_class(self): assert (asked("module"), asked()) == ("yes", "class")

    @pytest.mark.signakit({"checkout": "function"})
    def test_function(self, signakit):
        assert (asked("module"), asked()) == ("yes", "function")
        signakit.assert_exposed("checkout", variation="function")

    @pytest.mark.signakit({"checkout": None, "other": True})
    @pytest.mark.parametrize("number", [1, 2])
    def test_parametrised(self, number): assert (asked(), asked("other")) == ("none", "on")

@pytest.fixture
def earlier(): return asked()

def test_other_fixtures_see_it(earlier): assert earlier == "module"

@pytest.mark.signakit({"checkout": "case"})
class Case(unittest.TestCase):
    def setUp(self): assert asked() == "case"
    def test_case(self): assert asked() == "case"

class AsyncCase(unittest.IsolatedAsyncioTestCase):
    async def test_case(self): assert await asyncio.to_thread(asked) == "module"
""",
    )
    result.assert_outcomes(passed=8)


def test_a_mark_on_one_parameter_is_for_that_one_alone(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
@pytest.mark.parametrize("number", [1, pytest.param(2, marks=pytest.mark.signakit({"checkout": "forced"})), 3])
def test_it(number): assert asked() == ("forced" if number == 2 else "none")
""",
    )
    result.assert_outcomes(passed=3)


def test_fixtures_that_outlive_a_test_are_not_made_of_what_it_forces(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
@pytest.fixture(scope="session")
def for_all(): return asked()

@pytest.fixture(scope="class", autouse=True)
def for_some(): return asked()

@pytest.fixture(autouse=True)
def for_one(): return asked()

@pytest.mark.signakit({"checkout": "forced"})
def test_mark(for_one, for_all, for_some): assert (for_one, for_all, for_some) == ("forced", "none", "none")

@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.signakit_each_variation("checkout", ["forced"])
def test_each(for_one, for_all, for_some, number, signakit):
    assert (for_one, for_all, for_some) == ("forced", "none", "none")

class TestClass:
    @pytest.mark.signakit({"checkout": "forced"})
    def test_first(self, for_one, for_some): assert (for_one, for_some) == ("forced", "none")
    def test_second(self, for_one, for_some): assert (for_one, for_some) == ("none", "none")
""",
        "-p",
        "no:randomly",
    )
    result.assert_outcomes(passed=5)


def test_a_mark_that_says_nothing_is_an_error(project: pytest.Pytester) -> None:
    result = run(project, "@pytest.mark.signakit('checkout')\ndef test_it(): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*@pytest.mark.signakit takes a dict: what flags are forced to, by key*")


def test_each_variation_of_the_config_or_of_a_list(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
@pytest.mark.signakit_each_variation("checkout")
def test_config(): assert asked() in {"control", "treatment", "off"}

@pytest.mark.signakit_each_variation("checkout", ["a", "b"])
def test_list(signakit, signakit_variations):
    assert asked() == signakit_variations["checkout"]
    signakit.assert_exposed("checkout")

@pytest.mark.signakit({"other": "forced"})
@pytest.mark.signakit_each_variation("checkout", variations=("a", "b"))
@pytest.mark.signakit_each_variation("banner", ["x", "y"])
@pytest.mark.parametrize("number", [1])
def test_product(number, signakit_variations):
    assert (asked(), asked("banner")) == (signakit_variations["checkout"], signakit_variations["banner"])
    assert asked("other") == "forced"

class TestClass:
    @pytest.mark.signakit_each_variation("beta")
    def test_method(self): assert asked("beta") in {"on", "off"}
""",
        "-v",
    )
    result.assert_outcomes(passed=3 + 2 + 4 + 2)
    result.stdout.fnmatch_lines_random(
        [
            "*test_config?checkout=off? PASSED*",
            "*test_config?checkout=control? PASSED*",
            "*test_config?checkout=treatment? PASSED*",
            "*test_product?checkout=b-banner=x-1? PASSED*",
            "*test_method?beta=on? PASSED*",
        ]
    )


def test_of_two_lists_for_one_flag_the_nearest_counts(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
@pytest.mark.signakit_each_variation("checkout", ["a", "b"])
@pytest.mark.signakit_each_variation("banner", ["x", "y"])
class TestClass:
    @pytest.mark.signakit_each_variation("checkout", ["c", "c"])
    def test_it(self): assert asked() == "c"
""",
        "-v",
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines_random(
        ["*test_it?checkout=c-banner=x? PASSED*", "*test_it?checkout=c-banner=y? PASSED*"]
    )


MISTAKES = {
    '"chekout"': "flags.json has no flag 'chekout'; did you mean 'checkout'?",
    '"zzz"': "flags.json has no flag 'zzz'; it has 'checkout', 'beta'",
    '"old"': "flags.json has no flag 'old'",
    '"checkout", []': "there are no variations to run the test with",
    '"checkout", "control"': "variations are a list of keys, not 'control'",
    '"checkout", 5': "variations are a list of keys, not 5",
    '"checkout", [True]': "variations are a list of keys, not [True]",
    '"checkout", (key for key in [])': "there are no variations to run the test with",
    '["checkout"]': "takes the key of a flag, not ['checkout']",
    "": "signakit_each_variation() missing 1 required positional argument: 'flag'",
    '"checkout", typo=1': "signakit_each_variation() got an unexpected keyword argument 'typo'",
}


def test_mistakes_of_each_variation_are_told_at_the_collection(project: pytest.Pytester) -> None:
    for number, arguments in enumerate(MISTAKES):
        test = f"import pytest\n@pytest.mark.signakit_each_variation({arguments})\ndef test_it(): pass"
        project.path.joinpath(f"test_{number}.py").write_text(test)
    result = project.runpytest_subprocess(*PLAIN)
    result.assert_outcomes(errors=len(MISTAKES))
    said = result.stdout.str()
    for message in MISTAKES.values():
        assert message in said
    assert "Traceback" not in said


def test_each_variation_needs_a_config_or_a_list(project: pytest.Pytester) -> None:
    project.makeini("[pytest]")
    result = run(project, "@pytest.mark.signakit_each_variation('checkout')\ndef test_it(): pass")
    result.assert_outcomes(errors=1)
    assert "needs a config, by the ini option signakit_config, or a list: @pytest.mark." in result.stdout.str()


def test_the_variations_of_a_config_are_not_waited_for(tmp_path: Path) -> None:
    with (
        special_file("FIFO", tmp_path / "flags.json") as pipe,
        pytest.raises(OSError, match="is a FIFO and not a regular file"),
    ):
        variations_of(pipe, "checkout")


def test_each_variation_on_a_test_case_is_an_error_and_no_silence(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
import unittest
@pytest.mark.signakit_each_variation("checkout")
class Case(unittest.TestCase):
    def test_case(self): pass
""",
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*pytest runs a test of unittest only once: see subTest*")


def test_a_config_that_is_not_there_is_told(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nsignakit_config = none.json")
    result = run(project, "def test_it(signakit): pass\n@pytest.mark.signakit_each_variation('a')\ndef test_b(): pass")
    assert result.ret != 0
    said = result.stdout.str() + result.stderr.str()
    assert "signakit_config: there is no file" in said
    assert "pytest_plugin.py" not in said, "our own code is of no interest"


CONCURRENT = """
@pytest.mark.signakit_each_variation("checkout", [f"v{n}" for n in range(40)])
def test_each(signakit, signakit_variations):
    assert asked() == signakit_variations["checkout"]
    assert [event.variation_key for event in signakit.exposures] == [signakit_variations["checkout"]]

def test_none(signakit):
    signakit.assert_not_exposed()
    assert asked() == "off"
"""


def test_in_parallel_and_in_random_order(project: pytest.Pytester) -> None:
    run(project, CONCURRENT, "-n", "2", plain=("-p", "no:asyncio")).assert_outcomes(passed=41)


ASYNC = """
async def check():
    assert asked() == await asyncio.to_thread(asked) == await asyncio.create_task(later()) == "treatment"

async def later():
    await asyncio.sleep(0)
    return asked()

@pytest.fixture
async def client():
    from signakit_flags.testing import override_flags
    with override_flags({"of-the-fixture": "forced"}):
        yield asked()

MARK
class TestAsync:
    @pytest.mark.signakit({"checkout": "treatment"})
    async def test_mark(self): await check()

    async def test_fixture(self, signakit):
        signakit.set({"checkout": "treatment"})
        await check()
        signakit.assert_exposed("checkout", variation="treatment")

    @pytest.mark.signakit_each_variation("checkout", ["treatment"])
    async def test_each(self, signakit): await check()

    async def test_after(self): assert asked() == "none"

    @pytest.mark.signakit({"checkout": "treatment"})
    async def test_async_fixture(self, client): assert client == "treatment"

    async def test_block(self):
        from signakit_flags.testing import override_flags, recorded
        with override_flags({"checkout": "treatment"}), recorded() as events:
            await check()
        events.assert_exposed("checkout")
        assert asked() == "none"
"""


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_beside_pytest_asyncio(project: pytest.Pytester, mode: str) -> None:
    mark = "@pytest.mark.asyncio" if mode == "strict" else ""
    tests = ASYNC.replace("MARK\n", f"{mark}\n")
    if mode == "strict":
        tests = tests.replace("@pytest.fixture\n", "@__import__('pytest_asyncio').fixture\n")
    settings = ("-o", f"asyncio_mode={mode}", "-o", "asyncio_default_fixture_loop_scope=function")
    result = run(project, tests, *settings, plain=("-p", "no:randomly", "-p", "no:anyio"))
    result.assert_outcomes(passed=6)


@pytest.mark.parametrize("scope", ["function", "module"])
def test_beside_anyio(project: pytest.Pytester, scope: str) -> None:
    backend = f"@pytest.fixture(scope={scope!r})\ndef anyio_backend(): return 'asyncio'\n"
    tests = backend + ASYNC.replace("MARK\n", "@pytest.mark.anyio\n")
    run(project, tests).assert_outcomes(passed=6)


def test_beside_pytest_django(project: pytest.Pytester) -> None:
    project.path.joinpath("site_settings.py").write_text(
        "SECRET_KEY = 'x'\nSTATIC_URL = 'static/'\nROOT_URLCONF = 'site_urls'\nALLOWED_HOSTS = ['*']\nUSE_TZ = True\n"
        "INSTALLED_APPS = ['signakit_django']\nDATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3',"
        " 'NAME': ':memory:'}}\nMIDDLEWARE = ['signakit_django.middleware.SignaKitMiddleware']\n"
    )
    project.path.joinpath("site_urls.py").write_text(
        "from django.http import HttpResponse\nfrom django.urls import path\n"
        "def view(request):\n    request.flags.track('seen')\n"
        "    return HttpResponse(request.flags.variation('checkout', 'none'))\n"
        "async def aview(request):\n    return HttpResponse((await request.aflags()).variation('checkout', 'none'))\n"
        "urlpatterns = [path('', view), path('async/', aview)]\n"
    )
    result = run(
        project,
        """
import urllib.request

@pytest.mark.signakit({"checkout": "treatment"})
def test_client(client, signakit):
    assert client.get("/").content == client.get("/async/").content == b"treatment"
    visitor = client.cookies["visitor_id"].value
    signakit.assert_exposed("checkout", user=visitor, variation="treatment")
    signakit.assert_tracked("seen", user=visitor)
    assert len(signakit.exposures) == 1

@pytest.fixture
def anyio_backend(): return "asyncio"

@pytest.mark.anyio
async def test_async_client(async_client, signakit):
    signakit.set({"checkout": "treatment"})
    assert (await async_client.get("/async/")).content == b"treatment"
    assert (await async_client.get("/")).content == b"treatment"

@pytest.mark.signakit({"checkout": "treatment"})
def test_live_server(live_server, signakit):
    assert urllib.request.urlopen(live_server.url).read() == b"treatment"
    signakit.assert_exposed("checkout", variation="treatment")

def test_config(client, signakit):
    assert client.get("/").content == b"off"

def test_no_config(client):
    assert client.get("/").content == b"none"
""",
        "--ds",
        "site_settings",
    )
    result.assert_outcomes(passed=5)


# --- the network -----------------------------------------------------------------------------------------------------

NETWORK = """
import logging
from signakit_flags import SignaKitClient

@pytest.mark.parametrize("host", ["cdn.invalid", "192.0.2.7", "[2001:db8::1]"])
def test_sync(host, caplog):
    url = f"http://{host}"
    with SignaKitClient("sk_dev_org_1_x", cdn_url=url, events_url=url, polling_interval=0) as client:
        result = client.on_ready_sync()
    print("said:", result.reason)
    assert not client.is_ready
    assert result.reason in caplog.text

def test_async():
    async def main():
        async with SignaKitClient("sk_dev_org_1_x", polling_interval=0) as client:
            return await client.on_ready()
    print("said:", asyncio.run(main()).reason)
"""


def test_the_network_is_refused_with_an_error_that_names_the_fixture(project: pytest.Pytester) -> None:
    result = run(project, NETWORK)
    result.assert_outcomes(passed=4)
    said = [line for line in result.stdout.str().splitlines() if line.startswith("said:")]
    assert len(said) == 4
    for line, host in zip(said, ("cdn.invalid", "192.0.2.7", "2001:db8::1", "d30l2rkped5b4m"), strict=True):
        assert f"the network is off beyond this machine, and {host}" in line
        assert "Take the fixture `signakit`" in line
        assert "@pytest.mark.signakit({...})" in line
        assert "--signakit-network" in line


def test_the_network_is_allowed_by_an_option(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
from signakit_flags import SignaKitClient, _hook
def test_allowed():
    assert _hook.refuse_network is None
    url = "http://cdn.invalid"
    with SignaKitClient("sk_dev_org_1_x", cdn_url=url, events_url=url, polling_interval=0) as client:
        assert "fixture" not in client.on_ready_sync().reason
""",
        "--signakit-network",
    )
    result.assert_outcomes(passed=1)


def test_a_run_inside_a_test_leaves_the_network_as_it_was(project: pytest.Pytester) -> None:
    project.makeconftest("pytest_plugins = ['pytester']")
    result = run(
        project,
        """
from signakit_flags import _hook
def test_outer(pytester):
    before = _hook.refuse_network
    assert before is not None
    pytester.makepyfile("from signakit_flags import _hook\\ndef test_inner(): assert _hook.refuse_network is None")
    pytester.runpytest_inprocess("-p", "no:asyncio", "--signakit-network").assert_outcomes(passed=1)
    assert _hook.refuse_network is before
""",
    )
    result.assert_outcomes(passed=1)


def test_what_the_clients_of_the_tests_still_have_is_not_sent_when_the_run_is_over(
    project: pytest.Pytester, server: FlagServer
) -> None:
    port = server.url.rpartition(":")[2]
    project.makeconftest(
        f"""
import socket
import pytest
from signakit_flags import SignaKitClient

real = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **named: real("127.0.0.1" if host == "ingest.test" else host, *more, **named)
client = SignaKitClient(
    {SDK_KEY!r}, cdn_url={server.url!r}, events_url="http://ingest.test:{port}/events", polling_interval=0
)

@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    client.create_user_context("late").track("purchase")
"""
    )
    tests = "from conftest import client\ndef test_it():\n    assert client.on_ready_sync().success"
    run(project, tests).assert_outcomes(passed=1)
    assert server.posts == 0
    run(project, tests, "--signakit-network").assert_outcomes(passed=1)
    assert [event["userId"] for event in server.events] == ["late"], "they would have been"


def test_a_client_that_was_refused_the_network_tries_nothing_while_other_tests_run(project: pytest.Pytester) -> None:
    """As an application makes one, which its tests import: pytest-httpx fails a test for each request of ours."""
    result = run(
        project,
        f"""
import time, httpx
from signakit_flags import SignaKitClient
client = SignaKitClient({SDK_KEY!r}, polling_interval=0.05)
assert "under pytest the network is off" in client.on_ready_sync().reason

def test_that_has_nothing_to_do_with_flags(httpx_mock):
    httpx_mock.add_response(url="https://api.test/x", json={{}})
    assert client.create_user_context("u") is None
    time.sleep(1)  # longer than the wait after a first failure
    assert httpx.get("https://api.test/x").status_code == 200
""",
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("capture", ["fd", "sys"])
def test_a_handler_of_a_run_is_not_written_to_when_the_run_is_over(project: pytest.Pytester, capture: str) -> None:
    """It has the stream that pytest had put in place of ``sys.stderr``, which is closed by then."""
    result = run(
        project,
        f"""
import logging
from signakit_flags import SignaKitClient
logging.basicConfig()
url = "http://127.0.0.1:1"
client = SignaKitClient({SDK_KEY!r}, cdn_url=url, events_url=url)

def test_it():
    client._engine.track("u", {{}}, "purchase", {{}}, None, None)  # which cannot be sent, and is lost at exit
""",
        "-p",
        "no:logging",
        f"--capture={capture}",
    )
    result.assert_outcomes(passed=1)
    assert "Logging error" not in result.stderr.str()


def test_a_second_run_of_the_same_process_logs_again(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
import logging
def test_it(caplog):
    logging.getLogger("signakit_flags").warning("heard")
    assert caplog.messages == ["heard"]
"""
    )
    script = f"import pytest; print([int(pytest.main({list(PLAIN)!r})) for _ in range(2)])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.endswith("[0, 0]\n"), done.stdout


# --- time that stands -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loaded", ["by the tests", "by a plugin"])
def test_in_a_time_that_freezegun_stops_polls_go_on_and_events_have_their_time(
    project: pytest.Pytester, server: FlagServer, loaded: str
) -> None:
    result = run(
        project,
        f"""
import datetime, time, urllib.request
wait = time.sleep
from freezegun import freeze_time
from signakit_flags import SignaKitClient

@freeze_time("2012-01-14")
def test_it():
    assert datetime.date.today() == datetime.date(2012, 1, 14)
    assert time.time() == 1326499200.0
    url = {server.url!r}
    with SignaKitClient({SDK_KEY!r}, cdn_url=url, events_url=url + "/v1/flag-events", polling_interval=0.05) as client:
        before = client.status().age
        while client.status().age >= before:  # until the next poll
            before = client.status().age
            wait(0.005)
        client.create_user_context("u").track("purchase")
        assert client.flush_sync(10)
""",
        *(("-p", "freezegun") if loaded == "by a plugin" else ()),
    )
    result.assert_outcomes(passed=1)
    [event] = server.events
    assert not event["timestamp"].startswith("2012")


def test_a_time_that_freezegun_stops_stands_for_what_the_sdk_calls(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
import importlib.util, time
FREEZEGUN = importlib.util.find_spec("freezegun") is not None  # as a test does that is skipped without it
from freezegun import freeze_time
from freezegun.config import settings
from signakit_flags import SignaKitClient
from signakit_flags.testing import override_flags

@freeze_time("2012-01-14")
@override_flags({"f": "on"})
def test_decorated():
    assert time.time() == 1326499200.0

@override_flags({"f": "on"})
@freeze_time("2012-01-14")
def test_the_other_way_round():
    assert time.time() == 1326499200.0

@freeze_time("2012-01-14")
def test_functions_of_a_client(signakit):
    seen = []
    client = SignaKitClient.offline({"flags": []}, bot_detector=lambda _: seen.append(time.time()))
    client.create_user_context("u", {"$userAgent": "Firefox"})
    assert seen == [1326499200.0]

def test_it_was_told():
    assert FREEZEGUN
    assert "signakit_flags._runtime" in settings.default_ignore_list
""",
    )
    result.assert_outcomes(passed=4)


# --- what it costs ---------------------------------------------------------------------------------------------------


def test_a_run_that_does_not_use_it_imports_nothing_but_itself() -> None:
    script = (
        "import json, sys, pytest; before = set(sys.modules); import signakit_flags.pytest_plugin;"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    imported = set(json.loads(done.stdout))
    assert imported == {"signakit_flags", "signakit_flags._hook", "signakit_flags.pytest_plugin"}


def test_a_whole_run_that_does_not_use_it_loads_no_kit(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
import sys
def test_unused():
    assert "signakit_flags.testing" not in sys.modules
    assert "msgspec" not in sys.modules
""".replace("import sys", "import sys\nLOADED = set(sys.modules)"),
        plain=(*PLAIN, "-p", "no:anyio"),
    )
    result.assert_outcomes(passed=1)


def test_its_help_says_what_there_is(project: pytest.Pytester) -> None:
    said = project.runpytest_subprocess(*PLAIN, "--help").stdout.str()
    assert "--signakit-network" in said
    assert "signakit_config (string)" in said
    markers = project.runpytest_subprocess(*PLAIN, "--markers").stdout.str()
    assert "@pytest.mark.signakit(flags):" in markers
    assert "@pytest.mark.signakit_each_variation(flag, variations=None):" in markers
