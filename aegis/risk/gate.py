"""The gate: every control in order, composed into one kernel, the last thing before the bytes.

Execution's batch kernel calls `judge` for each PLACE with the book it has just read, and
`judge_amend` for each AMEND; the answer is PASS (0) or the number of the first control that
refuses. An amend is judged as the order that it leads to, beside all others and with the larger of
what that order is and may become. Order of the controls: first whether the
intent makes sense (the same for everybody), then, for orders that add risk, whether this is the
time to take any. Cancels never come here; orders that can only reduce a position skip the second
half, whatever the latch says.

Everything unknown refuses: a zeroed row, a NaN, a missing book. The gate never raises and never
allocates; besides its answer it writes the used order references, the rate window, the guard rows,
the counts of refusals and, by `aegis.risk.trips`, the latch.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.risk.checks import (
    MARKET,
    REDUCE_ONLY,
    data_freshness,
    data_reasonability,
    filters,
    intent_expired,
    is_reducing,
    max_order_notional,
    max_order_qty,
    min_notional,
    order_notional_e8,
    price_collar,
    self_trade,
    symbol_allowlist,
    well_formed,
)
from aegis.risk.controls import Control
from aegis.risk.gate_state import (
    BLOCK_BRAIN,
    BLOCK_COUNTDOWN,
    BLOCK_NOT_READY,
    BLOCK_OPERATOR,
    BLOCK_ORDER_LINK,
    BLOCK_OUTCOME_LANE,
    BLOCK_PRIVATE_STREAM,
    BLOCK_SUPERVISOR,
    BLOCKS,
    HIGHEST_REF,
    IS_MARK_NEEDED,
    MARK_AGE_NS,
    MAX_STALE_NS,
    mark_position,
)
from aegis.risk.guards import remember_order
from aegis.risk.latch import LATCH_STATE
from aegis.risk.message_times import note_order_passed
from aegis.risk.new_risk import judge_new_risk
from aegis.risk.references import forget_order_refs, order_ref_is_new, use_order_ref
from aegis.risk.trips import ACTIVE, count_nonsense, count_refusal
from aegis.shm.intent import PLACE

__all__ = [
    "forget_order_refs",
    "judge",
    "judge_again",
    "judge_amend",
    "judge_market",
    "recall_order_refs",
]

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
_SELF_TRADE = int(Control.SELF_TRADE)
_KILL = int(Control.KILL)
_NOT_READY = int(Control.NOT_READY)
_DEADMAN = int(Control.DEADMAN)
_PRIVATE_STREAM = int(Control.PRIVATE_STREAM)
_ORDER_LINK = int(Control.ORDER_LINK)
_DATA_FRESHNESS = int(Control.DATA_FRESHNESS)
_OUTCOME_LANE = int(Control.OUTCOME_LANE)
_OPERATOR = int(Control.OPERATOR)
_DATA_REASONABILITY = int(Control.DATA_REASONABILITY)
# While one of these stands, our own books do not prove that an order can only reduce.
_BLOCKS_OF_DOUBT = BLOCK_NOT_READY | BLOCK_PRIVATE_STREAM | BLOCK_COUNTDOWN
# A decision that is older than this has expired anyway.
_LONGEST_STALL_NS = np.int64(10_000_000_000)


@kernel("i8(i8)")
def _blocked_by(blocks: Any) -> Any:
    """The control that speaks for a set of blocks; PASS for none."""
    if blocks == 0:
        return PASS
    if blocks & BLOCK_ORDER_LINK != 0:
        return _ORDER_LINK
    if blocks & BLOCK_PRIVATE_STREAM != 0:
        return _PRIVATE_STREAM
    if blocks & (BLOCK_SUPERVISOR | BLOCK_BRAIN | BLOCK_COUNTDOWN) != 0:
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
def _judge_moment(
    words: Any, reducing: Any, is_held_to_it: Any, is_fresh: Any, is_reasonable: Any
) -> Any:
    """Whether this is the time to take any risk. Returns PASS or a control.

    `reducing` is the word of our own books; `is_held_to_it`: the exchange sees to it, too.
    """
    if words[BLOCKS] & BLOCK_OPERATOR != 0:
        # While a person's command clears the book, nothing may come into it.
        return _OPERATOR
    if reducing:
        if words[BLOCKS] & BLOCK_ORDER_LINK != 0:
            # It could not be sent.
            return _ORDER_LINK
        # Books that are not reconciled do not prove that an order reduces, and what rests without
        # a countdown may add risk later, when the position has gone: then the exchange must.
        return PASS if is_held_to_it else _blocked_by(words[BLOCKS] & _BLOCKS_OF_DOUBT)
    if words[LATCH_STATE] != ACTIVE:
        return _KILL
    blocked = _blocked_by(words[BLOCKS])
    if blocked != PASS:
        return blocked
    if not is_fresh:
        return _DATA_FRESHNESS
    return PASS if is_reasonable else _DATA_REASONABILITY


@kernel
def _recent_mark(reference: Any, words: Any, now_ns: Any) -> Any:
    """The exchange's mark in ticks while it is recent and needed, NaN otherwise."""
    if words[IS_MARK_NEEDED] == 0 or reference.mark_recv_ns <= 0:
        return np.nan
    age_ns = abs(float(now_ns) - float(reference.mark_recv_ns))
    return reference.mark_ticks if age_ns <= float(words[MARK_AGE_NS]) else np.nan


