"""Previous high and low: those of the last period (4 hours, a day, ...) that had candles.

A candle belongs to the period of its opening time, counted from the epoch plus an offset (a week
that starts on Monday: offset 4 days). Its first candle makes the period before final: PERIOD_TURNED
(top, bottom: that one's; origin its first candle, id the new period's). PERIOD_BROKEN when the
period's candles exceed it for the first time (side, level); the first candle counts already.
`quantity` is the period's row in the settings.

The batch library looks one period too far back at the first candle of each period, and takes the
week before last for weeks; its other highs and lows are equal (float32). It counts what the first
candle breaks to the period before.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.quant.smc.streaming.emit import emit, new_id
from aegis.quant.smc.streaming.layout import DOWN, PERIOD_BROKEN, PERIOD_TURNED, PERIODS, UP

__all__ = ["advance_periods"]


@kernel
def turn_period(state: Any, out: Any, row: Any, number: Any, high: Any, low: Any) -> None:
    """The newest candle is the first of a period."""
    period = state.periods[row]
    if period.id != 0:
        period.previous_high, period.previous_low = period.high, period.low
        period.known = 1
        started, period.id = period.started, new_id(state)
        emit(
            state, out, PERIOD_TURNED, np.int64(0), period.id, period.high, period.high, period.low,
            float(row), started, state.candles,
        )  # fmt: skip
    else:
        period.id = new_id(state)
    period.number = number
    period.started = state.candles
    period.high, period.low = high, low
    period.broken_high = period.broken_low = 0


@kernel
def advance_periods(state: Any, settings: Any, out: Any, ts_ns: Any, high: Any, low: Any) -> None:
    """Take the newest candle, which opened at `ts_ns`."""
    for row in range(PERIODS):
        length_ns = settings.period_ns[row]
        if length_ns <= 0:
            continue
        period = state.periods[row]
        number = (ts_ns - settings.period_offset_ns[row]) // length_ns
        if period.id == 0 or number != period.number:
            turn_period(state, out, row, number, high, low)
        period.high = max(period.high, high)
        period.low = min(period.low, low)
        if period.known == 0:
            continue
        if period.broken_high == 0 and high > period.previous_high:
            period.broken_high = 1
            emit(
                state, out, PERIOD_BROKEN, UP, period.id, period.previous_high,
                period.previous_high, period.previous_low, float(row), period.started,
                state.candles,
            )  # fmt: skip
        if period.broken_low == 0 and low < period.previous_low:
            period.broken_low = 1
            emit(
                state, out, PERIOD_BROKEN, DOWN, period.id, period.previous_low,
                period.previous_high, period.previous_low, float(row), period.started,
                state.candles,
            )  # fmt: skip
