"""A key, an address or a whole box that the exchange refuses over REST: it halts, and no loop asks.

What it says on the order connection is in `test_core`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aegis.execution import order_states as states
from aegis.execution.errors import BlockedError, RateLimitedError, UnusableSetupError
from aegis.execution.words import RECONCILE_WANTED
from aegis.host.clock import monotonic_ns
from aegis.risk.controls import Control
from aegis.shm.outcome import EXPIRED
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import Rig, run, running
from tests.execution.test_user_stream import streaming, until

KEY = '{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}'
BAN = '{"code":-1003,"msg":"Way too many requests; IP banned."}'
REFUSALS = [
    (401, KEY, Control.CREDENTIALS),
    (403, "<html>blocked</html>", Control.FIREWALL),
    (451, "unavailable from a restricted location", Control.CREDENTIALS),
    (418, BAN, Control.BANNED),
]


@pytest.mark.parametrize(("status", "body", "control"), REFUSALS)
def test_a_question_that_is_refused_for_good_halts(
    tmp_path: Path, status: int, body: str, control: Control
) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            exchange.rest_faults["GET v3/positionRisk"] = [(status, body)]
            rig.session.core.words[RECONCILE_WANTED] += 1
            await rig.until(lambda: rig.counters["gate_state"] == 3, "HALTED")
            assert rig.counters["gate_reason"] == control

    run(day())


@pytest.mark.parametrize(("status", "body"), [(s, b) for s, b, _ in REFUSALS if s in (401, 451)])
def test_a_start_with_refused_access_ends(tmp_path: Path, status: int, body: str) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange:
            exchange.rest_faults["GET v1/accountConfig"] = [(status, body)] * 50
            rig = Rig(tmp_path, exchange)
            try:
                async with asyncio.timeout(8.0):
                    with pytest.raises(UnusableSetupError, match=f"status {status}"):
                        await rig.process.main()
            finally:
                rig.wiring.close()
                rig.memory.close()
                rig.memory.unlink()
            assert exchange.requests.count("GET v1/accountConfig") == 1

    run(day())


def test_a_blocked_start_is_tried_again_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firewall's 403 passes, and every request makes it last longer."""
    monkeypatch.setattr(BlockedError, "pause_s", 1.0)

    async def day() -> None:
        async with FakeExchange() as exchange:
            exchange.rest_faults["GET v1/accountConfig"] = [(403, "<html>blocked</html>")]
            begun_ns = monotonic_ns()
            async with running(tmp_path, exchange):
                assert monotonic_ns() - begun_ns > 1_000_000_000
                assert exchange.requests.count("GET v1/accountConfig") == 2

    run(day())


def test_a_429_that_tells_no_time_is_a_long_pause(tmp_path: Path) -> None:
    """Whoever goes on too soon is banned: as long as after one on the order connection."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            session = rig.session
            exchange.rest_faults["GET v3/balance"] = [(429, BAN)]
            with pytest.raises(RateLimitedError):
                await session.rest.balances()
            assert session.dispatcher.quiet_until_ms > session.rest.now_ms() + 8_000

    run(day())


def test_a_block_while_running_is_waited_out(tmp_path: Path) -> None:
    """Four looks a second would keep the firewall shut for ever."""

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            exchange.rest_faults["GET v1/openOrders"] = [(403, "<html>blocked</html>")] * 100
            rig.session.core.words[RECONCILE_WANTED] += 1
            await rig.until(lambda: rig.counters["gate_state"] == 3, "HALTED")
            await asyncio.sleep(1.5)
            left = len(exchange.rest_faults.pop("GET v1/openOrders"))
            assert left == 99, "one question met the block"

    run(day())


def test_a_block_while_an_order_is_asked_about_is_waited_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver looks twenty times a second, and asks of every order by itself."""
    monkeypatch.setattr(BlockedError, "pause_s", 1.0)

    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            first, second = await rig.placed(), await rig.placed()
            await rig.until(lambda: rig.counters["responses"] >= 2, "the answers")
            for ref in (first, second):
                # Over, and nobody has told: no cancel that the latch wants can settle it.
                rig.order_of(ref).status = "EXPIRED"
            exchange.rest_faults["GET v1/order"] = [(403, "<html>blocked</html>")] * 100
            for order in rig.session.core.open_orders():
                rig.session.core.apply(order.slot, states.CANCEL_LOST, monotonic_ns())
            await rig.until(lambda: rig.counters["gate_state"] == 3, "HALTED")
            blocked_ns = monotonic_ns()
            await asyncio.sleep(0.8)
            left = len(exchange.rest_faults.pop("GET v1/order"))
            assert left == 99, "one question met the block"
            await rig.outcome(first, EXPIRED)
            await rig.outcome(second, EXPIRED)
            assert monotonic_ns() - blocked_ns > 900_000_000

    run(day())


def test_a_stream_that_meets_a_block_is_made_again_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BlockedError, "pause_s", 1.0)

    async def day() -> None:
        async with streaming() as (exchange, stream, listener):
            blocked = exchange.rest_faults["POST v1/listenKey"] = [(403, "<html>blocked</html>")]
            stream.distrust()
            await until(lambda: not blocked)
            begun_ns = monotonic_ns()
            await until(lambda: listener.ups == 2)
            assert monotonic_ns() - begun_ns > 900_000_000

    run(day())
