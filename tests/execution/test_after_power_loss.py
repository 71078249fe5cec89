"""After a boot: what was sent last may be unknown here, and may yet come to rest."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aegis.execution import reconcile
from aegis.execution.client_id import ClientIds
from aegis.execution.evidence import WINDOW_SLACK_MS
from aegis.execution.session import RECV_WINDOW_MS
from aegis.host.clock import monotonic_ns
from tests.execution.fake_exchange import FakeExchange
from tests.execution.rig import run, running
from tests.execution.test_recovery import killed

PATIENT = {"drain_timeout_ms": 8_000}
WINDOW_NS = (RECV_WINDOW_MS + WINDOW_SLACK_MS) * 1_000_000


def test_nothing_rests_is_said_when_nothing_unknown_can_arrive_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a session that began after a power loss waits for the window of lost orders."""

    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange, **PATIENT) as rig:
                ids = ClientIds("t", rig.ids.run, "none")
            booted_ns = monotonic_ns()
            monkeypatch.setattr(reconcile, "_BOOT_NS", booted_ns)
            async with running(tmp_path, exchange, **PATIENT) as rig:
                reconciler = rig.session.reconciler
                assert reconciler._late_until_ns == booted_ns + WINDOW_NS
                # Counted from here: on a slow machine a start alone takes longer than the window.
                reconciler._late_until_ns = over_ns = monotonic_ns() + WINDOW_NS
                loop = asyncio.get_running_loop()
                loop.call_later(1.5, exchange.add, ids.text(1, 77))
            assert rig.exit_code == 0
            assert monotonic_ns() >= over_ns
            assert exchange.orders[ids.text(1, 77)].status == "CANCELED"
            assert exchange.open_ids() == []

    run(day())


def test_a_restart_within_one_boot_waits_for_nothing(tmp_path: Path) -> None:
    """A process that was killed has lost nothing: the journal knows what was sent."""

    async def day() -> None:
        async with FakeExchange() as exchange:
            async with killed(tmp_path, exchange) as rig:
                await rig.placed()
            async with running(tmp_path, exchange) as rig:
                assert rig.session.reconciler._late_until_ns <= monotonic_ns()
            assert rig.exit_code == 0 and exchange.open_ids() == []

    run(day())
