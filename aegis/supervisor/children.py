"""The processes of an instance as their parent sees them: fork, reap, signal, kill.

Used by the supervisor's loop and by its shutdown. Knows nothing of why a process is restarted (that
is `watch.py`) nor of what it does; must never block and never raise for a process that has gone.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from aegis.host.process_identity import start_time_ticks
from aegis.supervisor.budget import RestartBudget
from aegis.supervisor.child import LINE_BYTES, Birth, start_life

__all__ = ["Child", "describe_end"]

_BLOCKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


@dataclass(slots=True)
class Child:
    """One process of the instance across its lives; `pid` is 0 while it does not run."""

    process: str
    budget: RestartBudget
    pid: int = 0
    start_time_ticks: int = 0
    generation: int = 0
    restarts: int = 0
    last_end: str = ""
    # Why it is being killed, set by the supervisor before the kill.
    verdict: str = ""
    restart_at_ns: int | None = None
    _report_from: int = -1

    @property
    def running(self) -> bool:
        """Forked and not reaped."""
        return self.pid != 0

    def fork(self, birth: Callable[[int], Birth], body: Callable[[], int]) -> None:
        """Start a life. `birth(report_descriptor)` and `body` run in the child only.

        Raises OSError when the kernel refuses another process.
        """
        assert not self.running, f"{self.process} runs already as pid {self.pid}"
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        sys.stdout.flush()
        sys.stderr.flush()
        # No signal may reach the parent's handlers inside the child before it has its own.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
        try:
            pid = os.fork()
        except OSError:
            os.close(reader)
            os.close(writer)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            raise
        if pid == 0:
            start_life(birth(writer), body)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(writer)
        self.pid = pid
        self.start_time_ticks = start_time_ticks(pid) or 0
        self._report_from = reader
        self.restart_at_ns = None
        self.verdict = ""

    def reap(self) -> str | None:
        """How the process ended, if it has since the last call; None while it runs."""
        if not self.running:
            return None
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, 0
        if pid == 0:
            return None
        report = self._take_report()
        end = describe_end(status)
        if self.verdict:
            end = f"{self.verdict}; {end}"
        self.last_end = f"{end}: {report}" if report else end
        self.pid = 0
        return self.last_end

    def terminate(self) -> None:
        """Ask it to drain and exit."""
        self._signal(signal.SIGTERM)

    def kill(self, verdict: str) -> None:
        """End it at once; SIGKILL also ends a stopped process."""
        self.verdict = verdict
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.running:
            try:
                # Safe against pid reuse: an unreaped child keeps its number.
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def _take_report(self) -> str:
        if self._report_from < 0:
            return ""
        try:
            raw = os.read(self._report_from, LINE_BYTES)
        except OSError:
            raw = b""
        os.close(self._report_from)
        self._report_from = -1
        return raw.decode("utf-8", "replace")


def describe_end(status: int) -> str:
    """A wait status in words: `exit code 1`, `killed by SIGKILL`."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return f"killed by {signal.Signals(number).name}"
        except ValueError:
            return f"killed by signal {number}"
    return f"exit code {os.waitstatus_to_exitcode(status)}"
