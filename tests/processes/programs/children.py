"""Children of ``multiprocessing``: they track events and return, and nobody closes a client."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.util import Finalize

from common import main, make_client, say, track, until

client = make_client()
"""Of the module, as an application's: a forked child inherits it, a spawned one makes its own."""


def run(user: str, count: int, ending: str) -> None:
    assert client.on_ready_sync().success
    track(client, user, count)
    if ending == "sys.exit":
        sys.exit(3)
    if ending == "exception":
        raise RuntimeError("the child ends by an exception")


def run_with_a_thread(thread_ends: str, count: int) -> None:
    """Return, after so many events, while a thread goes on, which tracks once the child is leaving."""
    assert client.on_ready_sync().success
    track(client, "child", count)
    leaving = threading.Event()
    Finalize(None, leaving.set, exitpriority=100)  # called before the library's own

    def work() -> None:
        leaving.wait(30)
        time.sleep(0.2)
        track(client, "thread", 1000)
        if thread_ends == "never":
            # It would go on for ever, and does until what it tracks is no longer taken.
            until(lambda: track(client, "late", 1) or client.status().dropped)
            say(gave_up=True)

    threading.Thread(target=work).start()


def with_a_thread(method: str, thread_ends: str, count: str) -> None:
    """One child, which has a thread of its own that is no daemon."""
    child = multiprocessing.get_context(method).Process(target=run_with_a_thread, args=(thread_ends, int(count)))
    child.start()
    child.join()
    say(exit=child.exitcode)


def task(number: int) -> int:
    if not client.is_ready:
        assert client.on_ready_sync().success
    track(client, f"task{number}", 10)
    return number


def process(method: str, ending: str = "return") -> None:
    """One child, beside a parent with events of its own."""
    assert client.on_ready_sync().success
    track(client, "parent", 10)
    child = multiprocessing.get_context(method).Process(target=run, args=("child", 100, ending))
    child.start()
    child.join()
    say(exit=child.exitcode)


def pool(method: str) -> None:
    """A pool that is closed and joined: its workers return."""
    workers = multiprocessing.get_context(method).Pool(2)
    say(done=workers.map(task, range(20), chunksize=1))
    workers.close()
    workers.join()


def executor(method: str) -> None:
    """The pool of concurrent.futures."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as workers:
        say(done=list(workers.map(task, range(20))))


if __name__ == "__main__":
    main()
