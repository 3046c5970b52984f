"""Run the test suites of Django REST framework, Flask and FastAPI with our packages installed, and without them.

    python3 dev.py run python tools/framework_suites.py [--only drf,flask,fastapi] [--key] [--keep]

The suites come from the newest source distributions of the package index, and ask for no flag: what is shown is that
our presence breaks none of their tests. Each suite runs twice in one environment, first without our packages, then
with them. With them, the pytest plugin of the SDK is loaded, and a plugin of `tools/suite_plugins` adds our part:

- drf: `signakit_django` in `INSTALLED_APPS`, and the middleware last in `MIDDLEWARE`
- flask: `SignaKit(app)` on every app, as soon as it is made
- fastapi: the middleware of every application, and our lifespan around its own

Without a key, flags are off. With `--key` each application has one, and clients load from an emulator on this machine.
It must get no event, as no flag is asked for.

What is left out, as none of it makes a request to an application of ours: Flask's `tests/type_check` and the suites of
its examples, FastAPI's `scripts/tests`. A few tests of FastAPI allow no state of a lifespan but their own, and cannot
pass with ours. What a source distribution lacks is printed, and so are all tests that prove nothing: those that are
skipped, or fail without our packages as well. What fails with ours alone is run again, with them and then without, as
some tests have time limits that a busy machine exceeds.

Exit status 1 if a test that passes without our packages does not pass with them, if the emulator got an event, or if
our part was not there; 2 if a suite could not be run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from signakit_dev.testing import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = Path(__file__).with_name("suite_plugins")
GUARD = 3600.0
"""Seconds after which a command is taken for one that hangs."""
SHOWN = 40
"""Lines of a failure, or of a log, that are shown."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Where a framework has its tests, and what they need.

    Attributes:
        distribution: Its name on the package index.
        groups: The dependency groups of its ``pyproject.toml`` to install.
        package: Ours for this framework.
        plugin: The one of ``suite_plugins`` that puts ours in.
        extra: The extra of the framework to install; empty for none.
        path: A folder of the source distribution that tests import from.
        tests: The folder of the tests.
        pins: Requirements without which the suite does not run, besides those of the groups.
        needs: Further files and folders that tests read. If one is missing, that is printed.
        left_out: Tests that are not run, each with the reason.
        differing: Tests that cannot pass with ours, as documentation says that what they check differs, each with the
            reason.
    """

    distribution: str
    groups: tuple[str, ...]
    package: str
    plugin: str
    extra: str = ""
    path: str = ""
    tests: str = "tests"
    pins: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    differing: tuple[tuple[str, str], ...] = ()


SUITES = {
    "drf": Suite(
        "djangorestframework", ("test", "optional"), "signakit-django", "ours_in_django", needs=("tests/conftest.py",)
    ),
    "flask": Suite(
        "flask",
        ("tests",),
        "signakit-flask",
        "ours_in_flask",
        extra="async",
        pins=("pytest<9.1",),  # as its uv.lock has it: a conftest.py needs what later versions lack
        needs=("tests/conftest.py", "tests/templates", "tests/static", "tests/test_apps"),
        left_out=(
            ("tests/type_check", "for type checkers"),
            ("examples/tutorial/tests", "a suite of an example"),
            ("examples/javascript/tests", "a suite of an example"),
        ),
    ),
    "fastapi": Suite(
        "fastapi",
        ("tests",),
        "signakit-fastapi",
        "ours_in_fastapi",
        extra="all",
        path="docs_src",
        needs=("docs_src", "tests/utils.py"),
        left_out=(("scripts/tests", "of the scripts that look after its documentation"),),
        differing=tuple(
            (f"tests.test_router_events::{test}", "allows no state but its own, and ours adds `signakit`")
            for test in (
                "test_merged_mixed_state_lifespans",
                "test_merged_no_return_lifespans_return_none",
                "test_router_nested_lifespan_state_overriding_by_parent",
            )
        ),
    ),
}


class CannotRunError(Exception):
    """A suite cannot be run; the message says why."""


# --- one run of a suite -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a test.

    Attributes:
        outcome: ``passed``, ``skipped``, ``xfailed``, ``failed`` or ``error``.
        detail: The failure, or why the test was skipped.
    """

    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of a suite gave.

    Attributes:
        results: By the name of the test.
        counts: ``applications`` and ``requests`` that our part was in.
        seconds: How long it took.
    """

    results: Mapping[str, Result]
    counts: Mapping[str, int]
    seconds: float

    def summary(self) -> str:
        """Return the number of tests by outcome."""
        outcomes = Counter(result.outcome for result in self.results.values())
        return ", ".join(f"{outcomes[name]:,} {name}" for name in _SEVERITY if outcomes[name])


# From what says least to what says most: of several reports of one test, the last of these counts.
_SEVERITY = ("passed", "skipped", "xfailed", "failed", "error")


def read_results(report: Path) -> dict[str, Result]:
    """Return the results in a JUnit report of pytest. A module that cannot be imported counts as a test."""
    results: dict[str, Result] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        name = "::".join(filter(None, (case.get("classname"), case.get("name"))))
        result = _result_of(case)
        before = results.get(name)
        # A test has a second report where its teardown fails, and one for each of its subtests that fails.
        if before is None or _SEVERITY.index(result.outcome) > _SEVERITY.index(before.outcome):
            results[name] = result
    return results


def _result_of(case: ET.Element) -> Result:
    for tag, outcome in (("error", "error"), ("failure", "failed"), ("skipped", "skipped")):
        found = case.find(tag)
        if found is not None:
            if outcome == "skipped":
                kind = "xfailed" if found.get("type") == "pytest.xfail" else "skipped"
                return Result(kind, found.get("message") or "")
            return Result(outcome, found.text or found.get("message") or "")
    return Result("passed")


def run_suite(
    python: Path,
    folder: Path,
    suite: Suite,
    *,
    scratch: Path,
    ours: bool,
    environment: Mapping[str, str] | None = None,
    again: bool = False,
) -> Run:
    """Run the tests of a suite.

    Args:
        python: The interpreter of its environment.
        folder: Where the suite is unpacked.
        suite: What to run.
        scratch: Where the report and the log are written.
        ours: Whether our part is put in.
        environment: Further variables.
        again: Run those tests alone that failed in the last run with ours.

    Raises:
        CannotRunError: pytest ended early, or wrote no report.
    """
    name = f"{suite.distribution}-{'with' if ours else 'without'}{'-again' if again else ''}"
    report, log, counts = (scratch / f"{name}.{kind}" for kind in ("xml", "log", "json"))
    for path in (report, counts):
        path.unlink(missing_ok=True)
    plugins = ["-p", "counts", "-p", suite.plugin] if ours else []
    cache = scratch / f"{suite.distribution}-failed-{'with' if ours or again else 'without'}"
    options = ["-o", f"cache_dir={cache}", "--continue-on-collection-errors", f"--junit-xml={report}"]
    options += ["--last-failed", "--last-failed-no-failures=none"] if again else []
    ignored = [f"--ignore={path}" for path, _ in suite.left_out]
    variables = clean_environment() | dict(environment or {})
    variables["PYTHONPATH"] = os.pathsep.join([*([str(folder / suite.path)] if suite.path else []), str(PLUGINS)])
    variables["FRAMEWORK_SUITES_COUNTS"] = str(counts)
    start = time.monotonic()
    command = [str(python), "-m", "pytest", *plugins, *options, *ignored, suite.tests]
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            command, cwd=folder, env=variables, stdout=output, stderr=output, check=False, timeout=GUARD
        )
    nothing_selected = 5 if again else 0
    if done.returncode not in {0, 1, nothing_selected} or not report.exists():
        raise CannotRunError(f"pytest ended with status {done.returncode}:\n{tail(log.read_text(encoding='utf-8'))}")
    counted = json.loads(counts.read_text(encoding="utf-8")) if counts.exists() else {}
    return Run(read_results(report), counted, time.monotonic() - start)


def clean_environment() -> dict[str, str]:
    """Return the environment without what would reach into a suite: keys of ours, and settings of frameworks."""
    reaching = ("SIGNAKIT_", "DJANGO_", "FLASK_", "PYTEST_", "PYTHONPATH", "VIRTUAL_ENV", "DATABASE_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(reaching)}


def tail(text: str) -> str:
    """Return the last lines of a text."""
    return "\n".join(text.rstrip().splitlines()[-SHOWN:])


# --- the comparison ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tests that say something, by name.

    Attributes:
        broken: Do not pass with ours, though they pass without, or are not there without.
        failing: Fail with ours and without.
        unproved: Are skipped, or expected to fail, without ours.
        repaired: Pass with ours, and fail or are not there without.
        unsteady: Seemed broken, and passed with ours or failed without when they were run again.
    """

    broken: Mapping[str, Result]
    failing: Sequence[str]
    unproved: Mapping[str, Result]
    repaired: Sequence[str]
    unsteady: Sequence[str] = ()


