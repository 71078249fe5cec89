"""The core: intents to bytes, answers and events to outcomes, four outcomes and no fifth."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from aegis.execution import order_states as states
from aegis.execution.layouts import (
    ACT_CANARY,
    ACT_CANCEL,
    ACT_CANCEL_ALL,
    ACT_CANCEL_BY_REST,
    ACT_PLACE,
    ACT_RESYNC,
)
from aegis.execution.replies import ANSWER_DECODER
from aegis.execution.tables import ORDERS
from aegis.execution.user_events import AccountUpdate, PositionRow
from aegis.execution.words import ANOMALIES, DUPLICATE_FILLS, RECONCILE_WANTED, UNKNOWN_COUNT
from aegis.risk.controls import Control
from aegis.risk.gate_state import BLOCK_ORDER_LINK
from aegis.risk.latch import LatchState
from aegis.shm.intent import CANARY, CANCEL_ALL, RESYNC
from aegis.shm.outcome import (
    ACCEPTED,
    CANCELED,
    DENIED,
    EXPIRED,
    FILL,
    MAKER,
    POSITION,
    REJECTED,
    UNKNOWN,
)
from tests.execution.harness import Desk, exposure_by_hand


def ok(request_id: int, status: str = "NEW", executed: str = "0.000") -> str:
    result = {"orderId": 5, "status": status, "executedQty": executed, "updateTime": 7}
    return json.dumps({"id": request_id, "status": 200, "result": result})


def failed(request_id: int | None, status: int, code: int, text: str = "x") -> str:
    error = {"code": code, "msg": text}
    return json.dumps({"id": request_id, "status": status, "error": error})


def test_an_intent_becomes_a_request_and_a_reserved_row(desk: Desk) -> None:
    (action,) = desk.send(desk.intent())
    kind, slot, start, end = action[:4]
    assert kind == ACT_PLACE
    request = json.loads(desk.core.tables.out[start:end].tobytes())
    assert request["params"]["newClientOrderId"] == desk.core.ids.text(1, 1)
    assert desk.gate.exposure[0]["open_buy_lots"] == 2
    assert desk.core.state_of(slot) == states.PENDING_NEW
    assert desk.kinds() == [], "nothing is known yet"


def test_an_answer_is_an_acceptance_told_once(desk: Desk) -> None:
    slot = desk.place()
    assert desk.answer(ok(1)) == slot
    desk.update(1, "NEW")
    told = desk.outcomes()
    assert told["kind"].tolist() == [ACCEPTED]
    assert (told[0]["order_ref"], told[0]["intent_id"], told[0]["exchange_order_id"]) == (
        1,
        1_001,
        5,
    )
    assert desk.answer(ok(1)) == -1, "an answer counts once"
    assert desk.answer(ok(99)) == -1, "an answer to nothing"


def test_a_rejection_frees_what_was_reserved(desk: Desk) -> None:
    slot = desk.place()
    desk.answer(failed(1, 400, -5022, "Post Only order will be rejected."))
    told = desk.outcomes()
    assert (told["kind"].tolist(), told[0]["code"]) == ([REJECTED], -5022)
    assert desk.core.state_of(slot) == states.REJECTED
    assert exposure_by_hand(desk.core) == [(0, 0, 0), (0, 0, 0)]
    assert desk.gate.exposure[0]["open_buy_lots"] == 0


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (408, -1007, "Timeout waiting for response from backend server."),
        (503, 0, "Unknown error, please check your request or try again later."),
        (400, -4116, "ClientOrderId is duplicated."),
    ],
)
def test_an_error_is_not_always_a_rejection(desk: Desk, status: int, code: int, text: str) -> None:
    slot = desk.place()
    desk.answer(failed(1, status, code, text))
    assert desk.kinds() == [UNKNOWN]
    assert desk.core.state_of(slot) == states.UNKNOWN
    assert desk.gate.exposure[0]["open_buy_lots"] == 2, "it may still fill"
    assert desk.core.words[UNKNOWN_COUNT] == 1
    desk.update(1, "NEW")
    assert desk.kinds() == [ACCEPTED]
    assert desk.core.words[UNKNOWN_COUNT] == 0


def test_a_success_that_says_nothing_proves_nothing(desk: Desk) -> None:
    slot = desk.place()
    desk.answer('{"id": 1, "status": 200}')
    assert desk.core.state_of(slot) == states.UNKNOWN
    desk.update(1, "NEW")
    desk.cancel(1)
    desk.answer('{"id": 2, "status": 200}')
    assert desk.core.state_of(slot) == states.UNKNOWN
    assert desk.kinds() == [UNKNOWN, ACCEPTED]


def test_a_fill_before_the_answer(desk: Desk) -> None:
    desk.place(qty_lots=3)
    desk.update(1, "TRADE", l="0.001", z="0.001", L="59990.0", t=70, n="0.012", m=True)
    told = desk.outcomes()
    assert told["kind"].tolist() == [ACCEPTED, FILL]
    assert (told[1]["qty_lots"], told[1]["cum_qty_lots"], told[1]["position_lots"]) == (1, 1, 1)
    assert (told[1]["flags"], told[1]["fee"], told[1]["trade_id"]) == (MAKER, 0.012, 70)
    desk.answer(ok(1))
    assert desk.kinds() == []
    desk.update(1, "TRADE", l="0.002", z="0.003", L="59990.0", t=71)
    told = desk.outcomes()
    assert told["kind"].tolist() == [FILL] and told[0]["position_lots"] == 3
    assert exposure_by_hand(desk.core) == [(0, 0, 0), (0, 0, 0)]


def test_a_repeated_fill_is_booked_once(desk: Desk) -> None:
    desk.place(qty_lots=3)
    for _ in range(3):
        desk.update(1, "TRADE", l="0.001", z="0.001", L="59990.0", t=70)
    assert desk.kinds() == [ACCEPTED, FILL]
    assert desk.gate.exposure[0]["position_lots"] == 1
    # The same trade id of another symbol is another trade.
    desk.place(instrument=1, price_ticks=259_900, qty_lots=20)
    desk.update(2, "TRADE", s="ETHUSDT", l="0.020", z="0.020", L="2599.00", t=70)
    assert desk.gate.exposure[1]["position_lots"] == 20


def test_a_trade_that_a_look_has_settled_is_booked_no_second_time(desk: Desk) -> None:
    """A restart remembers no trade before the last one that was confirmed: neither is it news."""
    desk.place(qty_lots=3)
    desk.update(1, "TRADE", l="0.001", z="0.001", L="59990.0", t=70)
    slot = int(np.flatnonzero(desk.core.tables.rows["filled_lots"])[0])
    desk.core.confirmed_trades[0] = 70
    desk.core.tables.array("trades")[:] = 0
    row = ("59990.0", "0.001", "0.012", True, desk.now_ns)
    assert not desk.core.on_trade_row(slot, 70, *row)
    desk.update(1, "TRADE", l="0.001", z="0.001", L="59990.0", t=70)
    assert desk.gate.exposure[0]["position_lots"] == 1
    assert desk.core.words[DUPLICATE_FILLS] == 2
    assert desk.core.on_trade_row(slot, 71, *row)
    assert desk.gate.exposure[0]["position_lots"] == 2


def test_a_fill_that_was_missed_leaves_the_sums_of_the_exchange(desk: Desk) -> None:
    """What a trade realises depends on those before it: where one comes late, its word counts."""
    for ticks, side in ((599_900, 1), (599_800, 1), (600_100, -1)):
        desk.place(price_ticks=ticks, side=side, qty_lots=2 if ticks == 599_900 else 1)
    desk.update(1, "TRADE", l="0.002", z="0.002", L="59990.0", t=70, rp="0")
    # It sold a third of what the first two had bought; of the second nobody has told us.
    desk.update(3, "TRADE", S="SELL", l="0.001", z="0.001", L="60010.0", t=72, rp="0.02333334")
    held = desk.gate.exposure[0]
    assert held["realized_e8"] == 2_333_334 and desk.core.pnl_differences == 1
    slot = desk.core.slot_of_exchange_id(0, 10_002)
    assert slot == -1, "only the query knows it"
    assert desk.core.on_stray_row(
        0, 1, 71, "59980.0", "0.001", "0", False, 10_002, desk.now_ns, "0.00000000"
    )
    assert (held["position_lots"], held["realized_e8"]) == (2, 2_333_334)
    assert held["cost_e8"] == (2 * 599_900 + 599_800) * 10_000 - 5_998_666_666


def test_a_cancel_goes_its_way(desk: Desk) -> None:
    slot = desk.place()
    desk.answer(ok(1))
    (action,) = desk.cancel(1)
    assert action[:2] == [ACT_CANCEL, slot]
    assert desk.cancel(1) == [], "one is under way already"
    desk.answer(ok(2, "CANCELED"))
    desk.update(1, "CANCELED", X="CANCELED")
    assert desk.kinds() == [ACCEPTED, CANCELED]
    assert desk.cancel(1) == [], "it is over"
    assert exposure_by_hand(desk.core) == [(0, 0, 0), (0, 0, 0)]


def test_a_cancel_of_an_order_that_nobody_knows(desk: Desk) -> None:
    assert desk.cancel(12) == []
    (told,) = desk.outcomes()
    assert (told["kind"], told["code"], told["reason"]) == (DENIED, -2011, 0)


def test_a_cancel_that_lost_the_race_is_no_verdict(desk: Desk) -> None:
    slot = desk.place()
    desk.answer(ok(1))
    desk.cancel(1)
    desk.answer(failed(2, 400, -2011, "Unknown order sent."))
    assert desk.core.state_of(slot) == states.UNKNOWN
    assert desk.kinds() == [ACCEPTED]
    desk.update(1, "TRADE", l="0.002", z="0.002", L="59990.0", t=70)
    assert desk.kinds() == [FILL]
    assert desk.core.state_of(slot) == states.FILLED
    assert desk.core.words[UNKNOWN_COUNT] == 0


def test_a_refused_cancel_leaves_the_order_as_it_was(desk: Desk) -> None:
    slot = desk.place()
    desk.answer(ok(1))
    desk.cancel(1)
    desk.answer(failed(2, 429, -1003))
    (order,) = desk.core.open_orders()
    assert (order.slot, order.state, order.cancel_wanted) == (slot, states.LIVE, True)


def test_an_answer_that_comes_again_is_not_the_first(desk: Desk) -> None:
    desk.place()
    desk.place()
    answers = [ANSWER_DECODER.decode(failed(number, 429, -1003)) for number in (1, 2)]
    assert [desk.core.is_first_answer(answer) for answer in answers] == [True, True]
    desk.core.on_answer(answers[0], desk.now_ns)
    assert [desk.core.is_first_answer(answer) for answer in answers] == [False, True]
    nobodys = ANSWER_DECODER.decode(failed(77, 429, -1003))
    assert not desk.core.is_first_answer(nobodys)
    unnamed = ANSWER_DECODER.decode(failed(None, 429, -1003))
    assert desk.core.is_first_answer(unnamed), "it may be: the exchange could not read the request"


def test_the_end_waits_for_the_fills_that_it_counts(desk: Desk) -> None:
    slot = desk.place(qty_lots=5)
    desk.answer(ok(1))
    desk.cancel(1)
    desk.answer(ok(2, "CANCELED", executed="0.003"))
    assert desk.core.state_of(slot) == states.CLOSING
    desk.update(1, "TRADE", l="0.001", z="0.001", L="59990.0", t=70)
    assert desk.core.state_of(slot) == states.CLOSING
    desk.update(1, "TRADE", l="0.002", z="0.003", L="59990.0", t=71)
    assert desk.core.state_of(slot) == states.CANCELED
    assert desk.kinds() == [ACCEPTED, FILL, FILL, CANCELED]


def test_an_expired_order_tells_why(desk: Desk) -> None:
    desk.place()
    desk.update(1, "EXPIRED", X="EXPIRED_IN_MATCH", er="1")
    told = desk.outcomes()
    assert told["kind"].tolist() == [ACCEPTED, EXPIRED] and told[1]["reason"] == 1


def test_a_fill_after_a_wrong_verdict_is_booked_and_looked_into(desk: Desk) -> None:
    slot = desk.place()
    desk.answer(failed(1, 400, -2010))
    desk.update(1, "TRADE", l="0.001", z="0.001", L="59990.0", t=70)
    assert desk.gate.exposure[0]["position_lots"] == 1
    assert desk.core.state_of(slot) == states.REJECTED
    assert desk.core.words[ANOMALIES] == 1 and desk.core.words[RECONCILE_WANTED] == 1


def test_a_cut_line_leaves_what_was_under_way_unknown(desk: Desk) -> None:
    resting, cancelling, fresh = desk.place(), desk.place(), desk.place()
    desk.answer(ok(1))
    desk.answer(ok(2))
    desk.cancel(2)
    desk.gate.block(BLOCK_ORDER_LINK)
    assert desk.core.line_cut(desk.now_ns) == 2
    assert desk.core.state_of(resting) == states.LIVE
    assert desk.core.state_of(cancelling) == desk.core.state_of(fresh) == states.UNKNOWN
    assert desk.kinds() == [ACCEPTED, ACCEPTED, UNKNOWN]
    assert desk.send(desk.intent()) == []
    assert desk.outcomes()[0]["reason"] == Control.ORDER_LINK
    (action,) = desk.cancel(1)
    assert action[:2] == [ACT_CANCEL_BY_REST, resting]


def test_a_cut_line_leaves_alone_what_it_never_had(desk: Desk) -> None:
    # Requests 1 to 4 are the placements, 5 to 7 the cancels of the last three.
    elsewhere, first, second, third = (desk.place() for _ in range(4))
    desk.answer(ok(4))
    for ref in (2, 3, 4):
        desk.cancel(ref)
    desk.core.line_cut(desk.now_ns, elsewhere=(1, 2, 6, 7))
    assert desk.core.state_of(elsewhere) == states.PENDING_NEW
    assert desk.core.state_of(first) == states.UNKNOWN, "its cancel was on the line"
    assert desk.core.state_of(second) == states.UNKNOWN, "it was on the line itself"
    assert desk.core.state_of(third) == states.PENDING_CANCEL
    # An id that has since been given to nobody's order spares nobody.
    assert desk.core.line_cut(desk.now_ns, elsewhere=(1 + 8192,)) == 2


def test_full_order_table_refuses(desk: Desk) -> None:
    desk.gate.words[5] = 10**6  # MAX_OPEN_ORDERS
    desk.gate.rules[0]["max_position_lots"] = 10**6
    for _ in range(ORDERS // 64):
        desk.now_ns += 1_000_000_000
        desk.refresh()
        assert len(desk.send(*(desk.intent() for _ in range(64)))) == 64
    desk.now_ns += 1_000_000_000
    desk.refresh()
    assert desk.send(desk.intent()) == []
    assert desk.outcomes()[-1]["reason"] == Control.ORDER_TABLE
    desk.update(77, "CANCELED")
    assert len(desk.send(desk.intent())) == 1
    assert exposure_by_hand(desk.core)[0] == (2 * ORDERS, 0, ORDERS)


def test_finished_orders_stay_findable_until_their_place_is_needed(desk: Desk) -> None:
    for _ in range(2 * ORDERS):
        desk.now_ns += 10_000_000
        desk.refresh()
        desk.place()
        desk.update(desk.next_ref, "CANCELED")
        desk.outcomes()
    assert desk.core.open_orders() == []
    assert desk.cancel(desk.next_ref - 1_000) == [] and desk.kinds() == []
    desk.cancel(1)
    assert desk.kinds() == [DENIED], "forgotten by now"
    assert exposure_by_hand(desk.core) == [(0, 0, 0), (0, 0, 0)]
    assert int(desk.gate.exposure["open_buy_lots"].sum()) == 0


def test_an_unknown_command_is_refused(desk: Desk) -> None:
    slot = desk.place()
    assert desk.send(desk.intent(77, order_ref=1)) == []
    assert desk.outcomes()[0]["reason"] == Control.UNSUPPORTED
    assert desk.core.state_of(slot) == states.PENDING_NEW


def test_intents_of_a_dead_brain_are_refused(desk: Desk) -> None:
    desk.place()
    desk.core.follow_epoch(2)
    assert desk.send(desk.intent(epoch=1)) == []
    assert desk.outcomes()[-1]["reason"] == Control.STALE_EPOCH
    # The new brain counts from 1 again: another order than the old brain's first.
    assert len(desk.send(desk.intent(epoch=2, order_ref=1))) == 1
    assert len({order.client_id for order in desk.core.open_orders()}) == 2


def test_the_other_intents(desk: Desk) -> None:
    actions = desk.send(
        desk.intent(CANARY, order_ref=41),
        desk.intent(RESYNC, order_ref=0, epoch=3),
        desk.intent(CANCEL_ALL, order_ref=0),
        desk.intent(99, order_ref=0),
    )
    assert [(action[0], action[7]) for action in actions] == [
        (ACT_CANARY, 41),
        (ACT_RESYNC, 3),
        (ACT_CANCEL_ALL, 0),
    ]
    assert desk.outcomes()["reason"].tolist() == [Control.UNSUPPORTED]


def test_cancel_all_leaves_nothing_out(desk: Desk) -> None:
    for _ in range(5):
        desk.place()
    desk.answer(ok(1))
    desk.answer(failed(2, 408, -1007))
    desk.cancel(3)
    count = desk.core.cancel_all(desk.now_ns, 0)
    cancelled = {action[1] for action in desk.core.actions(count)}
    assert cancelled == {0, 1, 3, 4} and desk.core.cancel_all(desk.now_ns, 0) == 0
    assert {order.cancel_wanted for order in desk.core.open_orders()} == {True}


def test_a_refused_cancel_is_not_hammered(desk: Desk) -> None:
    desk.place()
    desk.answer(ok(1))
    assert desk.core.cancel_all(desk.now_ns, 0) == 1
    desk.answer(failed(2, 429, -1003))
    assert desk.core.cancel_all(desk.now_ns + 199_999_999, 0) == 0
    assert desk.core.cancel_all(desk.now_ns + 200_000_000, 0) == 1


def test_the_instruments_table_must_agree_with_our_filters(desk: Desk) -> None:
    desk.memory.instruments.set(0, tick_size=0.5)
    assert desk.send(desk.intent()) == []
    desk.memory.instruments.set(0, tick_size=0.1, status=0)
    assert desk.send(desk.intent()) == []
    assert set(desk.outcomes()["reason"].tolist()) == {Control.INSTRUMENT_STATUS}


@pytest.mark.parametrize("broken", ["invalid", "stale", "one-sided", "crossed", "feed down"])
def test_a_bad_book_stops_new_orders(desk: Desk, broken: str) -> None:
    level = np.array([[60_000.0, 1.0]])
    books, now_ns = desk.memory.books, desk.now_ns
    if broken == "invalid":
        books.set_valid(0, False)
    elif broken == "stale":
        desk.now_ns += 2_000_000_001
    elif broken == "one-sided":
        books.write(0, 1, 0, now_ns, level, level[:0])
    elif broken == "crossed":
        books.write(0, 1, 0, now_ns, level, level)
    else:
        desk.memory.counters["feed"]["connected"] = 0
    assert desk.send(desk.intent()) == []
    assert desk.outcomes()[0]["reason"] == Control.DATA_FRESHNESS


@pytest.mark.parametrize(
    ("status", "code", "control"),
    [
        (401, -2015, Control.CREDENTIALS),
        (400, -1022, Control.CREDENTIALS),
        (403, 0, Control.FIREWALL),
        (418, -1003, Control.BANNED),
    ],
)
@pytest.mark.parametrize("request_id", [1, None])
def test_refused_credentials_halt(
    desk: Desk, status: int, code: int, control: Control, request_id: int | None
) -> None:
    desk.place()
    desk.answer(failed(request_id, status, code))
    assert desk.gate.latch.state is LatchState.HALTED
    assert desk.gate.latch.reason == control


@pytest.mark.parametrize(
    ("code", "state", "wants_compare", "suspects_filters"),
    [
        (-2019, LatchState.REDUCING, False, False),
        (-2027, LatchState.REDUCING, False, False),
        (-2022, LatchState.ACTIVE, True, False),
        (-1111, LatchState.ACTIVE, False, True),
        (-5022, LatchState.ACTIVE, False, False),
    ],
)
def test_what_a_refusal_leads_to(
    desk: Desk, code: int, state: LatchState, wants_compare: bool, suspects_filters: bool
) -> None:
    desk.place()
    desk.answer(failed(1, 400, code))
    assert REJECTED in desk.kinds()
    assert desk.gate.latch.state is state
    assert (desk.core.words[RECONCILE_WANTED] > 0) == wants_compare
    assert desk.core.filters_suspect == suspects_filters


def test_a_clock_error_rejects_and_asks_for_the_time(desk: Desk) -> None:
    desk.place()
    desk.answer(failed(1, 400, -1021))
    assert desk.kinds() == [REJECTED] and desk.core.clock_skewed


def test_a_fill_of_an_earlier_run_moves_the_position(desk: Desk) -> None:
    stranger = desk.core.ids.text(1, 5).replace(desk.core.ids.prefix.decode(), "at-000000001")
    desk.core.snapshot_ms = 1_000
    trade = {"l": "0.004", "z": "0.004", "L": "60000.0"}
    desk.update(0, "TRADE", c=stranger, t=5, T=1_000, **trade)
    assert desk.gate.exposure[0]["position_lots"] == 0, "the position taken over holds it"
    desk.update(0, "TRADE", c=stranger, t=6, T=1_001, **trade)
    assert desk.gate.exposure[0]["position_lots"] == 4
    (told,) = desk.outcomes()
    assert (told["kind"], told["order_ref"], told["position_lots"]) == (FILL, 0, 4)
    assert desk.gate.latch.state is LatchState.ACTIVE


@pytest.mark.parametrize("x", ["NEW", "TRADE", "CALCULATED"])
def test_somebody_elses_order_halts(desk: Desk, x: str) -> None:
    desk.update(0, x, c="autoclose-17", S="SELL", l="0.004", z="0.004", L="60000.0", t=6, T=9)
    assert desk.gate.latch.reason == Control.FOREIGN_ORDER
    moved = 0 if x == "NEW" else -4
    assert desk.gate.exposure[0]["position_lots"] == moved


def test_positions_are_told_for_the_living_epoch(desk: Desk) -> None:
    desk.core.accept_position(1, -7, -7 * 260_000 * 1_000)
    desk.core.tell_positions(44, desk.now_ns)
    told = desk.outcomes()
    assert told["kind"].tolist() == [POSITION, POSITION]
    assert told["instrument"].tolist() == [0, 1] and set(told["intent_id"].tolist()) == {44}
    assert told["position_lots"].tolist() == [0, -7] and set(told["epoch"].tolist()) == {1}
    assert told["entry_price"][1] == pytest.approx(2_600.0)


def test_an_account_update_is_compared_when_quiet(desk: Desk) -> None:
    def row(amount: str) -> AccountUpdate:
        return AccountUpdate(P=[PositionRow("BTCUSDT", amount), PositionRow("XRPUSDT", "9")])

    desk.core.on_account_update(row("0.001"), desk.now_ns)
    assert desk.core.positions_differ() == [0]
    desk.core.on_account_update(row("0.000"), desk.now_ns)
    assert desk.core.positions_differ() == []


def test_garbage_in_an_event_raises_and_changes_nothing(desk: Desk) -> None:
    desk.place()
    before = desk.gate.exposure.copy()
    bad: list[dict[str, Any]] = [{"L": "NaN"}, {"l": "1e5"}, {"z": ""}, {"n": "x"}]
    for fields in bad:
        good: dict[str, Any] = {"l": "0.001", "z": "0.001", "L": "59990.0", "t": 70}
        with pytest.raises(ValueError, match="not a decimal number"):
            desk.update(1, "TRADE", **(good | fields))
    assert np.array_equal(desk.gate.exposure, before)
