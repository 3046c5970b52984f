"""The last known good config outside the process: its form, and the stores that keep it.

What is kept is a line of JSON, the header, then the config without its SDK key. The header says which key the config
is for, its version and ETag, when it was saved, and the length and digest of the config. It is signed. So a store moves
bytes and nothing else: what is cut short, damaged, forged or another key's is found out here.

A file is replaced by an atomic rename, so a reader sees one whole file or the other. It is not written where the folder
is read-only, and what is not a regular file is neither read nor replaced; each is said once.

``snapshot_keeper`` decides when a store is read and written.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar

from .._files import read_regular, replaceable
from .._log import logger
from .flow import Ask, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .._sdk_key import SdkKey

T = TypeVar("T")

STORE_TIMEOUT = 2.0
"""Seconds after which the client goes on without the answer of a store."""

_FORMAT = 2
_HEAD = 4_096
"""Bytes that the header has at most."""

_AWAITED_ONLY = "%s can only be awaited, and threads poll here: it needs load() and save() as well"
_MOST = 2**63
"""Versions from here on, and negative ones as large, are not compared: they would not fit into the header."""


class SnapshotStore(Protocol):
    """Keeps one value of bytes between two runs of an application: in a cache, a bucket, a table.

    For ``SignaKitClient(snapshot_store=...)``. The bytes carry their owner, their age and a signature. So a store may
    be shared, may forget, and may hand back something damaged. Both methods may wait for I/O and may raise, which is
    logged once and otherwise ignored. Each call is made in a thread of its own, one at a time; after 2 seconds the
    client goes on without an answer.

    A store may have more, each by itself:

    - ``secret``: text or bytes. The key of the HMAC-SHA256 signature; without it the SDK key is.
    - ``load_head(size)``: returns at most the first ``size`` bytes of what was saved. It is called in place of
      ``load``, so that a value of any size costs a bounded amount of memory.
    - ``bind(name)``: returns the store to use for one SDK key and secret, of which ``name`` is a digest.
    """

    def load(self) -> bytes | None:
        """Return what was saved last, or None when there is nothing."""
        ...

    def save(self, data: bytes, /) -> None:
        """Keep ``data`` in place of what was saved before."""
        ...


class AsyncSnapshotStore(Protocol):
    """As ``SnapshotStore``, for the event loop that awaited ``on_ready()``.

    A store may have both faces. One that has this one alone cannot be used by threads, which poll where no loop does;
    that is logged once. ``aload_head(size)`` is its ``load_head``. Where ``has_async`` of a store is False, the client
    leaves this face alone.
    """

    async def aload(self) -> bytes | None:
        """Return what was saved last, or None when there is nothing."""
        ...

    async def asave(self, data: bytes, /) -> None:
        """Keep ``data`` in place of what was saved before."""
        ...


class Header(NamedTuple):
    """What the first line of a stored config says.

    Attributes:
        etag: The config's ETag, or None.
        version: Its version where that is an integer, else None.
        saved: When it was saved, in seconds since the epoch.
        length: Its bytes.
        digest: Their SHA-256.
    """

    etag: str | None
    version: int | None
    saved: float
    length: int
    digest: str


FOREIGN = Header(None, None, 0.0, 0, "")
"""Stands for what was stored for another key, with another secret, or by another version of this package."""


class Kept(NamedTuple):
    """A config as it is stored.

    Attributes:
        body: What evaluation needs of it, see ``stripping``.
        digest: Its SHA-256.
    """

    body: memoryview
    digest: str


class Stored(NamedTuple):
    """A config read back.

    Attributes:
        kept: The config.
        etag: Its ETag, or None.
        age: Seconds since it was saved, never negative.
    """

    kept: Kept
    etag: str | None
    age: float


Asking: TypeAlias = "Generator[Ask, Any, T]"
"""A part of a flow that asks a store, and ends with a ``T``."""


def to_keep(body: bytes | memoryview) -> Kept:
    """Return a config that was read as it is stored: without its key, as a store may be less well guarded."""
    from .._evaluation.stripping import stripped

    view = memoryview(stripped(body))
    return Kept(view, hashlib.sha256(view).hexdigest())


def comparable(version: object) -> int | None:
    """Return a config's version where it can be compared with another one: an integer of usual size. Else None."""
    return version if type(version) is int and -_MOST < version < _MOST else None


