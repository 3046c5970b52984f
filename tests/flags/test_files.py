"""Regular files: opened without waiting, read up to a limit, found behind links to be replaced."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from signakit_flags import _files
from signakit_flags._files import open_regular, read_regular, replaceable
from support.files import SPECIAL, special_file


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_not_a_regular_file_is_neither_opened_nor_replaced_and_the_error_says_what_it_is(
    kind: str, tmp_path: Path
) -> None:
    with special_file(kind, tmp_path / "special") as path:
        for use in (open_regular, read_regular, replaceable):
            with pytest.raises(OSError, match=f"is {SPECIAL[kind]} and not a regular file") as caught:
                use(path)
            assert caught.value.filename == str(path)


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_link_to_what_is_not_a_regular_file_is_refused_as_well(kind: str, tmp_path: Path) -> None:
    link = tmp_path / "link"
    with special_file(kind, tmp_path / "special") as path:
        link.symlink_to(path)
        for use in (open_regular, read_regular, replaceable):
            with pytest.raises(OSError, match=f"is {SPECIAL[kind]} and not a regular file"):
                use(link)


def test_a_fifo_that_takes_the_place_of_a_file_after_the_first_look_is_refused_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    check = _files._check

    def check_and_swap(*arguments: Any, **named: Any) -> None:
        check(*arguments, **named)
        monkeypatch.undo()
        path.unlink()
        os.mkfifo(path)

    monkeypatch.setattr(_files, "_check", check_and_swap)
    before = open_files()
    with pytest.raises(OSError, match="is a FIFO and not a regular file"):
        open_regular(path)
    assert open_files() == before


def test_a_link_to_a_regular_file_is_followed(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"content")
    link.symlink_to("file")
    (tmp_path / "second").symlink_to(link)
    assert read_regular(tmp_path / "second") == b"content"
    assert replaceable(tmp_path / "second") == os.path.realpath(file)


def test_the_place_that_a_link_leads_to_may_be_empty(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("file")
    assert replaceable(link) == os.path.realpath(tmp_path / "file")
    assert replaceable(tmp_path / "none") == os.path.realpath(tmp_path / "none")


def test_links_that_lead_to_each_other_are_an_os_error(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.symlink_to(other)
    other.symlink_to(one)
    for use in (open_regular, read_regular, replaceable):
        with pytest.raises(OSError, match="symbolic links"):
            use(one)


@pytest.mark.parametrize("name", ["", "none"])
def test_a_file_that_is_not_there_is_not_found(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular(f"{tmp_path}/{name}" if name else name)


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 2**20 - 1, 2**20, 2**20 + 1, 3_000_000])
def test_a_file_is_read_whole_up_to_its_limit_and_not_beyond(size: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = os.urandom(size)
    path.write_bytes(content)
    assert read_regular(path) == read_regular(path, size) == read_regular(str(path), size + 1) == content
    if size:
        with pytest.raises(OSError, match=f"is larger than {size - 1:,} bytes"):
            read_regular(path, size - 1)


def test_a_pipe_is_waited_for_and_read_to_its_end_where_a_person_gives_it(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"x" * 200_000,), daemon=True)
    writer.start()
    assert read_regular(path, or_pipe=True) == b"x" * 200_000
    writer.join()


def test_a_pipe_without_an_end_is_read_up_to_the_limit() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"x" * 1001)
    with pytest.raises(OSError, match="is larger than 1,000 bytes"):
        read_regular(f"/proc/self/fd/{ours}", 1000, or_pipe=True)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("kind", [kind for kind in SPECIAL if kind != "FIFO"])
def test_what_is_neither_a_file_nor_a_pipe_is_refused_where_a_pipe_is_taken(kind: str, tmp_path: Path) -> None:
    with (
        special_file(kind, tmp_path / "special") as path,
        pytest.raises(OSError, match=f"is {SPECIAL[kind]} and neither a regular file nor a pipe"),
    ):
        read_regular(path, or_pipe=True)


def test_a_terminal_is_a_device(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    with pytest.raises(OSError, match="is a character device and not a regular file"):
        read_regular(os.ttyname(theirs))
    os.close(ours)
    os.close(theirs)


def test_a_file_that_is_open_is_not_inherited_by_children(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    with open_regular(path) as file:
        assert not os.get_inheritable(file.fileno())
