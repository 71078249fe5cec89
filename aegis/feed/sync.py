"""Keeping a book in step with the exchange: the sequence rules, as a state machine without I/O.

Called by the intake with every depth event and snapshot of one instrument; it answers what to do
with them and never touches a socket, a clock or a price. `judge` is the rule itself and runs in
the intake's kernel as well, so live events and replayed ones pass the same gate.

Theory of operation (exchange document "How to manage a local order book correctly", futures). An
event carries U and u, the first and last update id folded into it, and pu, the u of the event
before it in the same stream. Ids are shared by all symbols, so U says nothing about a gap; only
pu does. Three phases:

WAITING   no usable snapshot. Events are buffered; the buffer is always one unbroken pu chain.
BRIDGING  the snapshot with id L is loaded, the book is not valid yet. Events with u < L are
          inside it already and dropped. The first other one must reach over L (U <= L <= u), or
          follow it directly (pu == L): a snapshot taken while nothing happened ends exactly at
          the last event. If it starts later, the snapshot is too old and another is fetched.
LIVE      every event must have pu == u of the one applied before, for ever. Anything older is a
          duplicate; anything else is a gap: the book is invalid until it is WAITING's turn again.

An old id with a new event time is no duplicate: the exchange has started its numbering again, and
calling these events duplicates would freeze a book that still looks right. It counts as a gap.
Quantities are absolute, so applying the overlap with the snapshot twice is harmless.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.feed.layout import (
    ASK_COUNT,
    BID_COUNT,
    EVENT_MS,
    FIRST_ID,
    ID,
    LAST_ID,
    LAST_MS,
    PHASE,
    PREVIOUS_ID,
)
from aegis.host.jit import kernel

__all__ = ["BookSync", "DepthEvent", "Phase", "Reason", "Verdict", "depth_event", "judge"]


class Phase(IntEnum):
    """Where an instrument's book stands; the value is in its row of the intake's state."""

    WAITING = 0
    BRIDGING = 1
    LIVE = 2


class Verdict(IntEnum):
    """What to do with a depth event."""

    HOLD = 0
    APPLY = 1
    OLD = 2
    DUPLICATE = 3
    GAP = 4


class Reason(IntEnum):
    """Why a book is not valid: the `b` of a STATUS record."""

    NONE = 0
    STARTING = 1
    GAP = 2
    DISCONNECTED = 3
    CROSSED = 4
    EMPTY = 5
    ABSURD = 6
    TOP_MISMATCH = 7
    STALE = 8
    STOPPING = 9
    NOT_TRADING = 10
    SHALLOW = 11
    LATE = 12


_WAITING, _BRIDGING = int(Phase.WAITING), int(Phase.BRIDGING)
_HOLD, _APPLY, _OLD = int(Verdict.HOLD), int(Verdict.APPLY), int(Verdict.OLD)
_DUPLICATE, _GAP = int(Verdict.DUPLICATE), int(Verdict.GAP)


@kernel
def judge(
    rows: Any, base: Any, first_id: Any, last_id: Any, previous_id: Any, event_ms: Any
) -> Any:
    """The verdict on an event, given the instrument's row at rows[base:]. Changes nothing."""
    phase = rows[base + PHASE]
    known = rows[base + LAST_ID]
    if phase == _WAITING:
        return _HOLD
    if phase == _BRIDGING:
        if last_id < known:
            return _OLD
        if first_id <= known or previous_id == known:
            return _APPLY
        return _GAP
    if previous_id == known and last_id > known:
        return _APPLY
    if last_id <= known and event_ms <= rows[base + LAST_MS]:
        return _DUPLICATE
    return _GAP


@dataclass(slots=True, frozen=True)
class DepthEvent:
    """One depth event, copied out of the intake's arrays so that it can wait.

    bid_keys, ask_keys: i64, prices in 1e-8 quote units; the quantities f64 are absolute.
    """

    first_id: int
    last_id: int
    previous_id: int
    event_ms: int
    recv_ns: int
    bid_keys: npt.NDArray[np.int64]
    bid_quantities: npt.NDArray[np.float64]
    ask_keys: npt.NDArray[np.int64]
    ask_quantities: npt.NDArray[np.float64]

    @property
    def levels(self) -> int:
        """Changed levels of both sides: what the event costs to keep."""
        return int(self.bid_keys.size + self.ask_keys.size)


