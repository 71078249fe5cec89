"""What the four stand-in processes share: a loop that proves progress and obeys the supervisor.

They keep the contract of the real entry points (`run(settings, memory, wiring) -> int`) and do none
of their work, so that the supervisor can be tested for what it alone does. FAKE_<PROCESS> in the
environment makes one misbehave: `deaf` ignores every request to finish, `raise` fails at its start,
`silent` counts its cycles and passes nothing on, `slow start` takes a minute to load.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import INTENT
from aegis.shm.tick import TICK

READY, DRAINING, STOPPED = 2, 4, 5


def live(process: str, memory: Any, wiring: Any, turn: Callable[[], None]) -> int:
    """Call `turn` every 5 ms until the supervisor wants this process to finish."""
    mode = os.environ.get(f"FAKE_{process.upper()}", "")
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    if mode == "raise":
        raise RuntimeError(f"{process} was told to fail\nin two lines")
    counters = memory.counters[process]
    counters["state"] = READY
    pause = threading.Event()
    while mode == "deaf" or not (asked or wiring.stopping(process)):
        counters["loop_seq"] = counters["loop_seq"] + 1
        counters["loop_ts_ns"] = time.monotonic_ns()
        version = memory.control.config_version
        if counters["parameters_version"] != version:
            counters["parameters_version"] = version
        if mode != "silent":
            turn()
        pause.wait(0.005)
    counters["state"] = STOPPED
    return 0


def compile_kernels() -> None:
    """Run every kernel that the stand-ins use once, on memory of its own, before the fork."""
    if os.environ.get("FAKE_VENUE") == "slow start":
        threading.Event().wait(60)
    with tempfile.TemporaryDirectory() as folder:
        memory = InstanceMemory.create("warm", shm_dir=folder)
        reader = memory.ticks.reader()
        memory.ticks.publish(np.zeros(1, TICK))
        memory.ticks.write(tuple(np.zeros(1, TICK)[0]))
        reader.read_new()
        memory.intents.offer(np.zeros(1, INTENT))
        memory.intents.take()
        level = np.array([[100.0, 1.0]])
        memory.books.write(0, 1, 0, 1, level, level)
        memory.books.read(0)
        memory.close()
