"""Who holds an instance's lock, read from /proc/locks.

A reader must never try the lock itself: for that moment a starting supervisor would take it for a
second copy of itself and refuse.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["holder_pid"]


def holder_pid(directory: Path) -> int:
    """The process that holds the directory's lock, 0 when nobody does or it cannot be told."""
    try:
        inode = os.stat(directory).st_ino
        with open("/proc/locks", encoding="ascii", errors="replace") as locks:
            for line in locks:
                fields = line.split()
                if "FLOCK" in fields and fields[-3].endswith(f":{inode}"):
                    return max(int(fields[-4]), 0)
    except (OSError, ValueError, IndexError):
        return 0
    return 0
