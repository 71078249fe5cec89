"""The records of the engine: what it is told, what it remembers, and what it says.

SETTINGS is shared by all symbols, STATE is one record for each symbol and interval (300 symbols by
several intervals are one array), EVENT is one finding. Everything is bounded: a ladder that is full
lets go of the level farthest from the price and says so.
"""

from typing import Any, Final

import numpy as np

__all__ = [
    "BOS",
    "CHOCH",
    "DOWN",
    "EVENT",
    "EVENTS_MAX",
    "FRESH_BLOCKS",
    "GAP",
    "GAPS",
    "GAP_FORGOTTEN",
    "GAP_MITIGATED",
    "GAP_REPLACED",
    "LADDERS",
    "LENGTH_MAX",
    "ORDER_BLOCK",
    "ORDER_BLOCK_ERASED",
    "ORDER_BLOCK_FORGOTTEN",
    "ORDER_BLOCK_MITIGATED",
    "PENDING_MAX",
    "PERIODS",
    "PERIOD_BROKEN",
    "PERIOD_TURNED",
    "POOL",
    "POOLS",
    "POOL_CHANGED",
    "POOL_FORGOTTEN",
    "POOL_RETRACTED",
    "POOL_SWEPT",
    "RAID",
    "RING",
    "RUNGS",
    "SESSIONS",
    "SESSION_CLOSED",
    "SESSION_OPENED",
    "SETTINGS",
    "SPENT_BLOCKS",
    "STATE",
    "STRUCTURE_RETRACTED",
    "SWING",
    "SWINGS_KEPT",
    "SWING_SUPERSEDED",
    "UP",
    "ZONE",
]

# All of these are NumPy integers: Numba would compile a kernel anew for each plain one given to it.
UP, DOWN = np.int64(1), np.int64(-1)
# Kinds of events; each concept's file tells what its fields mean.
(
    SWING, SWING_SUPERSEDED,
    BOS, CHOCH, STRUCTURE_RETRACTED,
    ORDER_BLOCK, ORDER_BLOCK_MITIGATED, ORDER_BLOCK_ERASED, ORDER_BLOCK_FORGOTTEN,
    GAP, GAP_MITIGATED, GAP_REPLACED, GAP_FORGOTTEN,
    POOL, POOL_CHANGED, POOL_SWEPT, POOL_RETRACTED, POOL_FORGOTTEN,
    RAID,
    PERIOD_TURNED, PERIOD_BROKEN,
    SESSION_OPENED, SESSION_CLOSED,
    ZONE,
) = (np.int64(number) for number in range(1, 25))  # fmt: skip

# Candles remembered: a swing of the longest length looks at 2 * LENGTH_MAX of them.
RING: Final = 128
LENGTH_MAX: Final = 50
assert RING & (RING - 1) == 0 and RING >= 2 * LENGTH_MAX + 2, "the ring is indexed by a mask"
SWINGS_KEPT: Final = 4
PENDING_MAX: Final = 32
PERIODS: Final = 2
SESSIONS: Final = 4

# Ladders, two of each (lows' side first: see `ladder`), and the rungs of each.
GAPS, FRESH_BLOCKS, SPENT_BLOCKS, POOLS = (np.int64(base) for base in (0, 2, 4, 6))
LADDERS: Final = 8
RUNGS: Final = 128
# A candle can empty every ladder and turn everything else once.
EVENTS_MAX: Final = LADDERS * RUNGS + PENDING_MAX + 64

SETTINGS = np.dtype(
    [
        ("length", "<i8"),  # candles on each side of a swing, 1 .. LENGTH_MAX
        ("close_break", "<i8"),  # 1: structure breaks by the close, 0: by the wick
        ("close_mitigation", "<i8"),  # 1: blocks are mitigated by the body, 0: by the wick
        ("join_gaps", "<i8"),
        ("single_levels", "<i8"),  # 1: levels rounded to float32, as the batch library keeps them
        ("reach", "<f8"),  # equal highs lie so close, in price; 0: `reach_atr` decides
        ("reach_atr", "<f8"),  # the same in average true ranges
        ("period_ns", "<i8", (PERIODS,)),  # whose previous high and low are kept; 0: none
        ("period_offset_ns", "<i8", (PERIODS,)),
        ("session_start_min", "<i8", (SESSIONS,)),  # minute of the day, UTC
        ("session_end_min", "<i8", (SESSIONS,)),  # not included; equal to the start: no session
    ]
)

