"""From wishes to signals: what is new in a strategy's answer, for those who listen.

Called by the duty cycle between the step and the quoter, while the slots still hold what was wished
before. Publishing never waits and nothing here is read back, so signals cannot change a decision.
"""

from typing import Any

import numpy as np

from aegis.brain.layout import SLOTS_PER_LANE
from aegis.brain.quoter import is_sane
from aegis.host.jit import kernel
from aegis.shm.broadcast import publish
from aegis.shm.tick import CANDLE, HISTORY

__all__ = ["announce"]


@kernel
def announce(
    core: Any,
    lane: Any,
    slots: Any,
    event: Any,
    wishes: Any,
    wished: Any,
    stage: Any,
    header: Any,
    records: Any,
) -> Any:
    """Publish a SIGNAL for each of `wishes[:wished]` that its slot does not hold already.

    What is no order is no signal either, nor what was wished of a candle long over. Returns how
    many went out.
    """
    if wished <= 0 or wished > wishes.size or core.cause_seq < core.live_from_seq:
        return 0
    if event.kind == CANDLE and (event.flags & HISTORY) != 0:
        return 0
    base = lane.instrument * SLOTS_PER_LANE
    count = np.int64(0)
    for item in range(wished):
        wish = wishes[item]
        if not is_sane(wish):
            continue
        slot = slots[base + 2 * np.int64(wish.level) + (0 if wish.side > 0 else 1)]
        if (
            slot.want_qty_lots == wish.qty_lots
            and slot.want_price_ticks == wish.price_ticks
            and slot.want_confidence == wish.confidence
            and slot.want_cause == wish.cause
            and slot.want_stop_price == wish.stop_price
            and slot.want_target_price == wish.target_price
        ):
            continue
        core.signals += 1
        signal = stage[count]
        signal.signal_id = core.signals
        signal.instrument = lane.instrument
        signal.strategy = core.strategy
        signal.side = wish.side
        signal.level = wish.level
        signal.flags = wish.flags
        signal.cause = wish.cause
        signal.price_ticks = wish.price_ticks
        signal.qty_lots = wish.qty_lots
        signal.confidence = wish.confidence
        signal.fair_price = wish.fair_price
        signal.stop_price = wish.stop_price
        signal.target_price = wish.target_price
        signal.cause_seq = core.cause_seq
        signal.ts_event_ns = core.clock_ns
        signal.ts_recv_ns = core.cause_ts_recv_ns
        signal.epoch = core.epoch
        signal.event_kind = event.kind
        signal.config_version = core.config_version
        count += 1
    if count > 0:
        publish(header, records, stage, count)
    return count
