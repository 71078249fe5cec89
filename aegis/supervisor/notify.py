"""What systemd is told, over the datagram socket of $NOTIFY_SOCKET (sd_notify(3)).

Called by the supervisor's loop only; children never speak (NotifyAccess=main). Nothing here raises
or waits for long: a message that cannot be delivered is counted. The kernel queues about ten
datagrams; those that change systemd's view of us (READY, RELOADING, STOPPING, the trigger) wait a
moment for room, STATUS and WATCHDOG come again anyway. Without $NOTIFY_SOCKET all is a no-op.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping

from sdnotify import SystemdNotifier

__all__ = ["Notifier"]

STATUS_INTERVAL_NS = 1_000_000_000
STATUS_CHARACTERS = 400
# How long a message that must not be lost waits for room in the manager's queue.
PATIENCE_MS = 200


class Notifier:
    """One connection to the service manager.

    `watchdog_interval_ns` is half of WATCHDOG_USEC, or None where no watchdog is asked of us. A
    notify socket whose other end does not read must never stop the supervisor: sends do not block.
    """

    def __init__(
        self, monotonic_ns: Callable[[], int], environ: Mapping[str, str] | None = None
    ) -> None:
        environ = os.environ if environ is None else environ
        self._monotonic_ns = monotonic_ns
        self._socket = SystemdNotifier().socket if environ.get("NOTIFY_SOCKET") else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self.watchdog_interval_ns = _watchdog_interval_ns(environ)
        self.pings = 0
        self.failures = 0
        self._status_sent = ""
        self._status_wanted = ""
        self._status_sent_ns = -STATUS_INTERVAL_NS
        self._last_ping_ns: int | None = None

    @property
    def active(self) -> bool:
        """True where a service manager listens."""
        return self._socket is not None

    def close(self) -> None:
        """Give the socket up: a forked child calls this first of all."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ready(self, status: str) -> bool:
        """Say that start-up (or a reload) is over. False: not delivered."""
        return self._send(f"READY=1\nSTATUS={_one_line(status)}", PATIENCE_MS)

    def reloading(self) -> bool:
        """Say that a reload begins; the time must be in the same datagram (systemd 253+)."""
        microseconds = self._monotonic_ns() // 1000
        return self._send(f"RELOADING=1\nMONOTONIC_USEC={microseconds}", PATIENCE_MS)

    def stopping(self, status: str) -> bool:
        """Say that the instance is on its way down, and why."""
        return self._send(f"STOPPING=1\nSTATUS={_one_line(status)}", PATIENCE_MS)

    def extend_timeout(self, microseconds: int) -> bool:
        """Ask for this much more time before the start (or stop) counts as hung."""
        return self._send(f"EXTEND_TIMEOUT_USEC={microseconds}")

    def trigger_watchdog(self, status: str) -> bool:
        """Ask to be treated as if the watchdog had run out."""
        return self._send(f"STATUS={_one_line(status)}\nWATCHDOG=trigger", PATIENCE_MS)

    def status(self, text: str) -> None:
        """Set the one-line status: sent when it changed, at most once a second, the newest wins."""
        self._status_wanted = _one_line(text)
        now_ns = self._monotonic_ns()
        if self._status_wanted == self._status_sent:
            return
        if now_ns - self._status_sent_ns < STATUS_INTERVAL_NS:
            return
        if self._send(f"STATUS={self._status_wanted}"):
            self._status_sent = self._status_wanted
            self._status_sent_ns = now_ns

    def ping_if_due(self) -> bool:
        """Send WATCHDOG=1 once per half watchdog interval. True when one was sent."""
        if self.watchdog_interval_ns is None:
            return False
        now_ns = self._monotonic_ns()
        last_ns = self._last_ping_ns
        if last_ns is not None and now_ns - last_ns < self.watchdog_interval_ns:
            return False
        if not self._send("WATCHDOG=1"):
            return False
        self._last_ping_ns = now_ns
        self.pings += 1
        return True

    def _send(self, message: str, patience_ms: int = 0) -> bool:
        if self._socket is None:
            return False
        try:
            if patience_ms:
                poll = select.poll()
                poll.register(self._socket, select.POLLOUT)
                poll.poll(patience_ms)
            self._socket.send(message.encode("utf-8", "replace"))
        except OSError:
            self.failures += 1
            return False
        return True


def _one_line(text: str) -> str:
    return " ".join(text.split())[:STATUS_CHARACTERS]


def _watchdog_interval_ns(environ: Mapping[str, str]) -> int | None:
    """Half of WATCHDOG_USEC, unless it is meant for another process (sd_watchdog_enabled(3))."""
    try:
        microseconds = int(environ.get("WATCHDOG_USEC", "0"))
        meant_for = int(environ.get("WATCHDOG_PID", str(os.getpid())))
    except ValueError:
        return None
    if microseconds <= 0 or meant_for != os.getpid():
        return None
    return microseconds * 1000 // 2
