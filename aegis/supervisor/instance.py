"""Everything one running instance consists of, as its supervisor holds it.

Made by `startup.py`, driven by `supervisor.py`, taken down by `drain.py`. It holds no rule of its
own: the few methods are the gestures that all three share (say something, note it down, show a
sign of life, sleep a little).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from aegis.config import AegisConfig, Settings
from aegis.host.clock import monotonic_ns
from aegis.monitor.notes import Notes, write_notes
from aegis.shm.instance import InstanceMemory
from aegis.shm.wiring import Wiring
from aegis.supervisor.children import Child
from aegis.supervisor.instance_lock import InstanceLock
from aegis.supervisor.notify import Notifier
from aegis.supervisor.signals import SignalInbox
from aegis.supervisor.venue_account import VenueAccount
from aegis.supervisor.watch import Watch

__all__ = ["Audience", "Instance"]


class Audience(Protocol):
    """Who listens to a supervisor: the command line. No method may block."""

    def say(self, text: str) -> None:
        """A step of the start, a restart, a reload: one sentence for a person, as it happens."""

    def turn(self, instance: Instance) -> None:
        """Called every turn of the loop (about ten times a second) while processes run."""

    def conclude(self, instance: Instance) -> None:
        """Called once, when all processes have ended and the memory is still there to read."""


@dataclass(slots=True)
class Instance:
    """One instance. `open_orders` is the venue's own answer at the end, None until then."""

    settings: Settings
    config: AegisConfig
    lock: InstanceLock
    memory: InstanceMemory
    wiring: Wiring
    children: dict[str, Child]
    watch: Watch
    notifier: Notifier
    inbox: SignalInbox
    notes: Notes
    audience: Audience
    memory_directories: tuple[Path, ...]
    started_ns: int = 0
    forked_ns: int | None = None
    ready_ns: int | None = None
    ended_ns: int | None = None
    exit_code: int = 0
    reason: str = ""
    open_orders: int | None = None
    unclean: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The instance's name in `aegis.toml`."""
        return self.settings.name

    @property
    def mirrored(self) -> bool:
        """Whether the embedded venue replays a recording."""
        return bool(self.settings.mirrors)

    def running(self) -> list[str]:
        """The processes that are forked and not reaped, in the order of start-up."""
        return [process for process in self.children if self.children[process].running]

    def account(self) -> VenueAccount | None:
        """The REST account at the embedded venue, None while it has no port."""
        url = self.wiring.venue_url("http")
        if url is None or self.wiring.credentials is None:
            return None
        return VenueAccount(url, self.wiring.credentials)

    def say(self, text: str) -> None:
        """Tell the person at the console, and note it for `aegis status`."""
        counters = self.memory.counters["supervisor"]
        counters["reason"] = counters["reason"] + 1
        self.notes.remember(time.time_ns() // 1_000_000, text)
        self.write_notes()
        self.audience.say(text)

    def write_notes(self) -> None:
        """Bring the note file up to date with the children."""
        for process, child in self.children.items():
            note = self.notes.children[process]
            note.pid, note.start_time_ticks = child.pid, child.start_time_ticks
            note.generation, note.restarts = child.generation, child.restarts
            note.last_end = child.last_end
        write_notes(self.memory.directory, self.notes)

    def heartbeat(self) -> int:
        """Show the processes that their supervisor lives; returns CLOCK_MONOTONIC."""
        now_ns = monotonic_ns()
        self.memory.control.heartbeat_ns = now_ns
        counters = self.memory.counters["supervisor"]
        cycle_ns = now_ns - counters["loop_ts_ns"]
        if counters["loop_seq"] and cycle_ns > counters["max_cycle_ns"]:
            counters["max_cycle_ns"] = cycle_ns
        counters["loop_seq"] = counters["loop_seq"] + 1
        counters["loop_ts_ns"] = now_ns
        return now_ns

    def pause(self, timeout_ms: int) -> int:
        """Sleep until a signal comes or the time is over, then `heartbeat`."""
        self.inbox.wait(timeout_ms)
        return self.heartbeat()
