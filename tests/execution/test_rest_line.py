"""Orders over REST while the order connection is down: the same outcomes, under the same ids."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aegis.execution import resolver, session
from aegis.execution.dispatcher import Dispatcher, Share
from aegis.execution.http_replies import HttpReply
from aegis.execution.limit_news import tell_limits
from aegis.execution.rest_line import _answer_of
from aegis.risk.controls import Control
from aegis.shm.outcome import ACCEPTED, CANCELED, DENIED, REJECTED, UNKNOWN
from aegis.shm.rate_ledger import RateLedger
from tests.execution.fake_exchange import FakeExchange, Fault
from tests.execution.rig import Rig, run, running
from tests.execution.test_replies import UNKNOWN_503

UNKNOWN_ANSWER = {"status": 503, "error": {"code": 0, "msg": UNKNOWN_503}}
FAILED_ANSWER = {"status": 503, "error": {"code": 0, "msg": "Service Unavailable."}}
DUPLICATE = {"status": 400, "error": {"code": -4116, "msg": "ClientOrderId is duplicated."}}


@pytest.fixture(autouse=True)
def _short_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "RECV_WINDOW_MS", 300)
    monkeypatch.setattr(resolver, "WINDOW_SLACK_MS", 100)


async def lose_the_line(exchange: FakeExchange, rig: Rig) -> None:
    """The order connection is gone and does not come back."""
    exchange.refuse_orders = True
    for line in list(exchange.order_lines):
        await line.close()
    await rig.until(lambda: not rig.session.gateway.is_connected, "the loss")
    await rig.until(lambda: rig.session.routes.is_up, "the line that stands in")


def test_rest_stands_in_for_the_order_line(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            before = await rig.placed()
            await lose_the_line(exchange, rig)
            ref = await rig.placed()
            assert exchange.placements == [rig.ids.text(1, before), rig.ids.text(1, ref)]
            for placed in (before, ref):
                rig.cancel(placed)
                await rig.outcome(placed, CANCELED)
            assert rig.of(ref) == [ACCEPTED, CANCELED]
            assert exchange.requests.count("POST v1/order") == 1
            assert exchange.requests.count("DELETE v1/order") == 2
            assert rig.counters["orders_sent"] == 2 and rig.counters["cancels_sent"] == 2
            exchange.refuse_orders = False
            await rig.until(lambda: rig.session.gateway.is_connected, "the return")
            await rig.placed()
            assert exchange.requests.count("POST v1/order") == 1, "the first line is used again"

    run(day())


@pytest.mark.parametrize("placed", [True, False])
@pytest.mark.parametrize("how", ["503", "cut"])
def test_an_unknown_placement_is_asked_about(tmp_path: Path, placed: bool, how: str) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await lose_the_line(exchange, rig)
            exchange.tell = lambda *_, **__: None  # type: ignore[method-assign]
            fault = Fault(carried_out=placed, answer=UNKNOWN_ANSWER, cut=how == "cut")
            exchange.place_faults = [fault]
            ref = rig.send()
            await rig.outcome(ref, UNKNOWN)
            assert rig.session.gate.exposure[0]["open_buy_lots"] == 2
            told = await rig.outcome(ref, ACCEPTED if placed else REJECTED)
            assert told["code"] == (0 if placed else -2013)
            assert exchange.placements == [rig.ids.text(1, ref)], "never sent again"

    run(day())


def test_the_other_outcomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Long enough to wait until the overloaded exchange may be asked again.
    monkeypatch.setattr(session, "RECV_WINDOW_MS", 4_000)

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await lose_the_line(exchange, rig)
            exchange.place_faults = [Fault(carried_out=False, answer=FAILED_ANSWER)]
            failed = rig.send()
            await rig.outcome(failed, REJECTED)
            assert rig.of(failed) == [REJECTED]
            # "Duplicate" proves that the first copy is there: it is adopted.
            exchange.tell = lambda *_, **__: None  # type: ignore[method-assign]
            exchange.place_faults = [Fault(answer=DUPLICATE)]
            there = rig.send()
            await rig.outcome(there, ACCEPTED)
            assert rig.of(there) == [UNKNOWN, ACCEPTED]
            assert len(exchange.placements) == 2

    run(day())


def test_without_any_line_nothing_is_sent(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await lose_the_line(exchange, rig)
            rig.session.routes.fallback = None
            rig.session._judge_link()
            refused = rig.send()
            assert (await rig.outcome(refused, DENIED))["reason"] == Control.ORDER_LINK
            assert exchange.placements == []

    run(day())


def test_without_room_orders_wait_cancels_go_and_nothing_goes_that_is_not_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "RECV_WINDOW_MS", 8_000)

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            resting = await rig.placed()
            dispatcher = rig.session.dispatcher
            now_ms = rig.session.rest.now_ms()
            dispatcher.on_rate_limited(-1015, 1_000, now_ms)
            waiting, unwanted = rig.send(), rig.send()
            await rig.until(lambda: dispatcher.waiting == 2, "two to wait")
            rig.cancel(unwanted)
            await rig.outcome(unwanted, REJECTED)
            rig.cancel(resting)
            await rig.outcome(resting, CANCELED)
            told = await rig.outcome(waiting, ACCEPTED)
            assert told["code"] == 0
            names = [rig.ids.text(1, ref) for ref in (resting, waiting)]
            assert exchange.placements == names, "the unwanted one never left"

    run(day())


def test_an_order_that_waits_beyond_its_window_never_leaves(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            rig.session.dispatcher.on_rate_limited(-1015, 60_000, rig.session.rest.now_ms())
            ref = rig.send()
            assert (await rig.outcome(ref, REJECTED))["code"] == -1015
            assert exchange.placements == []
            assert rig.session.gate.exposure[0]["open_buy_lots"] == 0

    run(day())


def test_a_ban_stops_everything_and_halts(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            end_ms = rig.session.rest.now_ms() + 300
            text = f"Way too many requests; IP banned until {end_ms}."
            banned = {"status": 418, "error": {"code": -1003, "msg": text}}
            exchange.place_faults = [Fault(carried_out=False, answer=banned)]
            refused = rig.send()
            await rig.outcome(refused, REJECTED)
            assert rig.session.gate.latch.reason == Control.BANNED
            asked = len(exchange.requests)
            dispatcher = rig.session.dispatcher
            while rig.session.rest.now_ms() < end_ms - 50:
                assert not dispatcher.admit_query(Share.KILL, 1, rig.session.rest.now_ms())
                assert len(exchange.requests) == asked, "nothing left in the ban"
                await asyncio.sleep(0.01)

    run(day())


@pytest.mark.parametrize(
    "body", [b'{"code":-1003,"msg":"Too many requests."}', b"<html>banned</html>"]
)
def test_a_ban_lasts_as_long_as_the_header_says(body: bytes) -> None:
    dispatcher = Dispatcher(RateLedger.private())
    tell_limits(dispatcher, _answer_of(1, HttpReply(418, {"retry-after": "3"}, body)), 1_000_000)
    assert dispatcher.quiet_until_ms == 1_003_000
