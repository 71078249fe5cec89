"""The intents that were taken before this process began, as far as their ring still shows them.

The ring outlives execution, and so does the brain: a restarted execution must know the order
references that its predecessor has seen, or an intent that comes again would be a second order. The
journal is no place to look: it outlives the shared memory, in which the brain's epochs begin anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.shm.gated import GatedRing

__all__ = ["taken_intents"]


def taken_intents(ring: GatedRing) -> npt.NDArray[Any]:
    """Copies of the last intents that were taken, oldest first; at most half a ring of them.

    The brain may be writing, and what it has not published yet is not seen: a quarter of the ring
    is allowed for that. A ring that is nearly full has overwritten what was taken.
    """
    end, capacity = ring.consumed, ring.capacity
    begin = max(0, end - capacity // 2)
    places = np.arange(begin, end) % capacity
    records = ring.records[places]
    # Looked at after the copy: older ones may have been written over meanwhile.
    intact_from = ring.published - 3 * capacity // 4
    return records[min(max(intact_from - begin, 0), records.size) :]
