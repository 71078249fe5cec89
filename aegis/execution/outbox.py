"""The outbox: outcomes wait here for room in the ring to the brain, in order, none lost.

Kernels stage outcomes as they make them; the process offers them to the gated ring after every
batch and every event. A full lane is no reason to block: what does not fit stays, new intents are
refused with OUTCOME_LANE while much is waiting, and the room left then is enough for whatever the
open orders can still bring. If even that were used up, the count STAGE_LOST says so and the process
halts: the brain's picture could no longer be trusted.
"""

from typing import Any

import numpy as np

from aegis.execution.words import STAGE_COUNT, STAGE_LOST
from aegis.host.jit import kernel
from aegis.shm.outcome import OUTCOME

__all__ = ["BACKLOG_LIMIT", "STAGE_SIZE", "stage_outcome"]

STAGE_SIZE = 16_384
# More than this waiting refuses new intents; the rest is for fills and ends of what is open.
BACKLOG_LIMIT = 2_048

_NOTHING = np.zeros(1, OUTCOME)


@kernel
def stage_outcome(stage: Any, words: Any, kind: Any) -> Any:
    """Take the next place and clear it; returns it, or -1 (counted) when the stage is full."""
    place = words[STAGE_COUNT]
    if place >= stage.size:
        words[STAGE_LOST] += 1
        return np.int64(-1)
    words[STAGE_COUNT] = place + 1
    stage[place] = _NOTHING[0]
    stage[place].kind = kind
    return place