_GONE = Result("missing", "the test did not run")


def compare(without: Mapping[str, Result], ours: Mapping[str, Result], *, apart: Collection[str] = ()) -> Comparison:
    """Compare the results of a suite without our packages and with them, all but those of the tests in `apart`."""
    broken: dict[str, Result] = {}
    failing: list[str] = []
    repaired: list[str] = []
    unproved: dict[str, Result] = {}
    for name in sorted({*without, *ours} - {*apart}):
        before, after = without.get(name, _GONE), ours.get(name, _GONE)
        bad = after.outcome in {"failed", "error", "missing"}
        if before.outcome in {"failed", "error"} and bad:
            failing.append(name)
        elif bad or (before.outcome == "passed" != after.outcome):
            broken[name] = after
        elif before.outcome in {"failed", "error", "missing"}:
            repaired.append(name)
        elif before.outcome != "passed":
            unproved[name] = before
    return Comparison(broken, failing, unproved, repaired)


def settle(
    without: Mapping[str, Result],
    ours: Mapping[str, Result],
    with_ours_again: Callable[[], Mapping[str, Result]],
    without_ours_again: Callable[[], Mapping[str, Result]],
    *,
    apart: Collection[str] = (),
) -> Comparison:
    """Compare two runs, and run what seems broken again: tests with a time limit fail on a busy machine.

    Args:
        without: The results without our packages.
        ours: The results with them.
        with_ours_again: Runs the tests that failed with ours once more.
        without_ours_again: Runs those that failed then without them.
        apart: Tests that are not compared.
    """
    first = compare(without, ours, apart=apart)
    if not first.broken:
        return first
    settled = compare(without, ours := {**ours, **with_ours_again()}, apart=apart)
    if settled.broken:
        settled = compare({**without, **without_ours_again()}, ours, apart=apart)
    unsteady = sorted(first.broken.keys() - settled.broken.keys())
    return replace(settled, unsteady=unsteady, failing=[name for name in settled.failing if name not in unsteady])


