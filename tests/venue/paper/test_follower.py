"""The venue on paper: what the feed tells is traded against, what it cannot vouch for is not."""

from __future__ import annotations

import time

import pytest

from aegis.shm.absence import Reason
from aegis.shm.instance import InstanceMemory
from aegis.shm.tick import BOOK, INCOMPLETE, QUOTE, STATUS
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.paper import feed_watch
from aegis.venue.paper.follower import PATIENCE
from tests.venue.paper.desk import BTC, ETH, PaperDesk, list_contracts

WIDE = ([(60000.0, 1.0), (59999.9, 2.0)], [(60000.1, 0.5), (60000.2, 2.0)])


def test_a_taker_gets_what_is_displayed_once(desk: PaperDesk) -> None:
    _, order = desk.order(type="MARKET", quantity="1.000", newOrderRespType="RESULT")
    assert (order["status"], order["executedQty"]) == ("FILLED", "1.000")
    assert desk.filled() == [(600_001, 500, False), (600_002, 500, False)]
    assert desk.book.available(0, BUY, 600_002, 0, 9_999) == 1_500
    desk.assert_balanced()


def test_what_was_taken_is_gone_until_its_level_is_told_with_other_lots(desk: PaperDesk) -> None:
    def buys() -> int:
        return desk.book.available(0, BUY, 600_001, 0, 9_999)

    desk.order(quantity="0.300", price="60000.1", timeInForce="IOC")
    assert buys() == 200
    # The other side moves, in a quote and in the levels: nothing is said of this one.
    desk.feed_quote(60000.0, 0.7, 60000.1, 0.5)
    desk.read()
    assert buys() == 200
    desk.feed_book([(60000.0, 0.4)], WIDE[1])
    desk.read()
    assert buys() == 200
    desk.order(quantity="0.300", price="60000.1", timeInForce="IOC")
    assert buys() == 0
    assert sum(lots for _, lots, _ in desk.filled()) == 500, "no more than was ever displayed"
    desk.feed_book(WIDE[0], [(60000.1, 0.6), (60000.2, 2.0)])
    desk.read()
    assert buys() == 600
    desk.order(quantity="0.600", price="60000.1", timeInForce="IOC")
    # Gone, and there again with the same lots: these are others.
    desk.feed_quote(60000.0, 0.7, 60000.2, 2.0)
    desk.feed_quote(60000.0, 0.7, 60000.1, 0.6)
    desk.read()
    assert buys() == 600
    desk.assert_balanced()


def test_our_order_waits_behind_what_is_displayed(desk: PaperDesk) -> None:
    desk.order(quantity="0.100", price="60000.0")
    desk.feed_trade(60000.0, 0.9, -1)
    desk.read()
    assert desk.filled() == []
    desk.feed_trade(60000.0, 0.15, -1)
    desk.read()
    assert desk.filled() == [(600_000, 50, True)]
    desk.feed_trade(59999.9, 5.0, -1)
    desk.read()
    assert desk.filled() == [(600_000, 50, True), (600_000, 50, True)]
    assert desk.exchange.orders.open == {}
    desk.assert_balanced()


def test_a_newer_top_goes_before_the_levels_and_an_older_book_does_not_undo_it(
    desk: PaperDesk,
) -> None:
    old = desk.feed_levels(*WIDE)
    desk.feed_quote(60001.0, 1.0, 60001.1, 1.0)
    desk.read()
    assert desk.btc.top() == (600_010, 1_000, 600_011, 1_000)
    # Our bid rests below the ask that is known; a book from before that ask must not fill it.
    _, order = desk.order(quantity="0.100", price="60000.5")
    assert order["status"] == "NEW"
    desk.feed_record(BOOK, 60000.0, 1.0, 60000.1, 0.5, float(old))
    desk.read()
    assert desk.filled() == []
    assert desk.btc.top() == (600_010, 1_000, 600_011, 1_000)


def test_an_older_book_whose_levels_are_gone_does_not_undo_a_newer_top(desk: PaperDesk) -> None:
    old = desk.feed_levels(*WIDE)
    desk.feed_quote(60001.0, 1.0, 60001.1, 1.0)
    _, order = desk.order(quantity="0.100", price="60000.5")
    assert order["status"] == "NEW"
    # The shared book has gone on: of the older one only the record's own top is left.
    desk.feed_levels([(60001.0, 1.0)], [(60001.1, 1.0)])
    desk.feed_record(BOOK, 60000.0, 1.0, 60000.1, 0.5, float(old))
    desk.read()
    assert desk.filled() == []
    assert desk.btc.top() == (600_010, 1_000, 600_011, 1_000)


