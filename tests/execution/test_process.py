"""The process against a fake exchange over real sockets: the good day, the bad line, the end."""

from __future__ import annotations

import asyncio
import os
import signal
from decimal import Decimal
from pathlib import Path

import pytest

from aegis.execution import intake, resolver, session
from aegis.execution.client_id import ClientIds
from aegis.execution.errors import UnusableSetupError
from aegis.risk.controls import Control
from aegis.shm.outcome import (
    ACCEPTED,
    CANCELED,
    DENIED,
    FILL,
    POSITION,
    REJECTED,
    UNKNOWN,
)
from tests.execution.fake_exchange import FakeExchange, Fault
from tests.execution.harness import LIMITS
from tests.execution.rig import Rig, run, running

TIMEOUT_1007 = {"status": 408, "error": {"code": -1007, "msg": "Timeout waiting for response."}}


@pytest.fixture(autouse=True)
def _short_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of 300 ms, so that a proof of absence takes no three seconds.

    And no time-out, so that what should be noticed at once is not merely noticed in the end.
    """
    monkeypatch.setattr(session, "RECV_WINDOW_MS", 300)
    monkeypatch.setattr(resolver, "WINDOW_SLACK_MS", 100)
    monkeypatch.setattr(resolver, "ANSWER_TIMEOUT_NS", 1 << 60)


def test_a_good_day(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            first = rig.last(POSITION)
            assert (first["epoch"], first["intent_id"], first["position_lots"]) == (1, 0, 0)
            ref = await rig.placed()
            assert exchange.open_ids() == [rig.ids.text(1, ref)]
            exchange.fill(rig.order_of(ref), "0.001")
            told = await rig.outcome(ref, FILL)
            assert (told["position_lots"], told["cum_qty_lots"], told["fee"]) == (1, 1, 0.01)
            rig.cancel(ref)
            await rig.outcome(ref, CANCELED)
            assert rig.of(ref) == [ACCEPTED, FILL, CANCELED]
            rig.canary(17)
            await rig.until(lambda: rig.counters["canary_number"] == 17, "the canary")
            resting = await rig.placed()
            assert rig.counters["orders_sent"] == 2 and rig.counters["cancels_sent"] == 1
            await rig.until(lambda: rig.counters["state"] == 2, "state ready")
            await rig.until(lambda: rig.counters["fills"] == 1, "the counters")
            assert rig.counters["fees_e8"] == 1_000_000
            ticks = rig.memory.histograms["execution"]["tick_to_order_ns"].percentiles()
            assert ticks["count"] == 2 and ticks["max"] < 1_000_000_000
            assert resting
        assert exchange.open_ids() == [] and rig.exit_code == 0
        assert "GET v1/openOrders" in exchange.requests[-3:], "asked, not assumed"

    run(day())
    shown = "".join(capfd.readouterr())
    assert "SECRETcanary" not in shown and "KEYaaa" not in shown and "PRIVATE" not in shown


def test_a_start_cleans_up_after_a_crash(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            stale = ClientIds("t", 100_000_000).text(1, 4)
            exchange.add(stale)
            exchange.position, exchange.entry = Decimal("-0.007"), "61000.50"
            async with running(tmp_path, exchange) as rig:
                assert exchange.orders[stale].status == "CANCELED"
                told = rig.last(POSITION)
                assert told["position_lots"] == -7
                assert told["entry_price"] == pytest.approx(61_000.5)
                assert rig.counters["gate_state"] == 1

    run(day())


def test_a_lost_answer_is_no_second_order(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            exchange.place_faults = [Fault(silent=True)]
            ref = await rig.placed()
            assert exchange.placements == [rig.ids.text(1, ref)]
            rig.cancel(ref)
            await rig.outcome(ref, CANCELED)

    run(day())


@pytest.mark.parametrize("placed", [True, False])
@pytest.mark.parametrize("how", ["-1007", "cut"])
def test_an_unknown_placement_is_asked_about(tmp_path: Path, placed: bool, how: str) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            # The stream is deaf to it: only the query can tell.
            exchange.tell = lambda *_, **__: None  # type: ignore[method-assign]
            fault = Fault(carried_out=placed, answer=TIMEOUT_1007, cut=how == "cut")
            exchange.place_faults = [fault]
            ref = rig.send()
            await rig.outcome(ref, UNKNOWN)
            assert rig.session.gate.exposure[0]["open_buy_lots"] == 2
            told = await rig.outcome(ref, ACCEPTED if placed else REJECTED)
            assert told["code"] == (0 if placed else -2013)
            assert exchange.placements == [rig.ids.text(1, ref)], "never sent again"
            await rig.until(lambda: rig.session.gateway.is_connected, "the line")
            again = await rig.placed()
            assert again == ref + 1
        assert rig.exit_code == 0 and exchange.open_ids() == []

    run(day())


def test_absence_is_no_proof_while_the_order_may_still_arrive(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            exchange.tell = lambda *_, **__: None  # type: ignore[method-assign]
            exchange.place_faults = [Fault(carried_out=False, answer=TIMEOUT_1007)]
            # "Does not exist", and a moment later it does.
            exchange.after_absent = lambda client_id: exchange.add(client_id) and None
            ref = rig.send()
            await rig.outcome(ref, ACCEPTED)
            assert rig.of(ref) == [UNKNOWN, ACCEPTED]

    run(day())


def test_an_answer_that_never_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "ANSWER_TIMEOUT_NS", 100_000_000)

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            exchange.tell = lambda *_, **__: None  # type: ignore[method-assign]
            exchange.place_faults = [Fault(silent=True)]
            ref = rig.send()
            await rig.outcome(ref, ACCEPTED)
            assert rig.of(ref) == [UNKNOWN, ACCEPTED]
            exchange.cancel_faults = [Fault(silent=True)]
            rig.cancel(ref)
            await rig.outcome(ref, CANCELED)
            assert exchange.placements == [rig.ids.text(1, ref)]

    run(day())


def test_a_fill_before_the_answer_and_told_twice(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            exchange.place_faults = [
                Fault(before_answer=lambda order: exchange.fill(order, "0.002", told=2))
            ]
            ref = rig.send()
            await rig.outcome(ref, FILL)
            await rig.until(lambda: rig.counters["duplicates"] == 1, "the duplicate")
            assert rig.of(ref) == [ACCEPTED, FILL]
            assert rig.session.gate.exposure[0]["position_lots"] == 2

    run(day())


def test_a_cancel_that_lost_the_race(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed()
            exchange.cancel_faults = [
                Fault(before_answer=lambda order: exchange.fill(order, "0.002"))
            ]
            rig.cancel(ref)
            await rig.outcome(ref, FILL)
            await rig.until(lambda: rig.counters["open_orders"] == 0, "no open order")
            assert rig.of(ref) == [ACCEPTED, FILL]

    run(day())


def test_fills_that_the_stream_missed_are_fetched(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed()
            exchange.fill(rig.order_of(ref), "0.001", told=0)
            exchange.cancel_faults = [
                Fault(before_answer=lambda order: exchange.fill(order, "0.001", told=0))
            ]
            rig.cancel(ref)
            await rig.until(lambda: rig.of(ref).count(FILL) == 2, "both fills")
            assert rig.session.gate.exposure[0]["position_lots"] == 2
            assert rig.session.gate.exposure[0]["fees_e8"] == 2_000_000

    run(day())


def test_a_refused_cancel_is_sent_again(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed()
            refusal = {"status": 400, "error": {"code": -1021, "msg": "Timestamp outside"}}
            exchange.cancel_faults = [Fault(carried_out=False, answer=refusal)]
            rig.cancel(ref)
            await rig.outcome(ref, CANCELED)
            assert exchange.open_ids() == []

    run(day())


def test_the_private_stream_goes_and_comes(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed()
            exchange.refuse_streams = True
            for stream in list(exchange.streams):
                await stream.close()
            await rig.until(lambda: rig.counters["private_connected"] == 0, "the loss")
            blind = rig.send()
            told = await rig.outcome(blind, DENIED)
            assert told["reason"] == Control.PRIVATE_STREAM
            # Filled while nobody listened: found by the reconciliation, position and all.
            exchange.fill(rig.order_of(ref), "0.002")
            exchange.refuse_streams = False
            await rig.outcome(ref, FILL)
            await rig.until(lambda: rig.counters["private_connected"] == 1, "the return")
            await rig.placed()
            assert rig.counters["gate_state"] == 1

    run(day())


def test_an_ended_listen_key_is_a_loss(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            keys = exchange.requests.count("POST v1/listenKey")
            exchange.push({"e": "listenKeyExpired", "E": "1", "listenKey": "x"})
            await rig.until(
                lambda: exchange.requests.count("POST v1/listenKey") > keys, "another key"
            )
            await rig.until(lambda: rig.session.is_reconciled, "the return")

    run(day())


@pytest.mark.parametrize("who", ["supervisor", "brain"])
def test_a_silent_process_takes_the_orders_with_it(tmp_path: Path, who: str) -> None:
    async def day() -> None:
        async with (
            FakeExchange() as exchange,
            running(tmp_path, exchange, heartbeat_timeout_ms=200) as rig,
        ):
            ref = await rig.placed()
            rig.beating.discard(who)
            await rig.outcome(ref, CANCELED)
            refused = rig.send()
            assert (await rig.outcome(refused, DENIED))["reason"] == Control.DEADMAN
            rig.beating.add(who)
            await rig.until(lambda: rig.session.gate.blocks == 0, "the block to clear")
            await rig.placed()
            assert rig.counters["gate_state"] == 1, "it heals by itself, the latch did not move"

    run(day())


def test_what_was_decided_while_it_stood_still_waits_for_the_look(tmp_path: Path) -> None:
    """It goes on after a stop, and the first thing it sees is an intent of a silent brain."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await rig.placed()
            rig.beating.discard("brain")
            rig.memory.counters["brain"]["loop_ts_ns"] = 1
            rig.process._looked_ns = 0
            late = rig.send()
            rig.process._serve()
            assert (await rig.outcome(late, DENIED))["reason"] == Control.DEADMAN
            assert len(exchange.placements) == 1

    run(day())


