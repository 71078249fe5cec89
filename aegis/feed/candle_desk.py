"""The Python side of candle building: what happens between trades, and what the history lacks.

Owned by the intake. It hears of subscriptions, cuts and void ids, takes candles of the exchange's
history in, and tells which stretches of time still have to be asked for. No socket, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.feed import layout
from aegis.feed.candles import (
    NEVER_MS,
    PENDING_MS,
    begin_candle,
    forget_candles,
    take_candle,
    take_void,
)
from aegis.feed.emit import flush
from aegis.feed.intake_memory import IntakeMemory
from aegis.shm.candles import Candles
from aegis.shm.tick import INCOMPLETE

__all__ = ["CandleDesk", "Stretch"]

# How long a candle has to be over before the exchange is asked what it was.
SETTLE_MS = 2_000


class Stretch(NamedTuple):
    """Closed candles of one ring: opening times in ms of the first and the last of them."""

    instrument: int
    place: int
    from_ms: int
    to_ms: int


class CandleDesk:
    """`candles` is the shared history, None (or without intervals) when no candles are built."""

    def __init__(self, memory: IntakeMemory, candles: Candles | None) -> None:
        self.shared = candles
        self.intervals_s = candles.intervals_s if candles is not None else ()
        self._context = memory.context
        self._control: npt.NDArray[np.int64] = memory["control"]
        self._lanes = memory["candle_lanes"]
        self._bars = memory["bars"]

    @property
    def exchange_ms(self) -> int:
        """The exchange's time as its messages have told it, 0 before the first."""
        return int(self._control[layout.EXCHANGE_MS])

    def take_void(self, instrument: int, number: int) -> None:
        """A trade id that stands for no trade."""
        take_void(self._context, instrument, number)

    # ---- streams

    def on_subscribed(self, instruments: Iterable[int]) -> None:
        """The trades of these instruments come from now on; their next message tells since when."""
        for instrument in instruments:
            if self._lanes[instrument]["trusted_ms"] == NEVER_MS:
                self._lanes[instrument]["trusted_ms"] = PENDING_MS
                self._control[layout.CANDLES_PENDING] = 1

    def on_cut(self, instruments: Iterable[int]) -> None:
        """The trades of these instruments come no longer: nobody knows what is missed."""
        for instrument in instruments:
            self._lanes[instrument]["trusted_ms"] = NEVER_MS

    def forget(self, instrument: int) -> None:
        """The instrument is not followed any more: no candle of it will close."""
        forget_candles(self._context, instrument)

    def tell_known(self, instrument: int, place: int, *, known: bool) -> None:
        """Let readers know whether the exchange has answered for a ring's history."""
        if self.shared is not None:
            self.shared.tell_known(instrument, place, known=known)

    # ---- what is missing

    def recent(self, instrument: int, place: int) -> Stretch | None:
        """All closed candles that the history has room for; None while the time is not known."""
        exchange_ms = self.exchange_ms
        if exchange_ms == 0 or self.shared is None:
            return None
        width_ms = self.intervals_s[place] * 1000
        to_ms = exchange_ms - exchange_ms % width_ms - width_ms
        from_ms = max(to_ms - (self.shared.history - 1) * width_ms, width_ms)
        return Stretch(instrument, place, from_ms, to_ms)

    def broken(self) -> list[Stretch]:
        """Stretches with incomplete candles that have been over for a while."""
        waiting = np.flatnonzero(self._bars["repair_from_ms"])
        found = []
        for ring in waiting.tolist():
            instrument, place = divmod(ring, len(self.intervals_s))
            bar, width_ms = self._bars[ring], self.intervals_s[place] * 1000
            first_ms, last_ms = int(bar["repair_from_ms"]), int(bar["repair_to_ms"])
            settled_ms = self.exchange_ms - SETTLE_MS - width_ms
            last_ms = min(last_ms, settled_ms - settled_ms % width_ms)
            if first_ms <= last_ms:
                found.append(Stretch(instrument, place, first_ms, last_ms))
        return found

    def take(self, asked: Stretch, rows: npt.NDArray[np.void], recv_ns: int) -> int:
        """Take candles (CANDLE[n], ascending) that the exchange gave for a stretch; how many.

        What is still incomplete after that, the exchange does not have: it stays so.
        """
        instrument, place = asked.instrument, asked.place
        self._control[layout.RECV_NS] = recv_ns
        taken = 0
        for row in rows:
            open_ms, open_, high, low, close, volume, trades, _ = row.tolist()
            taken += take_candle(
                self._context, instrument, place, open_ms, open_, high, low, close, volume, trades
            )
        width_ms = self.intervals_s[place] * 1000
        if rows.size and asked.to_ms == int(rows[-1]["open_ms"]):
            last = rows[-1]
            begin_candle(
                self._context, instrument, place, asked.to_ms + width_ms, float(last["close"])
            )
        bar = self._bars[instrument * len(self.intervals_s) + place]
        if asked.from_ms <= int(bar["repair_from_ms"]) <= asked.to_ms:
            after_ms = asked.to_ms + width_ms
            more = int(bar["repair_to_ms"]) >= after_ms
            bar["repair_from_ms"] = after_ms if more else 0
            bar["repair_to_ms"] = int(bar["repair_to_ms"]) if more else 0
        flush(self._context)
        return taken

    def unrepaired(self, asked: Stretch) -> int:
        """How many candles of a stretch are incomplete."""
        assert self.shared is not None, "without candles nothing is asked for"
        kept = self.shared.read(asked.instrument, self.intervals_s[asked.place])
        inside = (kept["open_ms"] >= asked.from_ms) & (kept["open_ms"] <= asked.to_ms)
        return int(np.count_nonzero(kept["flags"][inside] & INCOMPLETE))
