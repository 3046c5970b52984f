"""The page and its forms without a browser: forms that cannot be read, escapes, and static files."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from signakit_dev.testing import Emulator
from support.wire import ask, exchange

if TYPE_CHECKING:
    from signakit_dev.testing import Emulator


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("kind=status&status=inf", "status"),
        ("kind=status&status=nan", "status"),
        ("kind=status&status=503.7", "503.7"),
        ("kind=hang&times=1e999", "times"),
        ("kind=hang&times=1.5", "1.5"),
    ],
)
def test_a_fault_with_an_odd_number_is_refused_by_the_form(signakit_emulator: Emulator, form: str, said: str) -> None:
    answer = ask(f"{signakit_emulator.url}/faults", "POST", f"where=config&{form}".encode())
    assert (answer.status, said in answer.text) == (422, True)
    assert ask(f"{signakit_emulator.url}/api/faults").json()["config"] is None


@pytest.mark.parametrize("body", [b"\xff", b"x" * 70_000], ids=["no text", "too long"])
@pytest.mark.parametrize("form", ["/clear", "/faults", "/flags"])
def test_a_form_that_cannot_be_read_is_refused(signakit_emulator: Emulator, form: str, body: bytes) -> None:
    answer = ask(signakit_emulator.url + form, "POST", body)
    assert answer.status == 422
    assert "text/html" in answer.headers["Content-Type"]
    assert ("UTF-8" if len(body) == 1 else "65536 bytes") in answer.text


def test_static_files_are_those_of_the_package_and_no_others(signakit_emulator: Emulator) -> None:
    port = urlsplit(signakit_emulator.url).port
    request = f"GET /static/../page.py HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    assert exchange(signakit_emulator.url, request.encode()).startswith(b"HTTP/1.1 404 ")


def test_what_a_project_says_is_text_on_the_page(signakit_emulator: Emulator) -> None:
    attack = "<script>alert(1)</script>\"'"
    everyone = {"ranges": [{"variation": attack, "start": 0, "end": 9999}]}
    rule = {"ruleKey": attack, "ruleType": attack, "trafficPercentage": 100, "variationAllocation": everyone}
    flag = {"key": attack, "salt": "s", "running": True, "allocation": everyone, "rules": [rule]}
    signakit_emulator.set_config({"flags": [flag], "sdkKey": attack})
    page = ask(f"{signakit_emulator.url}/?user=%3Cscript%3E&attributes=%3Cscript%3E%3D1").text
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
