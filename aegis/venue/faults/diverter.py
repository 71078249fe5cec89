"""Stream faults: what happens to the messages of one connection while faults are armed for it.

``streams`` puts a Diverter between a connection and what is sent to it, market streams and user
events alike, message by message. It passes on what no fault strikes, in order; without armed stream
faults no connection has one, and nothing is slower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from aegis.venue.faults.armed import Armed, matches
from aegis.venue.faults.board import FaultBoard
from aegis.venue.faults.edits import EDITS
from aegis.venue.faults.frames import Opened, open_frame, payload_start
from aegis.venue.faults.held import HeldStream, Later
from aegis.venue.faults.lines import Line, account_id
from aegis.venue.faults.menu import Room
from aegis.venue.market import Market

# Kinds that only make sense for one sort of message; the names are those of streams and events.
ONLY: Final[dict[str, str]] = {
    "gap": "*@depth*",
    "duplicate_fill": "ORDER_TRADE_UPDATE",
    "account_update_missing": "ACCOUNT_UPDATE",
}
_FILL: Final = b'"x":"TRADE"'

Effect = Callable[["Diverter", Armed, str, bytes], list[bytes]]


class Diverter:
    """Between the venue and one connection.

    Called with each message's stream (or event) name, its frame and, for user events, the account.
    `count(owner, messages)` is told how many messages more (or fewer) went out than came in.
    """

    def __init__(
        self,
        line: Line,
        board: FaultBoard,
        markets: Mapping[str, Market],
        later: Later,
        count: Callable[[bool, int], None],
    ) -> None:
        self.line = line
        self.markets = markets
        self._board = board
        self._later = later
        self._count = count
        self._held: dict[str, HeldStream] = {}
        # Messages that wait for the one that is to come before them, by the fault's number.
        self._swapped: dict[int, tuple[Armed, bytes]] = {}

    @property
    def is_idle(self) -> bool:
        """Does it hold nothing back?"""
        return not self._swapped and not any(held.is_open for held in self._held.values())

    def __call__(self, stream: str, frame: bytes, account: int = 0) -> None:
        """One message that would be sent now."""
        overtaken = [
            number
            for number, (armed, _) in self._swapped.items()
            if self._meant(armed, stream, account)
        ]
        frames = [frame]
        for armed in self._board.live(Room.STREAM):
            if not self._suits(armed, stream, frame, account):
                continue
            if armed.strikes(self._board.now_ms):
                effect = EFFECTS[armed.fault.kind]
                frames = [out for one in frames for out in effect(self, armed, stream, one)]
            if not frames:
                break
        frames += [self._swapped.pop(number)[1] for number in overtaken]
        held = self._held.get(stream)
        if held is not None and held.is_open:
            for one in frames:
                held.follow(one)
        elif frames:
            for one in frames:
                self.line.wire.enqueue(one)
            self.line.wire.flush()

    # --- inside ---

    def _suits(self, armed: Armed, stream: str, frame: bytes, account: int) -> bool:
        """Is this a message that the fault may strike?"""
        kind = armed.fault.kind
        if not self._meant(armed, stream, account) or armed.number in self._swapped:
            return False
        if kind == "duplicate_fill" and _FILL not in frame:
            return False
        return matches(ONLY.get(kind, "*"), stream)

    def _meant(self, armed: Armed, stream: str, account: int) -> bool:
        fault = armed.fault
        if fault.account is not None and account_id(fault.account) != account:
            return False
        return matches(fault.stream, stream) and matches(fault.connection, self.line.name)

    def _send(self, frame: bytes) -> None:
        self.line.wire.enqueue(frame)
        self.line.wire.flush()

    def _queue(self, stream: str) -> HeldStream:
        held = self._held.get(stream)
        if held is None:
            held = self._held[stream] = HeldStream(self._later, self._send)
        return held

    def _drop(self, armed: Armed, stream: str, frame: bytes) -> list[bytes]:
        self._count(_is_event(stream), -1)
        return []

    def _duplicate(self, armed: Armed, stream: str, frame: bytes) -> list[bytes]:
        self._count(_is_event(stream), 1)
        return [frame, frame]

    def _reorder(self, armed: Armed, stream: str, frame: bytes) -> list[bytes]:
        self._swapped[armed.number] = armed, frame
        return []

    def _delay(self, armed: Armed, stream: str, frame: bytes) -> list[bytes]:
        self._queue(stream).delay(frame, armed.fault.delay_ms or 0)
        return []

    def _drip(self, armed: Armed, stream: str, frame: bytes) -> list[bytes]:
        self._queue(stream).drip(frame, armed.fault.delay_ms or 0)
        return []

    def _burst(self, armed: Armed, stream: str, frame: bytes) -> list[bytes]:
        self._queue(stream).burst(frame, armed.fault.delay_ms or 0)
        return []

    def _cut(self, armed: Armed, stream: str, frame: bytes) -> list[bytes]:
        # The header and some of the payload: a reader must know that something was under way.
        self.line.wire.cut(frame[: max(payload_start(frame) + 1, len(frame) // 2)])
        return []

    def _half_open(self, armed: Armed, stream: str, frame: bytes) -> list[bytes]:
        self.line.wire.fall_silent()
        return []

    def _new_event(self, armed: Armed, stream: str, frame: bytes) -> list[bytes]:
        opened = open_frame(frame)
        event = {"e": "somethingNew", "E": self._board.now_ms, "zz": []}
        self._count(_is_event(stream), 1)
        return [opened.closed(msgspec.json.encode(event)), frame]

    def _edit(self, armed: Armed, stream: str, frame: bytes) -> list[bytes]:
        opened = open_frame(frame)
        edited = self._edited(armed, opened)
        if edited is None:
            # Nothing in it for this kind to change: it has not struck after all.
            armed.struck -= 1
            return [frame]
        return [opened.closed(edited)]

    def _edited(self, armed: Armed, opened: Opened) -> bytes | None:
        try:
            data: Any = msgspec.json.decode(opened.payload)
        except msgspec.DecodeError:
            return None  # another fault has been at it
        target = data[0] if isinstance(data, list) and data else data
        if not isinstance(target, dict):
            return None
        if not EDITS[armed.fault.kind](armed, target, self.markets):
            return None
        return msgspec.json.encode(data)


def _is_event(stream: str) -> bool:
    """Is it the name of a user event (ORDER_TRADE_UPDATE), not of a market stream?"""
    return "@" not in stream and not stream.startswith("!")


EFFECTS: Final[dict[str, Effect]] = {
    "drop": Diverter._drop,
    "silent": Diverter._drop,
    "account_update_missing": Diverter._drop,
    "duplicate": Diverter._duplicate,
    "duplicate_fill": Diverter._duplicate,
    "reorder": Diverter._reorder,
    "delay": Diverter._delay,
    "slow_drip": Diverter._drip,
    "burst": Diverter._burst,
    "cut": Diverter._cut,
    "half_open": Diverter._half_open,
    "new_event": Diverter._new_event,
    **dict.fromkeys(EDITS, Diverter._edit),
}
