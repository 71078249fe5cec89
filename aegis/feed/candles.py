"""Candles from trades: kernels that fold each trade into the open candle of every interval.

Called by the digest, once for every trade and once for the time of every message; `candle_desk` is
the Python side. They publish CANDLE records and write closed candles into the shared history.
Never raise, never allocate, never wait.

Theory of operation. An interval's candles are cut at whole multiples of its length since 1970. A
candle closes with the first trade of a later one, or GRACE_MS after its end by the exchange's
clock, which is the newest time that any message has told (a time that jumps is believed when a
second one agrees). Intervals without trades have flat candles that repeat the close before them,
as the exchange's own history has; the first candle begins with the first trade, or after the
history.

Volumes are summed in whole units of the smallest decimal that the instrument's quantities have
shown, prices are only compared: all five numbers are exactly the doubles that the exchange's
decimals name, whatever the order of the trades.

Nothing may be missing unseen. Trade ids of a symbol follow on one another, so a break in the chain
is a loss, and it touches all candles between the last trade before it and the first one after it,
those too that the clock has closed meanwhile: they are told again as INCOMPLETE. So is a candle
that began before its trades were subscribed to, and every one that closes while the stream is cut.
A chain that goes on after a cut proves that nothing was missed. What is incomplete waits for the
exchange's history (`repair_from_ms`, `repair_to_ms`), and is then told a last time as CORRECTED.
"""

from typing import Any

import numpy as np

from aegis.feed import layout
from aegis.feed.emit import push_tick
from aegis.feed.layout import NO_CLOCK, bars, candle_lanes, floats, words
from aegis.host.jit import kernel
from aegis.shm import candles as shared
from aegis.shm.candles import candle_at, candle_ring, candle_write
from aegis.shm.tick import CANDLE, CLOSED, CORRECTED, INCOMPLETE

__all__ = [
    "GRACE_MS",
    "JUMP_MS",
    "NEVER_MS",
    "PENDING_MS",
    "begin_candle",
    "count_trade",
    "forget_candles",
    "take_candle",
    "take_time",
    "take_void",
]

# A trade may reach us so much later than messages of other streams that tell a later time.
GRACE_MS = 500
# A time so far from the exchange's is believed only when a second message agrees.
JUMP_MS = 60_000
# `trusted_ms` of a lane that is not subscribed to, and of one that waits to learn the time.
NEVER_MS = 2**62
PENDING_MS = NEVER_MS - 1
# What `doubt` allows an event to be ahead of the exchange's clock.
_AHEAD_NS = 1_000_000_000
# A stream whose subscription was acknowledged at a time carries all trades this much later.
_MARGIN_MS = 1_000
# Flat candles told at once; of a longer silence the older ones are in the history only.
_FLAT_TOLD = 100
_MS = 1_000_000
_EXACT = 2.0**53
_FULL = 2**62
_MAX_DECIMALS = 8
_POWERS = np.array([10.0**decimals for decimals in range(_MAX_DECIMALS + 1)])


# ---- one candle


@kernel
def _tell(context: Any, instrument: Any, bar: Any, decimals: Any, flags: Any) -> Any:
    recv_ns = words(context, layout.CONTROL)[layout.RECV_NS]
    push_tick(
        context, instrument, np.int64(CANDLE), flags, bar.open_ms * _MS, recv_ns,
        bar.open, bar.high, bar.low, bar.close, bar.volume / _POWERS[decimals],
    )  # fmt: skip


@kernel
def _want_repair(bar: Any, open_ms: Any) -> Any:
    if bar.repair_from_ms == 0 or open_ms < bar.repair_from_ms:
        bar.repair_from_ms = open_ms
    bar.repair_to_ms = max(bar.repair_to_ms, open_ms)


@kernel
def _begin(context: Any, bar: Any, open_ms: Any, width_ms: Any) -> Any:
    """Open the next candle, flat at the close before it; what it waits for stays."""
    bar.open_ms = open_ms
    bar.close_ms = open_ms + width_ms
    bar.open = bar.close
    bar.high = bar.close
    bar.low = bar.close
    bar.volume = 0
    bar.trades = 0
    control = words(context, layout.CONTROL)
    due_ms = bar.close_ms + GRACE_MS
    control[layout.CANDLES_DUE_MS] = min(control[layout.CANDLES_DUE_MS], due_ms)


