"""The tool that runs the suites of frameworks, on suites of a few lines."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]


def load_tool() -> ModuleType:
    name = "signakit_tools_framework_suites"
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / "framework_suites.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where its dataclasses look up their annotations
    spec.loader.exec_module(module)
    return module


tool: Any = load_tool()

DJANGO_CONFTEST = """
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path


def page(request):
    return HttpResponse("flags" if hasattr(request, "flags") else "none")


urlpatterns = [path("", page)]


def pytest_configure():
    settings.configure(
        ALLOWED_HOSTS=["*"], INSTALLED_APPS=("django.contrib.auth", "django.contrib.contenttypes"), MIDDLEWARE=(),
        ROOT_URLCONF=__name__, SECRET_KEY="x",
    )
    django.setup()
"""
DJANGO = """
from django.test import Client


def test_the_page():
    assert Client().get("/").status_code == 200


def test_nothing_is_added():
    assert Client().get("/").content == b"none"
"""
FLASK = """
from flask import Flask


def test_the_page():
    app = Flask(__name__)
    app.add_url_rule("/", "page", lambda: "page")
    assert app.test_client().get("/").text == "page"


def test_nothing_is_added():
    assert not Flask(__name__).extensions
"""
FASTAPI = """
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.testclient import TestClient

begun = []


@asynccontextmanager
async def lifespan(app):
    begun.append(app)
    yield {"own": 1}


def test_the_page():
    app = FastAPI(lifespan=lifespan)
    app.get("/")(lambda: "page")
    with TestClient(app) as client:
        assert client.get("/").json() == "page"
    assert begun == [app]


def test_nothing_is_added():
    assert not FastAPI().user_middleware
"""


def write_suite(folder: Path, tests: str, conftest: str = "") -> Path:
    (folder / "tests").mkdir()
    (folder / "tests" / "test_it.py").write_text(tests)
    (folder / "tests" / "conftest.py").write_text(conftest)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def run(folder: Path, framework: str = "flask", *, ours: bool, again: bool = False, **environment: str) -> Any:
    # The plugins of this environment take many times as long to import as the suite to run.
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    suite = tool.SUITES[framework]
    return tool.run_suite(
        Path(sys.executable), folder, suite, scratch=folder, ours=ours, environment=environment, again=again
    )


# --- results ----------------------------------------------------------------------------------------------------------

OUTCOMES = """
import pytest


def test_passed():
    pass


@pytest.mark.skip(reason="not today")
def test_skipped(): ...


@pytest.mark.xfail(reason="known")
def test_xfailed():
    raise LookupError


def test_failed():
    raise LookupError("of the test")


@pytest.fixture
def before():
    raise LookupError("of the fixture")


@pytest.fixture
def after():
    yield
    raise LookupError("of the teardown")


def test_error_before(before): ...


def test_error_after(after): ...


@pytest.mark.parametrize("value", [1, 2])
def test_parameter(value):
    assert value == 1