def test_a_silent_feed_takes_the_orders_with_it(tmp_path: Path) -> None:
    async def day() -> None:
        async with (
            FakeExchange() as exchange,
            running(tmp_path, exchange, heartbeat_timeout_ms=200) as rig,
        ):
            ref = await rig.placed()
            rig.beating -= {"feed", "book"}
            await rig.outcome(ref, CANCELED)

    run(day())


def test_another_brain_starts_with_nothing_resting(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            ref = await rig.placed()
            rig.memory.control.next_generation("brain")
            await rig.outcome(ref, CANCELED)
            late = rig.send(epoch=1)
            assert (await rig.outcome(late, DENIED))["reason"] == Control.STALE_EPOCH
            rig.resync(intent_id=9_000)
            await rig.until(
                lambda: rig.last(POSITION)["intent_id"] == 9_000, "the answer to the resync"
            )
            assert rig.last(POSITION)["epoch"] == 2
            await rig.placed(order_ref=1)

    run(day())


def test_the_resync_of_a_brain_that_is_over_brings_it_not_back(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await rig.placed()
            epoch = rig.session.core.epoch
            rig.session.resync(epoch + 1, 5_000)
            rig.session.resync(epoch, 4_000)
            assert rig.session.core.epoch == epoch + 1 and rig.session.asked_by == 5_000

    run(day())


def test_a_resync_cancels_before_it_answers(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            refs = [await rig.placed() for _ in range(3)]
            rig.resync(intent_id=5_000)
            await rig.until(lambda: rig.last(POSITION)["intent_id"] == 5_000, "the answer")
            assert exchange.open_ids() == []
            kinds = [int(o["kind"]) for o in rig.told]
            assert kinds.count(CANCELED) == 3 and kinds[-1] == POSITION
            assert all(CANCELED in rig.of(ref) for ref in refs)

    run(day())


@pytest.mark.parametrize("wait", ["spin", "backoff"])
def test_a_loop_that_looks_instead_of_sleeping(tmp_path: Path, wait: str) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            rig.process._parking._poll_ns = intake._POLL_NS[wait]
            for _ in range(5):
                rig.cancel(await rig.placed())
            await rig.until(lambda: not exchange.open_ids(), "every cancel")

    run(day())


def test_sigterm_drains(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await rig.placed()
            os.kill(os.getpid(), signal.SIGTERM)
            await rig.until(lambda: rig.counters["state"] == 5, "the end")
            assert exchange.open_ids() == []
        assert rig.exit_code == 0

    run(day())


def test_an_end_that_cannot_be_confirmed_is_said(tmp_path: Path) -> None:
    async def day() -> None:
        async with (
            FakeExchange() as exchange,
            running(tmp_path, exchange, drain_timeout_ms=500) as rig,
        ):
            await rig.placed()
            exchange.rest_faults["GET v1/openOrders"] = [(503, "Service Unavailable.")] * 1_000
            exchange.cancel_faults = [Fault(carried_out=False, silent=True)] * 100
        assert rig.exit_code == 1

    run(day())


def test_the_end_finds_what_nobody_knew_of(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            exchange.add(rig.ids.text(1, 999))
        assert exchange.open_ids() == [] and rig.exit_code == 0

    run(day())


def test_it_waits_for_an_exchange_and_answers_the_brain_meanwhile(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            exchange.refuse_streams = True
            async with running(tmp_path, exchange, ready=False) as rig:
                rig.memory.counters["venue"]["port"] = 0
                ref = rig.send()
                rig.canary(3)
                await rig.until(lambda: rig.counters["canary_number"] == 3, "the canary")
                await rig.outcome(ref, DENIED)
                rig.resync(intent_id=77)
                exchange.refuse_streams = False
                rig.memory.counters["venue"]["port"] = exchange.port
                await rig.until(lambda: rig.counters["ready"] == 1, "ready")
                await rig.until(lambda: rig.last(POSITION) is not None, "the positions")
                assert rig.last(POSITION)["intent_id"] == 77
                await rig.placed()

    run(day())
    shown = "".join(capfd.readouterr())
    reason = "not ready, and tried again: the exchange has no address yet"
    assert shown.count(reason) == 1, "it is said once, not at every attempt"


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ('{"dualSidePosition":true}', "hedge mode"),
        ('{"multiAssetsMargin":true}', "multi-assets"),
        ('{"canTrade":false}', "may not trade"),
    ],
)
def test_an_account_that_cannot_be_traded_with(tmp_path: Path, fault: str, text: str) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            exchange.rest_faults["GET v1/accountConfig"] = [(200, fault)]
            rig = Rig(tmp_path, exchange)
            with pytest.raises(UnusableSetupError, match=text):
                await rig.process.main()
            rig.wiring.close()
            rig.memory.close()

    run(day())


def test_the_days_loss_outlives_the_process(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            rig = Rig(tmp_path, exchange)
            rig.counters["realized_pnl_e8"] = -int(LIMITS["max_daily_loss"] * 1e8)
            rig.counters["fees_e8"] = 1
            beating = asyncio.create_task(rig.beat_for_ever())
            main = asyncio.create_task(rig.process.main())
            await rig.until(lambda: rig.counters["ready"], "ready")
            await rig.until(lambda: rig.counters["gate_state"] == 2, "REDUCING, without an order")
            assert rig.counters["gate_reason"] == Control.DAILY_LOSS
            assert (await rig.outcome(rig.send(), DENIED))["reason"] == Control.KILL
            assert rig.counters["fees_e8"] == 1
            rig.session._day -= 1
            await rig.until(lambda: rig.session.gate.day_pnl_e8 == 0.0, "another day")
            rig.memory.control.drain("execution")
            assert await main == 0
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            rig.wiring.close()
            rig.memory.close()

    run(day())


def test_a_latch_outlives_the_process(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            rig = Rig(tmp_path, exchange)
            rig.counters["gate_state"], rig.counters["gate_reason"] = 3, 41
            rig.process.__init__(  # type: ignore[misc]
                rig.process._settings, rig.memory, rig.wiring
            )
            rig.beat()
            main = asyncio.create_task(rig.process.main())
            await rig.until(lambda: rig.counters["ready"], "ready")
            await rig.until(lambda: rig.counters["state"] == 3, "degraded")
            assert (rig.counters["gate_state"], rig.counters["gate_reason"]) == (3, 41)
            rig.memory.control.drain("execution")
            assert await main == 0
            rig.wiring.close()
            rig.memory.close()

    run(day())