@kernel
def _close(context: Any, instrument: Any, place: Any, is_told: Any) -> Any:
    """Put the open candle into the history and tell of it; `place` is the interval's."""
    control = words(context, layout.CONTROL)
    totals = words(context, layout.TOTALS)
    intervals, history = control[layout.CANDLE_INTERVALS], control[layout.CANDLE_HISTORY]
    ring = instrument * intervals + place
    bar = bars(context, layout.BARS)[ring]
    lane = candle_lanes(context, layout.CANDLE_LANES)[instrument]
    flags = words(context, layout.CANDLE_CODES)[place] | CLOSED
    is_whole = bar.open_ms >= lane.trusted_ms and (bar.trades > 0 or bar.is_close_known != 0)
    totals[layout.CANDLES] += 1
    if not is_whole:
        flags |= INCOMPLETE
        totals[layout.CANDLES_INCOMPLETE] += 1
        _want_repair(bar, bar.open_ms)
    candle_write(
        words(context, layout.CANDLE_WORDS), floats(context, layout.CANDLE_VALUES),
        ring, history, words(context, layout.CANDLE_WIDTHS)[place], bar.open_ms,
        bar.open, bar.high, bar.low, bar.close, bar.volume / _POWERS[lane.decimals], bar.trades,
        flags, bar.open_ms,
    )  # fmt: skip
    if is_told:
        _tell(context, instrument, bar, lane.decimals, flags)
    bar.is_close_known = 1 if is_whole else 0


@kernel
def _advance(context: Any, instrument: Any, place: Any, until_ms: Any) -> Any:
    """Close the open candle and the empty ones after it; open the one that contains `until_ms`."""
    control = words(context, layout.CONTROL)
    width_ms = words(context, layout.CANDLE_WIDTHS)[place]
    bar = bars(context, layout.BARS)[instrument * control[layout.CANDLE_INTERVALS] + place]
    last_ms = until_ms - until_ms % width_ms
    if bar.open_ms != 0:
        _close(context, instrument, place, True)
        open_ms = max(bar.close_ms, last_ms - control[layout.CANDLE_HISTORY] * width_ms)
        while open_ms < last_ms:
            _begin(context, bar, open_ms, width_ms)
            _close(context, instrument, place, last_ms - open_ms <= _FLAT_TOLD * width_ms)
            open_ms += width_ms
    _begin(context, bar, last_ms, width_ms)


# ---- what may be missing


@kernel
def _doubt(context: Any, instrument: Any, place: Any, from_ms: Any, to_ms: Any) -> Any:
    """Closed candles that overlap [from_ms, to_ms] may miss trades: say so, once for each."""
    control = words(context, layout.CONTROL)
    values = floats(context, layout.CANDLE_VALUES)
    cells = words(context, layout.CANDLE_WORDS)
    history = control[layout.CANDLE_HISTORY]
    ring = instrument * control[layout.CANDLE_INTERVALS] + place
    bar = bars(context, layout.BARS)[ring]
    width_ms = words(context, layout.CANDLE_WIDTHS)[place]
    open_ms = max(from_ms - from_ms % width_ms, bar.open_ms - history * width_ms)
    while open_ms <= to_ms and open_ms < bar.open_ms:
        at, found_ms = candle_at(cells, ring, history, width_ms, open_ms)
        flags = cells[at + np.uint64(shared.FLAGS)]
        if found_ms == open_ms and (flags & INCOMPLETE) == 0:
            flags = (flags & ~CORRECTED) | INCOMPLETE
            open_ = values[at + np.uint64(shared.OPEN)]
            high, low = values[at + np.uint64(shared.HIGH)], values[at + np.uint64(shared.LOW)]
            close = values[at + np.uint64(shared.CLOSE)]
            volume = values[at + np.uint64(shared.VOLUME)]
            newest_ms = cells[candle_ring(ring, history) + np.uint64(shared.NEWEST)]
            candle_write(
                cells, values, ring, history, width_ms, open_ms, open_, high, low, close, volume,
                cells[at + np.uint64(shared.TRADES)], flags, newest_ms,
            )  # fmt: skip
            push_tick(
                context, instrument, np.int64(CANDLE), flags, open_ms * _MS,
                control[layout.RECV_NS], open_, high, low, close, volume,
            )  # fmt: skip
            words(context, layout.TOTALS)[layout.CANDLES_INCOMPLETE] += 1
            _want_repair(bar, open_ms)
        open_ms += width_ms
    if open_ms >= bar.open_ms and bar.trades == 0:
        bar.is_close_known = 0