@dataclass(slots=True)
class BookSync:
    """The sequence state of one instrument. `row` is its row of the intake's state (i64 view)."""

    row: npt.NDArray[np.int64]
    max_events: int = 4096
    max_levels: int = 1_000_000
    buffer: deque[DepthEvent] = field(default_factory=deque)
    buffered_levels: int = 0
    dropped_events: int = 0

    @property
    def phase(self) -> Phase:
        """WAITING, BRIDGING or LIVE."""
        return Phase(int(self.row[PHASE]))

    @property
    def last_id(self) -> int:
        """The u of the last event applied, or the snapshot's id while BRIDGING."""
        return int(self.row[LAST_ID])

    def on_event(self, event: DepthEvent) -> Verdict:
        """Judge an event; HOLD and GAP buffer it, APPLY leaves the applying to the caller.

        After GAP the phase is WAITING and the event is the first of the new chain.
        """
        verdict = self._judge(event)
        if verdict is Verdict.GAP:
            self.restart()
            self._hold(event)
        elif verdict is Verdict.HOLD:
            return self._hold(event)
        return verdict

    def on_snapshot(self, last_update_id: int) -> list[DepthEvent] | None:
        """Take a snapshot's id; the book must hold that snapshot from here on.

        Returns the buffered events to apply on top of it (maybe none: then the phase is BRIDGING
        and the next event decides), or None when the snapshot is older than the buffer begins:
        the phase stays WAITING and another must be fetched.
        """
        self.row[PHASE] = Phase.BRIDGING
        self.row[LAST_ID] = last_update_id
        while self.buffer and self.buffer[0].last_id < last_update_id:
            self.buffered_levels -= self.buffer.popleft().levels
        if self.buffer and self._judge(self.buffer[0]) is not Verdict.APPLY:
            self.row[PHASE] = Phase.WAITING
            return None
        events = list(self.buffer)
        self._clear()
        return events

    def restart(self) -> None:
        """Forget everything and wait for a snapshot (gap, broken book, new connection)."""
        self.row[PHASE] = Phase.WAITING
        self._clear()

    def _judge(self, event: DepthEvent) -> Verdict:
        first, last, previous = event.first_id, event.last_id, event.previous_id
        return Verdict(judge(self.row, 0, first, last, previous, event.event_ms))

    def _hold(self, event: DepthEvent) -> Verdict:
        """Buffer an event, keeping the buffer one unbroken chain of bounded size."""
        if self.buffer:
            newest = self.buffer[-1]
            if event.previous_id != newest.last_id or event.last_id <= newest.last_id:
                if event.last_id <= newest.last_id and event.event_ms <= newest.event_ms:
                    return Verdict.DUPLICATE
                # What came before the break can no longer be joined to what comes after it.
                self.dropped_events += len(self.buffer)
                self._clear()
        self.buffer.append(event)
        self.buffered_levels += event.levels
        while len(self.buffer) > self.max_events or self.buffered_levels > self.max_levels:
            self.buffered_levels -= self.buffer.popleft().levels
            self.dropped_events += 1
        return Verdict.HOLD

    def _clear(self) -> None:
        self.buffer.clear()
        self.buffered_levels = 0


def depth_event(fields: Any, keys: Any, quantities: Any, asks_at: int, recv_ns: int) -> DepthEvent:
    """Copy the message at hand (the intake's arrays, asks from `asks_at` on) into an event."""
    bids, asks = int(fields[BID_COUNT]), int(fields[ASK_COUNT])
    return DepthEvent(
        first_id=int(fields[FIRST_ID]),
        last_id=int(fields[ID]),
        previous_id=int(fields[PREVIOUS_ID]),
        event_ms=int(fields[EVENT_MS]),
        recv_ns=recv_ns,
        bid_keys=keys[:bids].copy(),
        bid_quantities=quantities[:bids].copy(),
        ask_keys=keys[asks_at : asks_at + asks].copy(),
        ask_quantities=quantities[asks_at : asks_at + asks].copy(),
    )
