"""The layers at the exchange: the countdown and the stop, for the time when nobody is left."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis.execution.countdown import WEIGHT, WEIGHT_A_MINUTE, Countdown, Winding
from aegis.host.clock import monotonic_ns
from aegis.risk.controls import Control
from aegis.risk.gate_state import BLOCK_COUNTDOWN
from aegis.shm.intent import IOC, MARKET
from aegis.shm.outcome import DENIED, FILL
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import Rig, run, running
from tests.execution.test_against_venue import market, top

SECOND_NS = 1_000_000_000


def wind(countdown: Countdown, now_s: float, *symbols: str, well: bool = True) -> list[Winding]:
    """What is due, taken as sent."""
    now_ns = int(now_s * SECOND_NS)
    due = countdown.due(now_ns, well, symbols)
    for winding in due:
        countdown.sent(winding, now_ns)
    return due


def test_it_is_wound_up_at_once_and_then_at_intervals() -> None:
    countdown = Countdown(60.0, 15.0)
    assert wind(countdown, 0, "BTCUSDT") == [Winding("BTCUSDT", 60_000)]
    assert wind(countdown, 14.9, "BTCUSDT") == []
    assert wind(countdown, 15, "BTCUSDT", "ETHUSDT") == [
        Winding("BTCUSDT", 60_000),
        Winding("ETHUSDT", 60_000),
    ]


def test_it_runs_while_something_is_amiss() -> None:
    countdown = Countdown(60.0, 15.0)
    wind(countdown, 0, "BTCUSDT")
    for now_s in range(1, 120):
        assert wind(countdown, now_s, "BTCUSDT", well=False) == []
    assert wind(countdown, 120, "BTCUSDT") == [Winding("BTCUSDT", 60_000)]


def test_one_that_guards_nothing_is_stopped() -> None:
    countdown = Countdown(60.0, 15.0)
    wind(countdown, 0, "BTCUSDT")
    assert wind(countdown, 14) == []
    assert wind(countdown, 15) == [Winding("BTCUSDT", 0)]
    assert wind(countdown, 99) == [] and countdown.armed == []


def test_a_call_that_failed_is_due_again() -> None:
    countdown = Countdown(60.0, 15.0)
    assert countdown.due(0, True, ["BTCUSDT"]) == countdown.due(1, True, ["BTCUSDT"])


def test_one_that_may_have_run_out_is_told_in_time() -> None:
    countdown = Countdown(60.0, 15.0)
    assert not countdown.is_lapsing(0), "what was never wound up is wound up at the next look"
    wind(countdown, 10, "BTCUSDT")
    assert not countdown.is_lapsing(68 * SECOND_NS)
    assert countdown.is_lapsing(68 * SECOND_NS + 1), "an order may be two seconds on its way"
    wind(countdown, 69, "BTCUSDT")
    assert not countdown.is_lapsing(70 * SECOND_NS)


def test_a_short_one_leaves_an_order_its_way_too() -> None:
    short = Countdown(4.5, 1.5)
    wind(short, 0, "BTCUSDT")
    assert not short.is_lapsing(5 * SECOND_NS // 2), "it is wound up again before"
    assert short.is_lapsing(5 * SECOND_NS // 2 + 1), "two seconds on its way, as ever"
    # The exchange's weight makes it longer than was asked for, and that is what counts.
    shortest = Countdown(1.0, 0.1)
    ((_, length_ms),) = wind(shortest, 0, "BTCUSDT")
    assert not shortest.is_lapsing((length_ms - 2_000) * 1_000_000)
    assert shortest.is_lapsing((length_ms - 2_000) * 1_000_000 + 1)


def test_without_a_countdown_nothing_is_sent() -> None:
    assert wind(Countdown(0.0, 15.0), 0, "BTCUSDT") == []


@given(st.integers(1, 600), st.floats(1.0, 60.0))
def test_many_symbols_stay_below_their_weight(count: int, refresh_s: float) -> None:
    countdown = Countdown(4 * refresh_s, refresh_s)
    symbols = [f"S{number}USDT" for number in range(count)]
    first = wind(countdown, 0, *symbols)
    assert len(first) == count
    interval_s = max(refresh_s, count * WEIGHT * 60 / WEIGHT_A_MINUTE)
    assert wind(countdown, interval_s * 0.99, *symbols) == []
    assert len(wind(countdown, interval_s * 1.01, *symbols)) == count
    assert count * WEIGHT * 60 / interval_s <= WEIGHT_A_MINUTE * 1.0001
    assert first[0].countdown_ms >= 2.9 * interval_s * 1_000, "two lost refreshes are survived"


def test_a_session_winds_it_up_only_while_all_is_well(tmp_path: Path) -> None:
    async def day() -> None:
        async with (
            FakeExchange() as exchange,
            running(tmp_path, exchange, countdown_refresh_s=0.1) as rig,
        ):
            calls = lambda: exchange.requests.count("POST v1/countdownCancelAll")  # noqa: E731
            assert calls() >= 1, "before the first order"
            first = exchange.requests.index("POST v1/countdownCancelAll")
            assert "GET v3/positionRisk" in exchange.requests[:first], "after reconciling"
            await rig.placed()
            await rig.until(lambda: calls() >= 4, "three refreshes")
            rig.beating.discard("brain")
            await rig.until(lambda: not rig.session.dead_man.is_well, "the brain to be missed")
            await rig.until(lambda: not exchange.open_ids(), "its orders to go")
            seen = calls()
            await asyncio.sleep(0.4)  # four refreshes long
            assert calls() <= seen + 1, "a dead brain winds nothing up"

    run(day())


def test_nothing_new_is_risked_when_it_cannot_be_wound_up(tmp_path: Path) -> None:
    async def day() -> None:
        async with (
            FakeExchange() as exchange,
            running(tmp_path, exchange, countdown_s=0.6, countdown_refresh_s=0.2) as rig,
        ):
            await rig.placed()
            action = "POST v1/countdownCancelAll"
            exchange.rest_faults[action] = [(503, "Service Unavailable.")] * 10_000
            blocked = lambda: rig.session.gate.blocks == BLOCK_COUNTDOWN  # noqa: E731
            await rig.until(blocked, "the block")
            assert (await rig.outcome(rig.send(), DENIED))["reason"] == Control.DEADMAN
            exchange.rest_faults.clear()
            await rig.until(lambda: rig.session.gate.blocks == 0, "the next winding")
            await rig.placed()

    run(day())


def _trade_until_killed(folder: Path, port: int, credentials: Any, resting: Any) -> None:
    """Execution in a process of its own; sets `resting` once it has orders at the exchange."""

    class Peer:
        pass

    peer: Any = Peer()
    peer.port, peer.credentials = port, credentials

    async def live() -> None:
        async with running(folder, peer, countdown_s=1, countdown_refresh_s=0.2) as rig:
            for at in range(3):
                await rig.placed(price_ticks=int(resting["price"]) - 10 * at)
            keeper_due = lambda: rig.counters["open_orders"] == 3  # noqa: E731
            await rig.until(keeper_due, "the orders")
            resting["count"] = 3
            await asyncio.Event().wait()

    run(live())


@pytest.mark.long
def test_a_killed_execution_leaves_nothing_resting(tmp_path: Path) -> None:
    """SIGKILL: nobody cancels, nobody restarts; the exchange does it within countdown + 2 s."""

    async def day() -> None:
        async with market(tmp_path / "first") as (venue, rig):
            context = multiprocessing.get_context("spawn")
            with context.Manager() as manager:
                shared = manager.dict(price=top(venue)[0] - 500, count=0)
                child = context.Process(
                    target=_trade_until_killed,
                    args=(tmp_path / "second", venue.port, rig.exchange.credentials, shared),
                    daemon=True,
                )
                child.start()
                try:
                    await placed_by(shared)
                    open_orders = lambda: len(own(venue))  # noqa: E731
                    assert open_orders() == 3
                    assert child.pid is not None
                    os.kill(child.pid, signal.SIGKILL)
                    killed_ns = monotonic_ns()
                    await rig.until(lambda: open_orders() == 0, "the countdown")
                    assert monotonic_ns() - killed_ns < 3 * SECOND_NS
                finally:
                    child.kill()
                    await asyncio.to_thread(child.join)

    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    run(day())


async def placed_by(shared: Any) -> None:
    """Another interpreter takes its time to begin."""
    async with asyncio.timeout(60.0):
        while shared["count"] != 3:
            await asyncio.sleep(0.02)


def own(venue: Any) -> list[Any]:
    """The client's orders that rest at the embedded exchange."""
    exchange = venue.core.exchange
    account = next(a for a in exchange.ledger.accounts.values() if a.name == "client-0")
    return list(exchange.orders.open_of(account.account_id))


