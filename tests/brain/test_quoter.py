"""The quoter's slots: what is sent, when it is held back, and how every outcome moves a slot."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from aegis.brain.layout import CANCELING, EMPTY, HALTED, LIVE, PENDING, REDUCING, RESERVED
from aegis.brain.quoter import may_place, must_move
from aegis.shm.intent import CANCEL, IOC, PLACE, POST_ONLY, REDUCE_ONLY, RESYNC
from aegis.shm.outcome import (
    ACCEPTED,
    AMEND_REFUSED,
    AMENDED,
    CANCELED,
    DENIED,
    EXPIRED,
    FILL,
    REJECTED,
    STATE,
    UNKNOWN,
)
from aegis.shm.tick import BOOK, GAP, QUOTE, STATUS, TRADE
from tests.brain.harness import (
    EPOCH,
    MS,
    START_NS,
    Harness,
    answer,
    by_side,
    of_kind,
    outcome,
    quote,
    tick,
)

BID = 600_000


def first_pair(harness: Harness) -> list[Any]:
    """Two quotes warm the volatility up; the second one places an order on each side."""
    assert harness.feed(quote(BID - 5, 0)) == []
    return harness.feed(quote(BID, 20))


def states(harness: Harness) -> list[int]:
    return [int(state) for state in harness.desk.slots["state"][:2]]


def test_the_first_quotes_say_everything(harness: Harness) -> None:
    placed = first_pair(harness)
    assert [int(intent["kind"]) for intent in placed] == [PLACE, PLACE]
    buy, sell = placed
    assert (buy["side"], sell["side"]) == (1, -1)
    assert buy["price_ticks"] < BID + 0.5 < sell["price_ticks"]
    assert buy["qty_lots"] == sell["qty_lots"] == 2
    assert buy["flags"] == POST_ONLY
    assert int(buy["order_ref"]) == EPOCH << 32 | 1
    assert int(sell["order_ref"]) == EPOCH << 32 | 2
    assert buy["epoch"] == EPOCH
    assert buy["intent_id"] != sell["intent_id"]
    assert buy["cause_seq"] == 1
    assert buy["cause_ts_event_ns"] == START_NS + 20 * MS
    assert buy["book_update_id"] == 20_001
    assert buy["valid_until_ns"] - buy["cause_ts_recv_ns"] == 2_000 * MS
    assert buy["ts_decided_ns"] >= buy["cause_ts_recv_ns"]
    assert buy["fair_price"] == pytest.approx((BID + 0.5) * 0.1)
    assert states(harness) == [PENDING, PENDING]
    assert harness.memory.counters["brain"]["places"] == 2


def test_nothing_is_sent_while_an_answer_is_due(harness: Harness) -> None:
    first_pair(harness)
    assert harness.feed(quote(BID + 500, 1_000)) == []
    assert states(harness) == [PENDING, PENDING]


def test_a_quote_moves_by_cancel_then_place(harness: Harness) -> None:
    harness.accept(first_pair(harness))
    assert states(harness) == [LIVE, LIVE]
    cancels = harness.feed(quote(BID + 500, 1_000))
    assert [int(intent["kind"]) for intent in cancels] == [CANCEL, CANCEL]
    assert [int(intent["order_ref"]) & 0xFF for intent in cancels] == [1, 2]
    assert states(harness) == [CANCELING, CANCELING]
    harness.accept(cancels)
    assert states(harness) == [EMPTY, EMPTY]
    placed = harness.feed(quote(BID + 500, 1_001))
    assert [int(intent["kind"]) for intent in placed] == [PLACE, PLACE]
    assert [int(intent["order_ref"]) & 0xFF for intent in placed] == [3, 4]


def test_an_order_within_the_tolerance_stays(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness(parameters={"refresh_tolerance_ticks": 5})
    harness.accept([*harness.feed(quote(BID, 0)), *harness.feed(quote(BID, 20))])
    for step in range(1, 5):
        assert harness.feed(quote(BID + step, 1_000 * step)) == []
    assert len(harness.feed(quote(BID + 20, 6_000))) == 2


def test_min_requote_counts_event_time_from_the_place(harness: Harness) -> None:
    harness.accept(first_pair(harness))
    assert harness.feed(quote(BID + 500, 119.9)) == []
    assert len(harness.feed(quote(BID + 500, 120))) == 2


@pytest.mark.parametrize("changes", [{"min_requote_ms": 600_000}, {"refresh_tolerance_ticks": 1e6}])
def test_a_stop_waits_for_no_quoting_habit(
    make_harness: Callable[..., Harness], changes: dict[str, Any]
) -> None:
    """What is to take at once replaces a resting order, however lazily quotes are moved."""
    harness = make_harness(parameters=changes)
    harness.accept(first_pair(harness))
    wish = harness.desk.slots[:1]
    assert harness.feed(quote(BID, 40)) == []
    core, lane = harness.desk.core[0], harness.desk.lanes[0]
    wish["want_flags"], wish["want_price_ticks"] = IOC | REDUCE_ONLY, BID
    assert must_move(core, lane, wish[0]), "the resting order goes at once"
    wish["state"] = EMPTY
    assert may_place(core, lane, wish[0]), "and what takes comes at once"
    wish["flags"] = IOC | REDUCE_ONLY
    assert not may_place(core, lane, wish[0]), "again: at its pace"


def test_outcomes_alone_send_nothing(harness: Harness) -> None:
    placed = first_pair(harness)
    harness.accept(placed)
    harness.fill(placed[0], position=2)
    sent = [intent for intent in harness.intents if intent["kind"] != RESYNC]
    assert len(sent) == len(placed)
    assert len(harness.feed(quote(BID, 200))) > 0


def test_a_slot_follows_an_amended_order(harness: Harness) -> None:
    """The quoter asks for none: terms that a person has changed are those of the slot from then."""
    placed = first_pair(harness)
    harness.accept(placed)
    buy = placed[0]
    price = int(buy["price_ticks"]) - 1
    harness.tell(answer(AMENDED, buy, price_ticks=price, qty_lots=3, intent_id=0))
    slot = harness.desk.slots[0]
    assert (slot["state"], slot["price_ticks"], slot["qty_lots"]) == (LIVE, price, 3)
    harness.fill(buy, 2)
    assert harness.desk.slots["state"][0] == LIVE, "one lot of three is left"
    harness.tell(answer(AMEND_REFUSED, buy, intent_id=99))
    assert harness.desk.slots["state"][0] == LIVE
    harness.tell(answer(AMENDED, buy, qty_lots=2, intent_id=0))
    assert harness.desk.slots["state"][0] == EMPTY


def test_unknown_keeps_the_slot_reserved(harness: Harness) -> None:
    buy, sell = first_pair(harness)
    harness.tell(answer(UNKNOWN, buy), answer(ACCEPTED, sell))
    assert states(harness) == [RESERVED, LIVE]
    moved = harness.feed(quote(BID + 500, 40_000))
    assert [int(intent["side"]) for intent in moved] == [-1]
    harness.tell(answer(CANCELED, buy))
    assert states(harness)[0] == EMPTY
    assert len(by_side(harness.feed(quote(BID + 500, 40_001)), 1)) == 1


def test_unknown_that_turns_out_to_rest_is_live(harness: Harness) -> None:
    buy, _ = first_pair(harness)
    harness.tell(answer(UNKNOWN, buy))
    harness.tell(answer(ACCEPTED, buy))
    assert states(harness)[0] == LIVE


@pytest.mark.parametrize("kind", [DENIED, REJECTED])
def test_refusals_are_retried_ever_more_slowly(harness: Harness, kind: int) -> None:
    placed = first_pair(harness)
    at_ms = 20.0
    for pause_ms in (100, 200, 400, 800):
        harness.tell(*[answer(kind, intent) for intent in placed])
        assert states(harness) == [EMPTY, EMPTY]
        assert harness.feed(quote(BID, at_ms + pause_ms - 0.1)) == []
        at_ms += pause_ms
        placed = harness.feed(quote(BID, at_ms))
        assert len(of_kind(placed, PLACE)) == 2
    harness.accept(placed)
    assert harness.desk.slots["refusals"][:2].tolist() == [0, 0]


@pytest.mark.parametrize("kind", [DENIED, REJECTED])
def test_a_refusal_of_another_intent_ends_no_order(harness: Harness, kind: int) -> None:
    """Of an amend, say: the order is as it was."""
    buy, sell = first_pair(harness)
    harness.accept([buy, sell])
    refused = answer(kind, buy)
    refused["intent_id"] += 1_000
    harness.tell(refused)
    assert states(harness) == [LIVE, LIVE]


def test_a_post_only_order_that_expired_is_quoted_again(harness: Harness) -> None:
    placed = first_pair(harness)
    harness.tell(*[answer(EXPIRED, intent) for intent in placed])
    assert harness.feed(quote(BID, 119)) == []
    assert len(of_kind(harness.feed(quote(BID, 120)), PLACE)) == 2


def test_a_refused_cancel_leaves_the_order_live_and_is_retried(harness: Harness) -> None:
    harness.accept(first_pair(harness))
    at_ms = 1_000.0
    for _ in range(4):
        cancels = harness.feed(quote(BID + 500, at_ms))
        assert [int(intent["kind"]) for intent in cancels] == [CANCEL, CANCEL]
        harness.tell(*[answer(REJECTED, intent) for intent in cancels])
        assert states(harness) == [LIVE, LIVE]
        assert harness.feed(quote(BID + 500, at_ms + 99)) == []
        at_ms += 100
    cancels = harness.feed(quote(BID + 500, at_ms))
    harness.tell(*[answer(REJECTED, intent) for intent in cancels])
    # Five refusals: what we believe to rest cannot be right.
    sent = harness.feed(quote(BID + 500, at_ms + 100), quote(BID + 500, at_ms + 101))
    sent += harness.turn()
    assert [int(intent["kind"]) for intent in sent] == [RESYNC]


def test_a_full_fill_frees_the_slot_and_moves_the_position(harness: Harness) -> None:
    buy, sell = first_pair(harness)
    harness.accept([buy, sell])
    harness.fill(buy, position=2)
    assert states(harness) == [EMPTY, LIVE]
    assert harness.desk.positions["lots"][0] == 2
    moved = harness.feed(quote(BID, 200))
    again = by_side(of_kind(moved, PLACE), 1)
    # Long now: the next buy is further from the fair price than the sell.
    wanted_sell = int(harness.desk.slots["want_price_ticks"][1])
    assert BID + 0.5 - int(again[0]["price_ticks"]) > wanted_sell - (BID + 0.5) + 1


def test_a_fill_may_come_before_its_acceptance(harness: Harness) -> None:
    buy, sell = first_pair(harness)
    harness.fill(buy, position=1, lots=1)
    assert states(harness) == [LIVE, PENDING]
    harness.tell(answer(FILL, buy, qty_lots=1, cum_qty_lots=2, position_lots=2))
    assert states(harness) == [EMPTY, PENDING]
    # The late acceptance is not an order that nobody remembers.
    assert harness.tell(answer(ACCEPTED, buy), answer(ACCEPTED, sell)) == []
    assert harness.core["orphans"] == 0


def test_a_repeated_fill_counts_once(harness: Harness) -> None:
    buy, _ = first_pair(harness)
    harness.fill(buy, position=1, lots=1)
    harness.fill(buy, position=1, lots=1)
    assert harness.desk.slots["filled_lots"][0] == 1
    assert states(harness)[0] == LIVE


def test_a_cancel_that_meets_the_last_fill_ends_quietly(harness: Harness) -> None:
    placed = first_pair(harness)
    harness.accept(placed)
    cancels = harness.feed(quote(BID + 500, 1_000))
    harness.fill(placed[0], position=2)
    assert states(harness)[0] == EMPTY
    harness.tell(answer(REJECTED, cancels[0]), answer(CANCELED, cancels[1]))
    assert states(harness) == [EMPTY, EMPTY]
    assert harness.core["orphans"] == 0


def test_an_order_without_a_slot_is_cancelled_once(harness: Harness) -> None:
    first_pair(harness)
    stray = outcome(ACCEPTED, EPOCH << 32 | 999, side=1, qty_lots=2, intent_id=5)
    sent = harness.tell(stray)
    assert [(int(i["kind"]), int(i["order_ref"]) & 0xFFFF) for i in sent] == [(CANCEL, 999)]
    assert harness.tell(stray) == []


def test_orders_of_an_older_epoch_are_not_ours_but_their_fills_count(harness: Harness) -> None:
    first_pair(harness)
    old = (EPOCH - 1) << 32 | 1
    assert harness.tell(outcome(ACCEPTED, old, epoch=EPOCH - 1)) == []
    assert states(harness) == [PENDING, PENDING]
    harness.tell(outcome(FILL, old, epoch=EPOCH - 1, qty_lots=2, position_lots=7))
    assert harness.desk.positions["lots"][0] == 7


@pytest.mark.parametrize("taken_away", [tick(STATUS, at_ms=50, a=3.0), tick(GAP, at_ms=50)])
def test_without_a_market_everything_is_withdrawn_at_once(
    harness: Harness, taken_away: Any
) -> None:
    harness.accept(first_pair(harness))
    cancels = harness.feed(taken_away)
    assert [int(intent["kind"]) for intent in cancels] == [CANCEL, CANCEL]
    harness.accept(cancels)
    quoted = harness.feed(quote(BID, 500))
    if taken_away["kind"] == STATUS:
        # The book is invalid until the feed says otherwise, whatever bookTicker shows.
        assert quoted == []
        assert harness.feed(tick(STATUS, at_ms=501, a=2.0)) == []
        quoted = harness.feed(quote(BID, 502))
    assert len(of_kind(quoted, PLACE)) == 2


BAD_QUOTES = [
    {"a": math.nan},
    {"c": math.inf},
    {"b": math.nan},
    {"d": -1.0},
    {"b": 0.0},
    {"a": -5.0},
    {"a": 1e300, "c": 2e300},
    {"e": math.nan},
    {"e": -1.0},
    {"a": 60_000.0, "c": 60_000.0},
    {"a": 60_001.0, "c": 60_000.0},
]


@pytest.mark.parametrize("kind", [QUOTE, BOOK])
@pytest.mark.parametrize("fields", BAD_QUOTES)
def test_a_quote_that_is_no_market_changes_nothing(
    harness: Harness, kind: int, fields: dict[str, float]
) -> None:
    harness.accept(first_pair(harness))
    before = harness.desk.markets.copy()
    bad = quote(BID + 500, 1_000)
    bad["kind"] = kind
    for name, value in fields.items():
        bad[name] = value
    assert harness.feed(bad) == []
    assert harness.core["step_errors"] == 1
    assert (harness.desk.markets == before).all()
    assert len(harness.feed(quote(BID + 500, 1_001))) == 2


def test_a_trade_that_is_not_a_number_is_dropped(harness: Harness) -> None:
    harness.accept(first_pair(harness))
    assert harness.feed(tick(TRADE, at_ms=30, a=math.nan, b=1.0)) == []
    assert harness.feed(tick(TRADE, at_ms=30, a=60_000.0, b=math.inf)) == []
    assert harness.core["step_errors"] == 2


def test_a_late_copy_of_the_book_is_ignored(harness: Harness) -> None:
    harness.accept(first_pair(harness))
    late = quote(BID + 500, 1_000, update_id=5)
    late["ts_event_ns"] = START_NS + 20 * MS
    assert harness.feed(late) == []
    assert harness.desk.markets["bid_ticks"][0] == BID


def test_a_halted_gate_withdraws_everything(harness: Harness) -> None:
    harness.accept(first_pair(harness))
    harness.tell(outcome(STATE, 0, reason=HALTED))
    cancels = harness.feed(quote(BID, 30))
    assert [int(intent["kind"]) for intent in cancels] == [CANCEL, CANCEL]
    harness.accept(cancels)
    assert harness.feed(quote(BID, 1_000)) == []


def test_a_reducing_gate_leaves_the_reducing_side(harness: Harness) -> None:
    buy, sell = first_pair(harness)
    harness.accept([buy, sell])
    harness.fill(buy, position=2)
    harness.tell(outcome(STATE, 0, reason=REDUCING))
    for step in range(1, 5):
        sent = harness.feed(quote(BID, 1_000 * step))
        assert by_side(of_kind(sent, PLACE), 1) == []
        harness.accept(sent)
    live = [slot for slot in harness.desk.slots if slot["state"] == LIVE]
    assert [int(slot["qty_lots"]) for slot in live] == [2]


def test_an_answer_that_never_comes_ends_in_one_resync(harness: Harness) -> None:
    first_pair(harness)
    sent = harness.feed(quote(BID, 29_000))
    assert sent == []
    sent = harness.feed(quote(BID, 30_100)) + harness.feed(quote(BID, 30_200))
    assert [int(intent["kind"]) for intent in sent] == [RESYNC]
    assert not harness.desk.lanes["synced"].any()
    harness.sync()
    assert states(harness) == [EMPTY, EMPTY]
    assert len(of_kind(harness.feed(quote(BID, 30_300)), PLACE)) == 2


def test_the_inventory_limit_stops_the_enlarging_side(make_harness: Callable[..., Harness]) -> None:
    harness = make_harness(parameters={"max_inventory_qty": 0.002})
    buy, sell = first_pair(harness)
    harness.accept([buy, sell])
    harness.fill(buy, position=2)
    sent = harness.feed(quote(BID, 500))
    assert by_side(of_kind(sent, PLACE), 1) == []
    harness.accept(sent)
    assert by_side(of_kind(harness.feed(quote(BID, 1_000)), PLACE), 1) == []


def test_fewer_levels_after_a_reload_withdraw_the_rest(
    make_harness: Callable[..., Harness],
) -> None:
    harness = make_harness(parameters={"order_levels": 3, "level_spacing_ticks": 7})
    placed = first_pair(harness)
    assert [int(i["level"]) for i in by_side(placed, 1)] == [0, 1, 2]
    prices = [int(i["price_ticks"]) for i in by_side(placed, 1)]
    assert [prices[0] - price for price in prices] == [0, 7, 14]
    harness.accept(placed)
    harness.set_parameters(order_levels=1, level_spacing_ticks=7)
    cancels = harness.feed(quote(BID, 30))
    assert sorted(int(i["level"]) for i in cancels) == [1, 1, 2, 2]
