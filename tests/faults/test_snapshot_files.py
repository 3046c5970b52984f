"""Snapshot files as they are found on a disk: in a folder that cannot be written, with an ETag that cannot be sent."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.configs import config, flag, rule, whole
from support.files import SPECIAL, special_file
from support.programs import Program, once, tracked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.faces import Face
    from support.server import FlagServer


def versioned(number: int, variation: str) -> dict[str, object]:
    return config(flag("tgt", rule("r-tgt", kind="targeted", split=whole(variation))), version=number)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach, unlike ``tmp_path``."""
    folder = Path(tempfile.mkdtemp(prefix="signakit-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_good_snapshot_in_a_folder_that_cannot_be_written_serves_and_is_left_alone(
    server: FlagServer, open_folder: Path
) -> None:
    server.set_config(versioned(1, "on"))
    with Program("snapshots", "in_a_folder_that_cannot_be_written", open_folder, server=server) as program:
        assert program.next() == {"saved": True}
        server.down()
        program.tell()
        found = program.next()
        assert "serving the config of the snapshot file" in found.pop("reason")
        assert found == {"success": False, "ready": True, "source": "snapshot", "version": 1}
        assert program.next() == {"variation": "on"}
        server.set_config(versioned(2, "control"))
        server.up()
        assert program.next() == {"version": 2}
        server.set_config(versioned(3, "off"))
        assert program.next() == {"version": 3}
        assert program.next() == {"variation": "off", "flushed": True, "unchanged": True}
        assert program.next() == {"files": ["flags.snapshot"]}
        assert program.end() == 0
        assert program.errors.count("snapshot file cannot be written") == 1
        assert "Traceback" not in program.errors
    assert tracked(server) == {"user": once(10)}


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_not_a_regular_file_is_neither_waited_for_nor_replaced_and_said_once(
    face: Face, server: FlagServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    with special_file(kind, tmp_path / "flags.snapshot") as path:
        before = path.lstat()
        client = face.client(snapshot_path=path, polling_interval=0)
        for number in range(1, 4):
            server.set_config(versioned(number, "on"))
            assert face.on_ready(client).success
            assert (client.status().source, client.status().version) == ("cdn", number)
        assert face.decide(client, "tgt") == "on"
        face.close(client)
        assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    said = f"[Errno {21 if kind == 'folder' else 22}] is {SPECIAL[kind]} and not a regular file: {str(path)!r}"
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"snapshot file cannot be read: {said}",
        f"snapshot file cannot be written: {said}",
    ]


@pytest.mark.parametrize("etag", ["a\nb", "a\r\nX-Other: b", "\u2603", "x" * 5_000], ids=["lf", "crlf", "text", "long"])
def test_a_good_snapshot_with_an_etag_that_cannot_be_sent_is_used_without_it(
    face: Face, server: FlagServer, tmp_path: Path, etag: str
) -> None:
    path = tmp_path / "flags.snapshot"
    before = face.client(snapshot_path=path, polling_interval=0)
    assert face.on_ready(before).success
    face.close(before)
    header, body = path.read_bytes().split(b"\n", 1)
    path.write_bytes(json.dumps(json.loads(header) | {"etag": etag}).encode() + b"\n" + body)
    server.config_requests.clear()
    client = face.client(snapshot_path=path, polling_interval=0)
    assert face.on_ready(client).success
    assert ["if-none-match" in request for request in server.config_requests] == [False]
    assert client.status().etag == server.etag
    assert face.decide(client, "switch") == "on"