def differing(suite: Suite, ours: Mapping[str, Result]) -> list[str]:
    """Return lines on the tests of a suite that cannot pass with ours; a line says so where one does."""
    lines = []
    for test, reason in suite.differing:
        outcome = ours.get(test, _GONE).outcome
        so = "differs, as documented" if outcome == "failed" else f"differs no more ({outcome})"
        lines.append(f"{so}: {test} {reason}")
    return lines


def show(comparison: Comparison) -> None:
    """Print what a comparison says, all but the tests that pass both times."""
    reasons = Counter(f"{result.outcome}: {result.detail}" for result in comparison.unproved.values())
    for reason, times in sorted(reasons.items()):
        print(f"  {times} {reason}")
    for name in comparison.failing:
        print(f"  fails without ours as well: {name}")
    for name in comparison.repaired:
        print(f"  passes with ours alone: {name}")
    for name in comparison.unsteady:
        print(f"  unsteady, failed with ours and then passed, or failed without: {name}")
    for name, result in comparison.broken.items():
        print(f"  BROKEN ({result.outcome}): {name}")
        print("    " + tail(result.detail).replace("\n", "\n    "))


# --- a suite from the index -------------------------------------------------------------------------------------------


def uv(*arguments: str) -> None:
    """Run a command of uv, as dev.py finds it.

    Raises:
        CannotRunError: It failed.
    """
    call([sys.executable, str(ROOT / "dev.py"), *arguments])


