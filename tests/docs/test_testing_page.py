"""The tests that the page "Testing" shows, run as the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
FILES = re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
CHECKOUT = re.search(r"^def checkout.*?(?=^\S(?!ef checkout))", PAGE, re.MULTILINE | re.DOTALL)
SHOP = """
from signakit_flags import SignaKitClient

client = SignaKitClient("sk_dev_org_1_x")
"""


def test_the_tests_of_the_page_pass_without_a_network(tmp_path: Path) -> None:
    assert CHECKOUT is not None
    (tmp_path / "shop.py").write_text(f"{SHOP}\n\n{CHECKOUT[0]}")
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    for name, text in FILES:
        (tmp_path / name).write_text(text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SIGNAKIT_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-n", "2", "-v", "-p", "support.no_network", "-W", "error"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout
    assert "test_every_checkout[new-checkout=control]" in done.stdout
