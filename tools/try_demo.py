"""Run the demo as README says, use it as a newcomer does, and stop it with Ctrl-C.

    python3 tools/try_demo.py

Needs nothing but what `python3 dev.py demo` needs. Fails when an address does not answer, when no events arrive, when a
flipped switch does not change the shop, and when the end is not a clean one.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Of the system's choosing: the usual ones may be taken.
COMMAND = [sys.executable, str(ROOT / "dev.py"), "demo", "--port", "0", "--shop-port", "0"]
GUARD = 60.0
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
# If there is a proxy, it does not know the way to this machine.
http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main() -> None:
    start = time.monotonic()
    demo = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        page, shop = addresses(demo)
        print(f"two addresses after {time.monotonic() - start:.1f} s")
        assert "SignaKit" in get(page)
        wait_until("events of the visitors", lambda: json.loads(get(f"{page}api/state"))["events"]["total"] >= 20)
        assert "Free delivery" in get(shop)
        post(f"{page}api/flags/banner", {"running": False})
        wait_until("a shop without the banner", lambda: "Free delivery" not in get(shop))
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait(GUARD) == 0, f"exit code {demo.returncode}"
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.wait()
    print(f"seen, used and stopped after {time.monotonic() - start:.1f} s")


def addresses(demo: "subprocess.Popen[str]") -> tuple[str, str]:
    """Return the addresses that it prints; the rest of what it prints is passed on."""
    found: list[str] = []
    assert demo.stdout is not None
    for line in demo.stdout:
        print(line, end="")
        found += re.findall(r"^ +(?:page|shop) +(http://\S+/)", line)
        if "SIGNAKIT_EMULATOR_URL" in line:
            break
    assert len(found) == 2, "the demo ended, or printed no addresses"
    return found[0], found[1]


def get(url: str) -> str:
    request = urllib.request.Request(url, headers={"User-Agent": BROWSER})
    with http.open(request, timeout=GUARD) as answer:
        text: str = answer.read().decode()
        return text


def post(url: str, body: object) -> None:
    headers = {"Content-Type": "application/json"}
    http.open(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=GUARD).close()


def wait_until(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GUARD
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited {GUARD:.0f} s in vain for {what}")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
