"""Stands in for the feed: one valid book and a canary every turn."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from aegis.shm.tick import CANARY
from tests.appliance.fakes.living import live


def run(settings: Any, memory: Any, wiring: Any) -> int:
    counters = memory.counters["feed"]
    memory.instruments.set(0, symbol=b"BTCUSDT", status=1, tick_size=0.1, step_size=0.001)
    counters["books_total"] = counters["connected"] = 1
    level = np.array([[100.0, 1.0]])
    memory.books.write(0, 1, 0, time.monotonic_ns(), level, level + 1)
    counters["books_valid"] = 1

    def turn() -> None:
        number = counters["canary_number"] + 1
        counters["canary_number"] = number
        counters["messages"] += 1
        memory.ticks.write((0, CANARY, 0, 0, time.monotonic_ns(), float(number), 0, 0, 0, 0))
        counters["ticks_published"] = memory.ticks.published

    return live("feed", memory, wiring, turn)
