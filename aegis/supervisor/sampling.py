"""One look at an instance's counters, for the watch.

The only place that knows which counter feeds which rule of `watch.py`. Reads shared memory, decides
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from aegis.shm.instance import InstanceMemory
from aegis.supervisor.watch import ProcessSample, Sample

__all__ = ["take_sample"]


def take_sample(memory: InstanceMemory, running: Iterable[str], now_ns: int) -> Sample:
    """Read what the watch looks at; `running` are the processes that have been forked."""
    feed, brain = memory.counters["feed"], memory.counters["brain"]
    execution, venue = memory.counters["execution"], memory.counters["venue"]
    processes = {}
    for process in running:
        counters = memory.counters[process]
        processes[process] = ProcessSample(
            counters["loop_seq"], counters["loop_ts_ns"], counters["state"]
        )
    return Sample(
        now_ns=now_ns,
        processes=processes,
        canary_sent=feed["canary_number"],
        canary_back=execution["canary_number"],
        ticks_consumed=brain["ticks_consumed"],
        intents_consumed=execution["intents_consumed"],
        execution_ready=bool(execution["ready"]),
        books_valid=feed["books_valid"],
        books_total=feed["books_total"],
        connected=feed["connected"],
        messages=feed["messages"],
        quiet_until_ns=feed["quiet_until_ns"],
        weight_waiting=bool(feed["weight_waiting"]),
        is_recording=venue["mirror_total"] > 0,
        market_over=bool(venue["mirror_done"]),
    )
