"""The exit codes of every command, and how each command ends."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

__all__ = [
    "EXIT_FAILED",
    "EXIT_GOOD",
    "EXIT_INTERRUPTED",
    "EXIT_NOT_RUNNING",
    "EXIT_REFUSED",
    "EXIT_USAGE",
    "complain",
    "print_object",
]

EXIT_GOOD: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_NOT_RUNNING: Final = 3
EXIT_REFUSED: Final = 4
EXIT_INTERRUPTED: Final = 130  # as a shell says of a command that Ctrl-C ended


def complain(text: str) -> None:
    """One message to a person, on standard error."""
    print(f"aegis: {text}", file=sys.stderr, flush=True)


def print_object(found: dict[str, Any]) -> None:
    """The answer of `--json`: exactly one object on one line of standard output."""
    print(json.dumps(found, allow_nan=False), flush=True)
