"""`aegis bench brain`: does the brain keep up with 300 symbols, and how soon does it decide?

The embedded exchange with 320 symbols on one core is made busy; the whole feed and the brain, as
they run in the appliance, share the other. A round for each of the two strategies: Smart Money
Concepts on every symbol by candles of a second, and market making on every symbol. A brain that
keeps up loses nothing, passes nothing over, and its lag in the ring stays far below the capacity.
From the read of the event's bytes to the decision is `event_to_intent_us`; `blocks_grown` is by how
much the interpreter's allocated blocks have grown over all duty cycles together.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from aegis.bench.brain_stand import BrainRound, run_brain
from aegis.bench.child import ChildError, pinned
from aegis.bench.pair import Cores, cores
from aegis.shm.instance import TICKS_CAPACITY

__all__ = ["STRATEGIES", "measure_brain"]

LOAD_PER_S: Final = 100_000
SMOKE_PER_S: Final = 15_000
STRATEGIES: Final = ("smc", "avellaneda_stoikov")

# Where the usual pace is measured: high enough that what does not grow with it counts little.
_FIRST_TIMES: Final = 10.0
# What is asked of the exchange beyond that: a busier one gives a little less than in proportion.
_MORE: Final = 1.08

Say = Callable[[str], None]


def _tell(say: Say, found: BrainRound) -> None:
    times, lag = found.event_to_intent_us, found.lag_records
    used = ", ".join(f"{name} {100 * share:.0f} %" for name, share in found.core_used.items())
    say(
        f"{found.strategy}: {found.ticks_per_s:,} ticks/s ({found.messages_per_s:,} messages/s of "
        f"{found.asked_per_s:,} asked for), {found.symbols} symbols; lag p50 {lag['p50']:g}, "
        f"p99 {lag['p99']:g}, most {lag['max']:g} records; lost {found.lost}, passed over "
        f"{found.skipped}; event to intent p50 {times['p50']:g} us, p99 {times['p99']:g} us of "
        f"{found.intents:,}; of a core: {used}"
    )


def _rounds(smoke: bool, where: Cores, folder: Path, say: Say) -> list[BrainRound]:
    wanted, seconds = (SMOKE_PER_S, 3.0) if smoke else (LOAD_PER_S, 20.0)
    first = run_brain("avellaneda_stoikov", _FIRST_TIMES, 0, 2.0, where, folder)
    usual_per_s = max(first.ticks_per_s, 1) / _FIRST_TIMES
    say(f"{usual_per_s:,.0f} ticks/s from {first.symbols} symbols at the usual pace")
    rounds = []
    for strategy in STRATEGIES:
        times = _MORE * wanted / usual_per_s
        rounds.append(run_brain(strategy, times, wanted, seconds, where, folder))
        _tell(say, rounds[-1])
    return rounds


def measure_brain(*, smoke: bool = False, progress: Any = None) -> dict[str, Any]:
    """Keys: for each strategy its round, with `keeps_up`; ring_capacity, cores, shared_core.

    Raises ChildError when a process fails or the books never come into force.
    """
    from aegis.feed.warm_up import warm_up
    from aegis.venue.warm_up import warm_up as warm_up_exchange

    say = progress or (lambda text: None)
    where = cores()
    warm_up()
    warm_up_exchange()
    with pinned(where.child), tempfile.TemporaryDirectory(prefix="aegis-bench-") as folder:
        rounds = _rounds(smoke, where, Path(folder), say)
    if not any(one.intents for one in rounds):
        raise ChildError("no strategy has decided anything")
    return {
        **{one.strategy: {**asdict(one), "keeps_up": one.keeps_up} for one in rounds},
        "ring_capacity": TICKS_CAPACITY,
        "cores": {"feed and brain": where.parent, "exchange and measuring": where.child},
        "cores_of_the_box": os.cpu_count(),
        "shared_core": where.shared,
    }