RUNG = np.dtype(
    [
        ("trigger", "<f8"),
        ("top", "<f8"),
        ("bottom", "<f8"),
        ("total", "<f8"),
        ("id", "<i8"),
        ("origin", "<i8"),
        ("members", "<i8"),
        ("last", "<i8"),
    ]
)

_ENTRY: list[Any] = [
    ("index", "<i8"),
    ("level", "<f8"),
    ("side", "<i8"),
    ("id", "<i8"),
    ("kind", "<i8"),
    ("broken", "<i8"),
]
ENTRY = np.dtype(_ENTRY)

LIVE_SWING = np.dtype(
    [
        ("index", "<i8"),
        ("level", "<f8"),
        ("id", "<i8"),
        ("crossed", "<i8"),  # the first candle beyond it, from index + 2 on; -1
        ("marked", "<i8"),  # 1: structure has been found at it
        ("raided", "<i8"),
    ]
)

# What a swing did to a pool, so that it can be undone when the swing is superseded.
JOINED = np.dtype(
    [
        ("id", "<i8"),
        ("total", "<f8"),
        ("members", "<i8"),
        ("last", "<i8"),
        ("origin", "<i8"),
        ("seed", "<i8"),
    ]
)

BLOCK_WATCH = np.dtype(
    [
        ("swing", "<i8"),
        ("level", "<f8"),
        ("open", "<i8"),  # 1: the swing has not been crossed
        ("best", "<i8"),  # the extreme candle since the swing; -1
        ("top", "<f8"),
        ("bottom", "<f8"),
    ]
)

PERIOD = np.dtype(
    [
        ("number", "<i8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("previous_high", "<f8"),
        ("previous_low", "<f8"),
        ("known", "<i8"),
        ("broken_high", "<i8"),
        ("broken_low", "<i8"),
        ("started", "<i8"),
        ("id", "<i8"),
    ]
)

SESSION = np.dtype(
    [
        ("number", "<i8"),
        ("active", "<i8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("opened", "<i8"),
        ("id", "<i8"),
    ]
)

STATE = np.dtype(
    [
        ("candles", "<i8"),  # taken so far: the index of the next one
        ("refused", "<i8"),  # not numbers, or not later than the one before
        ("ids", "<i8"),
        ("emitted", "<i8"),  # by the current candle
        ("lost", "<i8"),  # events without room: 0 as long as EVENTS_MAX holds
        ("ts_ns", "<i8"),
        ("atr", "<f8"),
        ("open_before", "<f8"),
        ("volume_1", "<f8"),  # of the candle before
        ("volume_2", "<f8"),  # of the one before that
        ("trend", "<i8"),  # side of the newest break of structure
        ("zone", "<i8"),
        ("range_top", "<f8"),
        ("range_bottom", "<f8"),
        ("swing_side", "<i8"),  # of the newest swing; the others alternate
        ("swing_count", "<i8"),
        ("swings", LIVE_SWING, (SWINGS_KEPT,)),  # the newest last
        ("pending_count", "<i8"),
        ("standing_count", "<i8"),
        ("pending", ENTRY, (PENDING_MAX,)),
        ("standing", ENTRY, (PENDING_MAX,)),
        ("watch", BLOCK_WATCH, (2,)),
        ("joined", JOINED, (2,)),
        ("periods", PERIOD, (PERIODS,)),
        ("sessions", SESSION, (SESSIONS,)),
        ("window_front", "<i8", (2,)),
        ("window_back", "<i8", (2,)),
        ("window", "<i8", (2, RING)),  # candidates for the extreme of the last 2 * length candles
        ("high", "<f8", (RING,)),
        ("low", "<f8", (RING,)),
        ("close", "<f8", (RING,)),
        ("rung_count", "<i8", (LADDERS,)),
        ("rungs", RUNG, (LADDERS, RUNGS)),
    ]
)

EVENT = np.dtype(
    [
        ("kind", "<u2"),
        ("side", "<i2"),
        ("flags", "<u4"),
        ("id", "<i8"),  # of the thing: what happens to it later carries the same one
        ("level", "<f8"),
        ("top", "<f8"),
        ("bottom", "<f8"),
        ("quantity", "<f8"),
        ("origin", "<i8"),  # the candle where the thing lies
        ("at", "<i8"),  # the candle that did it (broke, mitigated, swept, ended)
        ("known_at", "<i8"),  # the candle whose close made it known: never before `at`
    ]
)