def test_a_top_that_is_older_than_the_levels_tells_no_level_anew(desk: PaperDesk) -> None:
    desk.order(type="MARKET", quantity="0.500")
    assert desk.filled() == [(600_001, 500, False)]
    # Trailing behind the levels: what we took is gone all the same.
    desk.feed_record(QUOTE, 60000.0, 1.0, 60000.1, 0.5, 900.0)
    desk.order(type="MARKET", quantity="0.500")
    assert desk.filled()[1:] == [(600_002, 500, False)]


def test_an_order_behind_the_last_level_shown_stands_behind_everybody(desk: PaperDesk) -> None:
    desk.order(quantity="0.100", price="59990.0")
    desk.feed_trade(59990.0, 50.0, -1)
    desk.read()
    assert desk.filled() == []
    # Now the price is in view: what stands there stands in front.
    desk.feed_book([(59990.0, 3.0), (59989.9, 2.0)], [(59990.1, 1.0)])
    desk.feed_trade(59990.0, 2.95, -1)
    desk.read()
    assert desk.filled() == []
    desk.feed_trade(59990.0, 0.1, -1)
    desk.read()
    assert desk.filled() == [(599_900, 50, True)]


@pytest.mark.parametrize("records", [1, PATIENCE + 1])
def test_levels_ahead_of_the_ring_move_nobody(desk: PaperDesk, records: int) -> None:
    """The feed has written the next book; its record comes behind trades that were not read yet."""
    desk.order(quantity="0.100", price="60000.0")
    desk.feed_levels([(60000.0, 0.2), (59999.9, 2.0)], WIDE[1])
    # Older records of the same book: their levels are gone from the memory.
    for _ in range(records):
        desk.feed_record(BOOK, 60000.0, 1.0, 60000.1, 0.5, 1_001.0)
    desk.read()
    # Whoever has waited long enough takes the levels as they are.
    assert desk.book.depth(BUY, 1) == [(600_000, 200 if records > PATIENCE else 1_000)]
    desk.feed_trade(60000.0, 0.8, -1)
    desk.feed_record(BOOK, 60000.0, 0.2, 60000.1, 0.5, 1_002.0)
    desk.feed_trade(60000.0, 0.2, -1)
    desk.read()
    # 1.0 stood in front, and 1.0 has traded: the decrease of 0.8 was that trade and no more.
    assert desk.filled() == []
    desk.feed_trade(60000.0, 0.1, -1)
    desk.read()
    assert desk.filled() == [(600_000, 100, True)]


def test_a_book_that_is_out_of_force_fills_nothing(desk: PaperDesk) -> None:
    _, resting = desk.order(quantity="0.100", price="60000.0")
    desk.feed_breaks()
    desk.feed_trade(59000.0, 50.0, -1)
    desk.feed_quote(58000.0, 1.0, 58000.1, 1.0)
    desk.read()
    assert (desk.follower.in_force, desk.filled()) == (0, [])
    for parameters in (
        {"type": "MARKET", "quantity": "0.1"},
        {"type": "MARKET", "quantity": "0.1", "side": "SELL"},
        {"quantity": "0.1", "price": "60500"},
        {"quantity": "0.1", "price": "59000", "timeInForce": "GTX"},
        {"quantity": "0.1", "price": "60500", "timeInForce": "IOC"},
    ):
        status, refusal = desk.order(**parameters)
        assert (status, refusal["code"]) == (503, -1008)
        assert "depth events were missing" in refusal["msg"]
    status, _ = desk.call(
        "PUT", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", quantity="0.1", price="60500",
        orderId=resting["orderId"],
    )  # fmt: skip
    assert status == 503
    assert desk.filled() == []
    # A way out is open: what rests can be cancelled.
    status, gone = desk.call(
        "DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=resting["orderId"]
    )
    assert (status, gone["status"]) == (200, "CANCELED")


def test_the_flag_in_the_memory_goes_before_what_the_ring_still_holds(desk: PaperDesk) -> None:
    desk.order(quantity="0.100", price="60000.0")
    desk.feed_trade(59000.0, 50.0, -1)
    desk.memory.books.set_valid(0, False, Reason.STALE, time.monotonic_ns())
    desk.read()
    assert desk.filled() == []
    assert desk.btc.out_of_force == "its depth stream went silent"