@kernel
def _follow_chain(context: Any, instrument: Any, lane: Any, number: Any, event_ms: Any) -> Any:
    """Compare a trade's id with the one before; sets from when on the candles can be trusted."""
    if lane.last_id < 0:
        if lane.trusted_ms >= PENDING_MS:
            lane.trusted_ms = event_ms + 1
        lane.chain_ms = lane.trusted_ms
    elif number == lane.last_id + 1:
        # Across a cut of the stream too: nothing has been missed.
        lane.trusted_ms = lane.chain_ms
    else:
        control = words(context, layout.CONTROL)
        words(context, layout.TOTALS)[layout.CANDLE_GAPS] += 1
        for place in range(control[layout.CANDLE_INTERVALS]):
            _doubt(context, instrument, place, lane.last_ms, event_ms)
        lane.trusted_ms = event_ms + 1
        lane.chain_ms = event_ms + 1


@kernel
def _units(context: Any, instrument: Any, lane: Any, quantity: Any) -> Any:
    """A quantity in units of the lane's last decimal, of which there are more if it needs them.

    -1.0 when it cannot be counted exactly.
    """
    decimals = lane.decimals
    units = np.floor(quantity * _POWERS[decimals] + 0.5)
    while units / _POWERS[decimals] != quantity and decimals < _MAX_DECIMALS:
        decimals += 1
        units = np.floor(quantity * _POWERS[decimals] + 0.5)
    if decimals != lane.decimals:
        scale = np.int64(_POWERS[decimals - lane.decimals])
        intervals = words(context, layout.CONTROL)[layout.CANDLE_INTERVALS]
        first = instrument * intervals
        for ring in range(first, first + intervals):
            bar = bars(context, layout.BARS)[ring]
            if bar.volume > _FULL // scale:
                return -1.0
        for ring in range(first, first + intervals):
            bars(context, layout.BARS)[ring].volume *= scale
        lane.decimals = decimals
    return units if units < _EXACT and units / _POWERS[decimals] == quantity else -1.0


# ---- called by the digest


@kernel
def count_trade(
    context: Any, instrument: Any, number: Any, event_ms: Any, price: Any, quantity: Any
) -> Any:
    """Fold a trade into the open candles of its instrument; `take_time` has seen its time."""
    control = words(context, layout.CONTROL)
    intervals = control[layout.CANDLE_INTERVALS]
    exchange_ms = control[layout.EXCHANGE_MS]
    # A time that nobody believes yet. Its id is not taken: the next trade shows that it is missing.
    if intervals == 0 or abs(exchange_ms - event_ms) > JUMP_MS:
        return
    lane = candle_lanes(context, layout.CANDLE_LANES)[instrument]
    if lane.last_ms > exchange_ms + JUMP_MS:
        forget_candles(context, instrument)
    if number <= lane.last_id and event_ms <= lane.last_ms:
        return
    _follow_chain(context, instrument, lane, number, event_ms)
    lane.last_id = number
    lane.last_ms = max(lane.last_ms, event_ms)
    counted = _units(context, instrument, lane, quantity)
    if counted < 0.0:
        # Summed as well as it can be, and told to be wrong until the exchange says better.
        lane.trusted_ms = event_ms + 1
        lane.chain_ms = event_ms + 1
        counted = min(np.floor(quantity * _POWERS[lane.decimals] + 0.5), _EXACT)
    units = np.int64(counted)
    update_ms = control[layout.CANDLE_UPDATE_MS]
    first = instrument * intervals
    for place in range(intervals):
        bar = bars(context, layout.BARS)[first + place]
        if event_ms >= bar.close_ms:
            _advance(context, instrument, place, event_ms)
        elif event_ms < bar.open_ms:
            # Its candle is closed: it was told without this trade.
            _doubt(context, instrument, place, event_ms, event_ms)
            continue
        if bar.trades == 0:
            bar.open = price
            bar.high = price
            bar.low = price
        elif price > bar.high:
            bar.high = price
        elif price < bar.low:
            bar.low = price
        bar.close = price
        bar.trades += 1
        if bar.volume > _FULL:
            lane.trusted_ms = event_ms + 1
            lane.chain_ms = event_ms + 1
        else:
            bar.volume += units
        if update_ms > 0 and event_ms - bar.told_ms >= update_ms:
            bar.told_ms = event_ms
            flags = words(context, layout.CANDLE_CODES)[place]
            if bar.open_ms < lane.trusted_ms:
                flags |= INCOMPLETE
            _tell(context, instrument, bar, lane.decimals, flags)


