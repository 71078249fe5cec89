"""The board on which faults hang: what is armed, what is over, and whose turn it is.

``serve`` advances its clock with the market's own time; the rooms of faults ask it what is live.
It carries nothing out itself: `begin` and `end` go to the actions that it was given per kind. Where
a schedule has an edge (a fault begins, ends or is due), `next_edge_ms` tells the clockwork to stop
there, so that the same schedule meets the same market.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from aegis.venue.errors import RejectError, VenueError
from aegis.venue.faults.armed import ENDLESS_MS, Armed
from aegis.venue.faults.menu import MOMENTS, Room
from aegis.venue.faults.schema import Fault

PAST_KEPT: Final = 500
MAX_ARMED: Final = 1_000

log = logging.getLogger(__name__)


def _nothing(armed: Armed) -> None:
    return


@dataclass(frozen=True, slots=True)
class Action:
    """What a kind does at its moment or at its beginning, and at its end if it lasts."""

    begin: Callable[[Armed], None]
    end: Callable[[Armed], None] = _nothing


class FaultBoard:
    """All faults of a venue. `now_ms` is the market's own time, as it was last told."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.origin_ms = 0
        self.now_ms = 0
        self.armed: dict[int, Armed] = {}
        self.past: deque[Armed] = deque(maxlen=PAST_KEPT)
        self.actions: dict[str, Action] = {}
        self.acts = 0  # actions carried out so far
        # Told when faults of a room were added or are gone: streams are diverted only meanwhile.
        self.on_change: Callable[[], None] = lambda: None
        self._by_room: dict[Room, list[Armed]] = {room: [] for room in Room}
        self._numbers = 0

    def open(self, now_ms: int, faults: Iterable[Fault] = ()) -> None:
        """The markets open: the schedule's times count from here."""
        self.origin_ms = self.now_ms = now_ms
        self.add(faults)

    def add(self, faults: Iterable[Fault]) -> list[Armed]:
        """Arm faults; their times count from now. Raises VenueError where there are too many."""
        wanted = list(faults)
        if len(self.armed) + len(wanted) > MAX_ARMED:
            raise VenueError(f"{MAX_ARMED} faults are armed at most")
        added = []
        for fault in wanted:
            self._numbers += 1
            armed = Armed(self._numbers, fault, self.now_ms, self.seed)
            self.armed[armed.number] = armed
            self._by_room[armed.dish.room].append(armed)
            added.append(armed)
        if added:
            self.on_change()
            self.advance(self.now_ms)
        return added

    def remove(self, chosen: Iterable[Armed]) -> None:
        """End faults before their time."""
        for armed in list(chosen):
            self._finish(armed)

    def live(self, room: Room) -> list[Armed]:
        """The faults of a room that may strike now, in the order in which they were armed."""
        group = self._by_room[room]
        return [armed for armed in group if armed.is_live(self.now_ms)] if group else group

    def has(self, room: Room) -> bool:
        """Is any fault of the room armed, live or not yet?"""
        return bool(self._by_room[room])

    def next_edge_ms(self) -> int:
        """The next time at which something begins, is due or ends; far away if nothing is."""
        edges = [
            edge
            for armed in self.armed.values()
            for edge in (armed.begin_ms, armed.next_moment_ms(), armed.end_ms)
            if edge > self.now_ms
        ]
        return min(edges, default=ENDLESS_MS)

    def advance(self, now_ms: int) -> None:
        """The market's time is `now_ms`: do what is due, end what is over."""
        self.now_ms = max(self.now_ms, now_ms)
        for armed in list(self.armed.values()):
            if armed.fault.kind in self.actions:
                self._keep(armed)
            if armed.is_spent or armed.end_ms <= self.now_ms:
                self._finish(armed)

    def report(self) -> dict[str, Any]:
        """Active and past faults with their counts; times in ms since the opening."""
        return {
            "seed": self.seed,
            "now_ms": self.now_ms - self.origin_ms,
            "active": [armed.report(self.origin_ms) for armed in self.armed.values()],
            "past": [armed.report(self.origin_ms) for armed in self.past],
        }

    # --- inside ---

    def _keep(self, armed: Armed) -> None:
        if armed.dish.lasts:
            if not armed.begun and armed.begin_ms <= self.now_ms:
                armed.begun = True
                armed.struck += armed.dish.room in MOMENTS
                self._act(armed, self.actions[armed.fault.kind].begin)
            return
        while armed.next_moment_ms() <= self.now_ms:
            armed.take_moment()
            self._act(armed, self.actions[armed.fault.kind].begin)

    def _finish(self, armed: Armed) -> None:
        if self.armed.pop(armed.number, None) is None:
            return
        self._by_room[armed.dish.room].remove(armed)
        self.past.append(armed)
        if armed.begun:
            self._act(armed, self.actions[armed.fault.kind].end)
        self.on_change()

    def _act(self, armed: Armed, act: Callable[[Armed], None]) -> None:
        """Carry out one action. What the exchange itself refuses is no failure of the venue."""
        self.acts += 1
        try:
            act(armed)
        except RejectError as error:
            armed.note = f"the exchange refused: {error}"
            log.warning("fault %d (%s): %s", armed.number, armed.fault.kind, armed.note)
