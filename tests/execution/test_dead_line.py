"""A line that ends under a batch: what it may have had is unknown, the rest goes another way.

A transport tells of its end a turn of the loop after it has begun to drop what it is given.
"""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

import pytest

from aegis.execution import resolver, session
from aegis.execution.gateway import OrderGateway
from aegis.shm.outcome import ACCEPTED, DENIED, REJECTED, UNKNOWN
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import Rig, run, running

# More than a transport drops in silence, and more than the other line takes at once.
_ORDERS = 12


@pytest.fixture(autouse=True)
def _short_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "RECV_WINDOW_MS", 600)
    monkeypatch.setattr(resolver, "WINDOW_SLACK_MS", 100)


def _batch(rig: Rig) -> list[int]:
    """Orders at different prices, taken at once; their references."""
    refs = [rig.send(price_ticks=599_900 - at) for at in range(_ORDERS)]
    rig.process._serve()
    return refs


def _ids(rig: Rig, refs: list[int]) -> list[str]:
    return [rig.ids.text(1, ref) for ref in refs]


def test_a_line_that_is_being_closed_takes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await rig.until(
                lambda: rig.session.routes.fallback and rig.session.routes.fallback.is_ready,
                "the line that stands in",
            )
            rig.session.gateway._transport.disconnect()  # type: ignore[union-attr]
            assert not rig.session.gateway.is_connected
            refs = _batch(rig)
            for ref in refs:
                await rig.outcome(ref, ACCEPTED)
            assert all(rig.of(ref) == [ACCEPTED] for ref in refs), "their fate was never open"
            assert sorted(exchange.placements) == sorted(_ids(rig, refs))
            assert rig.session.routes.fallback_requests > 0
            assert rig.counters["orders_sent"] == _ORDERS

    with caplog.at_level(logging.WARNING):
        run(day())
    assert caplog.messages == []


def test_a_line_that_breaks_under_a_batch_may_have_had_one_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            await rig.until(
                lambda: rig.session.routes.fallback and rig.session.routes.fallback.is_ready,
                "the line that stands in",
            )
            transport = rig.session.gateway._transport
            assert transport is not None
            descriptor = transport.underlying_transport.get_extra_info("socket").fileno()
            with socket.socket(fileno=os.dup(descriptor)) as end:
                end.shutdown(socket.SHUT_WR)
            first, *rest = _batch(rig)
            for ref in rest:
                await rig.outcome(ref, ACCEPTED)
            assert all(rig.of(ref) == [ACCEPTED] for ref in rest), "the line never had them"
            assert rig.of(first)[:1] == [UNKNOWN], "its bytes met the end of the line"
            await rig.outcome(first, REJECTED)
            assert sorted(exchange.placements) == sorted(_ids(rig, rest))
            await rig.until(lambda: rig.counters["orders_unknown"] == 0, "nothing unknown")

    with caplog.at_level(logging.WARNING):
        run(day())
    assert caplog.messages == []


def test_without_another_line_the_rest_is_refused_for_certain(tmp_path: Path) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            assert rig.session.routes.fallback is not None
            rig.session.routes.fallback.close()
            rig.session.gateway._transport.disconnect()  # type: ignore[union-attr]
            refs = _batch(rig)
            told = [rig.of(ref) for ref in refs]
            await rig.until(lambda: all(rig.of(ref) for ref in refs), f"an answer, after {told}")
            assert all(rig.of(ref) in ([REJECTED], [DENIED]) for ref in refs)
            assert exchange.placements == []

    run(day())


def test_a_line_that_is_replaced_before_its_end_was_told_is_lost_all_the_same(
    tmp_path: Path,
) -> None:
    async def day() -> None:
        async with FakeExchange() as exchange, running(tmp_path, exchange) as rig:
            access = rig.process._access
            cuts: list[bool] = []
            gateway = OrderGateway(
                access.endpoints,
                await access.keys(),
                rig.session.rest.now_ms,
                lambda answer, now_ns: None,
                lambda: cuts.append(True),
            )
            await gateway.connect()
            gateway._transport.disconnect()  # type: ignore[union-attr]
            assert not cuts and not gateway.is_connected
            await gateway.connect()
            # Once: the former transport's own word, which comes now, is of no line of ours.
            assert cuts == [True] and gateway.is_connected
            await rig.placed()
            gateway.close()
            assert cuts == [True]

    run(day())
