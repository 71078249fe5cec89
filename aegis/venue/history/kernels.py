"""Machine code that takes trades and marks into the tables of the history.

Called by the history for every tape, and by compiled readers of the tape. Kernels get integers and
give none back; what they are given has been checked by the books that wrote it.
"""

from __future__ import annotations

from typing import Any, Final

from aegis.host.jit import inline_kernel, kernel
from aegis.venue.history.intervals import HOUR_MS, MINUTE_MS, SECOND_MS
from aegis.venue.history.layout import HOURS, MINUTES, SECONDS
from aegis.venue.tape import TRADE

AGGREGATE_MS: Final = 100


@kernel
def consume(tables: Any, records: Any, begin: Any, end: Any) -> None:
    """Take in the TRADE records at places [begin, end) of a tape; others are passed over."""
    for place in range(begin, end):
        event = records[place]
        if event["kind"] == TRADE:
            take(
                tables,
                event["symbol"],
                event["time_ms"],
                event["a"],
                event["b"],
                event["c"] * event["d"],
            )


@inline_kernel
def take(
    tables: Any, symbol: Any, time_ms: Any, trade_id: Any, ticks: Any, signed_lots: Any
) -> None:
    """Take in one trade; `signed_lots` is negative where the taker sold."""
    row = tables.trade_counts[symbol] % tables.trades.shape[1]
    print_ = tables.trades[symbol, row]
    print_["trade_id"] = trade_id
    print_["time_ms"] = time_ms
    print_["ticks"] = ticks
    print_["lots"] = signed_lots
    tables.trade_counts[symbol] += 1
    lots = abs(signed_lots)
    bought = max(signed_lots, 0)
    _count(
        tables.seconds, tables.bar_counts, SECONDS, SECOND_MS,
        symbol, time_ms, trade_id, ticks, lots, bought,
    )  # fmt: skip
    _count(
        tables.minutes, tables.bar_counts, MINUTES, MINUTE_MS,
        symbol, time_ms, trade_id, ticks, lots, bought,
    )  # fmt: skip
    _count(
        tables.hours, tables.bar_counts, HOURS, HOUR_MS,
        symbol, time_ms, trade_id, ticks, lots, bought,
    )  # fmt: skip
    _group(tables, symbol, time_ms, trade_id, ticks, signed_lots)


@kernel
def record(
    tables: Any, symbol: Any, time_ms: Any, trade_id: Any, ticks: Any, signed_lots: Any
) -> None:
    """Take in one trade from outside a tape; as `take`."""
    take(tables, symbol, time_ms, trade_id, ticks, signed_lots)


@kernel
def close_due(tables: Any, now_ms: Any) -> None:
    """Close every aggregated trade that has been open for AGGREGATE_MS."""
    for symbol in range(tables.open_group.shape[0]):
        group = tables.open_group[symbol]
        if group["lots"] != 0 and now_ms - group["time_ms"] >= AGGREGATE_MS:
            close_group(tables, symbol)


@inline_kernel
def close_group(tables: Any, symbol: Any) -> None:
    """Give the open aggregated trade its id and put it where readers find it."""
    group = tables.open_group[symbol]
    tables.group_counts[symbol] += 1
    number = tables.group_counts[symbol]
    group["aggregate_id"] = number
    # Row k of the ring is the one with id k + 1: ids begin at 1.
    tables.groups[symbol, (number - 1) % tables.groups.shape[1]] = group
    tables.closed[tables.closed_count[0] % tables.closed.shape[0]] = group
    tables.closed_count[0] += 1
    group["lots"] = 0


@kernel
def note_marks(tables: Any, now_ms: Any, marks: Any, indices: Any, premiums: Any) -> None:
    """One second's mark, index and premium of every symbol; a mark of 0 is passed over."""
    for symbol in range(tables.mark_counts.shape[1]):
        if marks[symbol] == 0:
            continue
        _mark(
            tables.mark_minutes, tables.mark_counts, 0, now_ms - now_ms % MINUTE_MS,
            symbol, marks[symbol], indices[symbol], premiums[symbol],
        )  # fmt: skip
        _mark(
            tables.mark_hours, tables.mark_counts, 1, now_ms - now_ms % HOUR_MS,
            symbol, marks[symbol], indices[symbol], premiums[symbol],
        )  # fmt: skip


@inline_kernel
def _count(
    ring: Any,
    counts: Any,
    level: Any,
    width_ms: Any,
    symbol: Any,
    time_ms: Any,
    trade_id: Any,
    ticks: Any,
    lots: Any,
    bought: Any,
) -> None:
    """Add a trade to the newest bar, or begin one. A late trade counts into the newest bar."""
    rows = ring.shape[1]
    count = counts[level, symbol]
    bar = ring[symbol, (count - 1) % rows]
    if count == 0 or bar["open_ms"] + width_ms <= time_ms:
        bar = ring[symbol, count % rows]
        counts[level, symbol] = count + 1
        bar["open_ms"] = time_ms - time_ms % width_ms
        bar["open"] = ticks
        bar["high"] = ticks
        bar["low"] = ticks
        bar["lots"] = 0
        bar["quote"] = 0
        bar["trades"] = 0
        bar["taker_buy_lots"] = 0
        bar["taker_buy_quote"] = 0
        bar["first_id"] = trade_id
    bar["high"] = max(bar["high"], ticks)
    bar["low"] = min(bar["low"], ticks)
    bar["close"] = ticks
    bar["lots"] += lots
    bar["quote"] += ticks * lots
    bar["trades"] += 1
    bar["taker_buy_lots"] += bought
    bar["taker_buy_quote"] += ticks * bought
    bar["last_id"] = trade_id


@inline_kernel
def _group(
    tables: Any, symbol: Any, time_ms: Any, trade_id: Any, ticks: Any, signed_lots: Any
) -> None:
    """Aggregate trades of one taker side at one price within AGGREGATE_MS of the first."""
    group = tables.open_group[symbol]
    if group["lots"] != 0:
        same = group["ticks"] == ticks and (group["lots"] > 0) == (signed_lots > 0)
        if same and time_ms - group["time_ms"] < AGGREGATE_MS:
            group["lots"] += signed_lots
            group["last_id"] = trade_id
            return
        close_group(tables, symbol)
    group["symbol"] = symbol
    group["first_id"] = trade_id
    group["last_id"] = trade_id
    group["ticks"] = ticks
    group["lots"] = signed_lots
    group["time_ms"] = time_ms


@inline_kernel
def _mark(
    ring: Any,
    counts: Any,
    level: Any,
    open_ms: Any,
    symbol: Any,
    mark: Any,
    index: Any,
    premium: Any,
) -> None:
    rows = ring.shape[1]
    count = counts[level, symbol]
    begins = count == 0 or ring[symbol, (count - 1) % rows]["open_ms"] < open_ms
    if begins:
        count += 1
        counts[level, symbol] = count
    bar = ring[symbol, (count - 1) % rows]
    if begins:
        bar["open_ms"] = open_ms
        bar["samples"] = 0
    bar["samples"] += 1
    for kind in range(3):
        value = mark
        if kind == 1:
            value = index
        elif kind == 2:
            value = premium
        if begins:
            bar["open"][kind] = value
            bar["high"][kind] = value
            bar["low"][kind] = value
        bar["high"][kind] = max(bar["high"][kind], value)
        bar["low"][kind] = min(bar["low"][kind], value)
        bar["close"][kind] = value
