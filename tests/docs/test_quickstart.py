"""The tour that a newcomer runs first, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def output() -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / "quickstart.py"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    "line",
    [
        r"1\. A client: <SignaKitClient sk_dev_\*\*\* ready>",
        r"   ada +pro +DE +control +yes +'Free delivery' for 5 s",
        r"   ben +pro +FR +treatment +no +'Free delivery' for 5 s",
        r"   cleo +free +DE +off +yes +'Free delivery' for 5 s",
        r"   dan +free +AT +off +no +'Free delivery' for 5 s",
        r"   asked again in another request: 4 exposures not sent twice",
        r"new-checkout for 'ada': control \(enabled\), by rule pro-customers \(ab-test\)",
        r"  no  rule first-countries, traffic: bucket 7171 >= 5000",
        r"4\. The same user id from a crawler \(is_bot True\)",
        r"   new-checkout: off, and no event is sent",
        r"5\. A purchase is tracked\. All sent: True\. The server got:",
        r"     purchase  ada   \{'new-checkout': 'control'\} value 49\.9",
        r"   in a request that began before: off",
        r"   in the next request: on",
        r"   sent 11, queued 0, dropped 0, last error None",
    ],
)
def test_it_prints(output: str, line: str) -> None:
    assert re.search(f"^{line}$", output, re.MULTILINE), output


def test_the_batches_hold_ten_exposures_and_the_purchase(output: str) -> None:
    sizes = [int(size) for size in re.findall(r"^   batch \d+, (\d+) event", output, re.MULTILINE)]
    assert sum(sizes) == 11
    assert output.count("$exposure") == 10


def test_the_poller_was_told_that_nothing_is_new(output: str) -> None:
    told = re.search(r"was told (\d+) times that nothing is new \(HTTP 304\)", output)
    assert told is not None
    assert int(told[1]) >= 3


def test_the_readme_shows_what_it_prints(output: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    sample = re.search(r"^```text\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert sample is not None
    for part in re.split(r"^\.\.\.\n", sample[1], flags=re.MULTILINE):
        assert part in output