def test_what_is_crossed_after_a_resync_fills_at_its_own_price(desk: PaperDesk) -> None:
    desk.order(quantity="0.100", price="60000.0")
    desk.order(side="SELL", quantity="0.300", price="60100.0")
    desk.feed_breaks()
    desk.read()
    desk.feed_mends([(59990.0, 1.0)], [(59995.0, 0.04), (59996.0, 9.0)])
    desk.read()
    # As much as stands at the price that went through us, at ours; the sell is not reached.
    assert desk.filled() == [(600_000, 40, True)]
    desk.feed_book([(59990.0, 1.0)], [(59995.0, 0.5)])
    desk.read()
    assert desk.filled() == [(600_000, 40, True), (600_000, 60, True)]
    desk.assert_balanced()


def test_a_place_is_kept_over_a_resync_as_far_as_there_is_room(desk: PaperDesk) -> None:
    desk.order(quantity="0.100", price="60000.0")
    desk.feed_breaks()
    desk.read()
    desk.feed_mends([(60000.0, 0.4), (59999.9, 1.0)], [(60000.1, 1.0)])
    # A trade that the levels hold already moves nobody, however late it is told.
    desk.feed_trade(60000.0, 9.0, -1, event_ms=desk.event_ms - 3)
    desk.read()
    assert desk.filled() == []
    desk.feed_trade(60000.0, 0.45, -1, event_ms=desk.event_ms + 1)
    desk.read()
    assert desk.filled() == [(600_000, 50, True)]


def test_a_lapped_reader_begins_again_from_the_shared_books(desk: PaperDesk) -> None:
    desk.order(quantity="0.100", price="60000.0")
    for _ in range(desk.memory.ticks.capacity + 1):
        desk.feed_trade(60000.0, 1.0, -1)
    desk.feed_levels([(60000.0, 0.3), (59999.9, 1.0)], [(60000.1, 1.0)])
    desk.read()
    assert (desk.follower.laps, desk.filled()) == (1, [])
    assert desk.follower.in_force == 1
    desk.feed_trade(60000.0, 0.35, -1)
    desk.read()
    assert desk.filled() == [(600_000, 50, True)]


def test_a_feed_that_died_is_not_believed_though_its_book_is_still_marked_valid(
    desk: PaperDesk,
) -> None:
    desk.order(quantity="0.100", price="60000.0")
    desk.memory.control.next_generation("feed")
    assert desk.memory.books.is_valid(0)
    status, refusal = desk.order(type="MARKET", quantity="0.1")
    assert (status, refusal["code"]) == (503, -1008)
    assert feed_watch.NO_FEED in refusal["msg"]
    # Its successor turns, and clears the books it found.
    desk.memory.books.set_valid(0, False, Reason.STARTING, time.monotonic_ns())
    desk.feed_beat()
    desk.feed_record(STATUS, 1.0)
    desk.feed_record(STATUS, 3.0, float(Reason.STARTING))
    desk.read()
    assert (desk.follower.in_force, desk.filled()) == (0, [])
    desk.feed_mends(*WIDE)
    desk.read()
    assert desk.follower.in_force == 1
    assert desk.order(type="MARKET", quantity="0.1")[0] == 200


def test_a_feed_that_stands_still_is_not_believed(
    desk: PaperDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_watch, "SILENCE_NS", -1)
    assert feed_watch.SILENT_FEED in desk.order(type="MARKET", quantity="0.1")[1]["msg"]
    monkeypatch.undo()
    desk.feed_beat()
    assert desk.order(type="MARKET", quantity="0.1")[0] == 200


def test_a_stop_that_would_trade_in_a_book_out_of_force_waits(desk: PaperDesk) -> None:
    desk.feed_mark(60000.0, 60000.0, 0.0001, desk.now_ms + 1_000_000)
    desk.order(type="MARKET", quantity="0.100")
    status, _ = desk.call(
        "POST", "/fapi/v1/algoOrder", symbol="BTCUSDT", side="SELL", algoType="CONDITIONAL",
        type="STOP_MARKET", triggerPrice="59000", quantity="0.1", workingType="MARK_PRICE",
    )  # fmt: skip
    assert status == 200
    desk.feed_breaks()
    desk.feed_mark(58000.0, 58000.0, 0.0001, desk.now_ms + 1_000_000)
    desk.now_ms += 2_000
    desk.read()
    assert len(desk.filled()) == 1
    desk.feed_mends([(57990.0, 1.0)], [(57990.1, 1.0)])
    desk.now_ms += 2_000
    desk.read()
    assert desk.filled()[1:] == [(579_900, 100, False)]