def test_a_stop_rests_for_every_position_and_outlives_us(tmp_path: Path) -> None:
    async def day() -> None:
        async with market(tmp_path, protective_stop_bps=200) as (venue, rig):
            bought = rig.send(price_ticks=0, flags=IOC | MARKET, qty_lots=7)
            await rig.outcome(bought, FILL)
            stop = await stop_of(venue, rig)
            entry = Decimal(int(rig.session.gate.exposure[0]["cost_e8"])) / 7 / 10_000 / 10
            assert stop["side"] == "SELL" and stop["closePosition"] is True
            assert abs(Decimal(str(stop["triggerPrice"])) - entry * Decimal("0.98")) < 1
            turned = rig.send(price_ticks=0, flags=IOC | MARKET, side=-1, qty_lots=7)
            await rig.outcome(turned, FILL)
            await gone(venue)
            sold = rig.send(price_ticks=0, flags=IOC | MARKET, side=-1, qty_lots=7)
            await rig.outcome(sold, FILL)
            assert (await stop_of(venue, rig))["side"] == "BUY"
        assert len(venue.core.exchange.algos.live) == 1, "the end of execution leaves it there"

    run(day())


async def stop_of(venue: Any, rig: Rig) -> Any:
    """The one conditional order that waits."""
    async with asyncio.timeout(8.0):
        while not venue.core.exchange.algos.live:
            await asyncio.sleep(0.05)
    (row,) = await rig.session.rest.open_algo_orders()
    return row


async def gone(venue: Any) -> None:
    async with asyncio.timeout(8.0):
        while venue.core.exchange.algos.live:
            await asyncio.sleep(0.05)
