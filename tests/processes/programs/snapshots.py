"""A client whose snapshot file may be read, and whose folder nobody may write to."""

from __future__ import annotations

import os
from pathlib import Path

from common import decide, main, make_client, ready_client, say, told, track, until

NOBODY = 65_534


def in_a_folder_that_cannot_be_written(folder: str) -> None:
    """The snapshot is there; the folder and the file lose their write permission, and we the rights of root."""
    path = Path(folder) / "flags.snapshot"
    ready_client(snapshot_path=path).close()  # imports everything, too: nobody may read what is installed
    path.chmod(0o444)
    path.parent.chmod(0o555)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    saved = path.read_bytes()
    try:
        (path.parent / "other").touch()
    except PermissionError:
        say(saved=True)
    until(told)  # the CDN is away by now
    client = make_client(snapshot_path=path, polling_interval=0.02)
    result = client.on_ready_sync()
    status = client.status()
    say(
        success=result.success,
        reason=result.reason,
        ready=client.is_ready,
        source=status.source,
        version=status.version,
    )
    say(variation=decide(client, "user"))
    track(client, "user", 10)
    for number in (2, 3):
        until(lambda number=number: client.status().version == number)
        say(version=number)
    say(variation=decide(client, "user"), flushed=client.flush_sync(20), unchanged=path.read_bytes() == saved)
    client.close()
    say(files=sorted(file.name for file in Path(folder).iterdir()))


main()
