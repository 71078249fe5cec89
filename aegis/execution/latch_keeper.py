"""Keeps the latch on the disk: read at a start, written whenever it moves, off the event loop.

`process` owns one and asks it every turn. A disk that refuses does not stop anything that is safe:
the latch itself stands in memory and the orders are already being cancelled; the failure is said
and tried again. A replayed recording keeps nothing: its result must not depend on a file.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from aegis.risk.controls import Control, control_name
from aegis.risk.gate_state import Gate
from aegis.risk.latch import Latch, LatchState
from aegis.risk.latch_record import LatchRecord, read_record, write_record

__all__ = ["LatchKeeper"]

_NS_PER_MS = 1_000_000
_AGAIN_S = 1.0


def _wall_ms() -> int:
    return time.time_ns() // _NS_PER_MS


class LatchKeeper:
    """One instance's latch file. `file` is None where nothing is to be kept."""

    def __init__(self, file: Path | None, strategy: str, say: Callable[[str], None]) -> None:
        self.file = file
        self._say = say
        read = LatchRecord() if file is None else read_record(file)
        self._on_disk = read
        self.record = read.begun(strategy, _wall_ms())
        self._writing: asyncio.Task[None] | None = None

    def restore(self, gate: Gate, limits: dict[str, float], now_ns: int) -> None:
        """Put what was kept into a new gate: the latch, and since when the pilot's hours count."""
        record = self.record
        if record.by_hand:
            # Whatever the journal has brought back: a person has decided since.
            gate.latch.arm(now_ns)
            self.record = record = replace(record, by_hand=False)
            self._keep()
        if record.state is not LatchState.ACTIVE:
            gate.latch.trip(record.state, record.control, now_ns)
            since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(record.since_ms / 1e3))
            self._say(
                f"the latch was left {record.state.name} because of "
                f"{control_name(record.control)} at {since}; only `aegis arm` re-arms it"
            )
        age_ms = max(_wall_ms() - record.first_ms, 0)
        gate.begin_pilot(now_ns - age_ms * _NS_PER_MS, limits)
        if limits["pilot_hours"] > 0:
            self._keep()

    def follow(self, latch: Latch, now_ns: int) -> bool:
        """Whether the latch stands elsewhere than on record; it is then recorded."""
        record = self.record
        if (latch.state, latch.reason) == (record.state, record.control):
            return False
        since_ms = _wall_ms() - max(now_ns - latch.since_ns, 0) // _NS_PER_MS
        self.record = record.moved(latch.state, latch.reason, since_ms)
        self._keep()
        return True

    def demand(self, state: LatchState) -> None:
        """A person's word while no gate stands: what the next one that is made begins with."""
        if state > self.record.state:
            self.record = self.record.moved(state, Control.OPERATOR, _wall_ms())
            self._keep()

    def _keep(self) -> None:
        if self.file is not None and (self._writing is None or self._writing.done()):
            self._writing = asyncio.get_running_loop().create_task(self._write(self.file))

    async def _write(self, file: Path) -> None:
        while self._on_disk != self.record:
            record = self.record
            try:
                await asyncio.to_thread(write_record, file, record)
                self._on_disk = record
            except OSError as error:
                self._say(f"{file}: the latch cannot be kept: {error.strerror}; trying again")
                await asyncio.sleep(_AGAIN_S)

    async def close(self) -> None:
        """See what was begun on the disk, within a second."""
        if self._writing is not None:
            await asyncio.wait((self._writing,), timeout=_AGAIN_S)
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
