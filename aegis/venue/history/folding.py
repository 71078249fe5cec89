"""Machine code that reads the tables: bars of any interval, candles of marks, the 24-hour ticker.

Called by the history for REST and by the publisher's kernels for streams. Longer bars are summed
from seconds, minutes or hours when they are asked for; nothing here writes a table, but for the
closed part of the 24 hours, which is kept until its minute is over.
"""

from __future__ import annotations

from typing import Any, Final

from aegis.host.jit import inline_kernel, kernel
from aegis.venue.history.intervals import (
    CODE_OF,
    DAY_MS,
    MINUTE_MS,
    opens_after,
    opens_at,
    opens_before,
)
from aegis.venue.history.layout import HOURS, MINUTES, SECONDS

FIRST_OF_MINUTES: Final = CODE_OF["1m"]
FIRST_OF_HOURS: Final = CODE_OF["1h"]
NO_START: Final = -1
_SPLIT: Final = 1 << 31


@kernel
def fold_bar(tables: Any, symbol: Any, interval: Any, open_ms: Any, out: Any) -> bool:
    """The bar of `interval` that opens at `open_ms` into `out[0]`; False before the first trade."""
    counts = tables.bar_counts
    if interval < FIRST_OF_MINUTES:
        return _one_bar(tables.seconds[symbol], counts[SECONDS, symbol], interval, open_ms, out)
    if interval < FIRST_OF_HOURS:
        return _one_bar(tables.minutes[symbol], counts[MINUTES, symbol], interval, open_ms, out)
    return _one_bar(tables.hours[symbol], counts[HOURS, symbol], interval, open_ms, out)


@kernel
def read_bars(
    ring: Any, count: Any, interval: Any, limit: Any, start_ms: Any, end_ms: Any, out: Any
) -> Any:
    """Up to `limit` bars that open within [start_ms, end_ms] into `out`, ascending; how many.

    With a start the first ones, with NO_START the newest. `ring` is one symbol's, `count` the rows
    ever begun in it.
    """
    if count == 0 or limit < 1:
        return 0
    oldest = max(0, count - ring.shape[0])
    last_ms = opens_at(interval, end_ms)
    open_ms = _first_open(ring, oldest, interval, limit, start_ms, last_ms)
    row = _row_from(ring, oldest, count, open_ms)
    filled = 0
    while open_ms <= last_ms and filled < limit:
        next_ms = opens_after(interval, open_ms)
        row = _fold(ring, row, count, open_ms, next_ms, out[filled])
        open_ms = next_ms
        filled += 1
    return filled


@kernel
def read_marks(
    ring: Any,
    count: Any,
    interval: Any,
    limit: Any,
    start_ms: Any,
    end_ms: Any,
    kind: Any,
    out: Any,
) -> Any:
    """As `read_bars`, of candles of marks: open, high, low, close and `trades` (the samples).

    An interval in which no mark was taken is left out.
    """
    if count == 0 or limit < 1:
        return 0
    oldest = max(0, count - ring.shape[0])
    last_ms = opens_at(interval, end_ms)
    open_ms = _first_open(ring, oldest, interval, limit, start_ms, last_ms)
    row = _row_from(ring, oldest, count, open_ms)
    filled = 0
    while row < count and filled < limit:
        part = ring[row % ring.shape[0]]
        bar_ms = opens_at(interval, part["open_ms"])
        if bar_ms > last_ms:
            break
        next_ms = opens_after(interval, bar_ms)
        bar = out[filled]
        bar["open_ms"] = bar_ms
        bar["open"] = part["open"][kind]
        bar["high"] = part["high"][kind]
        bar["low"] = part["low"][kind]
        bar["trades"] = 0
        while row < count and ring[row % ring.shape[0]]["open_ms"] < next_ms:
            part = ring[row % ring.shape[0]]
            bar["high"] = max(bar["high"], part["high"][kind])
            bar["low"] = min(bar["low"], part["low"][kind])
            bar["close"] = part["close"][kind]
            bar["trades"] += part["samples"]
            row += 1
        filled += 1
    return filled


@kernel
def fold_ticker(tables: Any, symbol: Any, now_ms: Any, out: Any) -> bool:
    """The 24 hours up to `now_ms` into `out[0]`; False if the symbol has never traded.

    The window begins with a whole minute, 1,440 of them before the one that is open, and ends with
    the last trade.
    """
    count = tables.bar_counts[MINUTES, symbol]
    if count == 0:
        return False
    ring = tables.minutes[symbol]
    window_ms = now_ms - now_ms % MINUTE_MS - DAY_MS
    keys = tables.day_keys
    if keys[0, symbol] != window_ms or keys[1, symbol] != count:
        keys[0, symbol] = window_ms
        keys[1, symbol] = count
        _sum_day(ring, count, window_ms, tables.days[symbol])
    out[0] = tables.days[symbol]
    day = out[0]
    newest = ring[(count - 1) % ring.shape[0]]
    if newest["open_ms"] >= window_ms:
        _add_to_day(day, newest)
    else:
        day["previous_close"] = newest["close"]
        day["open"] = newest["close"]
        day["high"] = newest["close"]
        day["low"] = newest["close"]
    day["open_ms"] = window_ms
    day["last"] = newest["close"]
    trade = tables.trades[symbol, (tables.trade_counts[symbol] - 1) % tables.trades.shape[1]]
    day["last_lots"] = abs(trade["lots"])
    day["close_ms"] = trade["time_ms"]
    return True


