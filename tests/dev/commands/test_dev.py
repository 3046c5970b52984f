"""``signakit dev``."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import httpx

from signakit_dev._project.sample import SAMPLE
from signakit_flags import SignaKitClient
from support.command import SIGNAKIT, Command, here, signakit
from support.configs import SDK_KEY

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = (
    r"export SIGNAKIT_SDK_KEY=(?P<key>\S+)\nexport SIGNAKIT_EMULATOR_URL=(?P<url>\S+)\n# the page: (?P<page>\S+)\n"
)


def test_dev_creates_a_sample_serves_it_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    with Command("dev", "--port", 0, cwd=tmp_path) as dev:
        said = dev.wait_for(ENVIRONMENT)
        assert httpx.get(said["page"]).status_code == 200
        with SignaKitClient(said["key"], cdn_url=said["url"], events_url=f"{said['url']}/v1/flag-events") as client:
            user = client.create_user_context("ada", {"plan": "pro"})
            assert user is not None
            assert user.variation("new-checkout") == "control"
            assert client.flush_sync(10)
        assert httpx.get(f"{said['url']}/api/state").json()["events"]["total"] == 1
        assert dev.interrupt() == 0
        assert dev.err == "Serving signakit.json, created with a sample. Ctrl-C stops it. For your application:\n"
    assert (tmp_path / "signakit.json").read_text() == SAMPLE


def test_what_dev_prints_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    with Command("dev", "--port", 0, cwd=tmp_path) as dev:
        said = dev.wait_for(ENVIRONMENT)
        script = f"{said[0]}\n{shlex.quote(str(SIGNAKIT))} decide banner --user ada --json"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(done.stdout)["source"].startswith(said["url"])


def test_dev_keeps_a_file_that_is_there_and_names_its_key(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    text = SAMPLE.replace('"version": 1', f'"sdkKey": "{SDK_KEY}", "version": 7', 1)
    path.write_text(text)
    with Command("dev", path, "--port", 0, "--json") as dev:
        said = json.loads(dev.wait_for(r"^\{\n[^}]*\n\}$")[0])
        assert said == {
            "sdk_key": SDK_KEY,
            "emulator_url": said["emulator_url"],
            "page": f"{said['emulator_url']}/",
            "file": str(path),
            "created": False,
        }
        assert dev.interrupt() == 0
    assert path.read_text() == text


def test_dev_ends_on_sigterm(tmp_path: Path) -> None:
    with Command("dev", "--port", 0, cwd=tmp_path) as dev:
        dev.wait_for("the page")
        dev.signal(signal.SIGTERM)
        assert dev.end() in {0, -signal.SIGTERM}
        assert "Traceback" not in dev.err


def test_dev_lists_every_error_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(
        SAMPLE.replace('"trafficPercentage": 100', '"trafficPercentage": "all"').replace(
            '"off", "start"', '"off", "begin"'
        )
    )
    done = signakit("dev", path, "--port", 0, code=1)
    assert done.err.startswith(f"error: {path} cannot be served:\n")
    assert done.err.count("trafficPercentage") == 2
    assert re.search(r"line \d+, flags\[0\]\.rules\[0\]\.trafficPercentage: ", done.err)
    assert done.out == ""
    problems = here("dev", path, "--port", 0, "--json", code=1).json["problems"]
    assert len(problems) == len(done.err.splitlines()) - 1
    assert all(problem["line"] for problem in problems)


def test_dev_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    assert "not a regular file" in signakit("dev", pipe, "--port", 0, code=1).err


def test_demo_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    assert "is a FIFO and not a regular file" in signakit("demo", pipe, "--port", 0, "--shop-port", 0, code=1).err


def test_a_port_that_is_taken_is_told_with_one_that_is_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = signakit("dev", "--port", port, cwd=tmp_path, code=1)
        assert f"error: port {port} is taken" in done.err
        free = re.search(r"This one is free: signakit dev signakit\.json --port (\d+)", done.err)
        assert free is not None
        answer = here("dev", tmp_path / "signakit.json", "--port", port, "--json", code=1).json
    assert answer["free"] != port
    socket.create_server(("127.0.0.1", int(free[1]))).close()


def test_an_address_for_other_machines_has_to_be_asked_for(tmp_path: Path) -> None:
    done = here("dev", tmp_path / "signakit.json", "--host", "0.0.0.0", "--port", 0, code=1)
    assert "can be reached from other machines" in done.err
    assert "--allow-remote" in done.err
    with Command("dev", "--host", "0.0.0.0", "--allow-remote", "--port", 0, cwd=tmp_path) as dev:
        dev.wait_for("the page")
        assert dev.interrupt() == 0


def test_it_can_be_asked_for_by_a_name_that_was_given(tmp_path: Path) -> None:
    with Command("dev", "--port", 0, "--allow-host", "flags.test", cwd=tmp_path) as dev:
        url = dev.wait_for(ENVIRONMENT)["url"]
        answers = [httpx.get(url, headers={"Host": name}).status_code for name in ("flags.test", "evil.test")]
        assert answers == [200, 403]


def test_faults_from_the_command_line_hold_from_the_start(tmp_path: Path) -> None:
    faults = ("--config-fault", "status=503,retry_after=2,times=1", "--events-fault", "hang")
    with Command("dev", "--port", 0, *faults, cwd=tmp_path) as dev:
        url = dev.wait_for(ENVIRONMENT)["url"]
        config = f"{url}/configs/org/project/development/latest.json"
        answer = httpx.get(config)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert httpx.get(config).status_code == 200
        assert "fault of events: hang" in here("status", "--url", url).out


def test_a_sample_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    assert "cannot be created" in here("dev", tmp_path / "absent" / "a.json", code=1).err
