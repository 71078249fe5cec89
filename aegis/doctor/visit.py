"""One visit of the doctor: the box, the configuration, what runs, and what was measured once.

Made by ``examine``; every check gets it. What several checks need and what takes time (a second of
the kernel's counters, the look at the exchange) is fetched when the first of them asks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aegis.config import AegisConfig, Problem, Settings
from aegis.config.environments import OWN_VENUE_MODES
from aegis.config.rules import HOT_PROCESSES
from aegis.doctor.box import Box
from aegis.doctor.exchange_look import Look
from aegis.monitor.notes import Notes

__all__ = ["RunningProcess", "Visit"]


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A live process of an instance and the core that it should run on, None for the supervisor."""

    instance: str
    name: str
    pid: int
    core: int | None

    def __str__(self) -> str:
        return f"{self.instance}.{self.name}"


@dataclass
class Visit:
    """Everything that a check may look at. `instances` are those that the visit is about."""

    box: Box
    config: AegisConfig
    source: Path
    instances: tuple[str, ...]
    quick: bool = False
    warnings: tuple[Problem, ...] = ()
    running: dict[str, Notes] = field(default_factory=dict)
    processes: tuple[RunningProcess, ...] = ()
    # Processes of the file's other instances: theirs are the same box and its isolated cores.
    neighbours: tuple[RunningProcess, ...] = ()
    look_at_exchange: Callable[[Visit], Look] | None = None

    @property
    def mode(self) -> str:
        """`[venue] mode`."""
        return self.config.venue.mode

    @property
    def is_live(self) -> bool:
        """Whether real money is at stake."""
        return self.mode == "live"

    @functools.cached_property
    def settings(self) -> dict[str, Settings]:
        """The settings of each instance."""
        return {name: Settings.of(self.config, name, self.source) for name in self.instances}

    @functools.cached_property
    def configured_cores(self) -> frozenset[int]:
        """The cores of every process that the instances start."""
        has_venue = self.mode in OWN_VENUE_MODES
        names = (*HOT_PROCESSES, "venue") if has_venue else HOT_PROCESSES
        tables = [self.config.cores_of(name).by_process() for name in self.instances]
        return frozenset(table[name] for table in tables for name in names)

    @functools.cached_property
    def isolated_cores(self) -> frozenset[int]:
        """The cores that should be free of everybody else: `[hardware] isolcpus`."""
        return frozenset(self.config.hardware.isolcpus)

    @functools.cached_property
    def pids(self) -> frozenset[int]:
        """Our own processes, and those of the file's other instances."""
        return frozenset(process.pid for process in (*self.processes, *self.neighbours))

    @functools.cached_property
    def one_second(self) -> tuple[dict[str, str], dict[str, str]]:
        """The kernel's counters, twice, a second apart: `stat` and `interrupts` of /proc."""
        before = self._counters()
        self.box.pause(1.0)
        return before, self._counters()

    def _counters(self) -> dict[str, str]:
        return {name: self.box.text(f"/proc/{name}") or "" for name in ("stat", "interrupts")}

    @functools.cached_property
    def look(self) -> Look:
        """What the exchange answered, asked once."""
        assert self.look_at_exchange is not None, "nobody was told how to ask the exchange"
        return self.look_at_exchange(self)
