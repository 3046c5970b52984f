"""Every ``python`` block of the README files and of docs/ is run, and what it prints is compared with what it says.

The blocks of a page share a namespace and one event loop, in the order in which they are read; ``await`` is allowed at
their top level. They talk to a server on loopback that hands out the flags of examples/quickstart.py, through the
environment variables of a production application. A block that prints shows what: each line in a comment ``# -> ...``,
or what follows on those in a ``text`` or ``json`` block right below. Any two timestamps count as equal.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.test.utils import override_settings

from signakit_flags import SignaKitClient
from support.redis_server import HAS_REDIS, redis_server
from support.server import flag_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("packages/*/README.md"), *ROOT.glob("docs/**/*.md")])

FENCE = re.compile(r"^```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
OUTPUT_BELOW = re.compile(r"\s*^```(?:text|json)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
ARROW = re.compile(r"# -> (.*)$", re.MULTILINE)
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True)
class Block:
    """A ``python`` block: where its first line stands in the page, and what it says that it prints."""

    line: int
    source: str
    output: list[str]


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    fences = list(FENCE.finditer(text))
    assert len(re.findall(r"^\s*```", text, re.MULTILINE)) == 2 * len(fences), (
        f"{page} has a block that is not recognised"
    )
    blocks = []
    for fence in fences:
        if fence["language"] == "python":
            output = ARROW.findall(fence["text"])
            below = OUTPUT_BELOW.match(text, fence.end())
            if below:
                output += below["text"].splitlines()
            line = text.count("\n", 0, fence.start("text")) + 1
            blocks.append(Block(line, fence["text"], output))
    return blocks


def run(page: Path) -> int:
    """Run the blocks of a page, and return how many there were."""
    blocks = blocks_of(page)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    clients: set[SignaKitClient] = set()
    with asyncio.Runner() as runner:
        try:
            for block in blocks:
                try:
                    printed = run_block(page, block, namespace, runner)
                finally:
                    # After each block, as the next one may use the name anew.
                    clients |= {value for value in namespace.values() if isinstance(value, SignaKitClient)}
                assert TIMESTAMP.sub("(time)", printed).splitlines() == [
                    TIMESTAMP.sub("(time)", line) for line in block.output
                ], f"{page}:{block.line}: the block prints something else than it says"
        finally:
            for client in clients:
                runner.run(client.aclose())
    return len(blocks)


def run_block(page: Path, block: Block, namespace: dict[str, Any], runner: asyncio.Runner) -> str:
    # Blank lines before it give every statement its line in the page, for tracebacks.
    source = "\n" * (block.line - 1) + block.source
    code = compile(source, str(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        if code.co_flags & inspect.CO_COROUTINE:
            runner.run(eval(code, namespace))
        else:
            exec(code, namespace)
    return printed.getvalue()


@pytest.fixture(autouse=True)
def _service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quickstart: ModuleType) -> Iterator[None]:
    """The service on loopback, found through the environment, and a folder of its own for the files of a page."""
    monkeypatch.chdir(tmp_path)
    with flag_server() as server:
        server.set_config({"version": 1, "flags": quickstart.flags(dashboard_percent=50)})
        monkeypatch.setenv("SIGNAKIT_SDK_KEY", quickstart.SDK_KEY)
        monkeypatch.setenv("SIGNAKIT_EMULATOR_URL", server.url)
        with override_settings(SIGNAKIT={}):  # Django reads the environment anew
            yield


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES])
def test_the_code_blocks_of_a_page_run_and_print_what_they_say(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as stack:
        if "REDIS_URL" in page.read_text(encoding="utf-8"):
            if not HAS_REDIS:
                pytest.skip("redis-server is not on PATH")
            monkeypatch.setenv("REDIS_URL", stack.enter_context(redis_server()).url)
            monkeypatch.setenv("SNAPSHOT_SECRET", "32 random bytes")
        run(page)


def test_the_pages_that_teach_have_code_blocks() -> None:
    without = {page.name for page in PAGES if not blocks_of(page)}
    assert without == {"changelog.md", "protocol.md", "reference.md"}


BROKEN = {
    "an error": "```python\nimport os\nclient.decide()\n```\n",
    "other output": "```python\nprint(1)  # -> 2\n```\n",
    "other output below": "```python\nprint(1)\n```\n\n```text\n2\n```\n",
    "output that is not shown": "```python\nprint(1)\n```\n",
    "a failed assertion": "```python\nassert not 1\n```\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_wrong_code_block_is_found(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n{text}")
    with pytest.raises((AssertionError, NameError)):
        run(page)


def test_blocks_share_names_and_a_loop(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nimport asyncio\nloop = asyncio.get_running_loop()\nawait asyncio.sleep(0)\n```\n\n"
        "```python\nawait asyncio.sleep(0)\nprint(asyncio.get_running_loop() is loop)  # -> True\n```\n"
    )
    assert run(page) == 2
