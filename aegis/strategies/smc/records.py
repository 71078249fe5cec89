"""The strategy's records: what `pack` makes of the parameters, and the memory for an instrument."""

from typing import Final

import numpy as np

from aegis.quant.smc.streaming.layout import EVENT, EVENTS_MAX, SETTINGS, STATE

__all__ = [
    "CAUSE_INHERITED",
    "CAUSE_LONG",
    "CAUSE_SHORT",
    "CAUSE_STOP",
    "CAUSE_TARGET",
    "CAUSE_TIME",
    "PARAMETERS_RECORD",
    "STATE_RECORD",
]

# Why a wish is made, as it stands in the intent.
CAUSE_LONG, CAUSE_SHORT, CAUSE_TARGET, CAUSE_STOP = 1, 2, 3, 4
CAUSE_TIME: Final = 5
CAUSE_INHERITED: Final = 6

# Of the longer candles: the same names as the strategy's own have, for the same kernels.
_TREND_SETTINGS = np.dtype(
    [
        ("interval_ns", "<i8"),  # 0: there are none
        ("interval_code", "<i8"),
        ("engine", SETTINGS),
    ]
)

PARAMETERS_RECORD = np.dtype(
    [
        ("refresh_tolerance_ticks", "<i8"),
        ("min_requote_ns", "<i8"),
        ("ttl_ms", "<i8"),
        ("interval_ns", "<i8"),
        ("interval_code", "<i8"),  # of that interval, as a candle's flags name it
        ("risk_quote", "<f8"),
        ("max_notional_quote", "<f8"),
        ("min_lots", "<i8"),
        ("min_confidence", "<f8"),
        ("min_reward_risk", "<f8"),
        ("stop_buffer_atr", "<f8"),
        ("sweep_valid", "<i8"),
        ("entry_valid", "<i8"),
        ("max_hold", "<i8"),
        ("exit_slip_ticks", "<i8"),
        ("engine", SETTINGS),
        ("trend", _TREND_SETTINGS),
    ]
)

_SWEEP = np.dtype([("valid", "<i8"), ("at", "<i8"), ("pooled", "<i8"), ("extreme", "<f8")])
_AREA = np.dtype(
    [("id", "<i8"), ("known_at", "<i8"), ("top", "<f8"), ("bottom", "<f8"), ("valid", "<i8")]
)

PLAN = np.dtype(
    [
        ("side", "<i8"),  # 0: no plan
        ("entered", "<i8"),
        ("exit_cause", "<i8"),  # not 0: out, at the market
        ("lots", "<i8"),
        ("entry_ticks", "<i8"),
        ("target_ticks", "<i8"),
        ("stop", "<f8"),
        ("entry", "<f8"),
        ("target", "<f8"),
        ("confidence", "<f8"),
        ("since", "<i8"),  # candle of the signal, then of the entry
    ]
)

_HEARD = [
    ("interval_ns", "<i8"),  # the settings that the engine's memory was made with
    ("length", "<i8"),
    ("close_break", "<i8"),
    ("close", "<f8"),  # of the newest candle
    ("doubt_at", "<i8"),  # index of the newest candle that may be wrong; -1: none is
    ("corrected", "<i8"),  # candles that were taken in and turned out to be others
    ("restarts", "<i8"),  # times the engine began anew: other settings, or a gap
]

STATE_RECORD = np.dtype(
    [
        ("signals", "<i8"),
        ("weak", "<i8"),  # setups below the confidence that was asked for
        ("against", "<i8"),  # setups that the longer candles' trend, or doubt about it, forbade
        *_HEARD,
        ("sweeps", _SWEEP, (2,)),  # of lows (for buying), of highs (for selling)
        ("breaks", "<i8", (2,)),  # candle of the newest break of structure, up and down
        ("blocks", _AREA, (2,)),  # the newest bullish and bearish
        ("gaps", _AREA, (2,)),
        ("plan", PLAN),
        ("engine", STATE),
        ("trend", [*_HEARD, ("engine", STATE)]),  # of the longer candles
        ("events", EVENT, (EVENTS_MAX,)),
    ]
)