@kernel
def _judge_price(
    intent: Any, row: Any, mid_ticks: Any, mark_ticks: Any, notional_e8: Any, reducing: Any
) -> Any:
    """Worth and price against the book; `mid_ticks` is NaN when the book cannot be trusted.

    Without a book a new risk is refused and a way out is not: a reducing order is then held to the
    collar round the mark, and where no mark is recent either (`mark_ticks` is NaN) to none.
    """
    has_reference = mid_ticks > 0.0
    is_market = intent.flags & MARKET != 0
    if not reducing and not min_notional(notional_e8, row.min_notional_e8):
        return _FILTERS
    if (has_reference or not (reducing and is_market)) and not max_order_notional(
        notional_e8, row.max_order_notional_e8
    ):
        return _MAX_ORDER_NOTIONAL
    middle_ticks = mark_ticks if reducing and not has_reference else mid_ticks
    if is_market or (reducing and not middle_ticks > 0.0):
        return PASS
    price_ticks = float(intent.price_ticks)
    return PASS if price_collar(price_ticks, middle_ticks, row.collar) else _PRICE_COLLAR


@kernel
def _judge_fields(intent: Any, rules: Any) -> Any:
    """Whether the fields of an intent make sense, each by itself."""
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
    instrument: Any = np.int64(intent.instrument)
    allowed = rules[instrument].allowed if instrument < rules.size else 0
    return PASS if symbol_allowlist(instrument, rules.size, allowed) else _SYMBOL_ALLOWLIST


@kernel
def _judge_sense(intent: Any, rules: Any, words: Any, refs: Any) -> Any:
    """The controls whose refusal is nonsense: no healthy strategy ever meets them."""
    answer = _judge_fields(intent, rules)
    if answer != PASS:
        return answer
    return PASS if order_ref_is_new(words, refs, intent.order_ref) else _DUPLICATE_ORDER


@kernel
def recall_order_refs(taken: Any, epoch: Any, rules: Any, words: Any, refs: Any) -> Any:
    """Use the references of the PLACEs of an epoch that a predecessor has taken, oldest first.

    `taken` are INTENT records. The brain counts upwards: what is below the first was used as well.
    """
    for at in range(taken.size):
        intent = taken[at]
        if intent.kind != PLACE or intent.epoch != epoch:
            continue
        if _judge_sense(intent, rules, words, refs) == PASS:
            if words[HIGHEST_REF] == 0:
                words[HIGHEST_REF] = intent.order_ref - 1
                refs[:] = ~np.uint64(0)
            use_order_ref(words, refs, intent.order_ref)


