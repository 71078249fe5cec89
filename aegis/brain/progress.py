"""How far the brain has come, into its counters in shared memory.

Called by the duty cycle after each batch, when the batch's intents have been offered. Nothing here
is read back by the brain.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.shm.atomics import store_relaxed, store_release
from aegis.shm.counter_tables import COUNTERS
from aegis.shm.counters import STRIDE_WORDS

__all__ = ["mark_step", "publish_progress"]


def _word(name: str) -> np.uint64:
    """Where a counter of the brain stands in its region's words."""
    names = [counter for counter, _ in COUNTERS["brain"]]
    return np.uint64(names.index(name) * STRIDE_WORDS)


_TICKS_CONSUMED = _word("ticks_consumed")
_TICKS_LOST = _word("ticks_lost")
_LAPS = _word("laps")
_TICKS_SKIPPED = _word("ticks_skipped")
_CATCH_UPS = _word("catch_ups")
_OUTCOMES_CONSUMED = _word("outcomes_consumed")
_INTENTS = _word("intents")
_INTENTS_HASH = _word("intents_hash")
_REFUSED_FULL = _word("intents_refused_full")
_RESYNCS = _word("resyncs")
_STEP_ERRORS = _word("step_errors")
_WAKEUPS = _word("wakeups")
_PLACES = _word("places")
_CANCELS = _word("cancels")
_QUOTES_SEEN = _word("quotes_seen")
_MAX_CYCLE = _word("max_cycle_ns")
_IN_STEP = _word("in_step")
_STRATEGY_ERRORS = _word("strategy_errors")
_STRATEGY_LATCH = _word("strategy_latch")
_SIGNALS = _word("signals")
_CANDLES_SHOWN = _word("candles_shown")


@kernel
def mark_step(words: Any, row: Any) -> Any:
    """Say for which lane (its row plus 1) the strategy works now; 0 when it has returned."""
    store_relaxed(words, _IN_STEP, np.int64(row))


@kernel
def publish_progress(core: Any, ticks_consumed: Any, words: Any) -> Any:
    """Store the counters, those that others wait for last and with release order."""
    store_relaxed(words, _TICKS_LOST, core.ticks_lost)
    store_relaxed(words, _LAPS, core.laps)
    store_relaxed(words, _TICKS_SKIPPED, core.ticks_skipped)
    store_relaxed(words, _CATCH_UPS, core.catch_ups)
    store_relaxed(words, _INTENTS, core.intents)
    store_relaxed(words, _INTENTS_HASH, np.int64(core.intents_hash))
    store_relaxed(words, _REFUSED_FULL, core.refused_full)
    store_relaxed(words, _RESYNCS, core.resyncs)
    store_relaxed(words, _STEP_ERRORS, core.step_errors)
    store_relaxed(words, _WAKEUPS, core.wakeups)
    store_relaxed(words, _PLACES, core.places)
    store_relaxed(words, _CANCELS, core.cancels)
    store_relaxed(words, _QUOTES_SEEN, core.quotes_seen)
    store_relaxed(words, _MAX_CYCLE, core.max_cycle_ns)
    store_relaxed(words, _STRATEGY_ERRORS, core.strategy_errors)
    store_relaxed(words, _STRATEGY_LATCH, core.strategy_latch)
    store_relaxed(words, _SIGNALS, core.signals)
    store_relaxed(words, _CANDLES_SHOWN, core.candles_shown)
    store_release(words, _OUTCOMES_CONSUMED, core.outcomes_consumed)
    store_release(words, _TICKS_CONSUMED, np.int64(ticks_consumed))
