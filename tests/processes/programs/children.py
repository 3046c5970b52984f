"""Children of ``multiprocessing``: they track events and return, and nobody closes a client."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

from common import main, make_client, say, track

client = make_client()
"""Of the module, as an application's: a forked child inherits it, a spawned one makes its own."""


def run(user: str, count: int, ending: str) -> None:
    assert client.on_ready_sync().success
    track(client, user, count)
    if ending == "sys.exit":
        sys.exit(3)
    if ending == "exception":
        raise RuntimeError("the child ends by an exception")


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