@kernel
def judge_market(reference: Any, words: Any, mark_band: Any, now_ns: Any) -> Any:
    """(whether the book is fresh, whether its price is reasonable) as of now."""
    is_fresh = data_freshness(
        reference.is_book_valid != 0,
        reference.is_feed_connected != 0,
        reference.book_recv_ns,
        reference.feed_message_ns,
        now_ns,
        words[MAX_STALE_NS],
    )
    is_reasonable = words[IS_MARK_NEEDED] == 0 or data_reasonability(
        reference.mid_ticks,
        reference.mark_ticks,
        reference.index_ticks,
        reference.mark_recv_ns,
        now_ns,
        words[MARK_AGE_NS],
        mark_band,
    )
    return is_fresh, is_reasonable


@kernel
def _judge_whole(
    intent: Any,
    more_lots: Any,
    is_amend: Any,
    row: Any,
    exposure: Any,
    words: Any,
    rates: Any,
    guards: Any,
    reference: Any,
    reducing: Any,
    now_ns: Any,
    rate_now_ns: Any,
) -> Any:
    """Everything but sense: form, moment, price, and for new risk whether there is room for it."""
    is_fresh, is_reasonable = judge_market(reference, words, row.mark_band, now_ns)
    mid_ticks = reference.mid_ticks if is_fresh else np.nan
    # A bad print must not value what is held: it would trip the losses.
    value_ticks = mid_ticks if is_reasonable else np.nan
    mark_position(exposure, guards, np.int64(intent.instrument), row.unit_e8, value_ticks)
    answer = _judge_form(intent, row, now_ns)
    if answer != PASS:
        return answer
    is_held_to_it = intent.flags & REDUCE_ONLY != 0
    answer = _judge_moment(words, reducing, is_held_to_it, is_fresh, is_reasonable)
    if answer != PASS:
        return answer
    price_ticks = mid_ticks if intent.flags & MARKET != 0 else float(intent.price_ticks)
    notional_e8 = order_notional_e8(price_ticks, intent.qty_lots, float(row.unit_e8))
    mark_ticks = _recent_mark(reference, words, now_ns)
    answer = _judge_price(intent, row, mid_ticks, mark_ticks, notional_e8, reducing)
    if answer != PASS or reducing:
        return answer
    return judge_new_risk(
        intent,
        more_lots,
        is_amend,
        row,
        exposure,
        words,
        rates,
        guards,
        reference,
        mid_ticks,
        notional_e8,
        now_ns,
        rate_now_ns,
    )


@kernel("i8(i8[::1],b1,b1,b1,b1,i8,i8)")
def judge_again(
    words: Any,
    reducing: Any,
    is_held_to_it: Any,
    is_fresh: Any,
    is_reasonable: Any,
    valid_until_ns: Any,
    now_ns: Any,
) -> Any:
    """Whether an order that passed and had to wait may still be sent: PASS or a control.

    Its form and its room were judged and booked when it passed; what may have changed since is the
    time and the moment. `reducing` is the word of our own books; `is_held_to_it`: the exchange
    sees to it, too. Whether the message rate has room for it now is asked before, of
    `held_order_may_leave`.
    """
    if not intent_expired(now_ns, valid_until_ns):
        return _INTENT_EXPIRED
    return _judge_moment(words, reducing, is_held_to_it, is_fresh, is_reasonable)


@kernel
def _decided_ns(intent: Any, now_ns: Any, rate_now_ns: Any) -> Any:
    """When the strategy decided, on the clock of the windows: what it brought upon itself.

    After a stall of ours its decisions of that time come all at once, and it has not run away. The
    time is the strategy's own word, so it is believed within the last ten seconds only: one that
    is wrong in the same way each time hides no rate. A replayed tape has no stalls.
    """
    if rate_now_ns != now_ns:
        return rate_now_ns
    return now_ns - min(max(now_ns - intent.ts_decided_ns, np.int64(0)), _LONGEST_STALL_NS)


