"""Standard output and error for a process that must never wait for its reader.

The supervisor prints from its loop. A terminal stopped with Ctrl-S, or a pipe whose reader is slow,
would block the write and with it the heartbeat that execution trusts. An outlet asks first whether
the descriptor takes more, drops the text if not, and counts what it dropped. A reader that has
gone is no error either.
"""

from __future__ import annotations

import io
import os
import select

__all__ = ["Outlet"]

# poll(2) promises room for this much on a pipe that it calls writable (PIPE_BUF).
_CHUNK_BYTES = 4096


class Outlet(io.TextIOBase):
    """A text file over a descriptor. `dropped` counts the pieces that found no room."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.dropped = 0
        self._gone = False
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def write(self, text: str) -> int:
        """Write what finds room. Always returns the length of the text: nobody should retry."""
        raw = text.encode("utf-8", "replace")
        for start in range(0, len(raw), _CHUNK_BYTES):
            if not self._write_chunk(raw[start : start + _CHUNK_BYTES]):
                self.dropped += 1
                break
        return len(text)

    def _write_chunk(self, chunk: bytes) -> bool:
        if self._gone:
            return False
        try:
            while chunk:
                ready = self._poll.poll(0)
                if not ready or not ready[0][1] & select.POLLOUT:
                    return False
                chunk = chunk[os.write(self.descriptor, chunk) :]
        except BlockingIOError:
            return False
        except OSError:
            self._gone = True
            return False
        return True

    def line(self, text: str) -> None:
        """One line."""
        self.write(f"{text}\n")

    def isatty(self) -> bool:
        """Whether a terminal reads it."""
        return os.isatty(self.descriptor)

    def fileno(self) -> int:
        """The descriptor."""
        return self.descriptor

    def writable(self) -> bool:
        """It is."""
        return True
