"""The signals of the supervisor, as flags that its poll loop reads.

A handler only raises a flag; Python's wake-up descriptor makes the loop's poll return at once. The
first SIGINT or SIGTERM asks for an orderly stop, a later one hastens it. Forked children call
`give_back` first of all: they must not write into their parent's pipe.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from types import FrameType

from aegis.supervisor.errors import StartCancelledError

__all__ = ["SignalInbox"]

_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


class SignalInbox:
    """What came since the loop last looked. Make one per process, on the main thread."""

    def __init__(self) -> None:
        self.stop_signals: list[int] = []
        self.reload_wanted = False
        self._interrupts = False
        self._had_terminal = _terminal_answers()
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = {number: signal.signal(number, self._note) for number in _HANDLED}
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._poll = select.poll()
        self._poll.register(self._reader, select.POLLIN)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number in (signal.SIGINT, signal.SIGTERM):
            self.stop_signals.append(number)
            if self._interrupts:
                raise StartCancelledError("stopped before it started")
        elif number == signal.SIGHUP:
            self.reload_wanted = True

    @property
    def stop_count(self) -> int:
        """How often a stop was asked for: 0 go on, 1 drain, 2 hasten, 3 and more kill."""
        return len(self.stop_signals)

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Inside, a request to stop raises StartCancelledError wherever the code stands.

        For the long first compilation only, while there is nothing yet to drain.
        """
        self._interrupts = True
        try:
            if self.stop_signals:
                raise StartCancelledError("stopped before it started")
            yield
        finally:
            self._interrupts = False

    def take_reload(self) -> bool:
        """True once after one or more SIGHUPs.

        A terminal that is closed sends SIGHUP too, and then means: stop.
        """
        wanted, self.reload_wanted = self.reload_wanted, False
        if wanted and self._had_terminal and not _terminal_answers():
            self.stop_signals.append(signal.SIGHUP)
            return False
        return wanted

    def wait(self, timeout_ms: int) -> None:
        """Sleep until a signal comes or the time is over."""
        if self._poll.poll(max(timeout_ms, 0)):
            try:
                os.read(self._reader, 4096)
            except BlockingIOError:
                return

    def close(self) -> None:
        """Put the former dispositions back (the parent, at its end)."""
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def give_back(self) -> None:
        """A forked child: forget the parent's handlers and pipe."""
        signal.set_wakeup_fd(-1)
        for number in _HANDLED:
            signal.signal(number, signal.SIG_DFL)
        os.close(self._reader)
        os.close(self._writer)


def _terminal_answers() -> bool:
    """Whether standard input is a terminal that has not hung up."""
    try:
        os.tcgetpgrp(0)
    except OSError:
        return False
    return True
