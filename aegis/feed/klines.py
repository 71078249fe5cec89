"""The exchange's own candles: how they are asked for and what the answer says. Pure.

Called by the candle history. GET /fapi/v1/klines has the intervals of `_NAMES` from 1 m on, seconds
are to be had of GET /fapi/v1/continuousKlines alone; any other interval is folded from the longest
that divides it. The last row of an answer may still be open; whoever takes the rows knows the time.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from aegis.feed.errors import WireError
from aegis.feed.tokens import MAX_MANTISSA
from aegis.quant.candles import resample
from aegis.shm.candles import CANDLE

__all__ = ["MAX_ROWS", "Question", "ask", "base_interval", "decode_klines", "weight_of"]

_NAMES: Final = {
    1: "1s", 60: "1m", 180: "3m", 300: "5m", 900: "15m", 1_800: "30m", 3_600: "1h", 7_200: "2h",
    14_400: "4h", 21_600: "6h", 28_800: "8h", 43_200: "12h", 86_400: "1d",
}  # fmt: skip
# Rows of one answer, and what asking weighs up to so many (source: exchange document "Kline").
_WEIGHTS: Final = ((99, 1), (499, 2), (1_000, 5), (1_500, 10))
# A unit of weight brings most rows this way.
MAX_ROWS: Final = 499

_decoder = msgspec.json.Decoder(list[list[msgspec.Raw]])
_integer = msgspec.json.Decoder(int)
_number = msgspec.json.Decoder(float, strict=False)


class Question(NamedTuple):
    """One GET: the path, its parameters, what it weighs, and the seconds of a row of the answer."""

    path: str
    parameters: dict[str, str]
    weight: int
    base_s: int


def base_interval(interval_s: int) -> int:
    """Seconds of the exchange's longest interval that divides this one."""
    return max(base_s for base_s in _NAMES if interval_s % base_s == 0)


def weight_of(rows: int) -> int:
    """What a question for so many rows weighs."""
    return next(weight for most, weight in _WEIGHTS if rows <= most)


def candles_of(interval_s: int) -> int:
    """How many candles of an interval one question brings: at least one of the longest folds."""
    ratio = interval_s // base_interval(interval_s)
    return max(1, (MAX_ROWS if ratio <= MAX_ROWS else _WEIGHTS[-1][0]) // ratio)


def ask(symbol: str, interval_s: int, from_ms: int, to_ms: int) -> Question:
    """The question for the candles that open within [from_ms, to_ms], at most `candles_of`."""
    base_s = base_interval(interval_s)
    rows = min((to_ms - from_ms) // (1000 * base_s) + interval_s // base_s, _WEIGHTS[-1][0])
    parameters = {
        "interval": _NAMES[base_s],
        "startTime": str(from_ms),
        "endTime": str(to_ms + 1000 * interval_s - 1),
        "limit": str(rows),
    }
    path = "/fapi/v1/klines"
    if base_s < 60:
        path = "/fapi/v1/continuousKlines"
        parameters = {"pair": symbol, "contractType": "PERPETUAL", **parameters}
    else:
        parameters = {"symbol": symbol, **parameters}
    return Question(path, parameters, weight_of(rows), base_s)


def decode_klines(body: bytes, base_s: int, interval_s: int) -> npt.NDArray[Any]:
    """CANDLE[n] of `interval_s`, ascending, from an answer with rows of `base_s`.

    A candle is left out when rows of it are missing. Raises WireError when a row cannot be right.
    """
    try:
        rows = [_read(row) for row in _decoder.decode(body)]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise WireError(f"klines: {error}") from error
    candles = np.zeros(len(rows), CANDLE)
    candles[:] = [(*row, 0) for row in rows]
    opens = candles["open_ms"]
    if (np.diff(opens) <= 0).any() or (opens % (1000 * base_s) != 0).any():
        raise WireError(f"klines: rows are not in the order of their times, cut at {base_s} s")
    return candles if base_s == interval_s else resample(candles, base_s, interval_s)


def _read(row: list[msgspec.Raw]) -> tuple[int, float, float, float, float, float, int]:
    """(open time, open, high, low, close, volume, trades) of a row of twelve."""
    if len(row) < 9:
        raise WireError(f"klines: a row has {len(row)} fields, at least 9 are wanted")
    open_ms, trades = _integer.decode(row[0]), _integer.decode(row[8])
    numbers = [_number.decode(field) for field in row[1:6]]
    open_, high, low, close, volume = numbers
    good = all(math.isfinite(number) and number <= MAX_MANTISSA for number in numbers)
    if not (good and 0.0 < low <= min(open_, close) and max(open_, close) <= high):
        raise WireError(f"klines: {open_ms}: {open_}, {high}, {low}, {close} are no candle")
    if not volume >= 0.0 or trades < 0 or open_ms <= 0:
        raise WireError(f"klines: {open_ms}: volume {volume}, {trades} trades cannot be")
    return open_ms, open_, high, low, close, volume, trades
