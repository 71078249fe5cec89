"""One-minute bars of a market's trades, and longer ones summed from them on demand.

``market`` feeds it each public trade; REST klines read it. Bounded to a day of minutes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

MINUTE_MS: Final = 60_000
INTERVALS_MS: Final = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "2h": 120 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "6h": 360 * MINUTE_MS,
    "8h": 480 * MINUTE_MS,
    "12h": 720 * MINUTE_MS,
    "1d": 1440 * MINUTE_MS,
}
MAX_MINUTES: Final = 1_500


@dataclass(slots=True)
class Bar:
    """Prices in ticks, volumes in lots, quote volumes in 1e-8."""

    open_ms: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    lots: int = 0
    quote_e8: int = 0
    trades: int = 0
    taker_buy_lots: int = 0
    taker_buy_quote_e8: int = 0

    def absorb(self, other: Bar) -> None:
        """Add the bar that follows this one."""
        self.high_ticks = max(self.high_ticks, other.high_ticks)
        self.low_ticks = min(self.low_ticks, other.low_ticks)
        self.close_ticks = other.close_ticks
        self.lots += other.lots
        self.quote_e8 += other.quote_e8
        self.trades += other.trades
        self.taker_buy_lots += other.taker_buy_lots
        self.taker_buy_quote_e8 += other.taker_buy_quote_e8


class Candles:
    """The minute bars of one market, oldest first."""

    def __init__(self, max_minutes: int = MAX_MINUTES) -> None:
        self._bars: deque[Bar] = deque(maxlen=max_minutes)

    def add(self, time_ms: int, ticks: int, lots: int, quote_e8: int, taker_bought: bool) -> None:
        """Count one trade. A trade older than the open minute counts into that minute."""
        minute = time_ms - time_ms % MINUTE_MS
        if not self._bars or self._bars[-1].open_ms < minute:
            self._bars.append(Bar(minute, ticks, ticks, ticks, ticks))
        bar = self._bars[-1]
        bar.absorb(
            Bar(
                minute,
                ticks,
                ticks,
                ticks,
                ticks,
                lots,
                quote_e8,
                1,
                lots if taker_bought else 0,
                quote_e8 if taker_bought else 0,
            )
        )

    def read(self, interval: str, limit: int, start_ms: int, end_ms: int) -> list[Bar]:
        """Bars of `interval` that open within [start_ms, end_ms], the newest `limit`, ascending.

        Raises KeyError for an interval that is not in INTERVALS_MS.
        """
        width = INTERVALS_MS[interval]
        merged: list[Bar] = []
        for minute in self._bars:
            open_ms = minute.open_ms - minute.open_ms % width
            if not start_ms <= open_ms <= end_ms:
                continue
            if merged and merged[-1].open_ms == open_ms:
                merged[-1].absorb(minute)
            else:
                merged.append(replace(minute, open_ms=open_ms))
        return merged[-limit:]
