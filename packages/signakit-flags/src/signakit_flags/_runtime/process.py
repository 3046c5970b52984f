"""Fork and exit: what a client has to do when its process is copied or ends.

One hook of each kind serves every client of the process, through weak references. All that runs at exit shares one
deadline, so ten clients delay an exit no longer than one.

State: ``_hooks`` holds which hooks are set. Hooks cannot be removed, so each is set once. Every context that is made
looks at ``same_process[0]``: it is false in a child that was forked without Python's hooks, until ``notice_fork`` is
called, and true otherwise. On Linux it is a byte of a page that the kernel wipes in a child (``MADV_WIPEONFORK``). That
costs 20 ns; ``os.getpid()``, a system call, costs 180, a third of making a context. Elsewhere it is ``os.getpid()``.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mmap import mmap

no_fork = threading.RLock()
"""Held during imports: a child that is forked in the middle of an import could never import the same module.

Held while a TLS context is made, too: such a child would inherit OpenSSL's locks as they are at that moment.
"""

FORK_PATIENCE = 5.0
"""Seconds that a fork waits for ``no_fork``. A file of certificates may be on a disk that does not answer."""

EXIT_DEADLINE = 2.0
"""Seconds that everything still to be sent at exit may take."""

_MADV_WIPEONFORK = 18
"""Of linux/mman.h; Python has no name for it."""


class _Forking(threading.local):
    """Whether this thread took ``no_fork`` for the fork that it makes."""

    holds = False


_forking = _Forking()


class Watched(Protocol):
    """What is told of forks and of the exit: the engine of a client."""

    @property
    def pid(self) -> int:
        """The process that it belongs to."""
        ...

    def after_fork(self) -> None:
        """Become the child's."""
        ...

    def close(self, timeout: float, *, join: bool) -> None:
        """Send what is queued, and stop."""
        ...


class _SameProcess:
    """Stands in for the page where the system has none of that kind."""

    __slots__ = ("_pid",)

    def __init__(self) -> None:
        self._pid = os.getpid()

    def __getitem__(self, index: int) -> bool:
        return self._pid == os.getpid()


class _Hooks:
    """Which hooks are set.

    Attributes:
        at_fork_and_exit: Those of Python.
        at_exit_of_child: In which process those of multiprocessing and Celery were set, by its id; None in none.
        at_begin_of_child: That of multiprocessing, which its children inherit.
    """

    at_fork_and_exit = False
    at_exit_of_child: int | None = None
    at_begin_of_child = False


same_process: mmap | _SameProcess | bytes = b"\x01"  # until there is a client that a fork matters to
_page: mmap | None = None
_watched: weakref.WeakSet[Watched] = weakref.WeakSet()
_hooks = _Hooks()


def watch(engine: Watched) -> None:
    """Tell ``engine`` of forks and of the exit from now on, for as long as it is referenced."""
    _watched.add(engine)
    if not _hooks.at_fork_and_exit:
        _hooks.at_fork_and_exit = True
        _mark_process()
        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)
        _watch_beginnings()


def watch_exit_of_children() -> None:
    """Hook into the exit of children that leave by ``os._exit`` and skip ``atexit``: of multiprocessing and of Celery.

    Called at the first event of a process rather than at a fork: a new child of ``multiprocessing`` clears the
    finalizers it inherited. Called where it has just done so, too, if that can be told.
    """
    if _hooks.at_exit_of_child == os.getpid():
        return
    _hooks.at_exit_of_child = os.getpid()
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize  # only where multiprocessing is imported already

        Finalize(None, _at_exit_of_child, exitpriority=10)
    celery = sys.modules.get("celery.signals")
    if celery is not None:  # sent in the processes of its prefork pool, which are no children of multiprocessing
        celery.worker_process_shutdown.connect(_at_exit_of_pool_process, weak=False, dispatch_uid="signakit_flags")


def _watch_beginnings() -> None:
    """Have a child of ``multiprocessing`` hook into its exit as it begins, even if its first event comes very late."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None and not _hooks.at_begin_of_child:
        _hooks.at_begin_of_child = True
        util.register_after_fork(_begin_child, _begin_child)


def _begin_child(_: object) -> None:
    _hooks.at_exit_of_child = None  # what was hooked while the child imported its program is cleared by now
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


def _before_fork() -> None:
    _forking.holds = no_fork.acquire(timeout=FORK_PATIENCE)


def _after_fork_in_parent() -> None:
    if _forking.holds:
        no_fork.release()


def _after_fork() -> None:
    global no_fork  # noqa: PLW0603  # the lock of a thread that is not here is of no use
    no_fork = threading.RLock()
    notice_fork()
    _watch_beginnings()


def notice_fork() -> None:
    """Make the clients of a forked process its own. Called wherever code sees that the process is another one.

    Servers that fork in C, uWSGI above all, run none of Python's hooks unless told to.
    """
    for engine in list(_watched):
        if engine.pid != os.getpid():
            engine.after_fork()
    _mark_process()


def _mark_process() -> None:
    """Make ``same_process[0]`` true in this process."""
    global _page, same_process  # noqa: PLW0603  # every context pays for an attribute more
    if isinstance(same_process, bytes):
        _page = page_wiped_at_fork()
    if _page is None:
        same_process = _SameProcess()
    else:
        _page[0] = 1
        same_process = _page


def page_wiped_at_fork() -> mmap | None:
    """Return a page of memory that is zeros in a child, or None where the system does not promise it."""
    if sys.platform != "linux":
        return None
    import mmap

    page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        page.madvise(_MADV_WIPEONFORK)
    except OSError:  # before Linux 4.14, and in some sandboxes
        return None
    try:
        page.madvise(-1)
    except OSError:
        return page
    return None  # an emulator that accepts any advice, and follows none


def _at_exit() -> None:
    deadline = time.monotonic() + EXIT_DEADLINE
    for engine in list(_watched):
        engine.close(deadline - time.monotonic(), join=False)
