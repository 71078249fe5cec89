"""What a second connection hears before it takes over from the first: held, then sifted. No socket.

Made by the connection for a planned replacement. The successor's frames are kept with their times
of arrival while the predecessor goes on feeding the intake; at the takeover those that the intake
knows already are dropped and the rest is handed over in order. Every stream of the exchange is one
chain, so when the first held event of a book follows, or overlaps, what the book has applied,
nothing is missing between the two.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from aegis.feed.layout import LAST_ID, PHASE, QUOTE_ID, TRADE_ID
from aegis.feed.sync import Phase

__all__ = ["MAX_HELD_BYTES", "Handover"]

# A minute of the busiest 60 symbols; beyond it the overlap has gone wrong.
MAX_HELD_BYTES = 64 << 20

IndexOf = Callable[[str], int]


class _Numbers(Struct):
    s: str = ""
    u: int = -1
    pu: int = -1
    t: int = -1


class _Frame(Struct):
    stream: str = ""
    data: _Numbers = msgspec.field(default_factory=_Numbers)


_decoder = msgspec.json.Decoder(_Frame, strict=False)


class Handover:
    """The frames of a successor. `rows` is the intake's state, `index_of` its symbol table."""

    def __init__(self, rows: npt.NDArray[np.int64], index_of: IndexOf) -> None:
        self.held: list[tuple[bytes, int]] = []
        self.held_bytes = 0
        # What the predecessor brought meanwhile of streams that carry no numbers.
        self.heard: set[bytes] = set()
        self._rows = rows
        self._index_of = index_of

    @property
    def is_full(self) -> bool:
        """Whether more is held than can make sense."""
        return self.held_bytes > MAX_HELD_BYTES

    def hold(self, payload: bytes, recv_ns: int) -> None:
        """A frame of the successor."""
        if not self.is_full:
            self.held.append((payload, recv_ns))
            self.held_bytes += len(payload)

    def joins(self) -> bool:
        """Whether every book that had an event has applied what came before the first held one."""
        first: dict[int, int] = {}
        for payload, _ in self.held:
            frame = _decode(payload)
            if frame is not None and frame.data.pu >= 0:
                first.setdefault(self._index_of(frame.data.s), frame.data.pu)
        return all(
            int(self._rows[instrument][LAST_ID]) >= previous
            for instrument, previous in first.items()
            if instrument >= 0 and self._rows[instrument][PHASE] == Phase.LIVE
        )

    def fresh(self) -> list[tuple[bytes, int]]:
        """The held frames that the intake does not know yet, in order; nothing is held then."""
        found = [item for item in self.held if self._is_fresh(item[0])]
        self.held, self.held_bytes = [], 0
        self.heard.clear()
        return found

    def _is_fresh(self, payload: bytes) -> bool:
        frame = _decode(payload)
        if frame is None:
            # Not what it should be: the intake counts it, and says why.
            return True
        numbers = frame.data
        kind = frame.stream.partition("@")[2]
        instrument = self._index_of(numbers.s)
        if instrument < 0 or (numbers.u < 0 and kind != "trade"):
            return payload not in self.heard
        row = self._rows[instrument]
        if kind == "trade":
            return numbers.t > int(row[TRADE_ID])
        if kind == "bookTicker":
            return numbers.u > int(row[QUOTE_ID])
        return row[PHASE] != Phase.LIVE or numbers.u > int(row[LAST_ID])


def _decode(payload: bytes) -> _Frame | None:
    try:
        return _decoder.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError):
        return None