@kernel
def _book_answer(
    intent: Any,
    words: Any,
    rates: Any,
    guards: Any,
    answer: Any,
    reducing: Any,
    now_ns: Any,
    rate_now_ns: Any,
) -> Any:
    """Count a refusal, or remember what passes: in the message rate, and among our prices."""
    if answer != PASS:
        count_refusal(words, answer, _decided_ns(intent, now_ns, rate_now_ns), now_ns)
        return answer
    if not reducing:
        remember_order(
            guards,
            np.int64(intent.instrument),
            np.int64(intent.side),
            intent.price_ticks,
            intent.qty_lots,
            rate_now_ns,
        )
    note_order_passed(words, rates, rate_now_ns)
    return PASS


@kernel
def judge(
    intent: Any,
    rules: Any,
    exposure: Any,
    words: Any,
    rates: Any,
    refs: Any,
    guards: Any,
    reference: Any,
    now_ns: Any,
    rate_now_ns: Any,
) -> Any:
    """Whether a PLACE may be sent: PASS (0) or the number of the control that refuses it.

    `intent` is one INTENT record, `reference` one REFERENCE record: the book, the mark and the feed
    as just read. Times are CLOCK_MONOTONIC, except `rate_now_ns`, the clock of the windows (a
    replayed tape counts its own time). PASS also books the order into the rate window and, unless
    it reduces, into the instrument's guard row.
    """
    answer = _judge_sense(intent, rules, words, refs)
    if answer != PASS:
        count_nonsense(words, now_ns)
        count_refusal(words, answer, _decided_ns(intent, now_ns, rate_now_ns), now_ns)
        return answer
    use_order_ref(words, refs, intent.order_ref)
    row = rules[intent.instrument]
    held = exposure[intent.instrument]
    same_side_lots = held.open_buy_lots if intent.side > 0 else held.open_sell_lots
    reducing = is_reducing(intent.side, intent.qty_lots, held.position_lots, same_side_lots)
    answer = _judge_whole(
        intent,
        intent.qty_lots,
        False,
        row,
        exposure,
        words,
        rates,
        guards,
        reference,
        reducing,
        now_ns,
        rate_now_ns,
    )
    return _book_answer(intent, words, rates, guards, answer, reducing, now_ns, rate_now_ns)


@kernel
def judge_amend(
    intent: Any,
    open_lots: Any,
    left_lots: Any,
    rules: Any,
    exposure: Any,
    words: Any,
    rates: Any,
    guards: Any,
    reference: Any,
    now_ns: Any,
    rate_now_ns: Any,
) -> Any:
    """Whether an AMEND may be sent: PASS (0) or the number of the control that refuses it.

    `intent` is the order as it would become: its side and flags, the new price, the new total
    quantity. `open_lots` is what may still fill of it as it is, `left_lots` as it would become;
    either may, so the larger counts. Everything else is as in `judge`, but for one thing: the
    exchange takes the self-trade prevention off an order that is amended, so that a way out, too,
    must not be moved to where it meets our own order.
    """
    answer = _judge_fields(intent, rules)
    if answer != PASS:
        count_nonsense(words, now_ns)
        count_refusal(words, answer, _decided_ns(intent, now_ns, rate_now_ns), now_ns)
        return answer
    held = exposure[intent.instrument]
    same_side_lots = held.open_buy_lots if intent.side > 0 else held.open_sell_lots
    more_lots = max(left_lots - open_lots, 0)
    reducing = is_reducing(intent.side, more_lots, held.position_lots, same_side_lots)
    answer = _judge_whole(
        intent,
        more_lots,
        True,
        rules[intent.instrument],
        exposure,
        words,
        rates,
        guards,
        reference,
        reducing,
        now_ns,
        rate_now_ns,
    )
    if answer == PASS and not self_trade(
        intent.side, False, intent.price_ticks, reference.own_other_ticks
    ):
        answer = _SELF_TRADE
    return _book_answer(intent, words, rates, guards, answer, reducing, now_ns, rate_now_ns)