def test_a_funding_whose_last_rate_was_not_heard_is_paid_and_said(
    desk: PaperDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.feed_funding(0.0001, 1_700_000_000_000, 60500.0)
    desk.read()
    assert caplog.text == ""
    desk.feed_funding(0.0002, 1_700_028_800_000, 60500.0, flags=INCOMPLETE)
    desk.read()
    assert desk.follower.fundings == 2
    assert "BTCUSDT: funding at 1700028800000 ms is paid at 0.00020000" in caplog.text


def test_marks_and_fundings_are_the_exchange_s(desk: PaperDesk) -> None:
    desk.order(type="MARKET", quantity="0.100")
    next_ms = desk.now_ms + 3_600_000
    desk.feed_mark(60500.0, 60400.0, 0.0001, next_ms)
    desk.read()
    assert desk.btc.mark_e8() == 60_500 * 10**8
    _, index = desk.call("GET", "/fapi/v1/premiumIndex", signed=False, symbol="BTCUSDT")
    assert float(index["markPrice"]) == 60500.0
    assert float(index["indexPrice"]) == 60400.0
    assert (float(index["lastFundingRate"]), index["nextFundingTime"]) == (0.0001, next_ms)
    # Nothing falls due by itself, whatever the clock says.
    desk.now_ms = next_ms + 60_000
    desk.read()
    account = desk.exchange.ledger.accounts[desk.exchange.user_trades[0].account_id]
    before_e8 = account.wallet_e8
    assert desk.follower.fundings == 0
    desk.feed_funding(0.0001, next_ms, 60500.0)
    desk.read()
    assert desk.follower.fundings == 1
    assert account.wallet_e8 - before_e8 == -round(0.1 * 60500.0 * 0.0001 * 1e8)
    desk.assert_balanced()


def test_a_position_in_a_book_out_of_force_is_not_liquidated_there(desk: PaperDesk) -> None:
    desk.order(type="MARKET", quantity="0.500")
    desk.feed_breaks()
    desk.feed_mark(30000.0, 30000.0, 0.0, 0)
    desk.now_ms += 2_000
    desk.read()
    assert desk.core.treasury.liquidator.liquidations == 0
    desk.feed_mends([(30000.0, 9.0)], [(30000.1, 9.0)])
    desk.now_ms += 2_000
    desk.read()
    assert desk.core.treasury.liquidator.liquidations == 1


def test_a_symbol_that_the_exchange_halts_is_halted(desk: PaperDesk) -> None:
    desk.feed_record(STATUS, 4.0, 9.0)
    assert desk.order(quantity="0.1", price="60000")[1]["code"] == -1122
    desk.feed_record(STATUS, 4.0, 1.0)
    assert desk.order(quantity="0.1", price="60000")[0] == 200


def test_a_symbol_whose_tick_changes_is_out_of_force_for_good(desk: PaperDesk) -> None:
    list_contracts(desk.memory, {**BTC, "tick_size": 0.01})
    desk.now_ms += 1_000
    status, refusal = desk.order(type="MARKET", quantity="0.1")
    assert (status, "changed its tick" in refusal["msg"]) == (503, True)
    desk.feed_mends(*WIDE)
    desk.read()
    assert desk.follower.in_force == 0


def test_each_symbol_is_in_force_by_itself(memory: InstanceMemory) -> None:
    list_contracts(memory, BTC, ETH)
    desk = PaperDesk(memory)
    desk.feed_levels(*WIDE)
    desk.begin()
    desk.read()
    assert desk.follower.in_force == 1
    desk.feed_levels([(2600.0, 1.0)], [(2600.01, 1.0)], instrument=1)
    desk.feed_book([(2600.0, 1.0)], [(2600.01, 1.0)], instrument=1)
    desk.read()
    assert desk.follower.in_force == 2
    desk.feed_breaks(instrument=0)
    assert desk.order(type="MARKET", quantity="0.1")[1]["code"] == -1008
    status, _ = desk.order(symbol="ETHUSDT", type="MARKET", quantity="0.1", side="SELL")
    assert status == 200
    assert desk.exchange.markets["ETHUSDT"].book.best(SELL) == (260_001, 1_000)