class KeyedStore:
    """Keeps the config of one SDK key in a store. Its methods are parts of flows, and raise nothing.

    Attributes:
        name: What it is called in a reason and in the log.
    """

    def __init__(
        self,
        store: object,
        key: SdkKey,
        max_size: int,
        *,
        name: str = "snapshot",
        place: str = "",
        local: bool = False,
    ) -> None:
        self._secret = _secret_of(store, key)
        # Not the key itself, for the reason given in `to_keep`. With the secret: while that is being changed, processes
        # with the old and the new one do not replace each other's.
        self._owner = hmac.new(self._secret, key.text.encode(), "sha256").hexdigest()
        bind = getattr(store, "bind", None)
        self._store: Any = store if bind is None else bind(self._owner[:32])
        self._max_size = max_size
        self._calling: threading.Lock | None = None  # held by a call of the sync face, which may have been given up
        self._is_local = local
        self.name: str = name
        self._place = place or type(store).__name__
        self._failing: set[str] = set()  # what cannot be done, and was said

    def forget_after_fork(self) -> None:
        """Leave the lock to the parent, of which a thread may hold it."""
        self._calling = None

    def load(self) -> Asking[Stored | None]:
        """Return the stored config; None when there is none, it is another key's, or it is damaged."""
        data = yield self._load()
        if self._fails("read", data):
            return None
        header = self._header(data)
        if header is None or header is FOREIGN:
            return None
        return Stored(Kept(_body(data), header.digest), header.etag, max(0.0, time.time() - header.saved))

    def look(self) -> Asking[Header | Failure | None]:
        """Return what is stored: None where nothing can be used, a ``Failure`` where a shared store cannot be read."""
        data = yield self._load()
        if self._fails("read", data):
            return None if self._is_local else data
        return self._header(data)

    def save(self, kept: Kept, etag: str | None, version: int | None) -> Asking[bool]:
        """Replace the stored config, and return whether that worked. A failure is logged once, until it works again."""
        header = Header(etag, version, time.time(), len(kept.body), kept.digest)
        data = self._line(header) + kept.body
        answer = yield self._ask(self._face("", "save", data), self._face("a", "save", data))
        return not self._fails("written", answer)

    def _load(self) -> Ask:
        most = _HEAD + self._max_size + 1  # what has more is damaged
        call = self._face("", "load_head", most) or self._face("", "load")
        return self._ask(call, self._face("a", "load_head", most) or self._face("a", "load"))

    def _face(self, face: str, method: str, *arguments: object) -> Callable[[], Any] | None:
        """Return a method of the store with its arguments; None where it does not have it."""
        if face and not getattr(self._store, "has_async", True):
            return None
        function = getattr(self._store, face + method, None)
        return None if function is None else partial(function, *arguments)

    def _ask(self, call: Callable[[], Any] | None, acall: Callable[[], Any] | None) -> Ask:
        # Made only now, by the module's attribute: gevent replaces it there, in some servers after the fork.
        calling = self._calling = self._calling or threading.Lock()

        def one_at_a_time() -> object:
            if call is None:
                raise TypeError(_AWAITED_ONLY % type(self._store).__name__)
            if not calling.acquire(timeout=STORE_TIMEOUT):
                raise TimeoutError("an earlier call has not returned")
            try:
                return _as_view(call())
            finally:
                calling.release()

        async def awaited() -> object:
            assert acall is not None
            return _as_view(await acall())

        return Ask(one_at_a_time, None if acall is None else awaited, timeout=STORE_TIMEOUT)

    def _fails(self, done: str, answer: object) -> bool:
        """Return whether the store could not be ``"read"`` or ``"written"``; a new failure is logged."""
        if not isinstance(answer, Failure):
            self._failing.discard(done)
            return False
        if done not in self._failing:
            self._failing.add(done)
            logger.warning("%s cannot be %s: %s", self.name, done, answer.reason)
        return True

    # --- the form ---------------------------------------------------------------------------------------------

    def _line(self, header: Header) -> bytes:
        fields = {"format": _FORMAT, "owner": self._owner, **header._asdict()}
        return json.dumps({**fields, "signature": self._signature(fields)}).encode() + b"\n"

    def _signature(self, fields: dict[str, Any]) -> str:
        # The digest of the config is among the fields, so the config is signed with them.
        return hmac.new(self._secret, json.dumps(fields, sort_keys=True).encode(), "sha256").hexdigest()

    def _header(self, data: memoryview | None) -> Header | None:
        """Return the header of what a store handed back; None where there is nothing that can be used."""
        if data is None:
            return None
        try:
            fields = json.loads(_first_line(data))
            if fields["format"] != _FORMAT or fields["owner"] != self._owner:
                return FOREIGN
            genuine = hmac.compare_digest(fields.pop("signature"), self._signature(fields))
            etag, version, saved, length, digest = (fields[name] for name in Header._fields)
            header = Header(etag if isinstance(etag, str) else None, comparable(version), float(saved), length, digest)
            if genuine and header.length <= self._max_size and not _is_damaged(header, _body(data)):
                self._failing.discard("used")
                return header
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            pass
        if "used" not in self._failing:
            self._failing.add("used")
            logger.warning("%s %s is damaged and ignored", self.name, self._place)
        return None


def _as_view(data: object) -> memoryview | None:
    """Return what a store handed back as a view of it: it is not copied, and its ``repr()`` shows no SDK key.

    What is not bytes becomes an empty view, which is damaged as it is.
    """
    if data is None:
        return None
    try:
        return memoryview(data)  # type: ignore[arg-type]  # as said
    except TypeError:
        return memoryview(b"")


def _first_line(data: memoryview) -> bytes:
    start = bytes(data[:_HEAD])
    return start[: start.index(b"\n")]


def _body(data: memoryview) -> memoryview:
    return data[len(_first_line(data)) + 1 :]


def _is_damaged(header: Header, body: memoryview) -> bool:
    return len(body) != header.length or hashlib.sha256(body).hexdigest() != header.digest


def _secret_of(store: object, key: SdkKey) -> bytes:
    secret: str | bytes | None = getattr(store, "secret", None)
    if secret is None:
        secret = key.text
    # Bytes of the environment that are not UTF-8 are lone surrogates in its text.
    return secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else bytes(secret)


class FileStore(KeyedStore):
    """Keeps the config of one SDK key in one file."""

    def __init__(self, path: str | os.PathLike[str], key: SdkKey, max_size: int) -> None:
        file = _File(Path(path), _HEAD + max_size)
        # What cannot be read is replaced: a file is not away for a while, but too large, or another user's.
        super().__init__(file, key, max_size, name="snapshot file", place=str(path), local=True)


class _File:
    def __init__(self, path: Path, max_size: int) -> None:
        self._path = path
        self._max_size = max_size

    def load(self) -> bytes | None:
        try:
            return read_regular(self._path, self._max_size)
        except FileNotFoundError:
            return None

    def save(self, data: bytes) -> None:
        # For what it refuses. A link itself is replaced, and not what it leads to: it may be another user's.
        replaceable(self._path)
        # A name of its own for each writer: two processes that save at once must not share a half-written file.
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
