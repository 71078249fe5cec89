"""The INSTANCE argument of every command: a name, never a path.

A name becomes part of a path below the shared-memory directory, which `aegis clean` removes: what
is not a name must be refused before it is looked at.
"""

from __future__ import annotations

import re
from typing import Final

import typer

__all__ = ["instance_name"]

# The configuration's own rule for names.
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,23}")


def instance_name(given: str | None) -> str | None:
    """Typer's callback: the name as it is; BadParameter (exit code 2) for anything else."""
    if given is not None and _NAME.fullmatch(given) is None:
        raise typer.BadParameter(
            f"{given[:40]!r} is no instance name: a to z first, then a to z, 0 to 9, _ or -, "
            "at most 24 characters"
        )
    return given