def call(command: Sequence[str]) -> None:
    """Run a command.

    Raises:
        CannotRunError: It failed; the message has what it said.
    """
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=GUARD
    )
    if done.returncode:
        raise CannotRunError(f"{' '.join(command)} failed:\n{tail(done.stdout)}")


def build_wheels(scratch: Path) -> list[Path]:
    """Build the wheels of this checkout."""
    uv("build", "--quiet", "--all-packages", "--wheel", "--no-sources", "--out-dir", str(scratch / "dist"))
    return sorted((scratch / "dist").glob("*.whl"))


def unpack(suite: Suite, python: Path, scratch: Path) -> Path:
    """Download the source distribution of a suite, unpack it, and return its folder. `python` has pip."""
    archives = scratch / f"{suite.distribution}-archive"
    # Not `:all:`, which would have pip build the build backends from source as well.
    source = ["--no-deps", "--no-binary", suite.distribution, "--dest", str(archives)]
    call([str(python), "-m", "pip", "download", "--quiet", *source, suite.distribution])
    [archive] = archives.glob("*.tar.gz")
    target = scratch / f"{suite.distribution}-source"
    with tarfile.open(archive) as opened:
        opened.extractall(target, filter="data")
    [folder] = target.iterdir()
    if not any((folder / suite.tests).glob("**/test_*.py")):
        raise CannotRunError(f"{folder.name} has no tests in {suite.tests}/: nothing can be run")
    return folder


def prepare(suite: Suite, wheels: Sequence[Path], scratch: Path) -> tuple[Path, Path, list[Path]]:
    """Make the environment of a suite, without our packages but with what they need.

    Returns:
        The interpreter, the folder of the suite, and the wheels of ours that are to be installed later.
    """
    environment = scratch / f"{suite.distribution}-environment"
    uv("venv", "--quiet", "--seed", "--python", sys.executable, str(environment))
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    folder = unpack(suite, python, scratch)
    ours = [wheel for wheel in wheels if wheel.name.startswith(("signakit_flags-", f"{_module(suite.package)}-"))]
    framework = f"{folder}[{suite.extra}]" if suite.extra else str(folder)
    groups = [item for group in suite.groups for item in ("--group", f"{folder / 'pyproject.toml'}:{group}")]
    # With ours at first, and then without: so the versions of everything else are the same in both runs.
    uv("pip", "install", "--quiet", "--python", str(python), framework, *suite.pins, *groups, *map(str, ours))
    uninstall(suite, python)
    return python, folder, ours


def uninstall(suite: Suite, python: Path) -> None:
    """Remove our packages from the environment of a suite."""
    uv("pip", "uninstall", "--quiet", "--python", str(python), "signakit-flags", suite.package)


def _module(package: str) -> str:
    return package.replace("-", "_")


def not_run(suite: Suite, folder: Path) -> list[str]:
    """Return what of a suite is not run: what the source distribution lacks, and what is left out."""
    lacking = [f"not in the source distribution: {path}" for path in suite.needs if not (folder / path).exists()]
    return lacking + [f"left out: {path}, {reason}" for path, reason in suite.left_out]


