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

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.feed.held_events import DepthEvent, HeldEvents
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

__all__ = ["BookSync", "DepthEvent", "Phase", "Verdict", "depth_event", "judge", "put_head"]


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


@dataclass(slots=True)
class BookSync:
    """The sequence state of one instrument. `row` is its row of the intake's state (i64 view).

    What must wait is kept in its queue of `held`.
    """

    row: npt.NDArray[np.int64]
    held: HeldEvents
    instrument: int = 0
    max_events: int = 4096
    max_levels: int = 1_000_000
    dropped_events: int = 0
    _newest: DepthEvent | None = None

    @property
    def phase(self) -> Phase:
        """WAITING, BRIDGING or LIVE."""
        return Phase(int(self.row[PHASE]))

    @property
    def last_id(self) -> int:
        """The u of the last event applied, or the snapshot's id while BRIDGING."""
        return int(self.row[LAST_ID])

    @property
    def waiting(self) -> int:
        """How many events are buffered."""
        return self.held.events(self.instrument)

    def on_event(self, event: DepthEvent) -> Verdict:
        """Judge the event at hand; HOLD and GAP buffer it, APPLY leaves the applying to the caller.

        After GAP the phase is WAITING and the event is the first of the new chain.
        """
        verdict = self._judge(event)
        if verdict is Verdict.GAP:
            self.restart()
            self._hold(event)
        elif verdict is Verdict.HOLD:
            return self._hold(event)
        return verdict

    def on_snapshot(self, last_update_id: int) -> bool:
        """Take a snapshot's id; the book must hold that snapshot from here on.

        Afterwards the phase is BRIDGING and `take` gives the buffered events to apply on top of it
        (maybe none: then the next event decides). False when the snapshot is older than the buffer
        begins: the phase stays WAITING and another must be fetched.
        """
        self.row[PHASE] = Phase.BRIDGING
        self.row[LAST_ID] = last_update_id
        while self.waiting:
            oldest = self.held.oldest(self.instrument)
            if oldest.last_id < last_update_id:
                self.held.drop(self.instrument)
                continue
            if self._judge(oldest) is not Verdict.APPLY:
                self.row[PHASE] = Phase.WAITING
                return False
            break
        return True

    def take(self) -> DepthEvent | None:
        """The oldest buffered event, its levels put at hand; None when there are no more."""
        return self.held.take(self.instrument) if self.waiting else None

    def restart(self) -> None:
        """Forget everything and wait for a snapshot (gap, broken book, new connection)."""
        self.row[PHASE] = Phase.WAITING
        self.held.clear(self.instrument)

    def _judge(self, event: DepthEvent) -> Verdict:
        first, last, previous = event.first_id, event.last_id, event.previous_id
        return Verdict(judge(self.row, 0, first, last, previous, event.event_ms))

    def _hold(self, event: DepthEvent) -> Verdict:
        """Buffer the event at hand, keeping the buffer one unbroken chain of bounded size."""
        newest = self._newest if self.waiting else None
        is_older = newest is not None and event.last_id <= newest.last_id
        if newest is not None and (is_older or event.previous_id != newest.last_id):
            if is_older and event.event_ms <= newest.event_ms:
                return Verdict.DUPLICATE
            # What came before the break can no longer be joined to what comes after it.
            self.dropped_events += self.waiting
            self.held.clear(self.instrument)
        while not self._has_room(event) or not self.held.put(self.instrument, event):
            self.dropped_events += 1
            if not self.waiting:
                # Others hold all the room there is: the chain begins with a later event.
                return Verdict.HOLD
            self.held.drop(self.instrument)
        self._newest = event
        return Verdict.HOLD

    def _has_room(self, event: DepthEvent) -> bool:
        levels = self.held.levels(self.instrument) + event.levels
        return self.waiting < self.max_events and levels <= self.max_levels


def depth_event(fields: Any, recv_ns: int) -> DepthEvent:
    """The head of the depth event at hand, out of the intake's INTEGERS."""
    first, last, previous = int(fields[FIRST_ID]), int(fields[ID]), int(fields[PREVIOUS_ID])
    bids, asks = int(fields[BID_COUNT]), int(fields[ASK_COUNT])
    return DepthEvent(first, last, previous, int(fields[EVENT_MS]), recv_ns, bids, asks)


def put_head(fields: Any, event: DepthEvent) -> None:
    """The way back: write an event's head where `depth_event` reads it."""
    fields[FIRST_ID], fields[ID], fields[PREVIOUS_ID] = event[:3]
    fields[EVENT_MS] = event.event_ms
    fields[BID_COUNT], fields[ASK_COUNT] = event.bids, event.asks
