"""The Python side of the history: one object per venue, fed from the tape, asked by REST.

See the package's docstring for the contract. It must never be asked for what it was not fed:
bars begin with the first trade, candles of marks with the first mark.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from aegis.venue.history import kernels
from aegis.venue.history.folding import (
    FIRST_OF_HOURS,
    FIRST_OF_MINUTES,
    NO_START,
    fold_bar,
    fold_ticker,
    read_bars,
    read_marks,
)
from aegis.venue.history.intervals import CODE_OF, opens_after, opens_at
from aegis.venue.history.layout import (
    BAR,
    CLOSED_ROWS,
    HOURS,
    MANY_SYMBOLS,
    MINUTES,
    SECONDS,
    TICKER,
    Int64s,
    Records,
    Rows,
    Tables,
    make_tables,
)
from aegis.venue.history.rows import Aggregate, Bar, MarkBar, PublicTrade, Ticker
from aegis.venue.symbols import SymbolSpec
from aegis.venue.tape import HEADROOM, Tape

MAX_BARS: Final = 1_500
_QUOTE_SPLIT: Final = 1 << 31


# The smallest rings there can be, for calls that only load a kernel.
_ONE_ROW: Final = Rows(1, 1, 1, 1, 1, 1, 1)


class History:
    """What happened in public, per symbol, as far back as its rings reach."""

    def __init__(self, specs: Sequence[SymbolSpec], rows: Rows | None = None) -> None:
        self._specs = tuple(specs)
        self._out = np.zeros(MAX_BARS, BAR)
        self._day = np.zeros(1, TICKER)
        self.tables: Tables = make_tables(1, _ONE_ROW)
        self._load()
        self.tables = make_tables(len(specs), rows)

    def touch(self) -> None:
        """Take the memory of the rings now, not trade by trade; of many symbols they stay lazy."""
        if len(self._specs) <= MANY_SYMBOLS:
            for table in (*self.tables[:3], self.tables.trades, self.tables.groups):
                table.fill(0)
            for table in (self.tables.mark_minutes, self.tables.mark_hours, self.tables.closed):
                table.fill(0)

    # --- feeding ---

    def consume(self, tape: Tape) -> None:
        """Take in every trade of a tape."""
        self.consume_part(tape, 0, len(tape))

    def consume_part(self, tape: Tape, begin: int, end: int) -> None:
        """Take in the trades at places [begin, end) of a tape."""
        assert 0 <= begin <= end <= len(tape), f"[{begin}, {end}) of {len(tape)} records"
        kernels.consume(self.tables, tape.records, begin, end)

    def record(self, number: int, trade: PublicTrade) -> None:
        """Take in one trade that is on no tape."""
        assert 0 <= number < len(self._specs), f"no symbol has number {number}"
        lots = -trade.qty_lots if trade.buyer_is_maker else trade.qty_lots
        kernels.record(self.tables, number, trade.time_ms, trade.trade_id, trade.price_ticks, lots)

    def close_due(self, now_ms: int) -> None:
        """Close the aggregated trades whose 100 ms are over at `now_ms`."""
        kernels.close_due(self.tables, now_ms)

    def note_marks(
        self, now_ms: int, marks_e8: Int64s, indices_e8: Int64s, premiums_e8: Int64s
    ) -> None:
        """One second's mark price, index price and premium index of every symbol, in 1e-8."""
        assert len(marks_e8) == len(indices_e8) == len(premiums_e8) == len(self._specs)
        kernels.note_marks(self.tables, now_ms, marks_e8, indices_e8, premiums_e8)

    # --- candles ---

    def bars(
        self,
        number: int,
        interval: str,
        limit: int,
        start_ms: int | None,
        end_ms: int,
        now_ms: int,
    ) -> list[Bar]:
        """Bars that open within [start_ms, end_ms], ascending, at most MAX_BARS.

        With a start the first `limit` from there, without the newest up to `end_ms`. Raises
        KeyError for an interval that is not in INTERVALS.
        """
        code = CODE_OF[interval]
        ring, level = self._source(code)
        limit = min(limit, MAX_BARS)
        filled = read_bars(
            ring[number],
            self.tables.bar_counts[level, number],
            code,
            limit,
            NO_START if start_ms is None else start_ms,
            min(end_ms, now_ms),
            self._out,
        )
        return [self._bar(number, code, row) for row in self._out[:filled].tolist()]

    def open_bar(self, number: int, interval: str, now_ms: int) -> Bar | None:
        """The bar that contains `now_ms`; None as long as the symbol has never traded."""
        return self.bar(number, interval, opens_at(CODE_OF[interval], now_ms))

    def bar(self, number: int, interval: str, open_ms: int) -> Bar | None:
        """The bar that opens at `open_ms`; None before the symbol's first trade."""
        code = CODE_OF[interval]
        if not fold_bar(self.tables, number, code, open_ms, self._out):
            return None
        return self._bar(number, code, self._out[0].tolist())

    def mark_bars(
        self,
        number: int,
        kind: int,
        interval: str,
        limit: int,
        start_ms: int | None,
        end_ms: int,
        now_ms: int,
    ) -> list[MarkBar]:
        """Candles of MARK, INDEX or PREMIUM; as `bars`, but for intervals without any mark."""
        code = CODE_OF[interval]
        assert code >= FIRST_OF_MINUTES, "marks are kept by the minute"
        level = int(code >= FIRST_OF_HOURS)
        ring = (self.tables.mark_minutes, self.tables.mark_hours)[level]
        filled = read_marks(
            ring[number],
            self.tables.mark_counts[level, number],
            code,
            min(limit, MAX_BARS),
            NO_START if start_ms is None else start_ms,
            min(end_ms, now_ms),
            kind,
            self._out,
        )
        return [
            MarkBar(
                open_ms=row[0],
                close_ms=opens_after(code, row[0]) - 1,
                open_e8=row[1],
                high_e8=row[2],
                low_e8=row[3],
                close_e8=row[4],
                samples=row[7],
            )
            for row in self._out[:filled].tolist()
        ]

    # --- trades ---

    def trades(self, number: int, limit: int, from_id: int | None = None) -> list[PublicTrade]:
        """The newest `limit` trades, or the first `limit` with ids from `from_id`; ascending."""
        ring = self.tables.trades[number]
        count = int(self.tables.trade_counts[number])
        oldest = max(0, count - len(ring))
        begin = max(oldest, count - limit)
        if from_id is not None:
            begin = _find(ring, oldest, count, "trade_id", from_id)
        return [
            PublicTrade(trade_id, ticks, abs(lots), lots < 0, time_ms)
            for trade_id, time_ms, ticks, lots in _rows(ring, begin, min(count, begin + limit))
        ]

    def aggregates(
        self,
        number: int,
        limit: int,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> list[Aggregate]:
        """Closed aggregated trades, ascending: from an id or a time, else the newest ones."""
        ring = self.tables.groups[number]
        count = int(self.tables.group_counts[number])
        oldest = max(0, count - len(ring))
        end = count if end_ms is None else _find(ring, oldest, count, "time_ms", end_ms + 1)
        begin = max(oldest, end - limit)
        if from_id is not None:
            begin = min(max(oldest, from_id - 1), end)
        elif start_ms is not None:
            begin = _find(ring, oldest, end, "time_ms", start_ms)
        return [_aggregate(row) for row in _rows(ring, begin, min(end, begin + limit))]

    @property
    def closed_count(self) -> int:
        """How many aggregated trades have been closed in all symbols."""
        return int(self.tables.closed_count[0])

    def closed_aggregates(self, after: int) -> tuple[list[Aggregate], int]:
        """Those of all symbols closed since the count `after`, and the count now.

        A reader that comes too late gets the newest CLOSED_ROWS.
        """
        count = self.closed_count
        begin = max(after, count - CLOSED_ROWS)
        return [_aggregate(row) for row in _rows(self.tables.closed, begin, count)], count

    # --- statistics ---

    def ticker(self, number: int, now_ms: int) -> Ticker | None:
        """The 24 hours up to `now_ms`; None if the symbol has never traded."""
        if not fold_ticker(self.tables, number, now_ms, self._day):
            return None
        spec = self._specs[number]
        row = dict(zip(TICKER.names or (), self._day[0].tolist(), strict=True))
        quote_e8 = (row["quote_high"] * _QUOTE_SPLIT + row["quote_low"]) * spec.unit_e8
        return Ticker(
            open_ms=row["open_ms"],
            close_ms=row["close_ms"],
            open_ticks=row["open"],
            high_ticks=row["high"],
            low_ticks=row["low"],
            last_ticks=row["last"],
            last_lots=row["last_lots"],
            lots=row["lots"],
            quote_e8=quote_e8,
            vwap_e8=spec.price_e8(quote_e8, row["lots"]),
            trades=row["trades"],
            first_id=row["first_id"],
            last_id=row["last_id"],
            previous_close_ticks=row["previous_close"],
        )

    # --- inside ---

    def _load(self) -> None:
        """Call every kernel for nothing: it is loaded now, before anybody waits for it."""
        none = np.zeros((2, 2), np.int64)
        kernels.consume(self.tables, Tape(HEADROOM + 1).records, 0, 0)
        kernels.record(self.tables, 0, 0, 0, 1, 1)
        self.close_due(0)
        for marks in (none[:, 0], none.reshape(-1)[:1]):
            kernels.note_marks(self.tables, 0, marks, marks, marks)
        for interval in ("1s", "1m", "1h"):
            for start_ms in (None, 0):
                self.bars(0, interval, 1, start_ms, 0, 0)
        self.open_bar(0, "1m", 0)
        self.mark_bars(0, 0, "1m", 1, None, 0, 0)
        self.ticker(0, 0)

    def _source(self, code: int) -> tuple[Records, int]:
        """The ring from which bars of an interval are summed, and its level."""
        if code < FIRST_OF_MINUTES:
            return self.tables.seconds, SECONDS
        if code < FIRST_OF_HOURS:
            return self.tables.minutes, MINUTES
        return self.tables.hours, HOURS

    def _bar(self, number: int, code: int, row: tuple[int, ...]) -> Bar:
        unit = self._specs[number].unit_e8
        open_ms, *prices, lots, quote, trades, bought, bought_quote, first, last = row
        open_ticks, high, low, close = prices
        return Bar(
            open_ms, opens_after(code, open_ms) - 1, open_ticks, high, low, close, lots,
            quote * unit, trades, bought, bought_quote * unit, first, last,
        )  # fmt: skip


def _find(ring: Records, begin: int, end: int, field: str, value: int) -> int:
    """The number in [begin, end] of the first row whose ascending `field` is at least `value`."""
    rows = len(ring)
    numbers = range(begin, end)
    return begin + bisect_left(numbers, value, key=lambda number: int(ring[number % rows][field]))


def _rows(ring: Records, begin: int, end: int) -> list[Any]:
    """The rows numbered [begin, end) of a ring, as tuples."""
    if end <= begin:
        return []
    rows = len(ring)
    first, last = begin % rows, (end - 1) % rows + 1
    if first < last:
        return list(ring[first:last].tolist())
    return [*ring[first:].tolist(), *ring[:last].tolist()]


def _aggregate(row: tuple[int, ...]) -> Aggregate:
    number, aggregate_id, first_id, last_id, ticks, lots, time_ms = row
    return Aggregate(number, aggregate_id, first_id, last_id, ticks, abs(lots), lots < 0, time_ms)
