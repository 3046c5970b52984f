"""The ``console`` blocks of the documentation are run, and its tables name every command, fault and endpoint."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from signakit_dev._emulator.faults import KINDS, parse_fault
from signakit_dev._web.api import Api
from signakit_dev._web.live_stream import LiveStream
from signakit_dev.cli import app
from support.command import SIGNAKIT, Command
from support.server import wait_until

ROOT = Path(__file__).parents[2]

EMULATOR = ROOT / "docs" / "emulator.md"

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("packages/*/README.md"), *ROOT.glob("docs/**/*.md")])

CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PORT = "4747"


def commands_of(page: Path) -> list[tuple[str, str]]:
    """Return the command lines of a page with what is printed below each, in order."""
    blocks = "".join(CONSOLE.findall(page.read_text(encoding="utf-8")))
    return [(line, output) for line, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", blocks, re.MULTILINE)]


WITH_COMMANDS = [page for page in PAGES if commands_of(page)]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_print_what_it_shows(tmp_path: Path, page: Path) -> None:
    environment = {**os.environ, "PATH": f"{SIGNAKIT.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONUTF8": "1"}
    emulators = []
    try:
        for line, output in commands_of(page):
            if shlex.split(line)[:2] == ["signakit", "dev"]:
                emulator = Command(*shlex.split(line)[1:], "--port", 0, cwd=tmp_path)
                emulators.append(emulator)
                port = emulator.wait_for(r"the page: http://127\.0\.0\.1:(\d+)/\n")[1]
                assert wait_until(lambda: "Ctrl-C" in emulator.err)  # noqa: B023  # called at once
                assert emulator.err + emulator.out.replace(port, PORT) == output
            else:
                done = subprocess.run(
                    ["sh", "-c", line],
                    cwd=tmp_path,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
                assert done.stdout + done.stderr == output, line
    finally:
        for emulator in emulators:
            emulator.__exit__(None, None, None)


def test_the_page_of_the_emulator_has_commands() -> None:
    assert EMULATOR in WITH_COMMANDS


def test_the_test_that_uses_the_fixture_passes_as_it_stands(tmp_path: Path) -> None:
    [block] = [block for block in PYTHON.findall(EMULATOR.read_text(encoding="utf-8")) if "def test_" in block]
    (tmp_path / "test_page.py").write_text(block)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    # pytest-asyncio is here for tests of others, and warns of an option that a project has to set.
    without = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:asyncio")
    arguments = [sys.executable, "-m", "pytest", "-q", *without, "test_page.py"]
    # As in a project of a user's: without what this run's plugins have put into the environment.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "PYTEST_"))}
    done = subprocess.run(
        arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading of the page."""
    section = re.split(rf"^## {heading}\n", EMULATOR.read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[0].splitlines()[2:]]


def test_the_table_of_commands_names_every_command_and_option_with_its_default() -> None:
    group = typer.main.get_command(app)
    documented = {}
    for command, _, options in rows("Commands"):
        name = command.strip("`").split()[1]
        documented[name] = dict(re.findall(r"`(--[\w-]+)`(?: ([\w.]+))?", options))
    known = {}
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # it is a group
        options = [parameter for parameter in command.params if parameter.opts[0].startswith("--")]
        known[name] = {
            option.opts[0]: "" if option.default is None or option.default is False else str(option.default)
            for option in options
            if not {"--json", "--help"} & set(option.opts)
        }
    assert documented == known


def test_the_table_of_faults_is_complete_and_can_be_typed() -> None:
    documented = {kind.strip("`"): typed.strip(" |`") for kind, _, typed in rows("Faults")}
    assert tuple(documented) == KINDS
    for kind, typed in documented.items():
        assert parse_fault(typed).kind == kind


def test_the_table_of_endpoints_is_that_of_the_emulator() -> None:
    endpoints = [*Api(*[None] * 3).routes(), *LiveStream(*[None] * 4).routes()]  # type: ignore[arg-type]  # only the paths
    routes = {route.path.split("{")[0] for route in endpoints}
    documented = {re.split(r"[?`]|KEY", request.split()[1])[0] for request, _ in rows("HTTP endpoints")}
    assert documented == routes
