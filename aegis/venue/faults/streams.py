"""Puts diverters where stream faults are armed, and takes them out again.

Made once by ``room``; the board tells it when faults come and go, the lines when connections do.
While no stream fault is armed nothing is diverted, and the fan-out runs as if this file were not
there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from aegis.venue.faults.board import FaultBoard
from aegis.venue.faults.diverter import Diverter
from aegis.venue.faults.held import Later
from aegis.venue.faults.lines import Line, Lines, Wire
from aegis.venue.faults.menu import Room
from aegis.venue.market import Market


class Fanout(Protocol):
    """One side of the venue that sends messages: the market's hub, or the owners' feed."""

    def divert(self, subscriber: Wire, diversion: Diverter | None) -> None:
        """Hand the subscriber's messages to `diversion` from now on; None ends it."""

    def note_sent(self, subscriber: Wire, messages: int) -> None:
        """So many more messages went to the subscriber (fewer, if negative)."""


class StreamFaults:
    """All diverters of a venue."""

    def __init__(
        self,
        board: FaultBoard,
        lines: Lines,
        markets: Mapping[str, Market],
        fanouts: tuple[Fanout, Fanout],
        later: Later,
    ) -> None:
        self._board = board
        self._lines = lines
        self._markets = markets
        self._market_side, self._owner_side = fanouts
        self._later = later
        self._diverters: dict[Wire, Diverter] = {}

    def refresh(self) -> None:
        """Divert every stream connection while there are stream faults, and none without."""
        if self._board.has(Room.STREAM):
            for wire, line in self._lines.open.items():
                if line.carries_streams and wire not in self._diverters:
                    self._begin(line)
        for wire, diverter in list(self._diverters.items()):
            over = not self._board.has(Room.STREAM) and diverter.is_idle
            if over or wire not in self._lines.open:
                self._end(wire)

    def _begin(self, line: Line) -> None:
        wire = line.wire

        def count(owner: bool, messages: int) -> None:
            side = self._owner_side if owner else self._market_side
            side.note_sent(wire, messages)

        diverter = Diverter(line, self._board, self._markets, self._later, count)
        self._diverters[wire] = diverter
        self._market_side.divert(wire, diverter)
        self._owner_side.divert(wire, diverter)

    def _end(self, wire: Wire) -> None:
        del self._diverters[wire]
        self._market_side.divert(wire, None)
        self._owner_side.divert(wire, None)
