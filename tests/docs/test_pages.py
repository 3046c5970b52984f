"""What the README files and docs/ say of files, commands and options, against the repository."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from signakit_flags import SignaKitClient, _settings, integration
from signakit_flags._events import exposure_filter, payloads

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PACKAGE_READMES = sorted(ROOT.glob("packages/*/README.md"))
PAGES = sorted([*ROOT.glob("*.md"), *PACKAGE_READMES, *ROOT.glob("docs/**/*.md")])
INTEGRATIONS = sorted({*ROOT.glob("packages/*")} - {ROOT / "packages/signakit-flags"})
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def prose(page: Path) -> str:
    return CODE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    return [link for link in LINK.findall(prose(page)) if not urlsplit(link).scheme]


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text)]
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES])
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PACKAGE_READMES, ids=lambda page: page.parent.name)
def test_the_readme_of_a_package_has_no_links_that_break_on_an_index(page: Path) -> None:
    assert links(page) == []


@pytest.mark.parametrize("package", INTEGRATIONS, ids=lambda package: package.name)
def test_no_package_takes_the_sdk_of_the_vendor_for_ours(package: Path) -> None:
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [required] = [name for name in project["dependencies"] if name.startswith("signakit-flags")]
    assert required == "signakit-flags>=2,<3"  # theirs is 1.0.0 and 1.1.0


def test_the_commands_that_the_readme_opens_with_are_those_of_dev_py(dev: ModuleType) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first = re.search(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert first is not None
    commands = [line.split("#")[0].split() for line in first[1].splitlines()]
    assert commands == [["python3", "dev.py", command] for command in dev.COMMANDS]
    script = ROOT / dev.COMMANDS["quickstart"][-1]
    assert script.is_file()


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES])
def test_every_command_of_dev_py_exists(page: Path, dev: ModuleType) -> None:
    used = set(re.findall(r"python3 dev\.py (\w+)", page.read_text(encoding="utf-8")))
    assert used <= {*dev.COMMANDS, "run", "sync", "lock", "build"}


def rows(page: Path, heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its first two lines."""
    section = re.split(rf"^#+ {heading}\n", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    section = re.split(r"^#+ ", section, flags=re.MULTILINE)[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table[2:]]


def test_the_table_of_options_is_the_signature() -> None:
    documented = {name.strip("`"): default for name, default, *_ in rows(ROOT / "docs/getting-started.md", "Options")}
    parameters = list(inspect.signature(SignaKitClient).parameters.values())[1:]
    assert list(documented) == [parameter.name for parameter in parameters]
    for parameter in parameters:
        if parameter.default is not None:
            assert eval(documented[parameter.name].strip("`").replace(",", "")) == parameter.default


def test_the_reference_lists_every_name_for_authors_of_integrations() -> None:
    section = (ROOT / "docs/reference.md").read_text(encoding="utf-8").split("\n::: signakit_flags.integration\n")[1]
    assert sorted(re.findall(r"^ +- (\w+)$", section.partition("\n## ")[0], re.MULTILINE)) == integration.__all__


def test_the_table_of_environment_variables_is_complete() -> None:
    documented = {name.strip("`") for name, *_ in rows(ROOT / "docs/getting-started.md", "Environment variables")}
    read = set(re.findall(r"environ\.get\(\"(\w+)\"", inspect.getsource(_settings)))
    assert documented == read


def test_the_table_of_limits_is_that_of_the_code() -> None:
    page = ROOT / "docs/decisions-and-exposures.md"
    numbers = [int(re.findall(r"[\d,]+", limit)[0].replace(",", "")) for _, limit in rows(page, "Limits")]
    assert numbers == [
        payloads.MAX_EVENT_KEY,
        payloads.MAX_USER_ID,
        payloads.MAX_ATTRIBUTES,
        payloads.MAX_ATTRIBUTE_KEY,
        payloads.MAX_ATTRIBUTE_TEXT,
        payloads.MAX_ATTRIBUTE_ITEMS,
        payloads.MAX_VALUE_TEXT,
        payloads.MAX_METADATA_BYTES,
    ]
    assert f"at least the {exposure_filter.CAPACITY:,} most" in page.read_text(encoding="utf-8")
