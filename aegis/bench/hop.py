"""`aegis bench hop`: how long one record takes from publish to the reader, by wait strategy.

A paced writer on one core, a waiting reader on the other; the time in the record is taken just
before it is published. The baseline is `multiprocessing.Queue` and `Pipe` at the same pace.
"""

import time
from typing import Any

import numpy as np

from aegis.bench.pair import Cores, cores, run_pair
from aegis.bench.python_lanes import LANES, finish, sorted_percentiles
from aegis.bench.ring import Lane
from aegis.host.clock import kernel_monotonic_ns
from aegis.host.jit import kernel
from aegis.shm.atomics import pause
from aegis.shm.gated import claim, commit, take
from aegis.shm.histogram import SLOT_WORDS, percentiles
from aegis.shm.histogram import record as record_latency
from aegis.shm.ring_header import HEAD
from aegis.shm.tick import TICK
from aegis.shm.wait import BY_NAME, wait_any
from aegis.shm.wake import wake

__all__ = ["measure_hop"]

PATIENCE_NS = 2_000_000_000


@kernel
def send_paced(header: Any, records: Any, count: Any, interval_ns: Any) -> Any:
    """Publish `count` records `interval_ns` apart, each stamped as it leaves."""
    due = kernel_monotonic_ns()
    for number in range(count):
        due += interval_ns
        while kernel_monotonic_ns() < due:
            pause()
        slot = claim(header, records)
        records[slot].ts_event_ns = np.int64(number)
        records[slot].ts_recv_ns = kernel_monotonic_ns()
        commit(header)
        wake(header)


@kernel
def receive(
    strategy: Any, header: Any, records: Any, idle: Any, out: Any, count: Any, latencies: Any
) -> Any:
    """Take `count` records, waiting by `strategy`; returns how many came in time."""
    done = 0
    while done < count:
        n = take(header, records, out, out.size)
        if n == 0:
            seen = header[HEAD]
            deadline = kernel_monotonic_ns() + PATIENCE_NS
            if wait_any(strategy, header, seen, idle, np.uint64(0), 0, deadline) == 0:
                return done
            continue
        now = kernel_monotonic_ns()
        for item in range(n):
            record_latency(latencies, now - out[np.uint64(item)].ts_recv_ns)
        done += n
    return done


def _ours(name: str, count: int, interval_ns: int, where: Cores) -> dict[str, int]:
    """Percentiles of one strategy; RuntimeError when a record was never seen."""
    lane, idle = Lane(), Lane(16)
    out, latencies = np.zeros(64, TICK), np.zeros(SLOT_WORDS, np.int64)
    strategy = BY_NAME[name]
    receive(strategy, lane.header, lane.records, idle.header, out, 0, latencies)
    send_paced(lane.header, lane.records, 0, interval_ns)
    got = 0

    def child() -> None:
        send_paced(lane.header, lane.records, count, interval_ns)

    def parent() -> None:
        nonlocal got
        got = receive(strategy, lane.header, lane.records, idle.header, out, count, latencies)

    run_pair(child, parent, where)
    if got != count:
        raise RuntimeError(f"{name}: {got} of {count} records came")
    return percentiles(latencies)


def _theirs(name: str, count: int, interval_ns: int, where: Cores) -> dict[str, int]:
    send, take_one = LANES[name]()
    times: list[int] = []

    def child() -> None:
        due = time.monotonic_ns()
        for _ in range(count):
            due += interval_ns
            while time.monotonic_ns() < due:
                pass
            send((time.monotonic_ns(),))
        finish(send)

    def parent() -> None:
        for _ in range(count):
            sent = take_one()[0]
            times.append(time.monotonic_ns() - sent)

    run_pair(child, parent, where)
    return sorted_percentiles(times)


def measure_hop(
    *, smoke: bool = False, rate_per_s: int = 1_000, progress: Any = None
) -> dict[str, Any]:
    """Every wait strategy and the baselines at `rate_per_s`; keys as documented."""
    say = progress or (lambda text: None)
    where = cores()
    count = 200 if smoke else 5_000
    interval_ns = 1_000_000_000 // rate_per_s
    hops: dict[str, dict[str, int]] = {}
    for name in BY_NAME:
        if where.shared and name == "spin":
            continue
        say(f"{name}: {count:,} records at {rate_per_s:,} a second")
        hops[name] = _ours(name, count, interval_ns, where)
    baselines: dict[str, dict[str, Any]] = {}
    for name in ("multiprocessing.Queue", "multiprocessing.Pipe"):
        say(f"{name}: {count:,} records at {rate_per_s:,} a second")
        baselines[name] = {"hop_ns": _theirs(name, count, interval_ns, where)}
    return {
        "hop_ns": hops,
        "rate_per_s": rate_per_s,
        "records": count,
        "cores": [where.parent, where.child],
        "shared_core": where.shared,
        "baselines": baselines,
    }
