"""Candles from arrays: from trades, and longer ones from shorter ones. Pure, jitted, exact.

For research, for imports and for the tests, which hold the feed's own candles against these. An
interval's candles are cut at whole multiples of its length since 1970. Prices are compared and
never computed with; volumes are summed in whole units of the last decimal, so the sum is the double
that the exact decimal sum names, in whatever order and however often candles are folded.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.shm.candles import CANDLE

__all__ = ["decimals_of", "from_trades", "resample", "with_flat"]

_MAX_DECIMALS: Final = 8
_EXACT: Final = 2.0**53


def decimals_of(values: npt.ArrayLike) -> int:
    """The fewest decimals that write all these numbers, 0 to 8; ValueError when 8 do not."""
    array = np.asarray(values, np.float64)
    for decimals in range(_MAX_DECIMALS + 1):
        units = np.rint(array * 10.0**decimals)
        if (units / 10.0**decimals == array).all():
            return decimals
    raise ValueError(f"numbers have more than {_MAX_DECIMALS} decimals, or are not finite")


@kernel
def _fold(
    opens_ms: Any, opens: Any, highs: Any, lows: Any, closes: Any, units: Any, counts: Any,
    width_ms: Any, scale: Any, out: Any,
) -> Any:  # fmt: skip
    """Fold rows, ascending in time, into out CANDLE[rows], zeros; returns how many there are."""
    filled = np.int64(-1)
    total = np.int64(0)
    for row in range(opens_ms.size):
        open_ms = opens_ms[row] - opens_ms[row] % width_ms
        if filled < 0 or out[filled].open_ms != open_ms:
            filled += 1
            total = np.int64(0)
            out[filled].open_ms = open_ms
        candle = out[filled]
        # A row in which nothing was traded only repeats a price: the first that is one counts.
        if candle.trades == 0 and (counts[row] > 0 or candle.open == 0.0):
            candle.open = opens[row]
            candle.high = highs[row]
            candle.low = lows[row]
        elif counts[row] > 0:
            candle.high = max(candle.high, highs[row])
            candle.low = min(candle.low, lows[row])
        candle.close = closes[row]
        candle.trades += counts[row]
        total += units[row]
        candle.volume = total / scale
    return filled + 1


def from_trades(
    times_ms: npt.ArrayLike, prices: npt.ArrayLike, quantities: npt.ArrayLike, interval_s: int
) -> npt.NDArray[Any]:
    """CANDLE[n] of the intervals that have trades.

    times_ms, prices, quantities: one value a trade, in the order of the trades; times must not
    fall. Raises ValueError for times that do, for arrays of different sizes, and for quantities
    whose sum is not exact (more than 8 decimals, or beyond 2^53 units).
    """
    times = np.asarray(times_ms, np.int64)
    price = np.asarray(prices, np.float64)
    quantity = np.asarray(quantities, np.float64)
    if not times.size == price.size == quantity.size:
        raise ValueError(f"{times.size} times, {price.size} prices, {quantity.size} quantities")
    ones = np.ones(times.size, np.int64)
    return _folded(times, price, price, price, price, quantity, ones, interval_s)


def resample(candles: npt.NDArray[Any], from_s: int, to_s: int) -> npt.NDArray[Any]:
    """Candles of `to_s` from candles of `from_s` (CANDLE[n], ascending in time).

    A candle of which a part is missing is left out. Candles without trades count as the flat ones
    that they are. Raises ValueError unless `from_s` divides `to_s`.
    """
    if from_s <= 0 or to_s % from_s != 0:
        raise ValueError(f"candles of {from_s} s do not make candles of {to_s} s")
    opens = candles["open_ms"]
    width_ms = to_s * 1000
    firsts, parts = np.unique(opens - opens % width_ms, return_counts=True)
    whole = np.isin(opens - opens % width_ms, firsts[parts == to_s // from_s])
    kept = candles[whole]
    made = _folded(
        kept["open_ms"], kept["open"], kept["high"], kept["low"], kept["close"], kept["volume"],
        kept["trades"], to_s,
    )  # fmt: skip
    return made


def with_flat(candles: npt.NDArray[Any], interval_s: int) -> npt.NDArray[Any]:
    """The same with flat candles between them, of the intervals in which nothing was traded."""
    if candles.size == 0:
        return candles
    width_ms = interval_s * 1000
    steps = np.diff(candles["open_ms"]) // width_ms
    made = np.repeat(candles, np.append(steps, 1))
    made["open_ms"] = candles["open_ms"][0] + np.arange(made.size) * width_ms
    is_flat = np.ones(made.size, bool)
    is_flat[np.append(0, np.cumsum(steps))] = False
    for field in ("open", "high", "low"):
        made[field][is_flat] = made["close"][is_flat]
    for field in ("volume", "trades"):
        made[field][is_flat] = 0
    return made


def _folded(
    opens_ms: npt.NDArray[np.int64],
    opens: npt.NDArray[np.float64],
    highs: npt.NDArray[np.float64],
    lows: npt.NDArray[np.float64],
    closes: npt.NDArray[np.float64],
    volumes: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
    interval_s: int,
) -> npt.NDArray[Any]:
    if (np.diff(opens_ms) < 0).any():
        place = int(np.argmax(np.diff(opens_ms) < 0)) + 1
        raise ValueError(f"row {place} is earlier than the one before it")
    scale = 10.0 ** decimals_of(volumes)
    units = np.rint(volumes * scale)
    if units.sum() >= _EXACT:
        raise ValueError(f"volumes beyond {_EXACT:.0f} units of {1 / scale:g} are not exact")
    out = np.zeros(opens_ms.size, CANDLE)
    whole = np.ascontiguousarray
    count = _fold(
        whole(opens_ms), whole(opens), whole(highs), whole(lows), whole(closes),
        units.astype(np.int64), whole(counts, np.int64), np.int64(interval_s * 1000), scale, out,
    )  # fmt: skip
    return out[:count]
