"""Where an instance's journal is: what the file says, or the place that the system gives.

Under systemd that is the instance's own StateDirectory (``/var/lib/aegis/btc/journal``), for a
person ``$XDG_STATE_HOME/aegis/btc/journal`` (``~/.local/state/aegis/...``). Each instance has a
folder of its own below a ``dir`` of the file, so that two never share one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["AUTO", "journal_dir", "journal_dir_to_read"]

AUTO: Final = "auto"
_INSTALLED: Final = Path("/var/lib/aegis")
_FOLDER: Final = "journal"


def journal_dir(
    configured: str, instance: str, environment: Mapping[str, str] | None = None
) -> Path:
    """The folder of an instance's journal; ``configured`` is ``[journal] dir``."""
    known = os.environ if environment is None else environment
    if configured != AUTO:
        return Path(configured) / instance
    given = [Path(part) for part in known.get("STATE_DIRECTORY", "").split(":") if part]
    if given:
        own = next((path for path in given if path.name == instance), given[0] / instance)
        return own / _FOLDER
    home = known.get("XDG_STATE_HOME") or str(Path(known.get("HOME") or "/") / ".local" / "state")
    return Path(home) / "aegis" / instance / _FOLDER


def journal_dir_to_read(configured: str, instance: str) -> Path:
    """The same for a command run by hand, which may be looking at an instance of systemd's."""
    own = journal_dir(configured, instance)
    installed = _INSTALLED / instance / _FOLDER
    return installed if configured == AUTO and not own.is_dir() and installed.is_dir() else own
