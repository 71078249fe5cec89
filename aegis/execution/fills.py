"""Fills: each trade once, positions by average entry, in integers that equal the exchange's.

Called by the order table's kernel for every trade, whichever way it came. Positions are in lots,
money in 1e-8 quote; a position carries the signed notional paid for what is open, not a rounded
entry price, so nothing drifts: a reduction releases the share `cost * closed / held`, truncated
towards zero, exactly as the exchange keeps its books.

What a trade realises depends on those before it. One that was missed and is booked late would leave
another profit, and another cost, than the exchange has; so where it says what a trade realised, its
word is taken, and the sums are right in whatever order trades are heard of.
"""

from typing import Any

import numpy as np

from aegis.execution.words import PNL_DIFFERENCES, TRADES_COUNT, TRADES_GENERATION
from aegis.host.jit import kernel
from aegis.risk.gate_state import NET_REALIZED_E8, mark_position

__all__ = [
    "NOT_TOLD",
    "TRADES_SIZE",
    "book_fill",
    "remember_trade",
    "take_told_profit",
    "trade_key",
]

# Where a trade comes without the profit that the exchange says it realised.
NOT_TOLD = -(1 << 63)

# Two generations of a hash set, each half full at most: at least the last 8,192 trades are known.
GENERATION_SLOTS = 32_768
GENERATION_LIMIT = 8_192
TRADES_SIZE = 2 * GENERATION_SLOTS
_MASK = np.uint64(GENERATION_SLOTS - 1)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(40)


@kernel("i8(i8[::1],i8,i8)")
def _slot_of(trades: Any, generation: Any, key: Any) -> Any:
    """Where a key stands, or the empty place where it would; the set is never full."""
    base = generation * GENERATION_SLOTS
    place = np.int64((np.uint64(key) * _MIX >> _SHIFT) & _MASK)
    while trades[base + place] != 0 and trades[base + place] != key:
        place = (place + 1) % GENERATION_SLOTS
    return base + place


@kernel("i8(i8,i8)")
def trade_key(instrument: Any, trade_id: Any) -> Any:
    """What stands in the set for a trade; never 0."""
    return trade_id * 1024 + instrument + 1


@kernel("b1(i8[::1],i8[::1],i8,i8)")
def remember_trade(trades: Any, words: Any, instrument: Any, trade_id: Any) -> Any:
    """Whether a trade is new; it is known from now on. Trade ids count per instrument."""
    key = trade_key(instrument, trade_id)
    generation = words[TRADES_GENERATION]
    here = _slot_of(trades, generation, key)
    if trades[here] == key or trades[_slot_of(trades, 1 - generation, key)] == key:
        return False
    if words[TRADES_COUNT] >= GENERATION_LIMIT:
        generation = 1 - generation
        for place in range(GENERATION_SLOTS):
            trades[generation * GENERATION_SLOTS + place] = 0
        words[TRADES_GENERATION] = generation
        words[TRADES_COUNT] = 0
        here = _slot_of(trades, generation, key)
    trades[here] = key
    words[TRADES_COUNT] += 1
    return True


@kernel("i8(i8,i8,i8)")
def _share(amount: Any, part: Any, whole: Any) -> Any:
    """`amount * part // whole` for non-negative numbers whose product may leave 64 bits."""
    return amount // whole * part + amount % whole * part // whole


@kernel
def book_fill(
    exposure: Any,
    gate_words: Any,
    guards: Any,
    instrument: Any,
    unit_e8: Any,
    signed_lots: Any,
    price_ticks: Any,
    fee_e8: Any,
) -> Any:
    """Book one trade (positive lots bought); returns the realised profit before fees, 1e-8 quote.

    The average entry does not change by a reduction; a trade through zero closes the old position
    and opens the rest at its own price.
    """
    held = exposure[instrument].position_lots
    cost = exposure[instrument].cost_e8
    lots = abs(signed_lots)
    notional = price_ticks * lots * unit_e8
    paid = notional if signed_lots > 0 else -notional
    realized = 0
    if held == 0 or (held > 0) == (signed_lots > 0):
        exposure[instrument].cost_e8 = cost + paid
    else:
        closing = min(abs(held), lots)
        released = _share(abs(cost), closing, abs(held))
        if cost < 0:
            released = -released
        closing_paid = price_ticks * closing * unit_e8
        if signed_lots < 0:
            closing_paid = -closing_paid
        realized = -released - closing_paid
        exposure[instrument].cost_e8 = cost - released + (paid - closing_paid)
    exposure[instrument].position_lots = held + signed_lots
    exposure[instrument].realized_e8 += realized
    exposure[instrument].fees_e8 += fee_e8
    gate_words[NET_REALIZED_E8] += realized - fee_e8
    mark_position(exposure, guards, instrument, unit_e8, float(price_ticks))
    return realized


@kernel
def take_told_profit(
    words: Any,
    exposure: Any,
    gate_words: Any,
    guards: Any,
    instrument: Any,
    unit_e8: Any,
    price_ticks: Any,
    own_e8: Any,
    told_e8: Any,
) -> Any:
    """Put what the exchange says a trade realised in the place of what `book_fill` worked out.

    Returns what counts. The cost moves with it: signed notional paid, plus profit realised, is what
    the open position has cost, for every order of the same trades.
    """
    if told_e8 in (NOT_TOLD, own_e8):
        return own_e8
    words[PNL_DIFFERENCES] += 1
    difference = told_e8 - own_e8
    exposure[instrument].cost_e8 += difference
    exposure[instrument].realized_e8 += difference
    gate_words[NET_REALIZED_E8] += difference
    mark_position(exposure, guards, instrument, unit_e8, float(price_ticks))
    return told_e8