def check(name: str, wheels: Sequence[Path], scratch: Path, *, key: bool) -> bool:
    """Run a suite twice, and print what there is to say.

    Returns:
        Whether our packages broke nothing.

    Raises:
        CannotRunError: The suite cannot be run.
    """
    suite = SUITES[name]
    python, folder, ours = prepare(suite, wheels, scratch)
    print(f"\n=== {name}: {folder.name}", flush=True)
    for note in not_run(suite, folder):
        print(f"  {note}")
    without = run_suite(python, folder, suite, scratch=scratch, ours=False)
    print(f"  without ours: {without.summary()} ({without.seconds:.0f} s)", flush=True)
    check_baseline(without.results)
    uv("pip", "install", "--quiet", "--no-deps", "--python", str(python), *map(str, ours))
    with emulator() if key else contextlib.nullcontext() as running:
        environment = {} if running is None else running.env
        run = run_suite(python, folder, suite, scratch=scratch, ours=True, environment=environment)
        print(f"  with ours:    {run.summary()} ({run.seconds:.0f} s)", flush=True)

        def with_ours_again() -> Mapping[str, Result]:
            again = run_suite(python, folder, suite, scratch=scratch, ours=True, environment=environment, again=True)
            return again.results

        def without_ours_again() -> Mapping[str, Result]:
            uninstall(suite, python)
            return run_suite(python, folder, suite, scratch=scratch, ours=False, again=True).results

        for line in differing(suite, run.results):
            print(f"  {line}")
        apart = [test for test, _ in suite.differing]
        comparison = settle(without.results, run.results, with_ours_again, without_ours_again, apart=apart)
        events = 0 if running is None else len(running.events()) + len(running.refused())
        fetches = "" if running is None else f", {running.config_requests:,} fetches of the config, {events} events"
    present = {kind: run.counts.get(kind, 0) for kind in ("applications", "requests")}
    print(f"  ours was in {present['applications']:,} applications and {present['requests']:,} requests{fetches}")
    show(comparison)
    if not all(present.values()):
        print("  BROKEN: our part was not there, so this run proves nothing")
    if events:
        print("  BROKEN: events were sent, though no flag was asked for")
    return all(present.values()) and not events and not comparison.broken


def check_baseline(results: Mapping[str, Result]) -> None:
    """See to it that a suite says something: without ours, nine tests of ten that run have to pass.

    Raises:
        CannotRunError: They do not; the message has the last failure.
    """
    bad = [result for result in results.values() if result.outcome in {"failed", "error"}]
    passed = sum(result.outcome == "passed" for result in results.values())
    if passed <= 9 * len(bad):
        why = tail(bad[-1].detail) if bad else "there are no tests"
        raise CannotRunError(f"without ours, only {passed:,} tests pass, and {len(bad):,} fail:\n{why}")


@contextlib.contextmanager
def emulator() -> Iterator[Emulator]:
    """Run an emulator with the sample flags."""
    with Emulator() as running:
        yield running


@contextlib.contextmanager
def scratch_folder(*, keep: bool) -> Iterator[Path]:
    """Make the folder for all that a run needs, and remove it unless `keep` says otherwise."""
    if not keep:
        with tempfile.TemporaryDirectory(prefix="framework-suites-") as folder:
            yield Path(folder)
        return
    folder = tempfile.mkdtemp(prefix="framework-suites-")
    print(f"kept: {folder}")
    yield Path(folder)


def names(text: str) -> list[str]:
    """Return the suites that a list with commas names."""
    chosen = text.split(",")
    unknown = sorted({*chosen} - SUITES.keys())
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not a suite; the suites are {', '.join(SUITES)}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--only", type=names, default=list(SUITES), metavar="NAMES", help="with commas in between")
    parser.add_argument("--key", action="store_true", help="with a key, and an emulator")
    parser.add_argument("--keep", action="store_true", help="keep sources, environments, reports and logs")
    chosen = parser.parse_args(arguments)
    status = 0
    with scratch_folder(keep=chosen.keep) as scratch:
        wheels = build_wheels(scratch)
        for name in chosen.only:
            try:
                fine = check(name, wheels, scratch, key=chosen.key)
            except (CannotRunError, subprocess.TimeoutExpired) as error:
                print(f"\n=== {name}: cannot be run\n{error}")
                status = 2
            else:
                status = max(status, int(not fine))
    return status


if __name__ == "__main__":
    sys.exit(main())
