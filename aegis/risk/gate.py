"""The gate: every control in order, composed into one kernel, the last thing before the bytes.

Execution's batch kernel calls `judge` for each PLACE with the book it has just read; the answer is
PASS (0) or the number of the first control that refuses. Order of the controls: first whether the
intent makes sense (the same for everybody), then, for orders that add risk, whether this is the
time to take any. Cancels never come here; orders that can only reduce a position skip the second
half, whatever the latch says.

Everything unknown refuses: a zeroed row, a NaN, a missing book. The gate never raises and never
allocates; besides its answer it writes the used order references, the rate window, the nonsense
window and, for two controls, the latch.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.risk.checks import (
    MARKET,
    daily_loss,
    data_freshness,
    filters,
    intent_expired,
    is_reducing,
    max_open_orders,
    max_order_notional,
    max_order_qty,
    max_position_incl_open,
    message_rate,
    min_notional,
    order_notional_e8,
    price_collar,
    well_formed,
)
from aegis.risk.controls import Control
from aegis.risk.gate_state import (
    BLOCK_BRAIN,
    BLOCK_ORDER_LINK,
    BLOCK_OUTCOME_LANE,
    BLOCK_PRIVATE_STREAM,
    BLOCK_SUPERVISOR,
    BLOCKS,
    HIGHEST_REF,
    MAX_DAILY_LOSS_E8,
    MAX_OPEN_ORDERS,
    MAX_STALE_NS,
    NONSENSE_HEAD,
    NONSENSE_LIMIT,
    NONSENSE_TIMES,
    NONSENSE_TOTAL,
    NONSENSE_WINDOW_NS,
    OPEN_ORDERS,
    RATE_COUNT,
    RATE_HEAD,
    RATE_WINDOW_NS,
    REF_WINDOW,
    day_pnl_e8,
    mark_position,
)
from aegis.risk.latch import LATCH_REASON, LATCH_SINCE_NS, LATCH_STATE, LatchState

__all__ = ["forget_order_refs", "judge"]

ACTIVE, REDUCING, HALTED = (int(state) for state in LatchState)

PASS = int(Control.PASS)
_INVALID_INTENT = int(Control.INVALID_INTENT)
_SYMBOL_ALLOWLIST = int(Control.SYMBOL_ALLOWLIST)
_DUPLICATE_ORDER = int(Control.DUPLICATE_ORDER)
_INTENT_EXPIRED = int(Control.INTENT_EXPIRED)
_INSTRUMENT_STATUS = int(Control.INSTRUMENT_STATUS)
_FILTERS = int(Control.FILTERS)
_MAX_ORDER_QTY = int(Control.MAX_ORDER_QTY)
_MAX_ORDER_NOTIONAL = int(Control.MAX_ORDER_NOTIONAL)
_PRICE_COLLAR = int(Control.PRICE_COLLAR)
_KILL = int(Control.KILL)
_NOT_READY = int(Control.NOT_READY)
_DEADMAN = int(Control.DEADMAN)
_PRIVATE_STREAM = int(Control.PRIVATE_STREAM)
_ORDER_LINK = int(Control.ORDER_LINK)
_DATA_FRESHNESS = int(Control.DATA_FRESHNESS)
_DAILY_LOSS = int(Control.DAILY_LOSS)
_MAX_OPEN_ORDERS = int(Control.MAX_OPEN_ORDERS)
_MAX_POSITION = int(Control.MAX_POSITION_INCL_OPEN)
_MAX_MSG_RATE = int(Control.MAX_MSG_RATE)
_OUTCOME_LANE = int(Control.OUTCOME_LANE)
_NONSENSE_BURST = int(Control.NONSENSE_BURST)


@kernel("void(i8[::1],i8,i8,i8)")
def _trip(words: Any, state: Any, reason: Any, now_ns: Any) -> Any:
    """Raise the latch from inside a kernel; the same rule as Latch.trip."""
    if words[LATCH_STATE] >= ACTIVE and state > words[LATCH_STATE]:
        words[LATCH_REASON] = reason
        words[LATCH_SINCE_NS] = now_ns
        words[LATCH_STATE] = state


@kernel("b1(i8[::1],u8[::1],i8)")
def order_ref_is_new(words: Any, refs: Any, order_ref: Any) -> Any:
    """DUPLICATE_ORDER: whether a reference was never used; one too old to tell was used."""
    highest = words[HIGHEST_REF]
    if order_ref > highest:
        return True
    if order_ref <= highest - REF_WINDOW or order_ref <= 0:
        return False
    place = order_ref % REF_WINDOW
    bit = np.uint64(1) << np.uint64(place % 64)
    return refs[place // 64] & bit == np.uint64(0)


@kernel("void(i8[::1],u8[::1],i8)")
def use_order_ref(words: Any, refs: Any, order_ref: Any) -> Any:
    """Remember a reference: a bitmap of the last 4096 below the highest one used."""
    highest = words[HIGHEST_REF]
    if order_ref > highest:
        if order_ref - highest >= REF_WINDOW:
            refs[:] = np.uint64(0)
        else:
            for passed in range(highest + 1, order_ref):
                gone = passed % REF_WINDOW
                refs[gone // 64] &= ~(np.uint64(1) << np.uint64(gone % 64))
        words[HIGHEST_REF] = order_ref
    place = order_ref % REF_WINDOW
    refs[place // 64] |= np.uint64(1) << np.uint64(place % 64)


@kernel("void(i8[::1],u8[::1])")
def forget_order_refs(words: Any, refs: Any) -> Any:
    """A new generation of the brain counts its references from the start again."""
    words[HIGHEST_REF] = 0
    refs[:] = np.uint64(0)


@kernel("void(i8[::1],i8)")
def _count_nonsense(words: Any, now_ns: Any) -> Any:
    """NONSENSE_BURST: ten refusals of nonsense within ten seconds halt the instance."""
    words[NONSENSE_TIMES + words[NONSENSE_HEAD]] = now_ns
    words[NONSENSE_HEAD] = (words[NONSENSE_HEAD] + 1) % NONSENSE_LIMIT
    words[NONSENSE_TOTAL] += 1
    oldest_ns = words[NONSENSE_TIMES + words[NONSENSE_HEAD]]
    if words[NONSENSE_TOTAL] >= NONSENSE_LIMIT and now_ns - oldest_ns <= NONSENSE_WINDOW_NS:
        _trip(words, HALTED, _NONSENSE_BURST, now_ns)


@kernel("i8(i8)")
def _blocked_by(blocks: Any) -> Any:
    """The control that speaks for a set of blocks; PASS for none."""
    if blocks == 0:
        return PASS
    if blocks & BLOCK_ORDER_LINK != 0:
        return _ORDER_LINK
    if blocks & BLOCK_PRIVATE_STREAM != 0:
        return _PRIVATE_STREAM
    if blocks & (BLOCK_SUPERVISOR | BLOCK_BRAIN) != 0:
        return _DEADMAN
    if blocks & BLOCK_OUTCOME_LANE != 0:
        return _OUTCOME_LANE
    return _NOT_READY


@kernel
def _judge_form(intent: Any, row: Any, now_ns: Any) -> Any:
    """What no order may be, whatever the state and the book. Returns PASS or a control."""
    if not intent_expired(now_ns, intent.valid_until_ns):
        return _INTENT_EXPIRED
    if row.trading != 1:
        return _INSTRUMENT_STATUS
    is_market = intent.flags & MARKET != 0
    # A market order has no price to check; its quantity has a bound of its own.
    price_ticks = row.min_price_ticks if is_market else intent.price_ticks
    max_qty_lots = row.max_market_qty_lots if is_market else row.max_qty_lots
    if not filters(
        price_ticks,
        intent.qty_lots,
        row.min_price_ticks,
        row.max_price_ticks,
        row.min_qty_lots,
        max_qty_lots,
    ):
        return _FILTERS
    if not max_order_qty(intent.qty_lots, row.max_order_lots):
        return _MAX_ORDER_QTY
    return PASS


@kernel
def _judge_moment(words: Any, reducing: Any, is_fresh: Any) -> Any:
    """Whether this is the time to take any risk. Returns PASS or a control."""
    if reducing:
        # Only a line that is down stops a reducing order: it could not be sent.
        return _ORDER_LINK if words[BLOCKS] & BLOCK_ORDER_LINK != 0 else PASS
    if words[LATCH_STATE] != ACTIVE:
        return _KILL
    blocked = _blocked_by(words[BLOCKS])
    if blocked != PASS:
        return blocked
    return PASS if is_fresh else _DATA_FRESHNESS


@kernel
def _judge_price(intent: Any, row: Any, mid_ticks: Any, reducing: Any) -> Any:
    """Worth and price against the book; `mid_ticks` is NaN when the book cannot be trusted.

    Without a book a new risk is refused and a way out is not: a reducing order is held to the
    collar only where there is one.
    """
    has_reference = mid_ticks > 0.0
    is_market = intent.flags & MARKET != 0
    price_ticks = mid_ticks if is_market else float(intent.price_ticks)
    notional_e8 = order_notional_e8(price_ticks, intent.qty_lots, float(row.unit_e8))
    if not reducing and not min_notional(notional_e8, row.min_notional_e8):
        return _FILTERS
    if (has_reference or not (reducing and is_market)) and not max_order_notional(
        notional_e8, row.max_order_notional_e8
    ):
        return _MAX_ORDER_NOTIONAL
    if is_market or (reducing and not has_reference):
        return PASS
    return PASS if price_collar(price_ticks, mid_ticks, row.collar) else _PRICE_COLLAR


@kernel
def _judge_risk(
    intent: Any,
    row: Any,
    exposure: Any,
    words: Any,
    rates: Any,
    same_side_lots: Any,
    now_ns: Any,
    rate_now_ns: Any,
) -> Any:
    """Whether there is room for more risk. Returns PASS or a control."""
    if not daily_loss(day_pnl_e8(words, exposure), float(words[MAX_DAILY_LOSS_E8])):
        _trip(words, REDUCING, _DAILY_LOSS, now_ns)
        return _DAILY_LOSS
    if not max_open_orders(words[OPEN_ORDERS], words[MAX_OPEN_ORDERS]):
        return _MAX_OPEN_ORDERS
    position_lots = exposure[intent.instrument].position_lots
    if not max_position_incl_open(
        intent.side, intent.qty_lots, position_lots, same_side_lots, row.max_position_lots
    ):
        return _MAX_POSITION
    count = words[RATE_COUNT]
    if not 0 < count <= rates.size:
        return _MAX_MSG_RATE
    if not message_rate(rate_now_ns, rates[words[RATE_HEAD] % count], words[RATE_WINDOW_NS]):
        return _MAX_MSG_RATE
    return PASS


@kernel
def _judge_sense(intent: Any, rules: Any, words: Any, refs: Any) -> Any:
    """The controls whose refusal is nonsense: no healthy strategy ever meets them."""
    if not well_formed(
        intent.side,
        intent.flags,
        intent.price_ticks,
        intent.qty_lots,
        intent.order_ref,
        intent.fair_price,
        intent.confidence,
    ):
        return _INVALID_INTENT
    if intent.instrument >= rules.size or rules[intent.instrument].allowed != 1:
        return _SYMBOL_ALLOWLIST
    return PASS if order_ref_is_new(words, refs, intent.order_ref) else _DUPLICATE_ORDER


@kernel
def judge(
    intent: Any,
    rules: Any,
    exposure: Any,
    words: Any,
    rates: Any,
    refs: Any,
    reference: Any,
    now_ns: Any,
    rate_now_ns: Any,
) -> Any:
    """Whether a PLACE may be sent: PASS (0) or the number of the control that refuses it.

    `intent` is one INTENT record, `reference` one REFERENCE record: the book and the feed as just
    read. Times are CLOCK_MONOTONIC, except `rate_now_ns`, the clock of the message rate (a
    replayed tape counts its own time). PASS also books the order into the rate window.
    """
    answer = _judge_sense(intent, rules, words, refs)
    if answer != PASS:
        _count_nonsense(words, now_ns)
        return answer
    use_order_ref(words, refs, intent.order_ref)
    row = rules[intent.instrument]
    held = exposure[intent.instrument]
    same_side_lots = held.open_buy_lots if intent.side > 0 else held.open_sell_lots
    reducing = is_reducing(intent.side, intent.qty_lots, held.position_lots, same_side_lots)
    is_fresh = data_freshness(
        reference.is_book_valid != 0,
        reference.is_feed_connected != 0,
        reference.book_recv_ns,
        reference.feed_message_ns,
        now_ns,
        words[MAX_STALE_NS],
    )
    mid_ticks = reference.mid_ticks if is_fresh else np.nan
    mark_position(exposure, intent.instrument, row.unit_e8, mid_ticks)
    answer = _judge_form(intent, row, now_ns)
    if answer == PASS:
        answer = _judge_moment(words, reducing, is_fresh)
    if answer == PASS:
        answer = _judge_price(intent, row, mid_ticks, reducing)
    if answer == PASS and not reducing:
        answer = _judge_risk(
            intent, row, exposure, words, rates, same_side_lots, now_ns, rate_now_ns
        )
    if answer != PASS:
        return answer
    count = words[RATE_COUNT]
    if 0 < count <= rates.size:
        rates[words[RATE_HEAD] % count] = rate_now_ns
        words[RATE_HEAD] = (words[RATE_HEAD] + 1) % count
    return PASS
