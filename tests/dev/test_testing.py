"""The emulator inside a test: started and stopped cleanly, as often as one likes."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from signakit_dev._project.sample import SAMPLE
from signakit_dev.testing import Emulator
from support.configs import config, flag, whole
from support.files import special_file
from support.wire import ask

if TYPE_CHECKING:
    from pathlib import Path

EVENT = {"eventKey": "purchase", "userId": "u", "timestamp": "2026-01-31T12:00:00.000Z"}

CONFIG = "/configs/a/b/development/latest.json"


def send(emulator: Emulator, *users: str) -> int:
    events = [{**EVENT, "userId": user} for user in users]
    return ask(emulator.events_url, "POST", {"events": events}, X_SDK_Key=emulator.sdk_key).status


def emulator_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "signakit-emulator"]


def test_it_runs_inside_the_with_block_and_leaves_nothing_behind() -> None:
    before = len(emulator_threads())
    emulator = Emulator()
    for _ in range(5):
        with emulator as entered:
            assert entered is emulator
            port = urlsplit(emulator.url).port
            assert ask(emulator.url).status == 200
            assert len(emulator_threads()) == before + 1
        assert len(emulator_threads()) == before
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    with (
        special_file("FIFO", tmp_path / "pipe.json") as pipe,
        pytest.raises(OSError, match="is a FIFO and not a regular file"),
    ):
        Emulator(pipe)


def test_several_run_side_by_side() -> None:
    with Emulator({"flags": []}) as one, Emulator() as other:
        assert one.url != other.url
        assert send(one, "a") == 200
        assert [len(one.events()), len(other.events())] == [1, 0]


def test_it_stops_while_a_page_is_open_and_a_client_keeps_its_connection() -> None:
    with Emulator() as emulator:
        port = urlsplit(emulator.url).port
        stream = socket.create_connection(("127.0.0.1", port), timeout=10)
        stream.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        idle = socket.create_connection(("127.0.0.1", port), timeout=10)
        assert stream.recv(1)
    with stream, idle:
        assert idle.recv(1) == b""
        while stream.recv(65_536):
            pass


def test_outside_the_block_it_has_no_address() -> None:
    emulator = Emulator()
    with pytest.raises(RuntimeError, match="with block"):
        _ = emulator.url
    with emulator, pytest.raises(RuntimeError, match="already"):
        emulator.__enter__()


def test_it_counts_who_asked_for_the_config_and_who_was_sent_it() -> None:
    with Emulator() as emulator:
        assert (emulator.config_requests, emulator.configs_sent) == (0, 0)
        etag = ask(emulator.url + CONFIG).headers["etag"]
        assert ask(emulator.url + CONFIG, If_None_Match=etag).status == 304
        assert (emulator.config_requests, emulator.configs_sent) == (2, 1)
        with emulator.fault("config", "status", status=503):
            assert ask(emulator.url + CONFIG).status == 503
        assert (emulator.config_requests, emulator.configs_sent) == (3, 1)
        emulator.set_config({"flags": []})
        assert ask(emulator.url + CONFIG, If_None_Match=etag).status == 200
        assert (emulator.config_requests, emulator.configs_sent) == (4, 2)
    assert emulator.configs_sent == 0


def test_it_takes_data_a_path_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text(SAMPLE, encoding="utf-8")
    for source, key in (
        (None, "new-checkout"),
        (path, "new-checkout"),
        (str(path), "new-checkout"),
        (config(flag("f")), "f"),
    ):
        with Emulator(source) as emulator:
            assert ask(emulator.url + CONFIG).json()["flags"][0]["key"] == key


def test_the_file_it_was_given_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text(SAMPLE, encoding="utf-8")
    with Emulator(path) as emulator:
        emulator.set_flag("banner", running=False)
        assert ask(emulator.url + CONFIG).json()["flags"][2]["running"] is False
    assert path.read_text(encoding="utf-8") == SAMPLE


def test_a_project_with_errors_is_refused_with_all_of_them() -> None:
    with pytest.raises(ValueError, match=r"flags\[0\].salt: missing"):
        Emulator({"flags": [{"key": "f", "allocation": whole("on")}]})
    with Emulator() as emulator:
        with pytest.raises(ValueError, match="flags: missing"):
            emulator.set_config({})
        assert emulator.version == 1


def test_the_key_is_the_projects_or_one_that_does(tmp_path: Path) -> None:
    assert Emulator().sdk_key == "sk_dev_local_project_emulator"
    assert Emulator(config(sdkKey="sk_prod_acme_1_x")).sdk_key == "sk_prod_acme_1_x"
    for no_key in ("garbage", "", None, 7):
        with Emulator(config(sdkKey=no_key)) as emulator:
            assert emulator.sdk_key == "sk_dev_local_project_emulator"
            assert emulator.sdk_key in ask(emulator.url).text
            assert "garbage" not in ask(emulator.url + CONFIG).json()["sdkKey"]


def test_flags_change_by_name() -> None:
    with Emulator() as emulator:
        emulator.set_flag("new-checkout", running=False, traffic=5, split={"control": 100})
        emulator.set_flag("new-checkout", rule="default", split={"control": 50, "off": 50})
        changed = ask(emulator.url + CONFIG).json()["flags"][0]
        assert changed["running"] is False
        assert changed["rules"][0]["variationAllocation"] == whole("control")
        assert len(changed["allocation"]["ranges"]) == 2
        with pytest.raises(LookupError, match="no flag 'ghost'; there are 'new-checkout'"):
            emulator.set_flag("ghost", running=True)
        with pytest.raises(ValueError, match="100 %"):
            emulator.set_flag("new-checkout", split={"control": 99})


def test_waiting_for_events_ends_when_they_come() -> None:
    with Emulator() as emulator:
        sender = threading.Thread(target=lambda: [send(emulator, user) for user in "abc"])
        sender.start()
        assert [event["userId"] for event in emulator.wait_for_events(3)] == ["a", "b", "c"]
        sender.join()


def test_waiting_for_events_that_do_not_come_says_what_did() -> None:
    with Emulator() as emulator:
        send(emulator, "a")
        ask(emulator.events_url, "POST", {"events": [{}]}, X_SDK_Key=emulator.sdk_key)
        with pytest.raises(TimeoutError, match=r"1 of 2 events came within 0\.01 s; refused: .*eventKey: missing"):
            emulator.wait_for_events(2, timeout=0.01)
        with pytest.raises(TimeoutError, match="0 of 1"):
            emulator.wait_for_events(1, timeout=0.01, kind="exposure")


def test_a_fault_is_there_for_a_block_for_so_many_requests_or_until_it_is_removed() -> None:
    with Emulator() as emulator:
        with emulator.fault("config", "status", status=503):
            assert ask(emulator.url + CONFIG).status == 503
        assert ask(emulator.url + CONFIG).status == 200
        emulator.fault("config", "status", status=503, times=1)
        assert [ask(emulator.url + CONFIG).status for _ in range(2)] == [503, 200]
        fault = emulator.fault("config", "status", status=503)
        assert ask(emulator.url + CONFIG).status == 503
        fault.remove()
        assert ask(emulator.url + CONFIG).status == 200
        with pytest.raises(ValueError, match="earthquake"):
            emulator.fault("config", "earthquake")  # type: ignore[arg-type]  # on purpose
        with pytest.raises(ValueError, match="a fault has no 'nope'"):
            emulator.fault("config", "hang", nope=1)
        with pytest.raises(ValueError, match="'latency' needs its seconds"):
            emulator.fault("config", "latency")
        assert ask(emulator.url + CONFIG).status == 200


def test_clearing_forgets_events_and_faults_and_keeps_the_project() -> None:
    with Emulator() as emulator:
        emulator.set_flag("banner", running=False)
        emulator.fault("config", "hang")
        send(emulator, "a")
        ask(emulator.events_url, "POST", {})
        emulator.clear()
        assert emulator.events() == []
        assert emulator.refused() == []
        assert ask(emulator.url + CONFIG).json()["version"] == 2
