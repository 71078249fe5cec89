"""The reference: what the gate holds an order against, read from shared memory at that moment.

The batch kernel reads it for every PLACE, the process between orders to value what is held. The
gate itself looks at nothing but its arguments.
"""

from typing import Any

import numpy as np

from aegis.execution.layouts import AMENDING
from aegis.execution.open_lists import best_own_ticks
from aegis.execution.tables import (
    book_levels_of,
    book_words_of,
    exposure_of,
    feed_words_of,
    gate_of,
    guards_of,
    head_of,
    instruments_of,
    levels_of,
    mark_of,
    mark_prices_of,
    mark_words_of,
    rates_of,
    reference_of,
    rows_of,
    rules_of,
    terms_of,
    words_of,
)
from aegis.execution.words import EPOCH, FEED_CONNECTED_AT, FEED_MESSAGE_AT, TAPE_TIME
from aegis.host.jit import kernel
from aegis.risk.checks import data_reasonability, is_reducing, self_trade
from aegis.risk.control_numbers import Control
from aegis.risk.gate import judge_again, judge_market
from aegis.risk.gate_state import IS_MARK_NEEDED, MARK_AGE_NS, mark_position
from aegis.risk.message_times import held_order_may_leave, note_held_order_left
from aegis.risk.trips import watch_losses
from aegis.shm.books import DEPTH, FLAGS, N_ASKS, N_BIDS, TS_RECV, VALID, book_read
from aegis.shm.instruments import TRADING
from aegis.shm.intent import REDUCE_ONLY
from aegis.shm.marks import mark_read

__all__ = [
    "held_amend_leaves",
    "held_leaves",
    "held_may_leave",
    "judge_held",
    "read_reference",
    "revalue",
]

_STALE_EPOCH = int(Control.STALE_EPOCH)
_SELF_TRADE = int(Control.SELF_TRADE)


@kernel
def read_reference(tables: Any, instrument: Any, side: Any) -> Any:
    """Read the shared book and mark and the feed's counters into the gate's REFERENCE record.

    Beside them our own best order of the side that an order of `side` would meet.

    Returns whether the instruments table agrees with our own filters: the decision was made with
    that table's tick, the order is written with ours.
    """
    reference = reference_of(tables)[0]
    words = words_of(tables)
    feed = feed_words_of(tables)
    head = head_of(tables)
    levels = levels_of(tables)
    rule = rules_of(tables)[instrument]
    reference.is_feed_connected = feed[words[FEED_CONNECTED_AT]]
    reference.feed_message_ns = feed[words[FEED_MESSAGE_AT]]
    reference.is_book_valid = 0
    reference.mid_ticks = np.nan
    reference.book_recv_ns = 0
    whole = book_read(book_words_of(tables), book_levels_of(tables), instrument, head, levels)
    if (
        whole == 1
        and head[FLAGS] & np.uint64(VALID) != np.uint64(0)
        and head[N_BIDS] > np.uint64(0)
        and head[N_ASKS] > np.uint64(0)
        and levels[0, 0] < levels[DEPTH, 0]
    ):
        reference.is_book_valid = 1
        reference.book_recv_ns = np.int64(head[TS_RECV])
        reference.mid_ticks = 0.5 * (levels[0, 0] + levels[DEPTH, 0]) / rule.tick_size
    mark = mark_of(tables)
    reference.mark_recv_ns = mark_read(
        mark_words_of(tables), mark_prices_of(tables), instrument, mark
    )
    reference.mark_ticks = mark[0] / rule.tick_size
    reference.index_ticks = mark[1] / rule.tick_size
    reference.own_other_ticks = best_own_ticks(tables, instrument, np.int64(-1 if side > 0 else 1))
    shared = instruments_of(tables)[instrument]
    return shared.version > 0 and shared.status == TRADING and shared.tick_size == rule.tick_size


