"""The project in force: read from a file and kept in step with it, or held in memory.

``current`` is one immutable value, swapped by reference: the server's loop reads it without a lock. Everything that
swaps it (``reload``, ``edit``, ``replace``) holds ``_lock`` from reading to swapping, in whatever thread; listeners are
called after, outside of it. A file that is broken or gone changes ``problems`` and leaves ``current`` as it was.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import hashlib
import json
import logging
import os
import secrets
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from signakit_flags import SignaKitClient

from ._project.json_text import dump, patch
from ._project.reading import ProjectError, ProjectProblem, read
from ._project.sample import SAMPLE, named_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

logger = logging.getLogger("signakit_dev")

_BOM = b"\xef\xbb\xbf"
_SETTLED = 100_000_000
"""Nanoseconds. A file written less than this before it was read may be written again without a new time stamp."""


@dataclass(frozen=True, slots=True)
class Served:
    """One version of the project.

    Attributes:
        text: As it stands in the file, without a byte order mark.
        data: The same as JSON data. Not to be changed.
        version: What clients are told; one higher at each change.
        generated_at: When it was read, as the config says it.
        warnings: What is odd about it.
    """

    text: str
    data: dict[str, Any]
    version: int
    generated_at: str
    warnings: tuple[ProjectProblem, ...]


@dataclass(frozen=True, slots=True)
class ConfigResponse:
    """What a client gets."""

    body: bytes
    etag: str


class ProjectStore:
    """The project in force.

    Args:
        path: The project's file. None holds the project in memory.
        config: The project, as JSON data or text, where there is no file; None is the sample.

    Attributes:
        path: The file, or None.
        current: What is served.
        problems: What is wrong with the file since its last good version; empty when the file is what is served.
        revision: Counts every change of ``current`` and of ``problems``.
        instance: Tells this store from that of an emulator that ran before, where both have counted as far.

    Raises:
        ProjectError: The project has errors.
        OSError: The file cannot be read.
    """

    def __init__(self, path: Path | None, config: Mapping[str, Any] | str | bytes | None = None) -> None:
        self.path: Path | None = path
        self.problems: tuple[ProjectProblem, ...] = ()
        self.revision: int = 0
        self.instance: str = secrets.token_hex(4)
        self._lock = threading.RLock()
        self._listeners: list[Callable[[], None]] = []
        self._stamp: tuple[int, ...] | None = None
        self._suspect: tuple[int, ...] | None = None
        self._has_bom = False
        self._responses: dict[tuple[str, str, str], ConfigResponse] = {}
        self._client: tuple[Served, SignaKitClient] | None = None
        source = self._read_file(path) if path is not None else _text(SAMPLE if config is None else config)
        self.current: Served = self._made(source, lowest_version=1)

    @property
    def version(self) -> int:
        """What clients are told."""
        return self.current.version

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after each change, in the thread that made it; the function returned ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def response(self, org_id: str, project_id: str, environment: str) -> ConfigResponse:
        """Return the config for the key of an organisation, a project and an environment."""
        address = (org_id, project_id, environment)
        served, made = self.current, self._responses.get(address)
        if made is None:
            body = json.dumps(self._config(served, *address), ensure_ascii=False, separators=(",", ":")).encode()
            made = ConfigResponse(body, f'"{served.version}-{hashlib.sha256(body).hexdigest()[:16]}"')
            with self._lock:
                if served is self.current and len(self._responses) < 100:
                    self._responses[address] = made
        return made

    @staticmethod
    def _config(served: Served, org_id: str, project_id: str, environment: str) -> dict[str, Any]:
        kind = "prod" if environment == "production" else "dev"
        return {
            **served.data,
            # Of the one file whoever asks gets a config of his own project, whatever the key says.
            "projectId": project_id,
            "environmentKey": environment,
            "sdkKey": named_key(served.data) or f"sk_{kind}_{org_id}_{project_id}_emulator",
            "version": served.version,
            "generatedAt": served.data.get("generatedAt") or served.generated_at,
        }

    def client(self) -> SignaKitClient:
        """Return a client of what is served, to ask what it decides; it sends nothing."""
        with self._lock:
            if self._client is None or self._client[0] is not self.current:
                body = json.dumps(self.current.data, ensure_ascii=False).encode()
                self._client = self.current, SignaKitClient.offline(body)
            return self._client[1]

    def poll(self) -> bool:
        """Do as ``reload``, but report a broken file only when it is found the same a second time.

        Some editors empty the file before they write it.
        """
        with self._lock:
            stamp = self._stamp_of_file()
            if stamp == self._stamp:
                return False
            if stamp != self._suspect and self._is_broken():
                self._suspect = stamp
                return False
        return self.reload()

    def reload(self) -> bool:
        """Read the file again if it has changed, and say whether anything is different now.

        A file that is broken or gone leaves in force what was, and stands in ``problems``.
        """
        with self._lock:
            if self.path is None or (self._stamp is not None and self._stamp_of_file() == self._stamp):
                return False
            before = self.revision
            try:
                text = self._read_file(self.path)
                if text == self.current.text:
                    self._report(())
                else:
                    self._adopt(text)
            except OSError as error:
                self._report(
                    (ProjectProblem("", f"the file cannot be read: {error.strerror or error}", None, "error"),)
                )
            except ProjectError as error:
                self._report(tuple(error.problems))
            changed = self.revision != before
        if changed:
            self._notify()
        return changed

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the project and save it.

        The file is replaced as a whole, by a rename (a mount of its own is written in place); what did not change in it
        keeps its characters. An edit of the file that was not seen yet is read first.

        Args:
            change: Changes the JSON data that it is given, in place. What it raises is passed on, with nothing saved.

        Raises:
            ProjectError: The file on disk is broken and would be overwritten, or the changed project has errors.
            OSError: The file cannot be written.
        """
        with self._lock:
            self.reload()
            if self.problems:
                raise ProjectError(self.problems)
            data = copy.deepcopy(self.current.data)
            change(data)
            if data == self.current.data:
                return
            if isinstance(data.get("version"), int):
                data["version"] = self.current.version + 1
            text = patch(self.current.text, self.current.data, data)
            read(text)
            if self.path is not None:
                self._write(self.path, text)
            self._adopt(text)
        self._notify()

    def replace(self, config: Mapping[str, Any] | str | bytes) -> None:
        """Serve another project from now on, and save it where there is a file.

        Raises:
            ProjectError: It has errors; what was stays.
            OSError: The file cannot be written.
        """
        text = _text(config)
        with self._lock:
            read(text)
            if self.path is not None:
                self._write(self.path, text)
            self._adopt(text)
        self._notify()

    def _adopt(self, text: str) -> None:
        self.current = self._made(text, lowest_version=self.current.version + 1)
        self._responses.clear()
        self.revision += 1
        mended = bool(self.problems)
        self.problems = ()
        name = self.path or "the project"
        logger.info("%s: version %d is live, %d flags", name, self.version, len(self.current.data["flags"]))
        if mended:
            logger.info("%s is in order again", name)

    def _report(self, problems: tuple[ProjectProblem, ...]) -> None:
        if problems == self.problems:
            return
        self.problems = problems
        self.revision += 1
        if not problems:
            logger.info("%s is in order again", self.path)
        for problem in problems:
            level = logging.ERROR if problem.severity == "error" else logging.WARNING
            logger.log(level, "%s: %s", self.path, problem)
        if problems:
            logger.error("version %d stays served until %s is mended", self.version, self.path)

    @staticmethod
    def _made(text: str, *, lowest_version: int) -> Served:
        data, warnings = read(text)
        version = data.get("version")
        if not isinstance(version, int) or isinstance(version, bool):
            version = 0
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        return Served(text, data, max(version, lowest_version), now, tuple(warnings))

    def _notify(self) -> None:
        for listener in list(self._listeners):
            listener()

    # --- the file ----------------------------------------------------------------------------------------------------

    def _stamp_of_file(self) -> tuple[int, ...] | None:
        if self.path is None:
            return None
        try:
            stat = self.path.stat()
        except OSError:
            return (0,)
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _is_broken(self) -> bool:
        try:
            if self.path is not None:
                read(_content(self.path))
        except (OSError, ProjectError):
            return True
        return False

    def _read_file(self, path: Path) -> str:
        stamp = self._stamp_of_file()
        self._stamp = stamp
        content = _content(path)
        if stamp is not None and abs(time.time_ns() - stamp[0]) < _SETTLED:
            self._stamp = None
        self._has_bom = content.startswith(_BOM)
        try:
            return content.removeprefix(_BOM).decode()
        except UnicodeDecodeError:
            read(content)  # raises, and says where
            raise

    def _write(self, path: Path, text: str) -> None:
        target = path.resolve()  # of a link, the file that it leads to
        content = (_BOM if self._has_bom else b"") + text.encode()
        try:
            self._replace(target, content)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # A file that is mounted by itself, as containers do it, cannot be replaced.
            target.write_bytes(content)
        self._stamp = self._stamp_of_file()

    @staticmethod
    def _replace(target: Path, content: bytes) -> None:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(OSError):
                os.chmod(name, target.stat().st_mode & 0o7777)  # noqa: PTH101  # mkstemp gives a name
            os.replace(name, target)  # noqa: PTH105  # as above
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)  # noqa: PTH108  # as above
            raise


def _content(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file")  # reading a pipe would wait for whoever writes it
    return path.read_bytes()


def _text(config: Mapping[str, Any] | str | bytes) -> str:
    match config:
        case str():
            return config.removeprefix("\ufeff")
        case bytes():
            read(config)
            return config.removeprefix(_BOM).decode()
        case _:
            return dump(_plain(config)) + "\n"


def _plain(config: Mapping[str, Any]) -> Any:
    try:
        return json.loads(json.dumps(config))
    except (TypeError, ValueError, RecursionError) as error:
        raise ProjectError([ProjectProblem("", f"cannot be written as JSON: {error}", None, "error")]) from error