@kernel
def _resolve_pending(context: Any, exchange_ms: Any) -> Any:
    """Lanes whose trades were acknowledged meanwhile can be trusted from now on."""
    lanes = candle_lanes(context, layout.CANDLE_LANES)
    for instrument in range(lanes.size):
        if lanes[instrument].trusted_ms == PENDING_MS:
            lanes[instrument].trusted_ms = exchange_ms + _MARGIN_MS
    words(context, layout.CONTROL)[layout.CANDLES_PENDING] = 0


@kernel
def _close_due(context: Any, exchange_ms: Any) -> Any:
    """Close every candle that has been over for GRACE_MS, and find out when the next one will."""
    control = words(context, layout.CONTROL)
    intervals = control[layout.CANDLE_INTERVALS]
    open_bars = bars(context, layout.BARS)
    over_ms = exchange_ms - GRACE_MS
    control[layout.CANDLES_DUE_MS] = NEVER_MS
    for ring in range(open_bars.size):
        bar = open_bars[ring]
        if bar.open_ms == 0:
            continue
        if bar.open_ms > exchange_ms + JUMP_MS:
            forget_candles(context, ring // intervals)
        elif bar.close_ms <= over_ms:
            _advance(context, ring // intervals, ring % intervals, over_ms)
        else:
            due_ms = bar.close_ms + GRACE_MS
            control[layout.CANDLES_DUE_MS] = min(control[layout.CANDLES_DUE_MS], due_ms)


@kernel
def take_time(context: Any, event_ms: Any) -> Any:
    """Learn the exchange's time from a message, and close what is due by it."""
    control = words(context, layout.CONTROL)
    if control[layout.CANDLE_INTERVALS] == 0:
        return
    exchange_ms = control[layout.EXCHANGE_MS]
    ahead_ms = event_ms - exchange_ms
    if -JUMP_MS <= ahead_ms <= 0:
        return
    lead_ns = control[layout.CLOCK_LEAD_NS]
    # Ahead of what the clocks allow: nothing may close by it.
    if lead_ns != NO_CLOCK and event_ms * _MS > control[layout.RECV_NS] + lead_ns + _AHEAD_NS:
        return
    if exchange_ms != 0 and abs(ahead_ms) > JUMP_MS:
        doubt_ms = control[layout.EXCHANGE_DOUBT_MS]
        if doubt_ms == 0 or abs(event_ms - doubt_ms) > JUMP_MS:
            control[layout.EXCHANGE_DOUBT_MS] = event_ms
            return
        # Going back, what is open lies in the future: it must be looked at now.
        control[layout.CANDLES_DUE_MS] = 0
    control[layout.EXCHANGE_MS] = event_ms
    control[layout.EXCHANGE_DOUBT_MS] = 0
    if control[layout.CANDLES_PENDING] != 0:
        _resolve_pending(context, event_ms)
    if event_ms >= control[layout.CANDLES_DUE_MS]:
        _close_due(context, event_ms)


# ---- called by the candle desk


@kernel
def take_void(context: Any, instrument: Any, number: Any) -> Any:
    """An id that stands for no public trade: the chain goes on over it."""
    lane = candle_lanes(context, layout.CANDLE_LANES)[instrument]
    if number == lane.last_id + 1 and lane.last_id >= 0:
        lane.last_id = number


@kernel
def forget_candles(context: Any, instrument: Any) -> Any:
    """The instrument's open candles end untold, and its chain of trades begins anew."""
    intervals = words(context, layout.CONTROL)[layout.CANDLE_INTERVALS]
    lane = candle_lanes(context, layout.CANDLE_LANES)[instrument]
    lane.last_id = -1
    lane.last_ms = 0
    lane.trusted_ms = NEVER_MS
    lane.chain_ms = NEVER_MS
    first = instrument * intervals
    for ring in range(first, first + intervals):
        bar = bars(context, layout.BARS)[ring]
        bar.open_ms = 0
        bar.close_ms = 0
        bar.volume = 0
        bar.trades = 0
        bar.is_close_known = 0
        bar.told_ms = 0
        bar.repair_from_ms = 0
        bar.repair_to_ms = 0


@kernel
def take_candle(
    context: Any,
    instrument: Any,
    place: Any,
    open_ms: Any,
    open_: Any,
    high: Any,
    low: Any,
    close: Any,
    volume: Any,
    trades: Any,
) -> Any:
    """Put a closed candle of the exchange's history in its place, unless ours is as good.

    Returns 1 when it was taken. One that was told as INCOMPLETE is told again, CORRECTED.
    """
    control = words(context, layout.CONTROL)
    cells = words(context, layout.CANDLE_WORDS)
    values = floats(context, layout.CANDLE_VALUES)
    intervals, history = control[layout.CANDLE_INTERVALS], control[layout.CANDLE_HISTORY]
    ring = instrument * intervals + place
    bar = bars(context, layout.BARS)[ring]
    width_ms = words(context, layout.CANDLE_WIDTHS)[place]
    exchange_ms = control[layout.EXCHANGE_MS]
    if (bar.open_ms != 0 and open_ms >= bar.open_ms) or open_ms + width_ms > exchange_ms:
        return 0
    at, found_ms = candle_at(cells, ring, history, width_ms, open_ms)
    was_told = found_ms == open_ms
    if was_told and (cells[at + np.uint64(shared.FLAGS)] & INCOMPLETE) == 0:
        return 0
    if open_ms < found_ms <= exchange_ms:
        return 0
    flags = words(context, layout.CANDLE_CODES)[place] | CLOSED
    newest_ms = cells[candle_ring(ring, history) + np.uint64(shared.NEWEST)]
    newest_ms = open_ms if newest_ms > exchange_ms else max(newest_ms, open_ms)
    if was_told:
        flags |= CORRECTED
    candle_write(
        cells, values, ring, history, width_ms, open_ms, open_, high, low, close, volume, trades,
        flags, newest_ms,
    )  # fmt: skip
    if was_told:
        words(context, layout.TOTALS)[layout.CANDLES_CORRECTED] += 1
        push_tick(
            context, instrument, np.int64(CANDLE), flags, open_ms * _MS, control[layout.RECV_NS],
            open_, high, low, close, volume,
        )  # fmt: skip
    if bar.open_ms == open_ms + width_ms and bar.trades == 0:
        bar.open = close
        bar.high = close
        bar.low = close
        bar.close = close
        bar.is_close_known = 1
    return 1


@kernel
def begin_candle(context: Any, instrument: Any, place: Any, open_ms: Any, price: Any) -> Any:
    """Open the candle after the history's last one, when no trade has opened one yet."""
    control = words(context, layout.CONTROL)
    bar = bars(context, layout.BARS)[instrument * control[layout.CANDLE_INTERVALS] + place]
    if bar.open_ms == 0:
        bar.close = price
        bar.is_close_known = 1
        _begin(context, bar, open_ms, words(context, layout.CANDLE_WIDTHS)[place])
