"""A small file that is replaced as a whole and seen on the disk, or not at all.

For what must outlive a `kill -9` and a power loss: the latch's record, the doctor's. Written beside
the old one under the writer's own name, synced, moved over it, and the folder synced. A full disk
leaves the old file as it was.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["replace_file"]


def replace_file(file: Path, data: bytes) -> None:
    """Make `data` the content of `file`, mode 0600; the folder is made when it is missing.

    Written by root into somebody's folder it is that user's, who must be able to read it. Raises
    OSError; the file is then what it was before.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    # Never into a file, or through a link, that somebody has put there.
    beside.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(beside, flags, 0o600), "wb") as opened:
            os.fchmod(opened.fileno(), 0o600)
            if os.geteuid() == 0:
                owner = file.parent.stat()
                os.fchown(opened.fileno(), owner.st_uid, owner.st_gid)
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        beside.replace(file)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
