"""Amends in the core: the gate, both terms counted, and every way in which one is settled."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegis.execution import order_states as states
from aegis.execution.journal.layout import AMEND as AMEND_RECORD
from aegis.execution.journal.layout import RECORD
from aegis.execution.journal.state import (
    amend_records,
    apply_records,
    order_records,
    state_hash,
)
from aegis.execution.layouts import ACT_CANCEL
from aegis.execution.order_signing import rest_request
from aegis.execution.signing import HmacSigner
from aegis.execution.tables import Tables
from aegis.execution.words import ANOMALIES, JOURNAL_COUNT, JOURNAL_ON
from aegis.risk.controls import Control
from aegis.risk.gate_state import Gate
from aegis.risk.latch import LatchState
from aegis.shm.intent import IOC, MARKET
from aegis.shm.outcome import (
    ACCEPTED,
    AMEND_REFUSED,
    AMENDED,
    CANCELED,
    FILL,
    UNKNOWN,
)
from tests.execution.amend_desk import AmendDesk
from tests.execution.harness import LIMITS, NOW_MS, Desk

_MS = 1_000_000


@pytest.fixture
def resting(desk: Desk) -> AmendDesk:
    return AmendDesk(desk)


PLACED = (599_900, 10)


def test_its_bytes_ask_for_the_new_terms(resting: AmendDesk) -> None:
    request_id = resting.amend(599_800, 14)
    request = json.loads(resting.text)
    assert request == {
        "id": request_id,
        "method": "order.modify",
        "params": {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "origClientOrderId": resting.desk.core.ids.text(1, resting.ref),
            "quantity": "0.014",
            "price": "59980.0",
            "recvWindow": 2_000,
            "timestamp": NOW_MS,
        },
    }
    asked = rest_request(resting.text, HmacSigner("s" * 64))
    assert (asked.request_id, asked.method) == (request_id, "PUT")
    assert "quantity=0.014&price=59980.0" in asked.query


def test_what_is_left_out_stays_as_it_is(resting: AmendDesk) -> None:
    resting.amend(qty_lots=12)
    assert json.loads(resting.text)["params"]["price"] == "59990.0"


def test_both_terms_count_while_it_is_under_way(resting: AmendDesk) -> None:
    request_id = resting.amend(599_800, 14)
    assert resting.state == states.PENDING_AMEND
    assert resting.reserved == 14 and resting.terms == PLACED
    resting.accept(request_id, "59980.00", "0.014")
    assert resting.state == states.LIVE
    assert resting.reserved == 14 and resting.terms == (599_800, 14)
    resting.amend(qty_lots=3)
    assert resting.reserved == 14, "the larger one, until it is known"
    resting.event("AMENDMENT", "59980.00", "0.003", NOW_MS + 9)
    assert resting.reserved == 3
    assert resting.told() == [(AMENDED, 77), (AMENDED, 77)]


def test_what_is_told_of_an_amended_order(resting: AmendDesk) -> None:
    request_id = resting.amend(599_800, 14)
    resting.accept(request_id, "59980.00", "0.014")
    (told,) = resting.desk.outcomes()
    assert (told["order_ref"], told["price_ticks"], told["qty_lots"]) == (1, 599_800, 14)


def test_a_refusal_leaves_the_old_terms(resting: AmendDesk) -> None:
    request_id = resting.amend(qty_lots=14)
    resting.refuse(request_id, -5029)
    assert resting.state == states.LIVE and resting.terms == PLACED and resting.reserved == 10
    (told,) = resting.desk.outcomes()
    assert (told["kind"], told["code"], told["intent_id"]) == (AMEND_REFUSED, -5029, 77)


@pytest.mark.parametrize("code", [-5026, -5043, -5025, -5024, -4014, -1021, -1008, -2019])
def test_every_refusal_is_one(desk: Desk, code: int) -> None:
    resting = AmendDesk(desk)
    resting.refuse(resting.amend(qty_lots=14), code)
    assert resting.terms == PLACED and resting.reserved == 10
    assert resting.told()[0] == (AMEND_REFUSED, 77)


@pytest.mark.parametrize("code", [-1007, -1006, -1000, -5027])
def test_doubt_keeps_both_until_a_query_is_certain(desk: Desk, code: int) -> None:
    resting = AmendDesk(desk)
    resting.refuse(resting.amend(599_800, 14), code)
    assert resting.state == states.UNKNOWN and resting.reserved == 14
    resting.query("59990.00", "0.010", NOW_MS + 100)
    assert resting.state == states.UNKNOWN and resting.reserved == 14, "it may still arrive"
    resting.query("59990.00", "0.010", NOW_MS + 3_001)
    assert resting.state == states.UNKNOWN or resting.state == states.LIVE
    assert resting.terms == PLACED and resting.reserved == 10
    assert resting.told() == [(UNKNOWN, 77), (AMEND_REFUSED, 77)]
    resting.query("59990.00", "0.010", NOW_MS + 3_100)
    assert resting.state == states.LIVE


def test_a_query_that_tells_the_new_terms_is_certain_at_once(resting: AmendDesk) -> None:
    resting.refuse(resting.amend(599_800, 14), -1007)
    resting.query("59980.00", "0.014", NOW_MS + 100)
    assert resting.terms == (599_800, 14) and resting.state == states.LIVE
    assert resting.told() == [(UNKNOWN, 77), (AMENDED, 77)]


def test_an_event_of_an_earlier_amend_proves_nothing(resting: AmendDesk) -> None:
    """There and back and there again: what told of the first is repeated during the third."""
    resting.accept(resting.amend(599_800), "59980.00", "0.010", time_ms=NOW_MS + 10)
    resting.accept(resting.amend(599_900), "59990.00", "0.010", time_ms=NOW_MS + 20)
    request_id = resting.amend(599_800)
    resting.event("AMENDMENT", "59980.00", "0.010", NOW_MS + 10)
    resting.event("AMENDMENT", "59990.00", "0.010", NOW_MS + 20)
    assert resting.state == states.PENDING_AMEND and resting.terms == PLACED
    resting.refuse(request_id, -5026)
    resting.event("AMENDMENT", "59980.00", "0.010", NOW_MS + 10)
    assert resting.terms == PLACED, "nor when nothing is under way"


def test_an_answer_of_an_earlier_amend_settles_no_later_one(resting: AmendDesk) -> None:
    first = resting.amend(599_800)
    resting.event("AMENDMENT", "59980.00", "0.010", NOW_MS + 10)
    resting.amend(599_700)
    resting.accept(first, "59980.00", "0.010", time_ms=NOW_MS + 10)
    assert resting.state == states.PENDING_AMEND
    resting.refuse(first, -5026)
    assert resting.state == states.PENDING_AMEND


def test_fills_before_the_answer(resting: AmendDesk) -> None:
    request_id = resting.amend(599_800, 14)
    resting.fill(4, 1, 4, p="59990.0", q="0.010", T=NOW_MS)
    assert resting.state == states.PENDING_AMEND and resting.reserved == 10
    resting.accept(request_id, "59980.00", "0.014", executedQty="0.004", status="PARTIALLY_FILLED")
    assert resting.reserved == 10 and resting.state == states.LIVE
    resting.fill(10, 2, 14, p="59980.0", q="0.014", X="FILLED", T=NOW_MS + 9)
    assert resting.state == states.FILLED and resting.reserved == 0
    assert resting.desk.core.words[ANOMALIES] == 0


def test_the_whole_order_fills_first(resting: AmendDesk) -> None:
    request_id = resting.amend(qty_lots=14)
    resting.fill(10, 1, 10, p="59990.0", q="0.010", X="FILLED")
    assert resting.state == states.FILLED and resting.reserved == 0
    resting.refuse(request_id, -2013)
    assert resting.told() == [(AMEND_REFUSED, 77), (FILL, 1_001)]


def test_whole_by_the_old_terms_is_not_over_while_it_may_be_larger(resting: AmendDesk) -> None:
    """A trade that a list tells of says nothing about the order."""
    request_id = resting.amend(qty_lots=14)
    resting.desk.core.on_trade_row(resting.slot, 1, "59990.0", "0.010", "0", True, 1)
    assert resting.state == states.PENDING_AMEND and resting.reserved == 4
    resting.refuse(request_id, -2013)
    assert resting.state == states.FILLED and resting.reserved == 0
    assert resting.told() == [(FILL, 1_001), (AMEND_REFUSED, 77)]


def test_an_order_that_is_gone_is_asked_about(resting: AmendDesk) -> None:
    resting.refuse(resting.amend(qty_lots=14), -2013)
    assert resting.state == states.UNKNOWN and resting.reserved == 10
    resting.query("59990.00", "0.010", NOW_MS + 9, status="CANCELED")
    assert resting.state == states.CANCELED and resting.reserved == 0


def test_an_answer_that_the_order_was_cancelled_instead(resting: AmendDesk) -> None:
    request_id = resting.amend(599_800)
    resting.accept(request_id, "59990.00", "0.010", status="CANCELED")
    assert resting.state == states.CANCELED and resting.reserved == 0
    assert resting.told() == [(AMEND_REFUSED, 77), (CANCELED, 1_001)]


def test_cancelled_instead_with_fills_still_to_come(resting: AmendDesk) -> None:
    request_id = resting.amend(qty_lots=4)
    resting.event("CANCELED", "59990.0", "0.010", NOW_MS + 9, X="CANCELED", z="0.006")
    assert resting.state == states.CLOSING
    resting.accept(request_id, "59990.00", "0.010", status="CANCELED", executedQty="0.006")
    resting.fill(6, 1, 6)
    assert resting.state == states.CANCELED and resting.reserved == 0


def test_one_at_a_time(resting: AmendDesk) -> None:
    resting.amend(599_800)
    assert resting.denied(599_700) == (Control.AMENDABLE, -5043)


def test_a_cancel_goes_whatever_is_under_way(resting: AmendDesk) -> None:
    request_id = resting.amend(599_800, 14)
    (action,) = resting.desk.cancel(resting.ref)
    assert action[0] == ACT_CANCEL and resting.state == states.PENDING_CANCEL
    assert resting.reserved == 14
    resting.accept(request_id, "59980.00", "0.014")
    assert resting.state == states.PENDING_CANCEL and resting.terms == (599_800, 14)
    assert resting.told() == [(AMENDED, 77)]
    assert resting.denied(599_700) == (Control.AMENDABLE, -2013)
    resting.event("CANCELED", "59980.0", "0.014", NOW_MS + 9, X="CANCELED")
    assert resting.reserved == 0


def test_a_refused_cancel_leaves_the_amend_under_way(resting: AmendDesk) -> None:
    request_id = resting.amend(599_800, 14)
    (cancel,) = resting.desk.cancel(resting.ref)
    resting.refuse(cancel[4], -1008, status=503)
    assert resting.state == states.PENDING_AMEND and resting.reserved == 14
    resting.refuse(request_id, -5026)
    assert resting.state == states.LIVE and resting.reserved == 10


def test_what_cannot_be_amended(desk: Desk) -> None:
    nobody = AmendDesk(desk)
    assert nobody.denied(599_800, order_ref=999) == (Control.AMENDABLE, -2013)
    assert nobody.denied(*PLACED) == (Control.AMENDABLE, -5027)
    assert nobody.denied(600_005) == (Control.AMENDABLE, -5022), "it would take"
    nobody.fill(6, 1, 6)
    desk.outcomes()
    assert nobody.denied(0, 6) == (Control.AMENDABLE, -4003), "nothing would be left"
    assert nobody.denied(599_800, side=-1) == (Control.INVALID_INTENT, 0)
    assert nobody.denied(599_800, instrument=1) == (Control.INVALID_INTENT, 0)
    assert nobody.denied(599_800, epoch=2) == (Control.STALE_EPOCH, 0)
    assert nobody.denied(599_800, valid_until_ns=1) == (Control.INTENT_EXPIRED, 0)
    desk.update(nobody.ref, "CANCELED")
    desk.outcomes()
    assert nobody.denied(599_800) == (Control.AMENDABLE, -2013)
    assert nobody.row["amends"] == 0


@pytest.mark.parametrize("flags", [IOC, MARKET])
def test_only_limit_orders(desk: Desk, flags: int) -> None:
    price = 0 if flags == MARKET else 599_900
    taking = AmendDesk(desk, flags=flags, price_ticks=price)
    assert taking.denied(599_800, 5) == (Control.AMENDABLE, -5025)


def test_not_before_the_exchange_has_it(desk: Desk) -> None:
    resting = AmendDesk(desk)
    slot = desk.place(qty_lots=3)
    resting.ref = desk.next_ref
    assert resting.denied(599_800) == (Control.AMENDABLE, -2013)
    desk.core.apply(slot, states.AMBIGUOUS, desk.now_ns)
    desk.outcomes()
    assert resting.denied(599_800) == (Control.AMENDABLE, -2013)


@pytest.mark.parametrize(
    ("terms", "control"),
    [
        ((0, 1_001), Control.MAX_ORDER_QTY),
        ((0, 2_000_000), Control.FILTERS),
        ((590_000, 0), Control.PRICE_COLLAR),
        ((-5, 0), Control.INVALID_INTENT),
        ((0, -5), Control.INVALID_INTENT),
    ],
)
def test_it_is_judged_as_the_order_that_it_leads_to(
    desk: Desk, terms: tuple[int, int], control: Control
) -> None:
    resting = AmendDesk(desk)
    assert resting.denied(*terms) == (control, 0)
    assert resting.reserved == 10 and resting.state == states.LIVE


def test_the_position_holds_with_the_worse_of_both(tmp_path: Path) -> None:
    desk = Desk(tmp_path, limits={"max_position_qty": 0.020})
    resting = AmendDesk(desk)
    AmendDesk(desk, qty_lots=5)
    assert resting.denied(0, 16) == (Control.MAX_POSITION_INCL_OPEN, 0)
    resting.amend(0, 15)
    assert desk.send(desk.intent(qty_lots=1)) == []
    assert desk.outcomes()[-1]["reason"] == Control.MAX_POSITION_INCL_OPEN
    resting.event("AMENDMENT", "59990.0", "0.015", NOW_MS + 1)
    resting.amend(0, 2)
    assert desk.send(desk.intent(qty_lots=1)) == [], "the old quantity may still be the one"
    desk.outcomes()
    resting.event("AMENDMENT", "59990.0", "0.002", NOW_MS + 2)
    assert len(desk.send(desk.intent(qty_lots=1))) == 1
    desk.close()


def test_a_full_house_of_orders_can_be_amended(tmp_path: Path) -> None:
    desk = Desk(tmp_path, limits={"max_open_orders": 1})
    resting = AmendDesk(desk)
    resting.amend(599_800)
    desk.close()


def test_it_counts_in_the_message_rate(tmp_path: Path) -> None:
    desk = Desk(tmp_path, limits={"max_orders_per_s": 2.0})
    resting = AmendDesk(desk)
    resting.accept(resting.amend(599_800), "59980.00", "0.010")
    desk.outcomes()
    assert resting.denied(599_700) == (Control.MAX_MSG_RATE, 0)


def test_our_own_other_side_is_met_at_neither_price(desk: Desk) -> None:
    resting = AmendDesk(desk, price_ticks=599_000)
    resting.amend(599_900)
    sell = desk.intent(side=-1, price_ticks=599_900, flags=0)
    assert desk.send(sell) == []
    assert desk.outcomes()[-1]["reason"] == Control.SELF_TRADE
    resting.event("AMENDMENT", "59990.0", "0.010", NOW_MS + 1)
    resting.amend(599_000)
    assert desk.send(desk.intent(side=-1, price_ticks=599_900, flags=0)) == []


def test_the_latch_lets_only_a_way_out_be_amended(desk: Desk) -> None:
    resting = AmendDesk(desk)
    desk.core.accept_position(0, 20, 20 * 600_000 * 10_000)
    out = AmendDesk(desk, side=-1, price_ticks=600_100)
    desk.gate.latch.trip(LatchState.REDUCING, Control.OPERATOR, desk.now_ns)
    desk.outcomes()
    assert resting.denied(599_800) == (Control.KILL, 0)
    assert out.denied(600_100, 21) == (Control.KILL, 0), "larger than what is held"
    out.amend(600_050, 20)


def test_a_cut_line_leaves_it_unknown(resting: AmendDesk) -> None:
    resting.amend(599_800, 14)
    resting.desk.core.line_cut(resting.desk.now_ns)
    assert resting.state == states.UNKNOWN and resting.reserved == 14
    resting.event("AMENDMENT", "59980.0", "0.014", NOW_MS + 1)
    resting.query("59980.0", "0.014", NOW_MS + 1)
    assert resting.state == states.LIVE and resting.terms == (599_800, 14)


def test_one_that_is_on_the_other_line_is_spared(resting: AmendDesk) -> None:
    request_id = resting.amend(599_800, 14)
    resting.desk.core.line_cut(resting.desk.now_ns, [request_id])
    assert resting.state == states.PENDING_AMEND


def test_terms_that_nobody_asked_for(resting: AmendDesk) -> None:
    resting.query("59970.00", "0.012", NOW_MS + 9, time_ms=NOW_MS + 8)
    assert resting.terms == (599_700, 12) and resting.reserved == 12
    assert resting.told() == [(AMENDED, 0)]
    resting.query("59970.00", "0.007", NOW_MS + 20, time_ms=NOW_MS + 19)
    assert resting.reserved == 12, "made smaller by the exchange: the careful number stays"


def test_an_order_that_the_exchange_has_made_smaller_was_not_amended(resting: AmendDesk) -> None:
    """Reduce-only: it rests with four lots of ten; the amend to fourteen is never answered."""
    resting.refuse(resting.amend(599_800, 14), -1007)
    resting.query("59990.00", "0.004", NOW_MS + 3_001)
    assert resting.terms == PLACED and resting.reserved == 10, "the careful number"
    assert resting.told() == [(UNKNOWN, 77), (AMEND_REFUSED, 77)]
    resting.accept(resting.amend(qty_lots=4), "59990.00", "0.004", time_ms=NOW_MS + 9)
    assert resting.terms == (599_900, 4) and resting.reserved == 4


def test_late_words_about_an_order_that_is_over(resting: AmendDesk) -> None:
    request_id = resting.amend(599_800, 14)
    resting.event("CANCELED", "59990.0", "0.010", NOW_MS + 1, X="CANCELED")
    resting.desk.outcomes()
    resting.accept(request_id, "59980.00", "0.014")
    resting.event("AMENDMENT", "59980.00", "0.014", NOW_MS + 2)
    assert resting.state == states.CANCELED and resting.reserved == 0
    assert resting.told() == [] and resting.desk.core.words[ANOMALIES] == 0


@pytest.mark.parametrize("seed", range(8))
def test_whatever_comes_first_the_result_is_the_same(tmp_path: Path, seed: int) -> None:
    """An amend to 14 lots that was carried out, of which 5 have filled since: every order."""
    orders = list(itertools.permutations(("answer", "event", "fill", "query", "event")))
    random.Random(seed).shuffle(orders)
    desk = Desk(tmp_path)
    for way in orders[:8]:
        resting = AmendDesk(desk)
        before = resting.reserved
        request_id = resting.amend(599_800, 14)
        for what in way:
            if what == "answer":
                resting.accept(request_id, "59980.00", "0.014")
            elif what == "event":
                resting.event("AMENDMENT", "59980.00", "0.014", NOW_MS + 1)
            elif what == "query":
                resting.query(
                    "59980.00",
                    "0.014",
                    NOW_MS + 50,
                    time_ms=NOW_MS + 5,
                    executedQty="0.005",
                    status="PARTIALLY_FILLED",
                )
            else:
                resting.fill(5, resting.ref, 5, p="59980.0", q="0.014")
        assert resting.state == states.LIVE and resting.terms == (599_800, 14), way
        assert resting.reserved - before == 14 - 5 - 10
        kinds = [kind for kind, _ in resting.told()]
        assert sorted(kinds) == [FILL, AMENDED]
        desk.now_ns += 1_000 * _MS
        desk.refresh()
    desk.close()


def replayed(desk: Desk, records: Any) -> int:
    """The hash of the state that records lead to."""
    gate = Gate(2, LIMITS, 0)
    for row, mine in zip(gate.rules, desk.gate.rules, strict=True):
        row["unit_e8"], row["tick_size"] = mine["unit_e8"], mine["tick_size"]
    tables = Tables.detached(gate)
    assert apply_records(tables.directory, records, 0, len(records)) == len(records)
    return int(state_hash(tables.directory))


def test_the_journal_leads_to_the_same_state(desk: Desk) -> None:
    desk.core.words[JOURNAL_ON] = 1
    resting = AmendDesk(desk)
    hashes = []

    def look() -> None:
        notes = desk.core.tables.journal[: int(desk.core.words[JOURNAL_COUNT])]
        assert replayed(desk, notes) == int(state_hash(desk.core.directory))
        rows, terms = desk.core.tables.rows, desk.core.tables.terms
        whole = np.concatenate([order_records(rows), amend_records(rows, terms)])
        if not int(desk.gate.exposure[0]["position_lots"]):
            assert replayed(desk, whole) == int(state_hash(desk.core.directory)), "a snapshot"
        hashes.append(int(state_hash(desk.core.directory)))

    request_id = resting.amend(599_800, 14)
    look()
    resting.refuse(request_id, -1007)
    look()
    resting.query("59980.0", "0.014", NOW_MS + 10)
    look()
    resting.amend(0, 20)
    look()
    resting.desk.cancel(resting.ref)
    look()
    resting.event("AMENDMENT", "59980.0", "0.020", NOW_MS + 20)
    look()
    resting.fill(20, 1, 20, X="FILLED", p="59980.0", q="0.020")
    look()
    assert len(set(hashes)) == len(hashes)
    notes = desk.core.tables.journal[: int(desk.core.words[JOURNAL_COUNT])]
    assert notes.dtype == RECORD and (notes["kind"] == AMEND_RECORD).sum() == 2
    assert resting.state == states.FILLED
    assert ACCEPTED not in [kind for kind, _ in resting.told()]
