"""Standard output and error for a process that must never wait for its reader.

The supervisor prints from its loop. A terminal stopped with Ctrl-S, or a pipe whose reader is slow,
would block the write and with it the heartbeat that execution trusts. An outlet never blocks: what
finds no room is dropped and counted. A reader that has gone is no error either.

The descriptor itself is shared with whoever started us (the shell, make), and so is its blocking
mode. Terminals and pipes are therefore opened a second time, non-blocking, through /proc; a socket
takes the wish with every call; a file never blocks.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import socket
import stat

__all__ = ["Outlet"]

# poll(2) promises room for this much on a pipe that it calls writable (PIPE_BUF).
_CHUNK_BYTES = 4096


class Outlet(io.TextIOBase):
    """A text file over a descriptor. `dropped` counts the pieces that found no room."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.dropped = 0
        self._gone = False
        self._own, self._socket = _unblocked(descriptor)
        self._poll = select.poll()
        self._poll.register(self._own, select.POLLOUT)

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
                # Where the descriptor could not be had non-blocking, asking first is next best.
                ready = self._poll.poll(0)
                if not ready or not ready[0][1] & select.POLLOUT:
                    return False
                chunk = chunk[self._send(chunk) :]
        except BlockingIOError:
            return False
        except OSError:
            self._gone = True
            return False
        return True

    def _send(self, chunk: bytes) -> int:
        if self._socket is not None:
            return self._socket.send(chunk, socket.MSG_DONTWAIT)
        return os.write(self._own, chunk)

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

    def release(self) -> None:
        """Close what was opened for us; the descriptor itself stays open."""
        if self._socket is not None:
            self._socket.close()
        elif self._own != self.descriptor:
            with contextlib.suppress(OSError):
                os.close(self._own)
        self._gone = True


def _unblocked(descriptor: int) -> tuple[int, socket.socket | None]:
    """A descriptor to write to without blocking, and the socket it is, if it is one."""
    mode = os.fstat(descriptor).st_mode
    try:
        if stat.S_ISSOCK(mode):
            own = socket.socket(fileno=os.dup(descriptor))
            return own.fileno(), own
        if stat.S_ISFIFO(mode) or os.isatty(descriptor):
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            return os.open(f"/proc/self/fd/{descriptor}", flags), None
    except OSError:
        # Another user's terminal, or no /proc: the descriptor as it is has to do.
        return descriptor, None
    return descriptor, None
