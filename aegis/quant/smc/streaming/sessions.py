"""Sessions: the running high and low of a part of the day, UTC.

A candle belongs to a session if it opens in [start, end); the end may lie on the next day. Its
first candle is SESSION_OPENED, the first candle after it makes SESSION_CLOSED (top, bottom: the
session's extremes; origin its first candle). A session of the next day is another one even when no
candle came between. `quantity` is the session's row in the settings.

The batch library takes the candle that opens at the end minute in, shifts time zones the wrong way
and never ends an overnight session without a break.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.quant.smc.streaming.emit import emit, new_id
from aegis.quant.smc.streaming.layout import SESSION_CLOSED, SESSION_OPENED, SESSIONS

__all__ = ["advance_sessions"]

_MINUTE_NS = 60_000_000_000
_DAY_MIN = 1440


@kernel
def close_session(state: Any, out: Any, row: Any) -> None:
    """The newest candle lies outside."""
    session = state.sessions[row]
    session.active = 0
    emit(
        state, out, SESSION_CLOSED, np.int64(0), session.id, session.high, session.high,
        session.low, float(row), session.opened, state.candles,
    )  # fmt: skip


@kernel
def advance_sessions(state: Any, settings: Any, out: Any, ts_ns: Any, high: Any, low: Any) -> None:
    """Take the newest candle, which opened at `ts_ns`."""
    minute = ts_ns // _MINUTE_NS
    for row in range(SESSIONS):
        start = settings.session_start_min[row]
        length = (settings.session_end_min[row] - start) % _DAY_MIN
        if length == 0:
            continue
        session = state.sessions[row]
        number = (minute - start) // _DAY_MIN
        inside = minute - start - number * _DAY_MIN < length
        if session.active != 0 and (not inside or session.number != number):
            close_session(state, out, row)
        if not inside:
            continue
        if session.active == 0:
            session.active = 1
            session.number = number
            session.opened = state.candles
            session.high, session.low = high, low
            session.id = new_id(state)
            emit(
                state, out, SESSION_OPENED, np.int64(0), session.id, high, high, low, float(row),
                state.candles, state.candles,
            )  # fmt: skip
        session.high = max(session.high, high)
        session.low = min(session.low, low)
