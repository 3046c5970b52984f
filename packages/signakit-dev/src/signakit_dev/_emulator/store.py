"""The project in force: read from a file and kept in step with it, or held in memory.

``current`` is one immutable value, swapped by reference: the server's loop reads it without a lock. Everything that
swaps it (``reload``, ``edit``, ``replace``) holds ``_lock`` from reading to swapping, in whatever thread. Each change
counts ``revision`` up, which is how the page's live stream sees it. A file that is broken or gone changes ``problems``
and leaves ``current`` as it was.
"""

from __future__ import annotations

import copy
import json
import logging
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from signakit_flags import SignaKitClient

from .._project.json_text import dump, patch
from .._project.reading import BOM, ProjectError, ProjectProblem, read
from .._project.sample import SAMPLE
from .project_file import ProjectFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

logger = logging.getLogger("signakit_dev")


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
        self._file = None if path is None else ProjectFile(path)
        self._client: tuple[Served, SignaKitClient] | None = None
        text = _text(SAMPLE if config is None else config) if self._file is None else self._file.read()
        self.current: Served = self._made(text, lowest_version=1)

    @property
    def version(self) -> int:
        """What clients are told."""
        return self.current.version

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
            if self._file is None or not self._file.may_have_changed() or self._file.is_newly_broken():
                return False
        return self.reload()

    def reload(self) -> bool:
        """Read the file again if it has changed, and say whether anything is different now.

        A file that is broken or gone leaves in force what was, and stands in ``problems``.
        """
        with self._lock:
            if self._file is None or not self._file.may_have_changed():
                return False
            before = self.revision
            try:
                text = self._file.read()
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
            return self.revision != before

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
            if self._file is not None:
                self._file.write(text)
            self._adopt(text)

    def replace(self, config: Mapping[str, Any] | str | bytes) -> None:
        """Serve another project from now on, and save it where there is a file.

        Raises:
            ProjectError: It has errors; what was stays.
            OSError: The file cannot be written.
        """
        text = _text(config)
        with self._lock:
            read(text)
            if self._file is not None:
                self._file.write(text)
            self._adopt(text)

    def _adopt(self, text: str) -> None:
        self.current = self._made(text, lowest_version=self.current.version + 1)
        self.revision += 1
        fixed = bool(self.problems)
        self.problems = ()
        name = self.path or "the project"
        logger.info("%s: version %d is live, %d flags", name, self.version, len(self.current.data["flags"]))
        if fixed:
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
            logger.error("version %d stays served until %s is fixed", self.version, self.path)

    @staticmethod
    def _made(text: str, *, lowest_version: int) -> Served:
        data, warnings = read(text)
        version = data.get("version")
        if not isinstance(version, int) or isinstance(version, bool):
            version = 0
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        return Served(text, data, max(version, lowest_version), now, tuple(warnings))


def _text(config: Mapping[str, Any] | str | bytes) -> str:
    match config:
        case str():
            return config.removeprefix("\ufeff")
        case bytes():
            read(config)
            return config.removeprefix(BOM).decode()
        case _:
            return dump(_plain(config)) + "\n"


def _plain(config: Mapping[str, Any]) -> Any:
    try:
        return json.loads(json.dumps(config))
    except (TypeError, ValueError, RecursionError) as error:
        raise ProjectError([ProjectProblem("", f"cannot be written as JSON: {error}", None, "error")]) from error
