"""The state that a journal is about: its hash, its snapshot, and records applied to it again.

One set of kernels for the live process and for the replay: `apply_records` calls the very kernels
that made the records. The hash is over every open order, every instrument's position, cost, profit
and fees, the funding and the latch; it does not depend on where in the table an order stands. An
order of an earlier run keeps its name in `CARRIED` and has the epoch 0 in the table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.execution.amends import open_amend, restore_terms, take_terms
from aegis.execution.booking import book_trade
from aegis.execution.fills import GENERATION_SLOTS, TRADES_SIZE, remember_trade
from aegis.execution.journal.checksum import mix
from aegis.execution.journal.layout import (
    ADOPT,
    AMEND,
    EVENT,
    FILL,
    FUNDING,
    LATCH,
    ORDER,
    PLACE,
    POSITION,
    RECORD,
    STILL_AMENDING,
    STRAY,
    SUMS,
    TRADE,
)
from aegis.execution.layouts import AMENDING
from aegis.execution.order_states import AMENDED, FREE, TERMINAL
from aegis.execution.order_table import apply_event, apply_fill, find_order, open_order
from aegis.execution.positions import accept_position, apply_stray_fill, note_funding
from aegis.execution.tables import (
    batch_of,
    exposure_of,
    gate_of,
    rows_of,
    terms_of,
    trades_of,
    words_of,
)
from aegis.execution.words import FUNDING_E8, STAGE_COUNT, UNKNOWN_COUNT
from aegis.host.jit import kernel
from aegis.risk.gate_state import DAY_BASE_E8, NET_REALIZED_E8
from aegis.risk.latch import LATCH_REASON, LATCH_SINCE_NS, LATCH_STATE

__all__ = [
    "amend_records",
    "apply_records",
    "known_trades",
    "order_records",
    "position_records",
    "state_hash",
]

_UNKNOWN = 4
_CLOSING_SHIFT, _ACKNOWLEDGED, _CANCEL_WANTED = 4, 256, 512
# Journals of before PENDING_AMEND are read as well: in a record the final states that an order may
# be closing as begin with 6.
_FINAL_SHIFT = TERMINAL - 6


@kernel
def _mix_terms(one: Any, row: Any, terms: Any) -> Any:
    """What an order's amends add to its hash; a plain order has none."""
    one = mix(mix(one, np.uint64(row.amends)), np.uint64(terms.told_ms))
    if row.amends & AMENDING != 0:
        one = mix(mix(one, np.uint64(terms.price_ticks)), np.uint64(terms.qty_lots))
        one = mix(one, np.uint64(terms.sent_ms))
    return one


@kernel("u8(i8[::1])")
def state_hash(tables: Any) -> Any:
    """The hash of the whole state, 64 bits."""
    total = np.uint64(0)
    rows = rows_of(tables)
    for slot in range(rows.size):
        row = rows[slot]
        if row.state == FREE or row.state >= TERMINAL:
            continue
        one = mix(np.uint64(row.order_ref), np.uint64(row.epoch))
        one = mix(one, np.uint64(row.instrument))
        one = mix(one, np.uint64(row.price_ticks))
        one = mix(one, np.uint64(row.qty_lots))
        one = mix(one, np.uint64(row.filled_lots))
        one = mix(one, np.uint64(row.reported_lots))
        one = mix(one, np.uint64(row.exchange_order_id))
        one = mix(one, np.uint64(row.sent_ms))
        one = mix(one, np.uint64(row.state))
        one = mix(one, np.uint64(row.closing_as - _FINAL_SHIFT if row.closing_as > 0 else 0))
        one = mix(one, np.uint64(np.int64(row.side)))
        one = mix(one, np.uint64(row.flags))
        one = mix(one, np.uint64(row.acknowledged))
        if row.amends != 0:
            one = _mix_terms(one, row, terms_of(tables)[slot])
        total += mix(one, np.uint64(row.cancel_wanted))
    exposure = exposure_of(tables)
    for instrument in range(exposure.size):
        held = exposure[instrument]
        one = mix(np.uint64(instrument), np.uint64(held.position_lots))
        one = mix(one, np.uint64(held.cost_e8))
        one = mix(one, np.uint64(held.realized_e8))
        one = mix(one, np.uint64(held.fees_e8))
        one = mix(one, np.uint64(held.open_buy_lots))
        one = mix(one, np.uint64(held.open_sell_lots))
        total += mix(one, np.uint64(held.open_orders))
    total = mix(total, np.uint64(words_of(tables)[FUNDING_E8]))
    return mix(total, np.uint64(gate_of(tables)[LATCH_STATE]))