@kernel
def _one_bar(ring: Any, count: Any, interval: Any, open_ms: Any, out: Any) -> bool:
    oldest = max(0, count - ring.shape[0])
    if count == 0 or ring[oldest % ring.shape[0]]["open_ms"] >= opens_after(interval, open_ms):
        return False
    row = _row_from(ring, oldest, count, open_ms)
    _fold(ring, row, count, open_ms, opens_after(interval, open_ms), out[0])
    return True


@inline_kernel
def _first_open(
    ring: Any, oldest: Any, interval: Any, limit: Any, start_ms: Any, last_ms: Any
) -> Any:
    """When the first bar opens that is asked for and that the ring still has from its beginning."""
    oldest_ms = ring[oldest % ring.shape[0]]["open_ms"]
    kept_ms = opens_at(interval, oldest_ms)
    if oldest > 0 and kept_ms < oldest_ms:
        kept_ms = opens_after(interval, kept_ms)
    if start_ms == NO_START:
        first_ms = last_ms
        for _ in range(limit - 1):
            if first_ms <= kept_ms:
                break
            first_ms = opens_before(interval, first_ms)
    else:
        first_ms = opens_at(interval, start_ms)
        if first_ms < start_ms:
            first_ms = opens_after(interval, first_ms)
    return max(kept_ms, first_ms)


@inline_kernel
def _row_from(ring: Any, oldest: Any, count: Any, open_ms: Any) -> Any:
    """The number of the first row that opens at or after `open_ms`; `count` if none does."""
    low = oldest
    high = count
    while low < high:
        middle = (low + high) // 2
        if ring[middle % ring.shape[0]]["open_ms"] < open_ms:
            low = middle + 1
        else:
            high = middle
    return low


@inline_kernel
def _fold(ring: Any, row: Any, count: Any, open_ms: Any, next_ms: Any, bar: Any) -> Any:
    """Sum the rows from `row` that open before `next_ms`; the number of the first that does not.

    A bar without any repeats the close of the row before.
    """
    rows = ring.shape[0]
    # The row before the first one kept is only asked for if nothing was traded before it.
    before = ring[max(row - 1, 0) % rows]["close"]
    bar["open_ms"] = open_ms
    bar["open"] = before
    bar["high"] = before
    bar["low"] = before
    bar["close"] = before
    bar["lots"] = 0
    bar["quote"] = 0
    bar["trades"] = 0
    bar["taker_buy_lots"] = 0
    bar["taker_buy_quote"] = 0
    bar["first_id"] = -1
    bar["last_id"] = -1
    while row < count and ring[row % rows]["open_ms"] < next_ms:
        part = ring[row % rows]
        if bar["trades"] == 0:
            bar["open"] = part["open"]
            bar["high"] = part["high"]
            bar["low"] = part["low"]
            bar["first_id"] = part["first_id"]
        bar["high"] = max(bar["high"], part["high"])
        bar["low"] = min(bar["low"], part["low"])
        bar["close"] = part["close"]
        bar["lots"] += part["lots"]
        bar["quote"] += part["quote"]
        bar["trades"] += part["trades"]
        bar["taker_buy_lots"] += part["taker_buy_lots"]
        bar["taker_buy_quote"] += part["taker_buy_quote"]
        bar["last_id"] = part["last_id"]
        row += 1
    return row


@inline_kernel
def _sum_day(ring: Any, count: Any, window_ms: Any, day: Any) -> None:
    """The minutes of the window but the newest one."""
    oldest = max(0, count - ring.shape[0])
    row = _row_from(ring, oldest, count, window_ms)
    day["lots"] = 0
    day["quote_high"] = 0
    day["quote_low"] = 0
    day["trades"] = 0
    day["first_id"] = -1
    day["last_id"] = -1
    day["previous_close"] = 0
    if row > oldest:
        day["previous_close"] = ring[(row - 1) % ring.shape[0]]["close"]
    while row < count - 1:
        _add_to_day(day, ring[row % ring.shape[0]])
        row += 1


@inline_kernel
def _add_to_day(day: Any, bar: Any) -> None:
    if day["trades"] == 0:
        day["open"] = bar["open"]
        day["high"] = bar["high"]
        day["low"] = bar["low"]
        day["first_id"] = bar["first_id"]
        if day["previous_close"] == 0:
            day["previous_close"] = bar["open"]
    day["high"] = max(day["high"], bar["high"])
    day["low"] = min(day["low"], bar["low"])
    day["lots"] += bar["lots"]
    low = day["quote_low"] + bar["quote"] % _SPLIT
    day["quote_high"] += bar["quote"] // _SPLIT + low // _SPLIT
    day["quote_low"] = low % _SPLIT
    day["trades"] += bar["trades"]
    day["last_id"] = bar["last_id"]
