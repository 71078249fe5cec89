"""The journal's exceptions, one tree.

::

    JournalError
    ├── JournalDirError     the directory cannot be used: the text names it and the key
    ├── JournalBusyError    another process holds it
    └── JournalSpaceError   no room for another segment
"""

from __future__ import annotations

from aegis.execution.errors import UnusableSetupError

__all__ = ["JournalBusyError", "JournalDirError", "JournalError", "JournalSpaceError"]


class JournalError(UnusableSetupError):
    """Base of what the journal raises at a start; trading does not begin without one."""


class JournalDirError(JournalError):
    """The directory cannot be made, read or written."""


class JournalBusyError(JournalError):
    """Another process writes this journal."""


class JournalSpaceError(JournalError):
    """The disk has no room for a segment and the one in reserve."""