@kernel
def _place(tables: Any, note: Any) -> Any:
    """A placement, as the batch kernel opened it."""
    intent = batch_of(tables)[0]
    intent.order_ref = note.order_ref
    intent.intent_id = note.ident
    intent.price_ticks = note.price_ticks
    intent.qty_lots = note.qty_lots
    intent.cause_ts_recv_ns = note.event_ns
    intent.epoch = note.epoch
    intent.instrument = note.instrument
    intent.strategy = note.amount_e8
    intent.side = note.side
    intent.flags = note.flags
    intent.level = note.code
    return open_order(tables, intent, note.mono_ns, note.number)


@kernel
def _order(tables: Any, note: Any) -> Any:
    """An open order of a snapshot, in the state that it had."""
    intent = batch_of(tables)[0]
    intent.order_ref = note.order_ref
    intent.intent_id = note.amount_e8
    intent.price_ticks = note.price_ticks
    intent.qty_lots = note.qty_lots
    intent.cause_ts_recv_ns = note.event_ns
    intent.epoch = note.epoch
    intent.instrument = note.instrument
    intent.strategy = 0
    intent.side = note.side
    intent.flags = note.flags
    intent.level = 0
    slot = open_order(tables, intent, note.mono_ns, note.number)
    if slot < 0:
        return
    row = rows_of(tables)[slot]
    held = exposure_of(tables)[row.instrument]
    filled = min(note.cum_lots, note.qty_lots)
    if row.side > 0:
        held.open_buy_lots -= filled
    else:
        held.open_sell_lots -= filled
    row.filled_lots = note.cum_lots
    row.reported_lots = note.trade_id
    row.exchange_order_id = note.ident
    code = np.int64(note.code)
    row.state = code & 15
    closing_as = code >> _CLOSING_SHIFT & 15
    row.closing_as = closing_as + _FINAL_SHIFT if closing_as > 0 else 0
    row.acknowledged = 1 if code & _ACKNOWLEDGED else 0
    row.cancel_wanted = 1 if code & _CANCEL_WANTED else 0
    if row.state == _UNKNOWN:
        words_of(tables)[UNKNOWN_COUNT] += 1


@kernel
def _amend(tables: Any, slot: Any, note: Any) -> Any:
    """An amend that was about to be sent, or (with bits in its code) what a snapshot tells."""
    if note.code != 0:
        restore_terms(tables, slot, note)
    else:
        open_amend(
            tables,
            slot,
            note.price_ticks,
            note.qty_lots,
            note.ident,
            np.int64(0),
            note.mono_ns,
            note.number,
        )


@kernel
def _event(tables: Any, slot: Any, note: Any) -> Any:
    """One piece of evidence about an order."""
    if note.code == AMENDED:
        settles = note.flags != STILL_AMENDING
        price_ticks, qty_lots = note.price_ticks, note.qty_lots
        take_terms(tables, slot, price_ticks, qty_lots, settles, note.event_ns, note.mono_ns)
        return
    apply_event(
        tables,
        slot,
        np.int64(note.code),
        note.number,
        np.int64(note.flags),
        note.cum_lots,
        note.ident,
        note.event_ns,
        note.mono_ns,
    )


@kernel
def _fill(tables: Any, note: Any) -> Any:
    """A trade of an order; of one that has left the table, only its money."""
    slot = find_order(tables, np.int64(note.epoch), note.order_ref)
    if slot >= 0:
        apply_fill(
            tables,
            slot,
            note.price_ticks,
            note.qty_lots,
            note.cum_lots,
            note.trade_id,
            note.amount_e8,
            note.ident,
            np.int64(note.flags),
            note.event_ns,
            note.mono_ns,
            note.number,
        )
        return
    instrument = np.int64(note.instrument)
    if remember_trade(trades_of(tables), words_of(tables), instrument, note.trade_id):
        signed_lots = note.qty_lots * np.int64(note.side)
        book_trade(tables, instrument, signed_lots, note.price_ticks, note.amount_e8, note.number)


@kernel
def _apply_money(tables: Any, note: Any, kind: Any) -> Any:
    """Records that are about no single order."""
    instrument = np.int64(note.instrument)
    held = exposure_of(tables)[instrument]
    gate = gate_of(tables)
    if kind == STRAY:
        apply_stray_fill(
            tables,
            instrument,
            np.int64(note.side),
            note.price_ticks,
            note.qty_lots,
            note.trade_id,
            note.amount_e8,
            note.ident,
            np.int64(note.flags),
            note.event_ns,
            note.mono_ns,
            note.number,
        )
    elif kind == TRADE:
        remember_trade(trades_of(tables), words_of(tables), instrument, note.trade_id)
    elif kind == ADOPT:
        accept_position(tables, instrument, note.qty_lots, note.amount_e8, note.mono_ns)
    elif kind == POSITION:
        held.position_lots = note.qty_lots
        held.cost_e8 = note.amount_e8
        held.realized_e8 = note.cum_lots
        held.fees_e8 = note.trade_id
    elif kind == SUMS:
        words_of(tables)[FUNDING_E8] = note.amount_e8
        gate[NET_REALIZED_E8] = note.cum_lots
        gate[DAY_BASE_E8] = note.trade_id
    elif kind == FUNDING:
        note_funding(tables, note.amount_e8, note.trade_id, note.event_ns, note.mono_ns)
    elif kind == LATCH:
        gate[LATCH_REASON] = note.number
        gate[LATCH_SINCE_NS] = note.mono_ns
        gate[LATCH_STATE] = np.int64(note.code)


