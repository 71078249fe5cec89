"""Positions and prices every five minutes, for the statistics of /futures/data.

``observation`` takes a sample of every symbol on each fifth minute of event time, the statistics
handlers read them. A sample is what the venue's own books say at that moment: open interest, who
is long and short among its accounts, mark, index and last price. Bounded: a ring per symbol.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from aegis.venue.history.intervals import DAY_MS, HOUR_MS, MINUTE_MS
from aegis.venue.history.layout import MANY_SYMBOLS

SAMPLE_MS: Final = 5 * MINUTE_MS
PERIODS_MS: Final = {
    "5m": SAMPLE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
}
# A week, or 500 samples (the most that one request may ask for) where there are many symbols.
FEW_SYMBOL_ROWS: Final = 7 * DAY_MS // SAMPLE_MS
MANY_SYMBOL_ROWS: Final = 500


class Holders(NamedTuple):
    """Who holds a symbol: accounts and lots of either side, and of the largest accounts alone."""

    long_accounts: int = 0
    short_accounts: int = 0
    long_lots: int = 0  # also the open interest
    short_lots: int = 0
    top_long_accounts: int = 0
    top_short_accounts: int = 0
    top_long_lots: int = 0
    top_short_lots: int = 0


class Sample(NamedTuple):
    """One symbol at one moment; prices in 1e-8 but the last trade's, in ticks."""

    time_ms: int
    mark_e8: int
    index_e8: int
    last_ticks: int
    holders: Holders


_FIELDS: Final = 4 + len(Holders._fields)


class Samples:
    """The samples of all symbols, by their numbers."""

    def __init__(self, symbols: int) -> None:
        rows = FEW_SYMBOL_ROWS if symbols <= MANY_SYMBOLS else MANY_SYMBOL_ROWS
        self._rows = np.zeros((symbols, rows, _FIELDS), np.int64)
        self._counts = [0] * symbols

    def add(self, number: int, sample: Sample) -> None:
        """Remember one; times of a symbol must rise."""
        rows = self._rows.shape[1]
        count = self._counts[number]
        assert count == 0 or self._rows[number, (count - 1) % rows, 0] < sample.time_ms
        self._rows[number, count % rows] = (*sample[:4], *sample.holders)
        self._counts[number] = count + 1

    def read(
        self, number: int, period: str, limit: int, start_ms: int | None, end_ms: int
    ) -> list[Sample]:
        """Samples at whole multiples of a period within [start_ms, end_ms], ascending.

        With a start the first `limit`, without the newest. Raises KeyError for an unknown period.
        """
        width = PERIODS_MS[period]
        count, rows = self._counts[number], self._rows.shape[1]
        places = np.arange(max(0, count - rows), count) % rows
        ring = self._rows[number][places]
        times = ring[:, 0]
        wanted = (times % width == 0) & (times <= end_ms)
        if start_ms is not None:
            wanted &= times >= start_ms
        found = ring[wanted]
        found = found[:limit] if start_ms is not None else found[-limit:]
        return [
            Sample(time_ms, mark, index, last, Holders(*counts))
            for time_ms, mark, index, last, *counts in found.tolist()
        ]