"""


def test_each_test_has_its_worst_outcome_and_what_was_said_of_it(tmp_path: Path) -> None:
    folder = write_suite(tmp_path, OUTCOMES)
    (folder / "tests" / "test_broken.py").write_text("import there_is_no_such_module")
    ran = run(folder, ours=False)
    outcomes = {name: result.outcome for name, result in ran.results.items()}
    assert outcomes.pop("tests.test_broken") == "error"
    assert {name.removeprefix("tests.test_it::test_"): outcome for name, outcome in outcomes.items()} == {
        "passed": "passed",
        "skipped": "skipped",
        "xfailed": "xfailed",
        "failed": "failed",
        "error_before": "error",
        "error_after": "error",
        "parameter[1]": "passed",
        "parameter[2]": "failed",
    }
    assert ran.results["tests.test_it::test_skipped"].detail == "not today"
    assert "of the test" in ran.results["tests.test_it::test_failed"].detail
    assert "of the teardown" in ran.results["tests.test_it::test_error_after"].detail
    assert ran.summary() == "2 passed, 1 skipped, 1 xfailed, 2 failed, 3 error"


def test_a_run_that_ends_early_is_no_result(tmp_path: Path) -> None:
    folder = write_suite(tmp_path, "import os\n\n\ndef test_it():\n    os._exit(1)\n")
    with pytest.raises(tool.CannotRunError, match="status 1"):
        run(folder, ours=False)


def test_keys_and_settings_of_this_machine_do_not_reach_a_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SIGNAKIT_SDK_KEY", "DJANGO_SETTINGS_MODULE", "FLASK_DEBUG", "PYTEST_ADDOPTS", "PYTHONPATH"):
        monkeypatch.setenv(name, "nothing_of_that_name")
    reaching = ("SIGNAKIT_", "DJANGO_", "FLASK_", "PYTEST_ADDOPTS")
    text = (
        f"import os\n\n\ndef test_it():\n    assert not [name for name in os.environ if name.startswith({reaching})]\n"
    )
    assert run(write_suite(tmp_path, text), ours=False).summary() == "1 passed"


# --- our part ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("framework", "tests", "conftest", "applications", "requests"),
    [
        pytest.param("drf", DJANGO, DJANGO_CONFTEST, 1, 2, id="drf"),
        pytest.param("flask", FLASK, "", 2, 1, id="flask"),
        pytest.param("fastapi", FASTAPI, "", 2, 1, id="fastapi"),
    ],
)
def test_our_part_is_in_each_application_and_what_it_breaks_is_found(
    tmp_path: Path, framework: str, tests: str, conftest: str, applications: int, requests: int
) -> None:
    folder = write_suite(tmp_path, tests, conftest)
    without = run(folder, framework, ours=False)
    assert (without.summary(), without.counts) == ("2 passed", {})
    with tool.emulator() as emulator:
        ran = run(folder, framework, ours=True, **emulator.env)
        # A Flask app begins to load at the first question, and none is asked.
        assert emulator.config_requests == (0 if framework == "flask" else 1)
        assert emulator.events() == []
    assert ran.counts == {"applications": applications, "requests": requests}
    assert [*tool.compare(without.results, ran.results).broken] == ["tests.test_it::test_nothing_is_added"]


def test_our_part_is_there_without_a_key(tmp_path: Path) -> None:
    ran = run(write_suite(tmp_path, DJANGO, DJANGO_CONFTEST), "drf", ours=True)
    assert (ran.summary(), ran.counts) == ("1 passed, 1 failed", {"applications": 1, "requests": 2})


# --- the comparison ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("passed", "passed", None),
        ("passed", "failed", "broken"),
        ("passed", "error", "broken"),
        ("passed", "skipped", "broken"),
        ("passed", "xfailed", "broken"),
        ("passed", None, "broken"),
        (None, "error", "broken"),
        (None, "passed", "repaired"),
        (None, "skipped", "repaired"),
        ("skipped", "failed", "broken"),
        ("skipped", "skipped", "unproved"),
        ("xfailed", "xfailed", "unproved"),
        ("failed", "failed", "failing"),
        ("failed", "error", "failing"),
        ("error", None, "failing"),
        ("failed", "passed", "repaired"),
    ],
)
def test_a_test_that_no_longer_passes_is_broken(before: str | None, after: str | None, found: str | None) -> None:
    runs = [{} if outcome is None else {"t": tool.Result(outcome)} for outcome in (before, after)]
    comparison = tool.compare(*runs)
    parts = {name: list(getattr(comparison, name)) for name in ("broken", "failing", "unproved", "repaired")}
    assert {name: tests for name, tests in parts.items() if tests} == ({found: ["t"]} if found else {})


def results(**outcomes: str) -> dict[str, Any]:
    return {name: tool.Result(outcome) for name, outcome in outcomes.items()}


def test_what_seems_broken_is_run_again() -> None:
    asked: list[str] = []

    def with_ours() -> Any:
        asked.append("with")
        return results(passes_then="passed", fails_everywhere="failed", broken="failed", failing="failed")

    def without_ours() -> Any:
        asked.append("without")
        return results(fails_everywhere="failed", broken="passed", failing="failed")

    before = results(passes_then="passed", fails_everywhere="passed", broken="passed", failing="failed", good="passed")
    after = results(passes_then="failed", fails_everywhere="failed", broken="error", failing="failed", good="passed")
    settled = tool.settle(before, after, with_ours, without_ours)
    assert asked == ["with", "without"]
    assert [*settled.broken] == ["broken"]
    assert settled.unsteady == ["fails_everywhere", "passes_then"]
    assert settled.failing == ["failing"]


def test_a_test_that_cannot_pass_is_named_and_not_compared() -> None:
    suite = replace(tool.SUITES["flask"], differing=(("a", "counts extensions"), ("b", "too"), ("c", "too")))
    before, after = results(a="passed", b="passed", d="passed"), results(a="failed", b="passed", d="failed")
    assert tool.differing(suite, after) == [
        "differs, as documented: a counts extensions",
        "differs no more (passed): b too",
        "differs no more (missing): c too",
    ]
    apart = ["a", "b", "c"]
    assert [*tool.compare(before, after, apart=apart).broken] == ["d"]
    assert [*tool.settle(before, after, lambda: after, lambda: before, apart=apart).broken] == ["d"]


def test_what_passes_is_not_run_again() -> None:
    asked: list[str] = []

    def with_ours() -> Any:
        asked.append("with")
        return results(a="passed")

    good, bad = results(a="passed"), results(a="failed")
    assert tool.settle(good, good, with_ours, lambda: pytest.fail("needless")).unsteady == ()
    assert asked == []
    assert tool.settle(good, bad, with_ours, lambda: pytest.fail("needless")).unsteady == ["a"]


def test_those_tests_alone_run_again_that_failed_with_ours(tmp_path: Path) -> None:
    folder = write_suite(tmp_path, FLASK)
    assert run(folder, ours=True).summary() == "1 passed, 1 failed"
    assert run(folder, ours=True, again=True).summary() == "1 failed"
    assert run(folder, ours=False, again=True).summary() == "1 passed"
    assert run(folder, ours=True, again=True).summary() == ""


def test_what_does_not_pass_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    before = {
        "a": tool.Result("passed"),
        "b": tool.Result("failed", "as ever"),
        "c": tool.Result("skipped", "not today"),
        "d": tool.Result("skipped", "not today"),
        "e": tool.Result("failed"),
    }
    after = {**before, "a": tool.Result("failed", "of ours"), "e": tool.Result("passed")}
    tool.show(replace(tool.compare(before, after), unsteady=["f"]))
    assert capsys.readouterr().out.splitlines() == [
        "  2 skipped: not today",
        "  fails without ours as well: b",
        "  passes with ours alone: e",
        "  unsteady, failed with ours and then passed, or failed without: f",
        "  BROKEN (failed): a",
        "    of ours",
    ]


def test_a_suite_that_fails_by_itself_proves_nothing() -> None:
    good = {f"good {number}": tool.Result("passed") for number in range(10)}
    tool.check_baseline({**good, "bad": tool.Result("failed")})
    bad = {f"bad {number}": tool.Result("error", "no such fixture") for number in range(2)}
    with pytest.raises(tool.CannotRunError, match="no such fixture"):
        tool.check_baseline({**good, **bad})
    with pytest.raises(tool.CannotRunError, match="there are no tests"):
        tool.check_baseline({})


def test_what_is_not_run_is_named(tmp_path: Path) -> None:
    suite = replace(tool.SUITES["fastapi"], needs=("tests", "docs_src"), left_out=(("scripts/tests", "of scripts"),))
    (tmp_path / "tests").mkdir()
    assert tool.not_run(suite, tmp_path) == [
        "not in the source distribution: docs_src",
        "left out: scripts/tests, of scripts",
    ]


def test_a_suite_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tool.main(["--only", "flask,pyramid"])
    assert "'pyramid' is not a suite; the suites are drf, flask, fastapi" in capsys.readouterr().err
