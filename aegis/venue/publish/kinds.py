"""The streams of one symbol and their numbers, and the windows of event time that cut them.

Stream `base + symbol * KINDS + kind` is the one of that kind; a symbol's wanted kinds are the bits
of one word. ``publisher`` enters the names in this order, the kernels rely on it. What goes out at
once has no window; everything else is due when event time reaches a multiple of its width.
"""

from __future__ import annotations

from typing import Final

from aegis.venue.history.intervals import INTERVALS, KLINE_INTERVALS
from aegis.venue.streams import DEFAULT_SPEED_MS, PARTIAL_LEVELS, PARTIAL_SPEEDS_MS

# ---- kinds, at once
TRADE, BOOK_TICKER = 0, 1
# ---- diff depth: one chain each, and one for rpiDepth, which shows the same levels
DIFF: Final = 2
DIFF_SPEEDS_MS: Final = (0, *PARTIAL_SPEEDS_MS, 500)
DIFFS: Final = len(DIFF_SPEEDS_MS)
RPI: Final = DIFFS - 1
# ---- partial depth: for each speed the three numbers of levels
PARTIAL: Final = DIFF + DIFFS
PARTIALS: Final = len(PARTIAL_LEVELS)
SPEEDS: Final = len(PARTIAL_SPEEDS_MS)
# ---- timed
AGG_TRADE: Final = PARTIAL + SPEEDS * PARTIALS
MARK_FAST, MARK_SLOW, MINI_TICKER, TICKER, FORCE_ORDER = range(AGG_TRADE + 1, AGG_TRADE + 6)
# ---- candles: the contract's, and the continuous ones, which have seconds as well
KLINE_FIRST: Final = INTERVALS.index("1m")
KLINE: Final = FORCE_ORDER + 1
CONTINUOUS: Final = KLINE + len(INTERVALS) - KLINE_FIRST
KINDS: Final = CONTINUOUS + len(INTERVALS)
assert KINDS < 63, "a symbol's kinds are the bits of one word"
assert {*INTERVALS[KLINE_FIRST:]} == KLINE_INTERVALS, "the kline streams are in order"

# ---- the streams of the whole market, behind all symbols
ALL_BOOK_TICKERS, ALL_MARKS_FAST, ALL_MARKS_SLOW, ALL_MINI_TICKERS, ALL_TICKERS = range(5)
ALL_FORCE_ORDERS, CONTRACT_INFO, ALL_ASSET_INDEXES = range(5, 8)
MARKET_STREAMS: Final = (
    "!bookTicker",
    "!markPrice@arr@1s",
    "!markPrice@arr",
    "!miniTicker@arr",
    "!ticker@arr",
    "!forceOrder@arr",
    "!contractInfo",
    "!assetIndex@arr",
)

# ---- windows that kernels cut: three speeds of depth, and the book tickers of all symbols
WINDOWS_MS: Final = (*PARTIAL_SPEEDS_MS, 5_000)
WINDOWS: Final = len(WINDOWS_MS)
TICKERS_WINDOW: Final = WINDOWS - 1
# Every window and every other width of this package is a whole number of these.
GRID_MS: Final = 50

# ---- chains of depth events: the diff streams', then one for each speed of partial depth
CHAINS: Final = DIFFS + SPEEDS
NO_WINDOW: Final = -1
WINDOW_OF_CHAIN: Final = (
    *(NO_WINDOW if speed == 0 else WINDOWS_MS.index(speed) for speed in DIFF_SPEEDS_MS),
    *range(SPEEDS),
)


def symbol_streams(symbol: str) -> list[str]:
    """The names of a symbol's streams, in the order of their kinds."""
    lower = symbol.lower()

    def suffix(speed_ms: int) -> str:
        return "" if speed_ms == DEFAULT_SPEED_MS else f"@{speed_ms}ms"

    names = ["trade", "bookTicker"]
    names += [f"depth{suffix(speed)}" for speed in DIFF_SPEEDS_MS[:RPI]] + ["rpiDepth@500ms"]
    names += [
        f"depth{levels}{suffix(speed)}" for speed in PARTIAL_SPEEDS_MS for levels in PARTIAL_LEVELS
    ]
    names += ["aggTrade", "markPrice@1s", "markPrice", "miniTicker", "ticker", "forceOrder"]
    names += [f"kline_{interval}" for interval in INTERVALS[KLINE_FIRST:]]
    full = [f"{lower}@{name}" for name in names]
    full += [f"{lower}_perpetual@continuousKline_{interval}" for interval in INTERVALS]
    assert len(full) == KINDS, "one name for each kind"
    return full
