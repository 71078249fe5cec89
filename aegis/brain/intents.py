"""From a decision to an intent on the lane: stage, hash, offer.

Called by the quoter and the duty cycle. Intents are staged in order, hashed as they are staged,
and offered to the gated ring after the event that caused them. A full lane loses nothing: what it
refuses stays staged and is offered again, and meanwhile no new order is placed.
"""

from typing import Any

import numpy as np

from aegis.brain.layout import STAGE_SIZE
from aegis.host.clock import kernel_monotonic_ns
from aegis.host.jit import kernel
from aegis.shm.gated import offer
from aegis.shm.intent import CANCEL, PLACE
from aegis.shm.wake import wake

__all__ = ["REF_BITS", "chain_hash", "flush", "stage_intent"]

# An order reference and an intent id are the epoch above a counter of so many bits.
REF_BITS = 32
_COUNTER_MASK = (1 << REF_BITS) - 1
# A cancellation is worth sending however late it comes.
_NEVER_EXPIRES = 1 << 62

# The multiplier of Fibonacci hashing (2^64 over the golden ratio) and a shift that folds the high
# half back: each step is a bijection of the chain, so nothing is forgotten on the way.
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


@kernel("u8(u8,i8)")
def mix(chain: Any, value: Any) -> Any:
    """One step of the chain."""
    product = (chain ^ np.uint64(value)) * _MULTIPLIER
    return product ^ (product >> _SHIFT)


@kernel
def chain_hash(chain: Any, intent: Any) -> Any:
    """Fold one intent's decision into the chain.

    Decision means: instrument, kind, flags, side, level, price, quantity, the counter half of
    the order reference, and what was known (event time, book update id). Wall clocks, intent ids
    and the epoch are left out: they differ between two runs of the same tape.
    """
    where = np.int64(intent.instrument) | (np.int64(intent.level) << np.int64(32))
    what = np.int64(intent.kind) | (np.int64(intent.flags) << np.int64(16))
    chain = mix(chain, where)
    chain = mix(chain, what)
    chain = mix(chain, np.int64(intent.side))
    chain = mix(chain, intent.price_ticks)
    chain = mix(chain, intent.qty_lots)
    chain = mix(chain, intent.order_ref & np.int64(_COUNTER_MASK))
    chain = mix(chain, intent.cause_ts_event_ns)
    return mix(chain, intent.book_update_id)


@kernel
def stage_intent(
    core: Any,
    lane: Any,
    stage: Any,
    kind: Any,
    flags: Any,
    side: Any,
    level: Any,
    order_ref: Any,
    price_ticks: Any,
    qty_lots: Any,
) -> Any:
    """Stage one intent that never expires; returns its place in `stage`, -1 when there is no room.

    `order_ref` 0 with PLACE takes the next free reference. PLACE and CANCEL are decisions: they
    are hashed and counted; canaries and resynchronisations are not.
    """
    place = core.staged
    if place >= STAGE_SIZE:
        core.refused_full += 1
        return -1
    if core.now_ns == 0:
        core.now_ns = kernel_monotonic_ns()
    core.staged = place + 1
    core.next_intent += 1
    intent = stage[place]
    intent.intent_id = (core.epoch << np.int64(REF_BITS)) | core.next_intent
    intent.instrument = lane.instrument
    intent.kind = kind
    intent.flags = flags
    intent.side = side
    intent.level = level
    intent.strategy = core.strategy
    intent.order_ref = order_ref
    intent.price_ticks = price_ticks
    intent.qty_lots = qty_lots
    intent.cause_seq = core.cause_seq
    intent.cause_ts_recv_ns = core.cause_ts_recv_ns
    intent.cause_ts_event_ns = core.clock_ns
    intent.ts_decided_ns = core.now_ns
    intent.valid_until_ns = _NEVER_EXPIRES
    intent.book_update_id = lane.update_id
    intent.fair_price = 0.0
    intent.confidence = 0.0
    intent.cause = 0
    intent.epoch = core.epoch
    intent.config_version = core.config_version
    if kind == PLACE:
        core.next_order += 1
        intent.order_ref = (core.epoch << np.int64(REF_BITS)) | core.next_order
        core.places += 1
    elif kind == CANCEL:
        core.cancels += 1
    else:
        return place
    core.intents += 1
    core.intents_hash = chain_hash(core.intents_hash, intent)
    return place


@kernel
def flush(core: Any, stage: Any, header: Any, records: Any) -> Any:
    """Offer what is staged and wake execution if it sleeps; returns how many went out."""
    accepted = offer(header, records, stage, core.staged)
    left = core.staged - accepted
    if accepted > 0:
        wake(header)
        for item in range(left):
            stage[item] = stage[accepted + item]
    if left > core.leftover:
        core.refused_full += left - core.leftover
    core.leftover = left
    core.staged = left
    return accepted
