"""The recorded market: followed exactly, traded against once, joined at the back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aegis.venue.matching.interface import BUY, SELL, STP_EXPIRE_MAKER
from aegis.venue.mirror.recording import Line
from tests.venue.desk import CLIENT, Desk

RECORDING = Path("usdm") / "btcusdt_20240808.gz"


class Tape:
    """A desk whose market is a recording that the test writes as it goes."""

    def __init__(self, tmp_path: Path) -> None:
        path = tmp_path / "tape"
        path.write_bytes(b'1 {"stream":"btcusdt@trade","data":{}}\n')
        self.desk = Desk(mirrors=(path,))
        (reel,) = self.desk.built.reels
        self.player = reel.player
        self.book = self.player.book
        self.ids = 100

    def play(self, stream: str, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode()
        name = f"btcusdt@{stream}" if stream else ""
        self.player.play(Line(1, 1, name, data, data), self.desk.now_ms)

    def depth(self, bids: dict[str, str], asks: dict[str, str]) -> None:
        self.ids += 10
        self.play(
            "depth@0ms",
            {"U": self.ids - 5, "u": self.ids, "b": [*bids.items()], "a": [*asks.items()]},
        )

    def ticker(self, bid: str, bid_qty: str, ask: str, ask_qty: str) -> None:
        self.ids += 1
        self.play("bookTicker", {"u": self.ids, "b": bid, "B": bid_qty, "a": ask, "A": ask_qty})

    def trade(self, price: str, qty: str, sold: bool, kind: str = "MARKET") -> None:
        self.play("trade", {"t": 1, "T": 1, "p": price, "q": qty, "X": kind, "m": sold})


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    tape = Tape(tmp_path)
    tape.play(
        "",
        {
            "lastUpdateId": 100,
            "bids": [["60000.00", "1.000"], ["59999.90", "2.000"]],
            "asks": [["60000.10", "0.500"], ["60000.20", "2.000"]],
        },
    )
    return tape


def test_a_taker_walks_the_displayed_levels_once(tape: Tape) -> None:
    _, order = tape.desk.order(type="MARKET", quantity="1.000", newOrderRespType="RESULT")
    assert (order["status"], order["executedQty"]) == ("FILLED", "1.000")
    trades = [(t.price_ticks, t.qty_lots) for t in tape.desk.exchange.user_trades]
    assert trades == [(600_001, 500), (600_002, 500)]
    assert tape.book.available(CLIENT, BUY, 600_002, 0, 9_999) == 1_500
    assert tape.book.depth(SELL, 2) == [(600_001, 500), (600_002, 2_000)]
    tape.depth({}, {"60000.10": "0.600"})
    assert tape.book.available(CLIENT, BUY, 600_002, 0, 9_999) == 2_100, "one level is told anew"
    tape.depth({}, {"60000.20": "2.100"})
    assert tape.book.available(CLIENT, BUY, 600_002, 0, 9_999) == 2_700
    tape.desk.assert_balanced()


def test_a_book_ticker_is_newer_than_the_levels(tape: Tape) -> None:
    tape.ticker("59999.90", "1.500", "60000.00", "0.100")
    assert tape.desk.btc.top() == (599_999, 1_500, 600_000, 100)
    assert tape.desk.order(quantity="0.1", price="60000", timeInForce="GTX")[1]["code"] == -5022
    _, order = tape.desk.order(type="MARKET", quantity="0.2", newOrderRespType="RESULT")
    assert order["executedQty"] == "0.200"
    trades = [(t.price_ticks, t.qty_lots) for t in tape.desk.exchange.user_trades]
    assert trades == [(600_000, 100), (600_001, 100)]
    # The depth that clients rebuild is the recorded one, without the ticker and without us.
    assert tape.book.depth(BUY, 1) == [(600_000, 1_000)]


def test_our_order_waits_behind_the_recorded_size(tape: Tape) -> None:
    tape.desk.order(quantity="0.100", price="60000.0")
    tape.trade("60000.00", "0.900", sold=True)
    assert not tape.desk.exchange.user_trades
    tape.trade("60000.00", "0.150", sold=True)
    (trade,) = tape.desk.exchange.user_trades
    assert (trade.price_ticks, trade.qty_lots, trade.maker) == (600_000, 50, True)
    tape.trade("59999.90", "5.000", sold=True)
    assert sum(t.qty_lots for t in tape.desk.exchange.user_trades) == 100
    assert tape.desk.exchange.orders.open == {}
    tape.desk.assert_balanced()


def test_an_order_better_than_all_is_alone_in_front(tape: Tape) -> None:
    tape.depth({}, {"60000.10": "0.000"})
    tape.desk.order(quantity="0.100", price="60000.1")
    tape.trade("60000.00", "0.100", sold=True)
    (trade,) = tape.desk.exchange.user_trades
    assert trade.price_ticks == 600_001


def test_the_market_moving_through_us_fills_us(tape: Tape) -> None:
    tape.desk.order(quantity="0.100", price="60000.0")
    tape.ticker("59998.00", "1.000", "59998.10", "0.040")
    assert [t.qty_lots for t in tape.desk.exchange.user_trades] == [40]
    tape.ticker("59998.00", "1.000", "59998.10", "9.000")
    assert tape.desk.exchange.orders.open == {}
    tape.desk.assert_balanced()


def test_prints_that_are_no_trades_move_nothing(tape: Tape) -> None:
    tape.desk.order(quantity="0.100", price="60000.0")
    tape.trade("59000.00", "9.000", sold=True, kind="INSURANCE_FUND")
    tape.trade("0", "0", sold=True, kind="NA")
    assert not tape.desk.exchange.user_trades
    assert tape.desk.btc.last_ticks == 600_000


def test_our_own_orders_meet_or_avoid_each_other(tape: Tape) -> None:
    tape.desk.order(quantity="0.100", price="59999.95".rstrip("5") + "0", newClientOrderId="bid")
    tape.depth({"60000.00": "0.000", "59999.90": "0.000"}, {})
    matched = tape.book.submit(
        10**6, CLIENT, SELL, 599_999, 60, now_ms=1, rest=False, stp=STP_EXPIRE_MAKER
    )
    assert [expired.left_lots for expired in matched.expired] == [100]
    assert matched.left_lots == 60


def test_the_whole_recording(shared_data: Path) -> None:
    """Every coincident book ticker agrees with the followed book; what rests is filled sanely."""
    desk = Desk(mirrors=(shared_data / RECORDING,))
    (reel,) = desk.built.reels
    recording, player, book = reel.recording, reel.player, reel.player.book
    assert (recording.summary.lines, len(recording.summary.streams)) == (93_954, 3)
    tickers: dict[int, Line] = {}
    checked = lines = 0
    for line in recording.lines():
        lines += 1
        player.play(line, line.time_ns // 1_000_000)
        desk.core.tape.clear()
        if line.stream.endswith("bookTicker"):
            tickers[msgspec.json.decode(line.message)["u"]] = line
        elif player.bridged and book.last_update_id() in tickers:
            ticker = msgspec.json.decode(tickers[book.last_update_id()].message)
            for side, price, qty in ((BUY, "b", "B"), (SELL, "a", "A")):
                spec = desk.btc.spec
                best = (spec.read_price(ticker[price]), spec.read_qty(ticker[qty]))
                assert book.depth(side, 1) == [best], f"line {line.number}"
            checked += 1
            tickers.clear()
        if line.number in (5_000, 40_000):
            top = desk.btc.top()
            desk.order(quantity="0.050", price=desk.btc.spec.price_text(top.bid_ticks))
            desk.order(side="SELL", quantity="0.050", price=desk.btc.spec.price_text(top.ask_ticks))
    assert lines == 93_954
    assert checked > 300
    assert desk.exchange.user_trades, "four orders at the touch, and none was reached"
    assert all(trade.maker for trade in desk.exchange.user_trades)
    desk.assert_balanced()
