"""Part of `aegis bench execution`: a strategy that emits 10,000 orders a second, and how it ends.

Execution is the whole process, with limits as a careful file has them, on an embedded exchange in
another process. The stand-in of the brain lets a few orders rest, as it should, and then runs away.
Told is the wall time until the latch is HALTED, as the stand-in hears it over the ring, and until
the exchange has confirmed that nothing rests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from aegis.bench.order_flow import ChildProcess, beat, write_order
from aegis.host.clock import monotonic_ns
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import INTENT
from aegis.shm.outcome import STATE
from aegis.shm.wake import wake

__all__ = ["CAREFUL", "RUNAWAY_PER_S", "run_away", "runaway"]

RUNAWAY_PER_S = 10_000
RESTING = 5
CAREFUL = {"max_orders_per_s": 20.0, "max_open_orders": 20}
_BEAT_NS = 2_000_000
_MOST_MS = 5_000


def run_away(memory: InstanceMemory, bid: int, tell: Callable[[str], object]) -> None:
    """Be supervisor, feed and brain; tells halted and cleared in µs, emitted, and the reason."""
    counters = memory.counters["execution"]
    levels = np.array([[bid / 10, 1.0]]), np.array([[bid / 10 + 0.1, 1.0]])
    record, epoch = np.zeros(1, INTENT), memory.control.generation("brain")
    beat_ns = begun_ns = halted_ns = emitted = placed = reason = 0
    while True:
        now_ns = monotonic_ns()
        if now_ns >= beat_ns:
            beat_ns = now_ns + _BEAT_NS
            beat(memory, now_ns, levels)
        for outcome in memory.outcomes.take():
            if outcome["kind"] == STATE and outcome["reason"] == LatchState.HALTED and begun_ns:
                halted_ns = halted_ns or monotonic_ns()
        if begun_ns == 0:
            if counters["ready"] and placed < RESTING:
                placed += 1
                write_order(memory, record, placed, 0, bid, epoch)
            elif placed and counters["open_orders"] == RESTING:
                begun_ns = monotonic_ns()
        elif halted_ns == 0:
            due = (now_ns - begun_ns) * RUNAWAY_PER_S // 1_000_000_000
            for _ in range(min(due - emitted, 50)):
                emitted += 1
                write_order(memory, record, placed + emitted, 0, bid, epoch)
        elif counters["open_orders"] == 0:
            reason = int(counters["gate_reason"])
            break
        if begun_ns and now_ns - begun_ns > _MOST_MS * 1_000_000:
            break
        wake(memory.intents.header)
        time.sleep(0.000_05)
    cleared_ns = monotonic_ns()
    tell(f"{halted_ns - begun_ns} {cleared_ns - begun_ns} {emitted} {reason}")
    while True:
        beat(memory, monotonic_ns(), levels)
        time.sleep(_BEAT_NS / 1e9)


async def runaway(
    brain: ChildProcess, counters: Any, execution: asyncio.Task[Any]
) -> dict[str, Any]:
    """The end of the stand-in, while execution lives in this loop. Empty: it did not end well."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(brain.fileno(), told.set)
    try:
        waiting = asyncio.create_task(told.wait())
        await asyncio.wait({waiting, execution}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    finally:
        loop.remove_reader(brain.fileno())
    if not told.is_set():
        return {}
    halted_ns, cleared_ns, emitted, reason = (int(word) for word in brain.told().split())
    if halted_ns <= 0 or reason == 0:
        return {}
    return {
        "rate_per_s": RUNAWAY_PER_S,
        "halted_ms": round(halted_ns / 1e6, 2),
        "all_cancelled_ms": round(cleared_ns / 1e6, 2),
        "emitted": emitted,
        "orders_sent": int(counters["orders_sent"]) - RESTING,
        "control": Control(reason).name,
    }
