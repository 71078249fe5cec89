"""Stands in for execution: takes intents, is ready at once, and says which canary came through."""

from __future__ import annotations

import time
from typing import Any

from tests.appliance.fakes.living import live


def run(settings: Any, memory: Any, wiring: Any) -> int:
    counters = memory.counters["execution"]
    for name in ("ready", "private_connected", "order_connected", "gate_state"):
        counters[name] = 1

    def turn() -> None:
        taken = memory.intents.take()
        if taken.size:
            counters["canary_number"] = int(taken["intent_id"][-1])
            counters["canary_ns"] = time.monotonic_ns()
        counters["intents_consumed"] = memory.intents.consumed

    return live("execution", memory, wiring, turn)
