"""The kernel of the strategy that trades nothing: it counts its events and wishes for no order.

Compiled into the brain's duty cycle like any other, so an instance that only listens is measured,
watched and replayed in the same way as one that trades.
"""

from pathlib import Path
from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.strategies.contract import NO_OPINION, Strategy
from aegis.strategies.observe.parameters import ObserveParameters

__all__ = ["STRATEGY", "pack", "step"]

PARAMETERS_RECORD = np.dtype([("refresh_tolerance_ticks", "<i8"), ("min_requote_ns", "<i8")])
STATE_RECORD = np.dtype([("events", "<i8")])


@kernel
def step(event: Any, market: Any, position: Any, params: Any, state: Any, out: Any) -> Any:
    """Count the event; never an opinion."""
    state.events += 1
    return NO_OPINION


def pack(parameters: ObserveParameters, instrument: Any) -> Any:
    """The packed record; fits every instrument."""
    record = np.zeros(1, PARAMETERS_RECORD)
    record[0]["refresh_tolerance_ticks"] = int(parameters.refresh_tolerance_ticks)
    record[0]["min_requote_ns"] = parameters.min_requote_ms * 1_000_000
    return record[0]


STRATEGY = Strategy(
    name="observe",
    parameters_model=ObserveParameters,
    parameters_dtype=PARAMETERS_RECORD,
    state_dtype=STATE_RECORD,
    step=step,
    pack=pack,
    source=Path(__file__).parent,
)
