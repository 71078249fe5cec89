"""What the intake does not believe: prices, times, and the levels that no snapshot has shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aegis.feed.intake import Intake
from aegis.feed.layout import NO_CLOCK
from aegis.shm.absence import Reason
from aegis.shm.instance import InstanceMemory
from aegis.shm.tick import BOOK, GAP, MARK, QUOTE, RESYNC, STATUS, TRADE
from tests.feed.market import Market, compact, frame
from tests.feed.test_intake import Driver

MS = 1_000_000
HOUR_MS = 3_600_000


@pytest.fixture
def driver(make_intake: Callable[..., Intake], memory: InstanceMemory) -> Driver:
    made = Driver(make_intake(), memory)
    made.synchronise()
    # A market a second away from the arrival of its messages, as the clock has found out.
    made.intake.set_clock_lead_ns(made.market.time_ms * MS - made.now_ns)
    made.intake.take_clock_lead_ns()
    return made


def mark(driver: Driver, price: float) -> bytes:
    payload = {
        "e": "markPriceUpdate", "E": driver.market.time_ms, "s": "BTCUSDT", "p": str(price),
        "i": str(price), "P": str(price), "r": "0.0001", "T": driver.market.time_ms + HOUR_MS,
    }  # fmt: skip
    return frame(payload, "btcusdt@markPrice@1s")


def scaled(payload: dict[str, Any], factor: float) -> dict[str, Any]:
    prices = {key: f"{float(payload[key]) * factor:.2f}" for key in "bap" if key in payload}
    return {**payload, **prices}


def kinds(driver: Driver) -> list[int]:
    return [int(kind) for kind in driver.ticks()["kind"]]


# ---- prices


@pytest.mark.parametrize("factor", [0.5, 0.88, 1.12, 3.0])
def test_a_quote_or_trade_far_from_the_book_is_withheld(driver: Driver, factor: float) -> None:
    driver.send(driver.market.step())
    kinds(driver)
    driver.send(scaled(driver.market.quote(), factor), scaled(driver.market.trade(), factor))
    assert kinds(driver) == []
    assert driver.counter("prices_refused") == 2
    assert driver.shared_valid
    driver.send(driver.market.step(), driver.market.quote(), driver.market.trade())
    assert kinds(driver) == [BOOK, QUOTE, TRADE]


def test_what_the_mark_price_says_too_is_believed(driver: Driver) -> None:
    driver.send(mark(driver, 60_000.0))
    driver.send(driver.market.quote())
    bid = float(driver.market.quote()["b"]) * 1.3
    driver.send(mark(driver, bid), mark(driver, bid))
    kinds(driver)
    driver.send(scaled(driver.market.trade(), 1.3))
    assert kinds(driver) == [TRADE]


def test_what_was_settled_off_the_book_may_have_any_price(driver: Driver) -> None:
    driver.send({**scaled(driver.market.trade(), 0.7), "X": "INSURANCE_FUND"})
    assert kinds(driver) == [TRADE]


def test_a_mark_price_that_jumps_is_believed_when_the_next_one_agrees(driver: Driver) -> None:
    driver.send(mark(driver, 60_000.0), mark(driver, 84_000.0), mark(driver, 60_010.0))
    assert driver.ticks()["a"].tolist() == [60_000.0, 60_010.0]
    assert driver.counter("prices_refused") == 1
    driver.send(mark(driver, 84_000.0), mark(driver, 84_100.0))
    assert driver.ticks()["a"].tolist() == [84_100.0]


def test_a_book_far_from_bookticker_and_mark_is_taken_out_of_force(driver: Driver) -> None:
    driver.send(driver.market.quote(), mark(driver, 60_000.0))
    kinds(driver)
    held = driver.intake.full_book(0).bids[:, 0].tolist()
    event = driver.market.step()
    gone = [[f"{price:.2f}", "0.000"] for price in held]
    event["b"] = [["40000.00", "1.000"], *sorted(gone, key=lambda level: float(level[0]))]
    driver.send(event)
    assert not driver.shared_valid
    ticks = driver.ticks()
    assert [int(kind) for kind in ticks["kind"]] == [STATUS]
    assert ticks[0]["b"] == Reason.ABSURD


# ---- times


@pytest.mark.parametrize("what", ["step", "quote", "trade"])
@pytest.mark.parametrize("shift_ms", [HOUR_MS, -HOUR_MS])
def test_an_event_time_that_cannot_be_is_replaced(driver: Driver, what: str, shift_ms: int) -> None:
    driver.send(driver.market.step(), driver.market.quote(), driver.market.trade())
    now_ms = driver.market.time_ms
    kinds(driver)
    if what != "step":
        driver.market.step()
    payload = getattr(driver.market, what)()
    for key in "ET":
        payload[key] += shift_ms
    if what == "quote":
        payload["u"] += 1
    driver.send(payload)
    if what == "step":
        assert driver.shared_valid
    ticks = driver.ticks()
    told = ticks[ticks["kind"] != GAP]
    if len(told):
        assert abs(int(told[-1]["ts_event_ns"]) - now_ms * MS) < 2_000 * MS
    assert driver.counter("times_refused") >= 1
    lead_ns = driver.intake.take_clock_lead_ns()
    assert lead_ns is not None
    assert lead_ns < (now_ms + 5_000) * MS - driver.now_ns


def test_a_mark_price_an_hour_ahead_is_of_now(driver: Driver) -> None:
    driver.market.time_ms += HOUR_MS
    driver.send(mark(driver, 60_000.0))
    driver.market.time_ms -= HOUR_MS
    (tick,) = driver.ticks()
    assert tick["kind"] == MARK
    assert abs(int(tick["ts_event_ns"]) - driver.market.time_ms * MS) < 2_000 * MS


# ---- what is missing


def test_a_lost_trade_is_told_and_counted_and_the_book_stays_in_force(driver: Driver) -> None:
    driver.send(driver.market.trade())
    driver.market.trade(), driver.market.trade()
    kinds(driver)
    driver.send(driver.market.trade())
    gap, trade = driver.ticks()
    assert (gap["kind"], gap["a"], gap["b"], gap["c"]) == (GAP, 1002.0, 1004.0, 1.0)
    assert trade["kind"] == TRADE
    assert driver.counter("trade_gaps") == 2
    assert driver.shared_valid


def test_a_trade_number_without_a_public_trade_is_no_gap(driver: Driver) -> None:
    driver.send(driver.market.trade())
    driver.send({**driver.market.trade(), "p": "0", "q": "0", "X": "NA"})
    driver.send(driver.market.trade())
    assert kinds(driver) == [TRADE, TRADE]
    assert driver.counter("trade_gaps") == 0


def test_an_unreadable_event_is_a_gap_and_a_resync_is_told(driver: Driver) -> None:
    last_id = driver.market.update_id
    driver.send(b'{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","u":NaN}}')
    assert not driver.shared_valid
    gap, status = driver.ticks()
    assert (gap["kind"], gap["a"], gap["b"], gap["c"]) == (GAP, last_id, 0.0, 0.0)
    assert status["b"] == Reason.GAP
    driver.send(driver.market.step())
    assert driver.snapshot()
    ticks = driver.ticks()
    (resync,) = ticks[ticks["kind"] == RESYNC]
    assert resync["a"] == driver.market.update_id
    assert (resync["b"], resync["c"]) == (last_id, Reason.GAP)
    assert 59.0 < resync["d"] < 61.0


# ---- the edge of a snapshot


def shallow(driver: Driver, levels: int) -> None:
    """Synchronise anew with a snapshot of so few levels a side."""
    driver.intake.on_disconnected([0], Reason.DISCONNECTED, driver.now_ns)
    driver.intake.on_subscribed(0, driver.now_ns)
    driver.send(driver.market.step())
    driver.now_ns += 60_000_000_000
    (request,) = driver.intake.snapshots.due(driver.now_ns)
    body = driver.market.snapshot()
    body["bids"], body["asks"] = body["bids"][:levels], body["asks"][:levels]
    assert driver.intake.on_snapshot(request, compact(body), driver.now_ns, levels)


def test_no_level_is_shown_behind_the_edge_of_the_snapshot(driver: Driver) -> None:
    # The driver's snapshots take a minute of ours and none of the exchange's.
    driver.intake.set_clock_lead_ns(NO_CLOCK)
    shallow(driver, 10)
    valid = 0
    for _ in range(300):
        driver.send(driver.market.step())
        view = driver.memory.books.read(0)
        assert view is not None
        if not view.valid:
            shallow(driver, 10)
            continue
        valid += 1
        bids, asks = driver.market.truth[view.update_id]
        true = sorted(bids.items(), reverse=True), sorted(asks.items())
        for shown, levels in zip((view.bids, view.asks), true, strict=True):
            assert 5 <= len(shown) <= 20
            expected = [[ticks / 100, lots / 1000] for ticks, lots in levels[: len(shown)]]
            assert shown.tolist() == expected
    assert valid > 200


def test_a_market_that_reaches_the_edge_needs_another_snapshot(driver: Driver) -> None:
    shallow(driver, 10)
    kinds(driver)
    event = driver.market.step()
    best = sorted(driver.market.bids, reverse=True)[:8]
    gone = [[f"{ticks / 100:.2f}", "0.000"] for ticks in sorted(best)]
    driver.send({**event, "b": gone, "a": []})
    assert not driver.shared_valid
    ticks = driver.ticks()
    assert ticks[ticks["kind"] == STATUS]["b"].tolist() == [Reason.SHALLOW]


def test_a_snapshot_with_fewer_levels_than_asked_for_is_the_whole_book(driver: Driver) -> None:
    driver.intake.on_disconnected([0], Reason.DISCONNECTED, driver.now_ns)
    driver.intake.on_subscribed(0, driver.now_ns)
    driver.send(driver.market.step())
    driver.now_ns += 60_000_000_000
    (request,) = driver.intake.snapshots.due(driver.now_ns)
    body = compact(driver.market.snapshot())
    assert driver.intake.on_snapshot(request, body, driver.now_ns, 1000)
    driver.assert_book_is_true()


def test_a_book_whose_events_come_late_is_withheld_until_they_do_not(
    make_intake: Callable[..., Intake],
) -> None:
    """The snapshot is fresh, so the first event that joins it is as old as the stream is late."""
    intake = make_intake(["BTCUSDT"])
    market = Market(1)
    intake.on_subscribed(0, 1)

    def send(payload: dict[str, Any], late_s: float) -> None:
        intake.recv_ns = int((payload["E"] - market_began_ms) * 1_000_000 + late_s * 1e9 + 10**12)
        text = frame(payload)
        intake.take(text, len(text), intake.recv_ns)

    market_began_ms = market.time_ms
    # Our clock shows 10^12 ns when the exchange's shows the beginning.
    intake.set_clock_lead_ns(market_began_ms * 1_000_000 - 10**12)
    send(market.step(), 5.0)
    (request,) = intake.snapshots.due(2**62)
    assert intake.on_snapshot(request, compact(market.snapshot()), intake.recv_ns)
    for late_s in (5.0, 4.0, 2.5):
        send(market.step(), late_s)
        assert intake.valid == [False]
        assert not intake.books.is_valid(0)
    send(market.step(), 0.1)
    assert intake.valid == [True]
    assert intake.books.is_valid(0)
    view = intake.books.read(0)
    assert view is not None and view.update_id == market.update_id
    # One that was in force and falls behind is the freshness watch's business, not this rule's.
    send(market.step(), 3.0)
    assert intake.valid == [True]
