"""The intake: what becomes of each message, and when a book is in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from aegis.feed.intake import Intake
from aegis.feed.intake_memory import MAX_FRAME_BYTES
from aegis.feed.sync import Phase
from aegis.shm.absence import Reason
from aegis.shm.broadcast import BroadcastReader
from aegis.shm.instance import InstanceMemory
from aegis.shm.tick import (
    BOOK,
    CANARY,
    CLOCK,
    FUNDING,
    GAP,
    INCOMPLETE,
    LIQUIDATION,
    MARK,
    QUOTE,
    RESYNC,
    STATUS,
    TRADE,
)
from tests.feed.market import Market, compact, frame


class Driver:
    """An intake with a market at its other end and a reader behind it."""

    def __init__(self, intake: Intake, memory: InstanceMemory, seed: int = 1) -> None:
        self.intake = intake
        self.memory = memory
        self.market = Market(seed)
        self.reader: BroadcastReader = memory.ticks.reader(batch=4096)
        self.now_ns = 1_000_000_000
        intake.on_subscribed(0, self.now_ns)

    def send(self, *payloads: bytes | dict[str, Any]) -> None:
        self.now_ns += 1000
        self.intake.recv_ns = self.now_ns
        for payload in payloads:
            text = payload if isinstance(payload, bytes) else frame(payload)
            self.intake.stage(text, len(text))
        self.intake.flush()

    def snapshot(self, body: bytes | None = None) -> bool:
        self.now_ns += 60_000_000_000
        (request,) = self.intake.snapshots.due(self.now_ns)
        if body is None:
            body = compact(self.market.snapshot())
        return self.intake.on_snapshot(request, body, self.now_ns)

    def synchronise(self) -> None:
        self.send(self.market.step())
        assert self.snapshot()
        self.send(self.market.step())
        assert self.intake.valid == [True]
        self.ticks()

    def ticks(self) -> np.ndarray[Any, Any]:
        found = self.reader.poll().copy()
        assert self.reader.lost == 0
        return found

    def counter(self, name: str) -> int:
        return self.memory.counters["feed"][name]

    @property
    def shared_valid(self) -> bool:
        return self.memory.books.is_valid(0)

    def assert_book_is_true(self) -> None:
        bids, asks = self.market.truth[self.market.update_id]
        book = self.intake.full_book(0)
        assert dict(book.bids.tolist()) == {t / 100: q / 1000 for t, q in bids.items()}
        assert dict(book.asks.tolist()) == {t / 100: q / 1000 for t, q in asks.items()}
        view = self.memory.books.read(0)
        assert view is not None
        assert view.update_id == self.market.update_id
        assert view.bids.tolist() == book.bids[:20].tolist()
        assert view.asks.tolist() == book.asks[:20].tolist()


@pytest.fixture
def driver(intake: Intake, memory: InstanceMemory) -> Driver:
    return Driver(intake, memory)


def test_a_book_comes_into_force_with_the_event_that_joins_its_snapshot(driver: Driver) -> None:
    assert not driver.shared_valid
    driver.send(driver.market.step(), driver.market.step())
    assert driver.snapshot()
    # The last buffered event ends where the snapshot stands: it is applied once more and joins.
    assert driver.shared_valid
    kinds = driver.ticks()["kind"].tolist()
    assert kinds == [STATUS, RESYNC, BOOK]
    driver.assert_book_is_true()
    for _ in range(200):
        driver.send(driver.market.step())
        driver.assert_book_is_true()
    assert driver.counter("books_valid") == 1


def test_a_snapshot_without_events_waits_for_the_first_one(driver: Driver) -> None:
    assert driver.snapshot()
    assert driver.intake.syncs[0].phase is Phase.BRIDGING
    assert not driver.shared_valid
    driver.send(driver.market.step())
    assert driver.shared_valid
    driver.assert_book_is_true()


def test_a_lost_event_makes_the_book_invalid_at_once(driver: Driver) -> None:
    driver.synchronise()
    expected = driver.market.update_id
    missed = driver.market.step()
    after = driver.market.step()
    driver.send(after)
    assert not driver.shared_valid
    ticks = driver.ticks()
    assert ticks["kind"].tolist() == [GAP, STATUS]
    assert (ticks[0]["a"], ticks[0]["b"]) == (expected, missed["u"])
    assert (ticks[1]["a"], ticks[1]["b"]) == (3.0, Reason.GAP)
    assert driver.counter("gaps") == 1
    assert driver.snapshot()
    assert driver.shared_valid
    driver.assert_book_is_true()
    assert driver.counter("resyncs") == 2


def test_duplicates_are_ignored_and_counted(driver: Driver) -> None:
    driver.synchronise()
    event, trade, quote = driver.market.step(), driver.market.trade(), driver.market.quote()
    driver.send(event, quote, trade, event, quote, trade)
    assert driver.shared_valid
    driver.assert_book_is_true()
    assert driver.ticks()["kind"].tolist() == [BOOK, QUOTE, TRADE]
    assert driver.counter("duplicates") == 3


def test_numbering_that_begins_again_is_a_gap_and_not_a_row_of_duplicates(driver: Driver) -> None:
    driver.synchronise()
    restarted = {**driver.market.step(), "U": 1, "u": 2, "pu": 0}
    restarted["T"] += 1000
    driver.send(restarted)
    assert not driver.shared_valid


def test_a_quote_that_differs_from_the_book_at_the_same_id_breaks_it(driver: Driver) -> None:
    driver.synchronise()
    event = driver.market.step()
    lie = {**driver.market.quote(), "B": "77.000"}
    driver.send(event, driver.market.trade(), lie)
    assert (driver.counter("top_checks"), driver.counter("top_mismatches")) == (1, 1)
    assert not driver.shared_valid
    ticks = driver.ticks()
    assert ticks["kind"].tolist() == [BOOK, TRADE, QUOTE, STATUS]
    assert ticks[-1]["b"] == Reason.TOP_MISMATCH


@pytest.mark.parametrize("quote_first", [True, False])
def test_twins_are_compared_in_either_order(driver: Driver, quote_first: bool) -> None:
    driver.synchronise()
    for _ in range(50):
        event = driver.market.step()
        pair = (event, driver.market.quote())
        driver.send(*(pair[::-1] if quote_first else pair))
    assert (driver.counter("top_checks"), driver.counter("top_mismatches")) == (50, 0)


@pytest.mark.parametrize(
    ("bids", "asks", "reason"),
    [
        ([["99999.00", "1"]], [], Reason.CROSSED),
        ([], [["0.01", "1"]], Reason.CROSSED),
    ],
)
def test_a_crossed_book_is_never_in_force(
    driver: Driver, bids: list[list[str]], asks: list[list[str]], reason: Reason
) -> None:
    driver.synchronise()
    driver.send({**driver.market.step(), "b": bids, "a": asks})
    assert not driver.shared_valid
    ticks = driver.ticks()
    assert ticks["kind"].tolist() == [STATUS]
    assert ticks[0]["b"] == reason


def test_an_empty_side_is_never_in_force(driver: Driver) -> None:
    driver.synchronise()
    event = driver.market.step()
    bids = driver.intake.full_book(0).bids[:, 0]
    gone = [[f"{price:.2f}", "0"] for price in sorted(bids)]
    driver.send({**event, "b": gone, "a": []})
    assert not driver.shared_valid
    assert driver.ticks()[-1]["b"] == Reason.EMPTY


def test_an_absurd_spread_is_never_in_force(driver: Driver) -> None:
    driver.synchronise()
    asks = driver.intake.full_book(0).asks[:, 0]
    gone = [[f"{price:.2f}", "0"] for price in sorted(asks)]
    driver.send({**driver.market.step(), "b": [], "a": [*gone, ["9000000.00", "1"]]})
    assert not driver.shared_valid
    assert driver.ticks()[-1]["b"] == Reason.ABSURD


BAD = ["nan", "inf", "-1", "1e999", "0", "", "9" * 300, "x"]


@pytest.mark.parametrize("text", BAD)
def test_bad_numbers_in_quotes_and_trades_are_dropped_and_counted(
    driver: Driver, text: str
) -> None:
    driver.synchronise()
    quote, trade = driver.market.quote(), driver.market.trade()
    bad_trade = {**trade, "q": text}
    driver.send({**quote, "b": text}, bad_trade, b"\xff\x00", b"{", quote)
    assert driver.ticks()["kind"].tolist() == [QUOTE]
    assert driver.counter("decode_errors") == 4
    assert driver.shared_valid
    assert driver.counter("messages") == 2 + 5
    assert driver.intake.last_error


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1e999", "", "9" * 300, "x"])
@pytest.mark.parametrize("place", [0, 1])
def test_bad_numbers_in_depth_make_the_book_invalid(driver: Driver, text: str, place: int) -> None:
    driver.synchronise()
    level = ["59990.00", "1.000"]
    level[place] = text
    driver.send({**driver.market.step(), "b": [level]})
    assert driver.counter("decode_errors") == 1
    assert not driver.shared_valid
    assert driver.snapshot()
    driver.send(driver.market.step())
    assert driver.shared_valid
    driver.assert_book_is_true()


def test_impossible_ids_make_the_book_invalid(driver: Driver) -> None:
    driver.synchronise()
    event = driver.market.step()
    driver.send({**event, "U": event["u"] + 1})
    assert not driver.shared_valid
    assert driver.counter("decode_errors") == 1


def test_crossed_quotes_and_overtaken_ones_are_dropped(driver: Driver) -> None:
    first = driver.market.quote()
    driver.market.step()
    second = driver.market.quote()
    driver.send({**second, "b": second["a"], "a": second["b"]})
    assert (driver.ticks().size, driver.counter("decode_errors")) == (0, 1)
    driver.send(second, first)
    assert driver.ticks()["e"].tolist() == [second["u"]]
    assert driver.counter("duplicates") == 1


def test_void_trades_are_dropped_and_liquidations_flagged(driver: Driver) -> None:
    trade = driver.market.trade()
    void = {**driver.market.trade(), "X": "NA", "p": "0", "q": "0"}
    liquidation = {**driver.market.trade(), "X": "INSURANCE_FUND"}
    driver.send(trade, void, liquidation)
    ticks = driver.ticks()
    assert ticks["d"].tolist() == [trade["t"], liquidation["t"]]
    assert ticks["flags"].tolist() == [0, 1]
    assert (driver.counter("trades"), driver.counter("decode_errors")) == (2, 0)
    assert driver.counter("messages") == 3


def test_messages_in_another_spelling_give_the_same_records(
    make_intake: Callable[..., Intake], memory: InstanceMemory
) -> None:
    """Blanks and another order of keys go the careful way and must not change a record."""
    found = []
    for spaced in (False, True):
        driver = Driver(make_intake(), memory, seed=9)
        driver.snapshot()
        for _ in range(100):
            for payload in (driver.market.step(), driver.market.quote(), driver.market.trade()):
                text = frame(dict(reversed(payload.items())) if spaced else payload)
                driver.send(text.replace(b'":', b'" : ') if spaced else text)
        ticks = driver.ticks()
        ticks["ts_recv_ns"] = 0
        found.append(ticks)
    assert found[0].size > 300
    assert (found[0] == found[1]).all()


def test_mark_prices_become_records(driver: Driver) -> None:
    payload = {
        "e": "markPriceUpdate", "E": 1680652701000, "s": "BTCUSDT", "p": "28147.27",
        "i": "28159.75", "P": "1", "r": "0.0001", "T": 1680652800000,
    }  # fmt: skip
    driver.send(frame(payload, "btcusdt@markPrice@1s"))
    (tick,) = driver.ticks()
    assert tick["kind"] == MARK
    assert [tick[name] for name in "abcd"] == [28147.27, 28159.75, 0.0001, 1680652800000]


def test_replies_are_no_messages(driver: Driver) -> None:
    driver.send(b'{"result":null,"id":5}', driver.market.trade())
    assert driver.counter("messages") == 1
    assert [reply.id for reply in driver.intake.take_replies()] == [5]
    assert driver.intake.take_replies() == []


def test_strangers_are_counted_as_messages_and_nothing_more(driver: Driver) -> None:
    driver.send(
        frame(Market(2, "ETHUSDT").trade()),
        frame({"e": "kline", "s": "BTCUSDT"}, "btcusdt@kline_1m"),
    )
    assert driver.ticks().size == 0
    assert (driver.counter("messages"), driver.counter("decode_errors")) == (2, 0)
    assert driver.intake.ignored == 2


def test_a_disconnection_makes_books_invalid_and_forgets_the_numbering(driver: Driver) -> None:
    driver.synchronise()
    driver.send(driver.market.quote(), driver.market.trade())
    driver.ticks()
    driver.intake.on_disconnected([0], Reason.DISCONNECTED, driver.now_ns)
    assert not driver.shared_valid
    assert driver.ticks()["b"].tolist() == [Reason.DISCONNECTED]
    assert driver.counter("books_valid") == 0
    # Another run of the exchange, with lower numbers.
    driver.market = Market(77)
    driver.market.update_id = driver.market.previous_id = 50
    driver.market.trade_id = 1
    driver.intake.on_subscribed(0, driver.now_ns)
    driver.synchronise()
    driver.send(driver.market.quote(), driver.market.trade())
    assert driver.ticks()["kind"].tolist() == [QUOTE, TRADE]
    driver.assert_book_is_true()


def test_a_snapshot_asked_for_before_a_reconnect_is_void(driver: Driver) -> None:
    driver.send(driver.market.step())
    (request,) = driver.intake.snapshots.due(driver.now_ns)
    driver.intake.on_disconnected([0], Reason.DISCONNECTED, driver.now_ns)
    driver.intake.on_subscribed(0, driver.now_ns)
    body = compact(driver.market.snapshot())
    assert not driver.intake.on_snapshot(request, body, driver.now_ns)
    driver.send(driver.market.step())
    assert not driver.shared_valid


def test_bad_snapshots_are_refused_and_asked_for_again(driver: Driver) -> None:
    driver.send(driver.market.step())
    for body in (b"", b"{}", b"<html>busy</html>", b'{"lastUpdateId":1,"bids":[],"asks":[]}'):
        assert not driver.snapshot(body)
    assert driver.counter("decode_errors") == 4
    assert driver.snapshot()
    assert driver.shared_valid


def test_a_canary_and_the_feeds_rise_are_records(driver: Driver) -> None:
    driver.intake.announce_up(5)
    driver.intake.canary(7, 99)
    ticks = driver.ticks()
    assert ticks["kind"].tolist() == [STATUS, STATUS, CANARY]
    assert ticks["a"].tolist() == [1.0, 3.0, 7.0]
    assert (ticks[1]["b"], ticks[2]["ts_recv_ns"]) == (Reason.STARTING, 99)
    assert driver.counter("canary_number") == 7
    assert driver.counter("ticks_published") == driver.memory.ticks.published


def test_long_reads_and_huge_frames_are_taken_in_pieces(driver: Driver) -> None:
    trades = [driver.market.trade() for _ in range(1000)]
    huge = b'{"stream":"' + b"x" * (MAX_FRAME_BYTES - 100)
    driver.send(*trades[:500], huge, *trades[500:])
    assert driver.ticks()["d"].tolist() == [trade["t"] for trade in trades]
    driver.send(b" " * (MAX_FRAME_BYTES + 1))
    assert driver.counter("decode_errors") == 2
    assert driver.counter("messages") == 1002


def test_latency_is_counted_once_a_message(driver: Driver) -> None:
    driver.send(*[driver.market.trade() for _ in range(70)], b"garbage")
    histogram = driver.memory.histograms["feed"]["socket_to_ring_ns"].percentiles()
    assert histogram["count"] == 71


def test_counts_go_on_after_a_restart_of_the_process(
    make_intake: Callable[..., Intake], memory: InstanceMemory
) -> None:
    Driver(make_intake(), memory).send(Market(1).trade())
    driver = Driver(make_intake(), memory)
    driver.send(driver.market.trade())
    assert (driver.counter("messages"), driver.counter("trades")) == (2, 2)


def test_two_instruments_keep_their_own_state(
    make_intake: Callable[..., Intake], memory: InstanceMemory
) -> None:
    intake = make_intake(["BTCUSDT", "ETHUSDT"])
    markets = [Market(1, "BTCUSDT"), Market(2, "ETHUSDT")]
    for instrument in (0, 1):
        intake.on_subscribed(instrument, 1)
    for request in intake.snapshots.due(1):
        body = compact(markets[request.instrument].snapshot())
        assert intake.on_snapshot(request, body, 1)
    for turn in range(300):
        for market in markets:
            for payload in (market.step(), market.quote()):
                text = frame(payload)
                intake.stage(text, len(text))
        if turn == 150:
            markets[1].step()
        intake.flush()
    assert intake.valid == [True, False]
    for instrument, market in enumerate(markets[:1]):
        bids, _ = market.truth[market.update_id]
        found = intake.full_book(instrument).bids
        assert dict(found.tolist()) == {t / 100: q / 1000 for t, q in bids.items()}
    view = memory.books.read(1)
    assert view is not None
    assert not view.valid


def test_the_clocks_lead_is_the_largest_seen(driver: Driver) -> None:
    assert driver.intake.take_clock_lead_ns() is None
    driver.send(driver.market.trade())
    first = driver.intake.take_clock_lead_ns()
    assert first == (driver.market.time_ms + 1) * 1_000_000 - driver.now_ns
    assert driver.intake.take_clock_lead_ns() is None


def test_no_payload_can_raise(driver: Driver) -> None:
    driver.synchronise()
    for payload in (b"", b"\x00" * 50, b'{"stream":"btcusdt@depth@0ms"', b"[]" * 1000):
        driver.send(payload)
    assert driver.counter("decode_errors") == 4


def _forced(**changes: Any) -> bytes:
    order = {
        "s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.014", "p": "9910",
        "ap": "9912.5", "X": "FILLED", "l": "0.014", "z": "0.014", "T": 1568014460891,
    }  # fmt: skip
    event = {"e": "forceOrder", "E": 1568014460893, "o": order | changes}
    return compact({"stream": "!forceOrder@arr", "data": event})


def test_liquidations_become_records(driver: Driver) -> None:
    driver.send(_forced(), _forced(s="OTHERUSDT"), _forced(S="BUY"))
    first, second = driver.ticks().tolist()
    assert first[:4] == (0, LIQUIDATION, 0, 1568014460891_000_000)
    assert first[5:] == (9910.0, 0.014, -1.0, 9912.5, 0.014)
    assert second[7] == 1.0
    driver.send(_forced(p="-1"), _forced(q="0"), _forced(z="x"), _forced(S="HOLD"))
    assert driver.counter("decode_errors") == 4
    assert driver.ticks().size == 0


def _mark(event_ms: int, rate: str, next_ms: int) -> bytes:
    event = {
        "e": "markPriceUpdate", "E": event_ms, "s": "BTCUSDT", "p": "60000.5", "P": "1",
        "i": "59999", "r": rate, "T": next_ms,
    }  # fmt: skip
    return compact({"stream": "btcusdt@markPrice@1s", "data": event})


def test_a_funding_is_told_when_its_time_has_passed(driver: Driver) -> None:
    """The rate that was paid is the last one before; after a silence nobody knows for sure."""
    at_ms, width_ms = 1_700_006_400_000, 28_800_000
    driver.send(_mark(at_ms - 1000, "0.0003", at_ms), _mark(at_ms, "0.0001", at_ms + width_ms))
    ticks = driver.ticks()
    assert ticks["kind"].tolist() == [MARK, FUNDING, MARK]
    told = ticks[1].tolist()
    assert told[2:4] == (0, at_ms * 1_000_000)
    assert told[5:] == (0.0003, float(at_ms), 60000.5, float(at_ms + width_ms), 0.0001)
    # The time of the next one is moved: nothing was paid.
    driver.send(_mark(at_ms + 1000, "0.0001", at_ms + width_ms // 2))
    assert driver.ticks()["kind"].tolist() == [MARK]
    driver.send(_mark(at_ms + width_ms // 2 + 9_000, "0.0002", at_ms + width_ms))
    ticks = driver.ticks()
    assert ticks["kind"].tolist() == [FUNDING, MARK]
    assert ticks[0]["flags"] == INCOMPLETE


def test_the_exchanges_clock_is_told(driver: Driver) -> None:
    driver.intake.news.tell_clock(-5_000_000, 1_700_000_000_000_000_000, 77)
    assert driver.ticks()[0].tolist()[1:6] == (
        CLOCK, 0, 1_700_000_000_000_000_000, 77, -5_000_000.0
    )  # fmt: skip
