"""Fork and exit: what a client has to do when its process is copied or goes away.

One hook of each kind serves every client of the process, through weak references. All that runs at exit shares one
deadline, so that ten clients delay an exit no longer than one.

``known[0]`` is what every context that is made looks at: false in a child that was forked without Python's hooks, until
``notice_fork`` is called. On Linux it is a byte of a page that the kernel wipes in a child (``MADV_WIPEONFORK``), which
costs 20 ns where ``os.getpid()``, a call of the system, costs 180: a third of making a context. Elsewhere it asks.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmap import mmap

    from .engine import Engine

no_fork = threading.RLock()
"""Held while we import: a child that was forked in the midst of an import could never import the same module."""

EXIT_DEADLINE = 2.0
"""Seconds that everything which is still to be sent at exit may take."""

_MADV_WIPEONFORK = 18
"""Of linux/mman.h; Python has no name for it."""


class _SameProcess:
    """Stands in for the page where the system has none of that kind."""

    __slots__ = ("_pid",)

    def __init__(self) -> None:
        self._pid = os.getpid()

    def __getitem__(self, index: int) -> bool:
        return self._pid == os.getpid()


known: mmap | _SameProcess | bytes = b"\x01"  # before there is a client that a fork matters to
_page: mmap | None = None
_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
_hooked = False
_watching_pid: int | None = None
_watching_beginnings = False


def watch(engine: Engine) -> None:
    """Have ``engine`` told of forks and of the exit."""
    global _hooked  # noqa: PLW0603  # hooks cannot be removed, so they are set once
    _engines.add(engine)
    if not _hooked:
        _hooked = True
        _mark_process()
        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(before=no_fork.acquire, after_in_parent=no_fork.release, after_in_child=_after_fork)
        _watch_beginnings()


def watch_exit_of_children() -> None:
    """Hook into the exit of children that leave by ``os._exit`` and skip ``atexit``: of multiprocessing and of Celery.

    Called at the first event of a process rather than at a fork: a new child of ``multiprocessing`` clears the
    finalizers it inherited. Called where it has just done so, too, if it can be told.
    """
    global _watching_pid  # noqa: PLW0603  # one hook a process
    if _watching_pid == os.getpid():
        return
    _watching_pid = os.getpid()
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize  # only where multiprocessing is there already

        Finalize(None, _at_exit_of_child, exitpriority=10)
    celery = sys.modules.get("celery.signals")
    if celery is not None:  # sent in the processes of its prefork pool, which are no children of multiprocessing
        celery.worker_process_shutdown.connect(_at_exit_of_pool_process, weak=False, dispatch_uid="signakit_flags")


def _watch_beginnings() -> None:
    """Have a child of ``multiprocessing`` hook into its exit as it begins, even if its first event comes very late."""
    global _watching_beginnings  # noqa: PLW0603  # one hook a family of processes
    util = sys.modules.get("multiprocessing.util")
    if util is not None and not _watching_beginnings:
        _watching_beginnings = True
        util.register_after_fork(_begin_child, _begin_child)


def _begin_child(_: object) -> None:
    global _watching_pid  # noqa: PLW0603  # as above
    _watching_pid = None  # what was hooked while the child imported its program is cleared by now
    watch_exit_of_children()


def _at_exit_of_pool_process(**_: object) -> None:
    _at_exit()


def _at_exit_of_child() -> None:
    # Python waits for these threads only after the finalizers, and they may track events until they end. Not for long:
    # one of them may wait for a finalizer that comes after this one.
    deadline = time.monotonic() + EXIT_DEADLINE
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
    _at_exit()


def _after_fork() -> None:
    no_fork.release()  # by the one thread that took it before the fork, and that alone lives on here
    notice_fork()
    _watch_beginnings()


def notice_fork() -> None:
    """Make the clients of a forked process its own. Called by whoever sees that the process is another one.

    Servers that fork in C, uWSGI above all, run none of Python's hooks unless told to.
    """
    for engine in list(_engines):
        if engine.pid != os.getpid():
            engine.after_fork()
    _mark_process()


def _mark_process() -> None:
    """Let ``known[0]`` be true in this process."""
    global _page, known  # noqa: PLW0603  # one page serves every client
    if isinstance(known, bytes):
        _page = page_wiped_at_fork()
    if _page is None:
        known = _SameProcess()
    else:
        _page[0] = 1
        known = _page


def page_wiped_at_fork() -> mmap | None:
    """Return a page of memory that is zeros in a child, or None where the system does not promise it."""
    if sys.platform != "linux":
        return None
    import mmap  # by a client on the network alone

    page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        page.madvise(_MADV_WIPEONFORK)
    except OSError:  # before Linux 4.14, and some sandboxes
        return None
    try:
        page.madvise(-1)
    except OSError:
        return page
    return None  # an emulator that says yes to any advice, and follows none


def _at_exit() -> None:
    deadline = time.monotonic() + EXIT_DEADLINE
    for engine in list(_engines):
        engine.close(deadline - time.monotonic(), join=False)