@kernel("i8(i8[::1],i8)")
def revalue(tables: Any, now_ns: Any) -> Any:
    """Value every open position at its book, between orders; the loss control that trips, or 0.

    A mid that strays from the mark, or whose book is not whole, values nothing.
    """
    exposure, rules = exposure_of(tables), rules_of(tables)
    gate, guards = gate_of(tables), guards_of(tables)
    for instrument in range(exposure.size):
        if exposure[instrument].position_lots == 0:
            exposure[instrument].unrealized_e8 = 0.0
            continue
        read_reference(tables, np.int64(instrument), np.int64(1))
        reference, rule = reference_of(tables)[0], rules[instrument]
        if gate[IS_MARK_NEEDED] == 0 or data_reasonability(
            reference.mid_ticks,
            reference.mark_ticks,
            reference.index_ticks,
            reference.mark_recv_ns,
            now_ns,
            gate[MARK_AGE_NS],
            rule.mark_band,
        ):
            mark_position(exposure, guards, instrument, rule.unit_e8, reference.mid_ticks)
    return np.int64(watch_losses(gate, exposure, guards, now_ns))


@kernel("i8(i8[::1],i8,i8,i8)")
def judge_held(tables: Any, slot: Any, valid_until_ns: Any, now_ns: Any) -> Any:
    """Judge a placement or an amend that waited once more: PASS or the control that refuses.

    An order of an epoch that is over answers nobody, and is refused as an expired one. An amend
    must not meet an order of ours that has passed it while it waited: the exchange would let it.
    """
    row = rows_of(tables)[slot]
    words = gate_of(tables)
    if np.int64(row.epoch) != words_of(tables)[EPOCH]:
        return np.int64(_STALE_EPOCH)
    instrument = np.int64(row.instrument)
    is_listed = read_reference(tables, instrument, np.int64(row.side))
    mark_band = rules_of(tables)[instrument].mark_band
    is_fresh, is_reasonable = judge_market(reference_of(tables)[0], words, mark_band, now_ns)
    is_fresh = is_fresh and is_listed
    held = exposure_of(tables)[instrument]
    # The order itself is among those that are open.
    same_side = held.open_buy_lots if row.side > 0 else held.open_sell_lots
    side: Any = np.int64(row.side)
    if row.amends & AMENDING != 0 and not self_trade(
        side, False, terms_of(tables)[slot].price_ticks, reference_of(tables)[0].own_other_ticks
    ):
        return np.int64(_SELF_TRADE)
    is_held_to_it = row.flags & REDUCE_ONLY != 0
    reducing = is_held_to_it or is_reducing(side, 0, held.position_lots, same_side)
    return judge_again(
        words, reducing, is_held_to_it, is_fresh, is_reasonable, valid_until_ns, now_ns
    )


@kernel("b1(i8[::1],i8)")
def held_may_leave(tables: Any, now_ns: Any) -> Any:
    """Whether the message rate has room now for a placement that waited.

    A recording counts its own time, in which nothing waits.
    """
    if words_of(tables)[TAPE_TIME] != 0:
        return True
    return held_order_may_leave(gate_of(tables), rates_of(tables), now_ns)


@kernel("void(i8[::1],i8,i8)")
def held_leaves(tables: Any, slot: Any, now_ns: Any) -> Any:
    """Record that a placement that waited has left: in its row, and in the message rate.

    Until then its `sent_ns` is the time at which it passed the gate.
    """
    row = rows_of(tables)[slot]
    if words_of(tables)[TAPE_TIME] == 0:
        note_held_order_left(gate_of(tables), rates_of(tables), row.sent_ns, now_ns)
    row.sent_ns = now_ns


@kernel("void(i8[::1],i8,i8)")
def held_amend_leaves(tables: Any, slot: Any, now_ns: Any) -> Any:
    """The same of an amend that waited, whose times are in the order's TERMS."""
    terms = terms_of(tables)[slot]
    if words_of(tables)[TAPE_TIME] == 0:
        note_held_order_left(gate_of(tables), rates_of(tables), terms.sent_ns, now_ns)
    terms.sent_ns = now_ns
