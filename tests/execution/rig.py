"""Execution's process and a fake exchange in one event loop, with a test in the brain's place.

The process runs for real: sockets, eventfd, shared memory, the turn. Only the fork is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from aegis.config.limits import LimitsConfig
from aegis.config.models import (
    CoresConfig,
    HardwareConfig,
    InstanceConfig,
    JournalConfig,
    SupervisorConfig,
    VenueConfig,
)
from aegis.config.settings import Settings
from aegis.execution.client_id import ClientIds
from aegis.execution.process import ExecutionProcess, warm_up
from aegis.execution.session import TradingSession
from aegis.host.clock import monotonic_ns
from aegis.shm.control import RUN
from aegis.shm.intent import CANARY, CANCEL, INTENT, PLACE, POST_ONLY, RESYNC
from aegis.shm.outcome import POSITION
from aegis.shm.wiring import Wiring
from tests.execution.fake_exchange import FakeExchange
from tests.execution.harness import LIMITS, make_memory

PATIENCE_S = 8.0


def make_settings(
    folder: Path,
    journal: dict[str, Any] | None = None,
    leverage: dict[str, int] | None = None,
    **supervisor: float,
) -> Settings:
    """Settings of an instance `t` that trades BTCUSDT, its journal below `folder`."""
    own = {"dir": str(folder / "journal"), "sync_ms": 20, "segment_bytes": 4 << 20}
    cores = CoresConfig(feed=0, brain=0, execution=0, venue=0)
    return Settings(
        name="t",
        instance=InstanceConfig(
            symbols=["BTCUSDT"],
            strategy="none",
            limits=LimitsConfig(**LIMITS),
            leverage=leverage or {},
        ),
        hardware=HardwareConfig(cores=cores),
        venue=VenueConfig(),
        supervisor=SupervisorConfig(**({"drain_timeout_ms": 3_000} | supervisor)),
        source=Path("aegis.toml"),
        journal=JournalConfig(**(own | (journal or {}))),
    )


class Rig:
    """What a test has in its hands."""

    def __init__(self, folder: Path, exchange: FakeExchange, **options: Any) -> None:
        self.exchange = exchange
        self.memory = make_memory(folder, instruments=1)
        self.wiring = Wiring.make("t", self.memory, exchange.credentials)
        self.memory.counters["venue"]["port"] = exchange.port
        self.memory.control.command = RUN
        self.memory.control.next_generation("brain")
        self.counters = self.memory.counters["execution"]
        settings = make_settings(folder, **options)
        warm_up(settings)
        self.process = ExecutionProcess(settings, self.memory, self.wiring)
        self.told: list[Any] = []
        self.beating = {"supervisor", "brain", "feed", "book"}
        self.next_ref = 0
        self.exit_code: int | None = None

    @property
    def session(self) -> TradingSession:
        assert self.process._session is not None
        return self.process._session

    @property
    def ids(self) -> ClientIds:
        return self.session.core.ids

    def beat(self) -> None:
        """What the other processes would do meanwhile."""
        now_ns = monotonic_ns()
        if "supervisor" in self.beating:
            self.memory.control.heartbeat_ns = now_ns
        if "brain" in self.beating:
            self.memory.counters["brain"]["loop_ts_ns"] = now_ns
        feed = self.memory.counters["feed"]
        if "feed" in self.beating:
            feed["loop_ts_ns"] = feed["last_message_ns"] = now_ns
            feed["connected"] = 1
        if "book" in self.beating:
            levels = np.array([[59_999.5, 1.0]]), np.array([[60_000.5, 1.0]])
            self.memory.books.write(0, 1, 0, now_ns, *levels)
            self.memory.marks.write(0, 0, now_ns, 60_000.0, 60_000.0)

    async def beat_for_ever(self) -> None:
        while True:
            self.beat()
            for record in self.memory.outcomes.take():
                self.told.append(record.copy())
            await asyncio.sleep(0.005)

    async def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for a condition; fails with `what` after PATIENCE_S."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (found := condition()):
                    await asyncio.sleep(0.002)
                return found
        except TimeoutError:
            told = [(int(o["kind"]), int(o["order_ref"]), int(o["reason"])) for o in self.told]
            raise AssertionError(
                f"waited {PATIENCE_S} s for {what}; told {told}, gate "
                f"{self.session.gate.blocks} {self.session.gate.latch}"
            ) from None

    def send(self, kind: int = PLACE, **fields: Any) -> int:
        """Publish one intent as the brain would; the order reference."""
        if kind == PLACE and "order_ref" not in fields:
            self.next_ref += 1
            fields["order_ref"] = self.next_ref
        record = np.zeros(1, INTENT)
        now_ns = monotonic_ns()
        defaults = {
            "kind": kind,
            "side": 1,
            "flags": POST_ONLY,
            "price_ticks": 599_900,
            "qty_lots": 2,
            "valid_until_ns": now_ns + 2_000_000_000,
            "ts_decided_ns": now_ns,
            "cause_ts_recv_ns": now_ns,
            "intent_id": 1_000 + int(fields.get("order_ref", 0)),
            "epoch": self.memory.control.generation("brain"),
        }
        for name, value in (defaults | fields).items():
            record[0][name] = value
        assert self.memory.intents.offer(record) == 1
        return int(record[0]["order_ref"])

    def cancel(self, ref: int) -> None:
        self.send(CANCEL, order_ref=ref)

    def resync(self, intent_id: int) -> None:
        self.send(RESYNC, order_ref=0, intent_id=intent_id)

    def canary(self, number: int) -> None:
        self.send(CANARY, order_ref=number)

    def of(self, ref: int) -> list[int]:
        """Kinds of the outcomes of one order so far."""
        return [int(o["kind"]) for o in self.told if o["order_ref"] == ref]

    def last(self, kind: int) -> Any:
        """The newest outcome of a kind, as an OUTCOME record, or None."""
        return next((o for o in reversed(self.told) if o["kind"] == kind), None)

    async def outcome(self, ref: int, kind: int) -> Any:
        """Wait for an outcome of an order; the record."""
        await self.until(lambda: kind in self.of(ref), f"outcome {kind} of order {ref}")
        return next(o for o in self.told if o["order_ref"] == ref and o["kind"] == kind)

    async def placed(self, **fields: Any) -> int:
        """Place an order and wait until it is accepted."""
        ref = self.send(**fields)
        await self.outcome(ref, 1)
        return ref

    def order_of(self, ref: int) -> Any:
        """The fake exchange's order."""
        return self.exchange.orders[self.ids.text(1, ref)]


@asynccontextmanager
async def running(
    folder: Path, exchange: FakeExchange, *, ready: bool = True, **options: Any
) -> AsyncIterator[Rig]:
    """A rig whose process runs; stopped by the control word at the end, if it still runs."""
    rig = Rig(folder, exchange, **options)
    rig.beat()
    beating = asyncio.create_task(rig.beat_for_ever())
    main = asyncio.create_task(rig.process.main())
    try:
        if ready:
            await rig.until(lambda: main.done() or rig.counters["ready"], "ready")
            assert not main.done(), main.exception()
            await rig.until(lambda: rig.last(POSITION) is not None, "the positions")
        yield rig
    finally:
        rig.memory.control.drain("execution")
        async with asyncio.timeout(PATIENCE_S):
            rig.exit_code = await main
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        rig.wiring.close()
        rig.memory.close()
        rig.memory.unlink()


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run one test on the loop that production uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)
