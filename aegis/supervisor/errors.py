"""Why an instance does not start or does not go on, one class per exit code.

Exception tree: `SupervisorError` (exit 1) <- `AlreadyRunningError` (4), `MemoryShortError` (1),
`PortTakenError` (2), `StartCancelledError` (0). The text of each is for a person: it names the
instance, the number that was wrong and what to do. Raised by the supervisor's cold path only, shown
by `aegis.cli`.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AlreadyRunningError",
    "MemoryShortError",
    "PortTakenError",
    "StartCancelledError",
    "SupervisorError",
    "exit_code_of",
]


class SupervisorError(RuntimeError):
    """The instance cannot be started, or cannot go on."""

    exit_code: ClassVar[int] = 1


class MemoryShortError(SupervisorError):
    """The shared memory does not fit into the file system that should hold it."""


class PortTakenError(SupervisorError):
    """The port that the file gives to the embedded exchange is in use by another program."""

    exit_code: ClassVar[int] = 2


class AlreadyRunningError(SupervisorError):
    """Another supervisor holds the instance. `pid` is its process, 0 where it cannot be told."""

    exit_code: ClassVar[int] = 4

    def __init__(self, instance: str, pid: int) -> None:
        holder = f"pid {pid}" if pid else "a process that cannot be named"
        super().__init__(
            f"instance {instance} is already running ({holder}); "
            f"stop it with `aegis stop {instance}` or look at it with `aegis status {instance}`"
        )
        self.pid = pid


class StartCancelledError(SupervisorError):
    """A stop was asked for before the first process was forked: nothing to drain."""

    exit_code: ClassVar[int] = 0


def exit_code_of(error: BaseException) -> int:
    """The exit code that an error ends the supervisor with."""
    return error.exit_code if isinstance(error, SupervisorError) else SupervisorError.exit_code