@kernel
def apply_records(tables: Any, notes: Any, start: Any, stop: Any) -> Any:
    """Apply `notes[start:stop]`; returns the place of the first that is not for a kernel."""
    words = words_of(tables)
    instruments = exposure_of(tables).size
    for at in range(start, stop):
        note = notes[at]
        kind = np.int64(note.kind)
        words[STAGE_COUNT] = 0
        if note.instrument >= instruments:
            return at
        if kind == PLACE:
            _place(tables, note)
        elif kind in (EVENT, AMEND):
            slot = find_order(tables, np.int64(note.epoch), note.order_ref)
            if slot >= 0 and kind == EVENT:
                _event(tables, slot, note)
            elif slot >= 0:
                _amend(tables, slot, note)
        elif kind == FILL:
            _fill(tables, note)
        elif kind == ORDER:
            _order(tables, note)
        elif kind in (STRAY, TRADE, ADOPT, POSITION, SUMS, FUNDING, LATCH):
            _apply_money(tables, note, kind)
        else:
            return at
    words[STAGE_COUNT] = 0
    return stop


def order_records(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The open orders among `rows` as ORDER records."""
    found = rows[(rows["state"] != FREE) & (rows["state"] < TERMINAL)]
    notes = np.zeros(len(found), RECORD)
    notes["kind"] = ORDER
    for name in ("instrument", "order_ref", "epoch", "side", "flags", "price_ticks", "qty_lots"):
        notes[name] = found[name]
    for name, source in (
        ("ident", "exchange_order_id"),
        ("cum_lots", "filled_lots"),
        ("trade_id", "reported_lots"),
        ("amount_e8", "intent_id"),
        ("event_ns", "cause_ts_recv_ns"),
        ("number", "sent_ms"),
    ):
        notes[name] = found[source]
    notes["code"] = (
        found["state"]
        | np.where(found["closing_as"] > 0, found["closing_as"] - _FINAL_SHIFT, 0) << _CLOSING_SHIFT
        | found["acknowledged"].astype(np.uint16) * _ACKNOWLEDGED
        | found["cancel_wanted"] * _CANCEL_WANTED
    )
    return notes


def amend_records(rows: npt.NDArray[Any], terms: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The amends of the open orders among `rows` as AMEND records; they follow ORDER records."""
    of_open = (rows["state"] != FREE) & (rows["state"] < TERMINAL) & (rows["amends"] != 0)
    orders, found = rows[of_open], terms[of_open]
    notes = np.zeros(len(orders), RECORD)
    notes["kind"] = AMEND
    for name in ("instrument", "order_ref", "epoch", "side"):
        notes[name] = orders[name]
    for name, source in (
        ("price_ticks", "price_ticks"),
        ("qty_lots", "qty_lots"),
        ("ident", "intent_id"),
        ("number", "sent_ms"),
        ("event_ns", "told_ms"),
    ):
        notes[name] = found[source]
    notes["code"] = orders["amends"]
    return notes


def position_records(exposure: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Every instrument that has or had a position, as POSITION records."""
    moved = np.zeros(len(exposure), bool)
    for name in ("position_lots", "cost_e8", "realized_e8", "fees_e8"):
        moved |= exposure[name] != 0
    places = np.flatnonzero(moved)
    notes = np.zeros(len(places), RECORD)
    notes["kind"] = POSITION
    notes["instrument"] = places
    held = exposure[places]
    for name, source in (
        ("qty_lots", "position_lots"),
        ("amount_e8", "cost_e8"),
        ("cum_lots", "realized_e8"),
        ("trade_id", "fees_e8"),
    ):
        notes[name] = held[source]
    return notes


def known_trades(trades: npt.NDArray[np.int64], confirmed: list[int]) -> npt.NDArray[Any]:
    """The trades in the set that lie beyond what is confirmed, as TRADE records in their order."""
    assert trades.size == TRADES_SIZE == 2 * GENERATION_SLOTS
    keys = np.unique(trades[trades != 0]) - 1
    instruments = keys % 1024
    ids = keys // 1024
    beyond = ids > np.asarray(confirmed, np.int64)[instruments]
    notes = np.zeros(int(beyond.sum()), RECORD)
    notes["kind"] = TRADE
    notes["instrument"] = instruments[beyond]
    notes["trade_id"] = ids[beyond]
    return notes
