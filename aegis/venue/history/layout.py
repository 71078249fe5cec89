"""The tables of the history: one record type each, one ring per symbol, allocated once.

``kernels`` writes them, ``folding`` and ``reading`` read them, `make_tables` is called by the
history alone. All numbers are int64: prices in ticks, quantities in lots, `quote` the sum of ticks
times lots (times the symbol's `unit_e8`: money in 1e-8).

========  =========================================================================================
bars      [3, symbols] rings of BAR rows: seconds, minutes, hours; only those with a trade
trades    ring of PRINT rows per symbol; lots are negative where the taker sold
groups    ring of AGGREGATE rows per symbol: closed aggregated trades; `open_group` the open one
closed    one ring of AGGREGATE rows for all symbols, in the order in which they closed
marks     [2, symbols] rings of MARK rows: minutes, hours; mark, index and premium side by side
========  =========================================================================================

A ring of n rows holds the rows with numbers `count - n` to `count - 1`, row k at place k % n; its
counts are kept in an array of their own. No ring grows; how long they are follows from the number
of symbols (`rows_for`).

An untouched page of a ring costs no memory. When all is full, a symbol takes 1.9 MB with up to
MANY_SYMBOLS symbols and 0.55 MB with more: 20 symbols 38 MB, 400 symbols 215 MB.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Records = npt.NDArray[np.void]

SECONDS, MINUTES, HOURS = range(3)
LEVELS: Final = 3
MARK, INDEX, PREMIUM = range(3)
MARK_KINDS: Final = 3

BAR: Final = np.dtype(
    [
        (name, "<i8")
        for name in (
            "open_ms",
            "open",
            "high",
            "low",
            "close",
            "lots",
            "quote",
            "trades",
            "taker_buy_lots",
            "taker_buy_quote",
            "first_id",
            "last_id",
        )
    ]
)
PRINT: Final = np.dtype([(name, "<i8") for name in ("trade_id", "time_ms", "ticks", "lots")])
AGGREGATE: Final = np.dtype(
    [
        (name, "<i8")
        for name in (
            "symbol",
            "aggregate_id",
            "first_id",
            "last_id",
            "ticks",
            "lots",  # negative where the taker sold
            "time_ms",  # of the first trade
        )
    ]
)
MARKS: Final = np.dtype(
    [
        ("open_ms", "<i8"),
        ("samples", "<i8"),
        ("open", "<i8", (MARK_KINDS,)),
        ("high", "<i8", (MARK_KINDS,)),
        ("low", "<i8", (MARK_KINDS,)),
        ("close", "<i8", (MARK_KINDS,)),
    ]
)
TICKER: Final = np.dtype(
    [
        (name, "<i8")
        for name in (
            "open_ms",
            "close_ms",
            "open",
            "high",
            "low",
            "last",
            "last_lots",
            "lots",
            # The sum of a busy day may pass 2**63, so it is kept in two: high * 2**31 + low.
            "quote_high",
            "quote_low",
            "trades",
            "first_id",
            "last_id",
            "previous_close",  # of the last trade before the 24 hours; `open` if there is none
        )
    ]
)
assert BAR.itemsize == 96, "one and a half cache lines per bar"

CLOSED_ROWS: Final = 16_384
MANY_SYMBOLS: Final = 50
MINUTES_OF_A_DAY: Final = 1_440


class Rows(NamedTuple):
    """How many rows the rings have."""

    seconds: int
    minutes: int
    hours: int
    trades: int
    groups: int
    mark_minutes: int
    mark_hours: int


FEW: Final = Rows(3_600, 2_880, 2_160, 8_192, 8_192, 1_500, 1_500)
MANY: Final = Rows(300, 1_500, 500, 1_024, 1_024, 1_500, 500)
assert min(FEW.minutes, MANY.minutes) > MINUTES_OF_A_DAY + 1, "the ticker looks back 24 hours"


def rows_for(symbols: int) -> Rows:
    """The lengths of the rings in a venue of so many symbols."""
    return FEW if symbols <= MANY_SYMBOLS else MANY


class Tables(NamedTuple):
    """The arrays of a history, as kernels get them."""

    seconds: Records  # BAR[symbols, rows]
    minutes: Records
    hours: Records
    bar_counts: Int64s  # [LEVELS, symbols]: rows ever begun
    trades: Records  # PRINT[symbols, rows]
    trade_counts: Int64s  # [symbols]
    groups: Records  # AGGREGATE[symbols, rows]; group_counts is also the newest id
    group_counts: Int64s
    open_group: Records  # AGGREGATE[symbols]; lots 0: none is open
    closed: Records  # AGGREGATE[CLOSED_ROWS]
    closed_count: Int64s  # [1]
    mark_minutes: Records  # MARKS[symbols, rows]
    mark_hours: Records
    mark_counts: Int64s  # [2, symbols]
    # The 24 hours of a symbol without its newest minute, and what they were summed for: the
    # window's first minute and the number of minutes. They hold until either changes.
    days: Records  # TICKER[symbols]
    day_keys: Int64s  # [2, symbols]


def make_tables(symbols: int, rows: Rows | None = None) -> Tables:
    """Empty tables for so many symbols."""
    assert symbols > 0, "a venue lists something"
    rows = rows or rows_for(symbols)
    return Tables(
        seconds=np.zeros((symbols, rows.seconds), BAR),
        minutes=np.zeros((symbols, rows.minutes), BAR),
        hours=np.zeros((symbols, rows.hours), BAR),
        bar_counts=np.zeros((LEVELS, symbols), np.int64),
        trades=np.zeros((symbols, rows.trades), PRINT),
        trade_counts=np.zeros(symbols, np.int64),
        groups=np.zeros((symbols, rows.groups), AGGREGATE),
        group_counts=np.zeros(symbols, np.int64),
        open_group=np.zeros(symbols, AGGREGATE),
        closed=np.zeros(CLOSED_ROWS, AGGREGATE),
        closed_count=np.zeros(1, np.int64),
        mark_minutes=np.zeros((symbols, rows.mark_minutes), MARKS),
        mark_hours=np.zeros((symbols, rows.mark_hours), MARKS),
        mark_counts=np.zeros((2, symbols), np.int64),
        days=np.zeros(symbols, TICKER),
        day_keys=np.full((2, symbols), -1, np.int64),
    )
