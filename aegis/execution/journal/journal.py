"""The journal of a live session: notes to the disk before the socket, and what a disk does wrong.

`TradingSession` holds one. `flush` brings everything noted so far to the page cache with one write;
the intake calls it before it hands a request to the socket, and before an outcome goes to the
brain. What a disk can do wrong becomes the latch, never an exception on the way of an order:

* no room for the segment in reserve: REDUCING; a whole segment is left for cancels and reductions,
* a write that fails: the segment in reserve takes over, REDUCING; without one, HALTED, and
  placements are not sent at all (cancels are: no cancel ever depends on a disk),
* a sync that fails: HALTED, and no second sync is tried.

It reads no configuration and makes no thread; `recovery.open_journal` puts it together.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from aegis.execution.funding_book import Change
from aegis.execution.journal.errors import JournalDirError
from aegis.execution.journal.layout import (
    CARRIED,
    CHECKPOINT,
    CONFIRMED,
    FILL,
    FUNDED,
    INSTRUMENT,
    LATCH,
    RECORD,
    RECORD_BYTES,
    RUN,
    SNAPSHOT,
    STRAY,
    SUMS,
)
from aegis.execution.journal.state import (
    amend_records,
    known_trades,
    order_records,
    position_records,
    state_hash,
)
from aegis.execution.journal.sync import SyncThread, SyncWork
from aegis.execution.journal.writer import SegmentWriter
from aegis.execution.tables import NOTES
from aegis.execution.words import (
    FILLS,
    FUNDING_E8,
    JOURNAL_COUNT,
    JOURNAL_LOST,
    JOURNAL_ON,
    OPEN_COUNT,
    WALL_OFFSET_NS,
)
from aegis.risk.controls import Control
from aegis.risk.gate_state import DAY_BASE_E8, NET_REALIZED_E8
from aegis.risk.latch import LATCH_REASON, LATCH_STATE, LatchState

if TYPE_CHECKING:
    from aegis.execution.core import ExecutionCore

__all__ = ["Journal"]

# Room that a segment always keeps for every note that may be waiting.
MARGIN_BYTES = NOTES * RECORD_BYTES
_CHECKPOINT_EVERY_NS = 1_000_000_000
_TRY_AGAIN_NS = 1_000_000_000


def signed(value: int) -> int:
    """A 64-bit hash as the signed word of a record."""
    return value - (1 << 64) if value >> 63 else value


def _funded(change: Change) -> dict[str, int]:
    """The fields of a FUNDED record."""
    return {
        "code": change.code,
        "side": change.sign,
        "trade_id": change.number,
        "event_ns": change.time_ms * 1_000_000,
        "amount_e8": change.amount_e8,
    }


def _unheard(_: Change) -> None:
    """There is no journal to hear it any more."""


class Journal:
    """One run's journal. `clock_ns` is CLOCK_MONOTONIC, `wall_ns` CLOCK_REALTIME."""

    def __init__(
        self,
        writer: SegmentWriter,
        work: SyncWork,
        clock_ns: Callable[[], int],
        wall_ns: Callable[[], int],
        *,
        run: int,
        mode: int = 0,
    ) -> None:
        self.writer = writer
        self.work = work
        self.run = run
        self.mode = mode
        self.memory_id = 0
        # What the shared counters held of profit and fees before this account's sums, see `gauges`.
        self.base_e8 = (0, 0)
        self.thread: SyncThread | None = None
        self._clock_ns = clock_ns
        self._wall_ns = wall_ns
        self._core: ExecutionCore | None = None
        self._is_whole = True
        self._latch_told = (0, 0)
        # The instruments whose books' beginning is noted, and what the last look for others saw.
        self._begun: set[int] = set()
        self._begun_seen = (0, 0)
        self._unchecked = 0
        self._checked_ns = 0
        self._tried_ns = 0
        self.day = 0

    def attach(self, core: ExecutionCore) -> None:
        """Begin to note: from here on what moves `core` is written. Raises JournalDirError.

        A disk that fails now is no reason to halt what has not begun: nothing is noted then.
        """
        self._core = core
        self._begun = set(core.begun_ms)
        core.words[JOURNAL_ON] = 1
        core.funding.on_change = self._note_funded
        core.words[WALL_OFFSET_NS] = self._wall_ns() - self._clock_ns()
        try:
            self._start_segment()
            assert self.writer.file is not None
            self.writer.file.sync()
            self.writer.disk.sync()
        except OSError as error:
            core.words[JOURNAL_ON] = 0
            core.funding.on_change = _unheard
            self._core = None
            raise JournalDirError(
                f"the journal cannot be begun: {error.strerror}; see to its disk, or set [journal] "
                f"dir to another"
            ) from error

    # The way to the disk

    def flush(self) -> bool:
        """Write what is noted; False when it cannot be written (and the latch says so)."""
        core = self._core
        if core is None:
            return True
        words = core.words
        self._follow_latch()
        if (words[FILLS], len(core.begun_ms)) != self._begun_seen:
            self._note_begun()
        count = int(words[JOURNAL_COUNT])
        if count == 0:
            return self._is_whole
        if words[JOURNAL_LOST]:
            core.gate.latch.trip(LatchState.HALTED, Control.JOURNAL_FULL, self._clock_ns())
            return False
        if not self._is_whole and self._clock_ns() - self._tried_ns < _TRY_AGAIN_NS:
            return False
        notes = core.tables.journal[:count]
        try:
            if count * RECORD_BYTES > self.writer.room:
                raise OSError(errno.ENOSPC, "the segment is full and no other could be made")
            self.writer.append(notes)
        except OSError as error:
            if not self._write_to_reserve(notes, error):
                return False
        words[JOURNAL_COUNT] = 0
        self._is_whole = True
        self._unchecked += count
        if self.writer.room < MARGIN_BYTES:
            self._rotate()
        return True

    def _write_to_reserve(self, notes: npt.NDArray[Any], error: OSError) -> bool:
        """The current segment takes nothing: go over to the one in reserve, if there is one."""
        assert self._core is not None
        latch = self._core.gate.latch
        is_space = error.errno in (errno.ENOSPC, errno.EDQUOT)
        now_ns = self._tried_ns = self._clock_ns()
        try:
            if self.writer.spare is None:
                raise error
            with self.work.lock:
                self.writer.start_segment(self._wall_ns(), continues=True)
            self.writer.append(notes)
        except OSError:
            self._is_whole = False
            control = Control.JOURNAL_FULL if is_space else Control.JOURNAL_SYNC
            latch.trip(LatchState.HALTED, control, now_ns)
            return False
        if is_space:
            latch.trip(LatchState.REDUCING, Control.JOURNAL_FULL, now_ns)
        else:
            latch.trip(LatchState.HALTED, Control.JOURNAL_SYNC, now_ns)
        return True

    def _rotate(self) -> None:
        assert self._core is not None
        now_ns = self._clock_ns()
        if self.writer.spare is None and now_ns - self._tried_ns < _TRY_AGAIN_NS:
            return
        try:
            self._start_segment()
        except OSError:
            self._tried_ns = now_ns
            # What is left of this segment is the reserve now.
            self._core.gate.latch.trip(LatchState.REDUCING, Control.JOURNAL_FULL, now_ns)

    def _start_segment(self) -> None:
        """A new segment that begins with the whole state. Raises OSError."""
        with self.work.lock:
            self.writer.start_segment(self._wall_ns())
        self.writer.append(self.snapshot())
        self._unchecked = 0
        self._checked_ns = self._clock_ns()

    # What else the loop does now and then

    def turn(self) -> None:
        """Look at what the syncing found, write what waits, checkpoint: every few milliseconds."""
        core = self._core
        if core is None:
            return
        now_ns = self._clock_ns()
        core.words[WALL_OFFSET_NS] = self._wall_ns() - now_ns
        if self.work.sync_error:
            core.gate.latch.trip(LatchState.HALTED, Control.JOURNAL_SYNC, now_ns)
        if self.work.space_error:
            core.gate.latch.trip(LatchState.REDUCING, Control.JOURNAL_FULL, now_ns)
        self.flush()
        if self._unchecked and now_ns - self._checked_ns >= _CHECKPOINT_EVERY_NS:
            self.checkpoint()

    def checkpoint(self) -> int:
        """Note the hash of the state after everything so far; returns it."""
        assert self._core is not None
        self.flush()
        # Writing may have tripped the latch, and that is a part of what is hashed.
        self._follow_latch()
        found = int(state_hash(self._core.directory))
        self.note(CHECKPOINT, ident=signed(found), number=int(self._core.words[OPEN_COUNT]))
        self.flush()
        self._unchecked = 0
        self._checked_ns = self._clock_ns()
        return found

    def note(self, kind: int, **fields: int) -> None:
        """Note a record from the cold side; written with the next flush."""
        assert self._core is not None
        words = self._core.words
        place = int(words[JOURNAL_COUNT])
        notes = self._core.tables.journal
        if place >= len(notes):
            words[JOURNAL_LOST] += 1
            return
        notes[place] = self._record(kind, **fields)
        words[JOURNAL_COUNT] = place + 1

    def note_day(self, day: int) -> None:
        """A new day (UTC, days since 1970) has begun, with the sums as they stand."""
        self.day = day
        self._note_sums()

    def _note_sums(self) -> None:
        assert self._core is not None
        self.note(SUMS, **self._sums())

    def close(self) -> bool:
        """The end of the run; True when everything written is also synced."""
        if self.thread is not None:
            self.thread.close()
        if self._core is not None:
            self.checkpoint()
            self._core.words[JOURNAL_ON] = 0
            self._core.funding.on_change = _unheard
            self._core = None
        is_whole = self._is_whole and not self.work.sync_error
        try:
            if self.work.sync_error:
                return False
            self.writer.close()
        except OSError as error:
            self.work.sync_error = f"{error.strerror} (errno {error.errno})"
            return False
        finally:
            self.writer.disk.close()
        return is_whole

    # Records

    def _record(self, kind: int, **fields: int) -> Any:
        note = np.zeros(1, RECORD)
        now_ns = self._clock_ns()
        note["kind"] = kind
        note["mono_ns"] = now_ns
        note["ts_ns"] = self._wall_ns()
        for name, value in fields.items():
            note[name] = value
        return note[0]

    def _follow_latch(self) -> None:
        """Note a latch that has moved since it was last noted."""
        assert self._core is not None
        latch = self._core.gate.words
        if (latch[LATCH_STATE], latch[LATCH_REASON]) != self._latch_told:
            self._note_latch()

    def _note_funded(self, change: Change) -> None:
        self.note(FUNDED, **_funded(change))

    def _note_begun(self) -> None:
        """Beside the first trade of an instrument: since when its books hold every trade.

        A restart that finds the trade must know that those after it are news, and those of before
        the books are not.
        """
        core = self._core
        assert core is not None
        self._begun_seen = (int(core.words[FILLS]), len(core.begun_ms))
        unnoted = core.begun_ms.keys() - self._begun
        if not unnoted:
            return
        notes, held = core.tables.journal[: int(core.words[JOURNAL_COUNT])], core.gate.exposure
        traded = (held["position_lots"] != 0) | (held["fees_e8"] != 0)
        traded[notes["instrument"][np.isin(notes["kind"], (FILL, STRAY))]] = True
        for place in sorted(unnoted.intersection(np.flatnonzero(traded).tolist())):
            self._begun.add(place)
            self.note(CONFIRMED, **self._confirmed(place))

    def _confirmed(self, place: int) -> dict[str, int]:
        assert self._core is not None
        since_ms = self._core.begun_ms[place] if place in self._begun else 0
        trade_id = self._core.confirmed_trades[place]
        return {"instrument": place, "trade_id": trade_id, "event_ns": since_ms * 1_000_000}

    def _note_latch(self) -> None:
        assert self._core is not None
        latch = self._core.gate.words
        state, reason = int(latch[LATCH_STATE]), int(latch[LATCH_REASON])
        self._latch_told = (state, reason)
        self.note(LATCH, code=state, number=reason)

    def _sums(self) -> dict[str, int]:
        assert self._core is not None
        words, gate = self._core.words, self._core.gate.words
        return {
            "amount_e8": int(words[FUNDING_E8]),
            "cum_lots": int(gate[NET_REALIZED_E8]),
            "trade_id": int(gate[DAY_BASE_E8]),
            "number": self.day,
        }

    def snapshot(self) -> npt.NDArray[Any]:
        """The whole state as records, from RUN to CHECKPOINT; stands alone."""
        core = self._core
        assert core is not None
        found = signed(int(state_hash(core.directory)))
        latch = core.gate.words
        self._latch_told = (int(latch[LATCH_STATE]), int(latch[LATCH_REASON]))
        head = [
            self._record(
                RUN,
                ident=self.run,
                code=self.mode,
                trade_id=core.ids.tag,
                number=self.memory_id,
                amount_e8=self.base_e8[0],
                cum_lots=self.base_e8[1],
            ),
            *self._instrument_records(),
            self._record(SNAPSHOT, ident=found, number=len(core.instruments)),
            self._record(SUMS, **self._sums()),
            self._record(LATCH, code=self._latch_told[0], number=self._latch_told[1]),
        ]
        tail = [
            self._record(CONFIRMED, **self._confirmed(place))
            for place, trade_id in enumerate(core.confirmed_trades)
            if trade_id or place in self._begun
        ]
        for order_ref, name in core.carried.items():
            tail.append(
                self._record(
                    CARRIED,
                    order_ref=order_ref,
                    ident=name.run,
                    number=name.epoch,
                    trade_id=name.order_ref,
                    amount_e8=name.tag,
                )
            )
        tail += [self._record(FUNDED, **_funded(change)) for change in core.funding.state()]
        tail.append(self._record(CHECKPOINT, ident=found, number=int(core.words[OPEN_COUNT])))
        stamp = self._record(0)
        parts = [np.array(head, RECORD)]
        for notes in (
            position_records(core.gate.exposure),
            known_trades(core.tables.array("trades"), core.confirmed_trades),
            order_records(core.tables.rows),
            amend_records(core.tables.rows, core.tables.terms),
        ):
            notes["ts_ns"], notes["mono_ns"] = stamp["ts_ns"], stamp["mono_ns"]
            parts.append(notes)
        parts.append(np.array(tail, RECORD))
        return np.concatenate(parts)

    def _instrument_records(self) -> list[Any]:
        assert self._core is not None
        found = []
        for place, rules in enumerate(self._core.instruments):
            note = self._record(
                INSTRUMENT,
                instrument=place,
                trade_id=rules.tick_mantissa,
                amount_e8=rules.step_mantissa,
                code=rules.tick_decimals << 8 | rules.step_decimals,
            )
            text = np.frombuffer(rules.symbol.encode().ljust(24, b"\0"), "<i8")
            note["ident"], note["price_ticks"], note["qty_lots"] = text
            found.append(note)
        return found
