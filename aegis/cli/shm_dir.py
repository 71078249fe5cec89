"""Whether the regions can be made where the configuration wants them.

`check` and `run` ask before anything is started: a folder that does not exist is a fault of the
file, and named as one.
"""

from __future__ import annotations

import os
from pathlib import Path

from aegis.config import AegisConfig, Problem

__all__ = ["shm_dir_problem"]

_KEY = "hardware.shm_dir"


def shm_dir_problem(config: AegisConfig, file: Path) -> Problem | None:
    """What is wrong with `hardware.shm_dir` on this box; None if instances can live there."""
    directory = Path(config.hardware.shm_dir)
    if not directory.exists():
        found = "no such directory"
    elif not directory.is_dir():
        found = "is not a directory"
    elif not os.access(directory, os.W_OK | os.X_OK):
        found = f"user {os.geteuid()} may not write there"
    else:
        return None
    hint = "name a directory on a tmpfs, such as /dev/shm"
    return Problem(str(file), _KEY, str(directory), found, hint)
