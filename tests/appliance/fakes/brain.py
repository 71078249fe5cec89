"""Stands in for the brain: every canary tick becomes a canary intent."""

from __future__ import annotations

from typing import Any

import numpy as np

from aegis.shm.intent import CANARY as CANARY_INTENT
from aegis.shm.intent import INTENT
from aegis.shm.tick import CANARY
from tests.appliance.fakes.living import live


def run(settings: Any, memory: Any, wiring: Any) -> int:
    counters = memory.counters["brain"]
    reader = memory.ticks.reader()

    def turn() -> None:
        for tick in reader.read_new():
            if tick[1] == CANARY:
                intent = np.zeros(1, INTENT)
                intent["kind"] = CANARY_INTENT
                intent["intent_id"] = int(tick[5])
                memory.intents.offer(intent)
        counters["ticks_consumed"] = int(reader.cursor[0])
        counters["ticks_lost"] = reader.lost

    return live("brain", memory, wiring, turn)
