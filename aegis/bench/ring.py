"""`aegis bench ring`: records a second and round trips, one writer, one reader, two pinned cores.

Our gated ring publishing one record at a time and in batches, its round trip, and a lapped reader
on the broadcast ring; the same work over `multiprocessing.Queue`, `Pipe`, and a ring packed with
`struct` in plain Python, in the same run. Every record is verified by a checksum.
"""

import mmap
import statistics
import time
from typing import Any

import numpy as np

from aegis.bench import ring_kernels as kernels
from aegis.bench.pair import Cores, cores, run_pair
from aegis.bench.python_lanes import measure_baselines
from aegis.shm.histogram import SLOT_WORDS, percentiles
from aegis.shm.region import HEADER_BYTES, LINE_WORDS
from aegis.shm.ring_header import TAIL
from aegis.shm.tick import TICK

__all__ = ["measure_ring"]

CAPACITY = 16_384
BATCH = 16
DRAIN = 256


class Lane:
    """An anonymous shared ring: header words and records, as a region lays them out."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.memory = mmap.mmap(-1, HEADER_BYTES + capacity * TICK.itemsize)
        self.header = np.frombuffer(self.memory, np.uint64, HEADER_BYTES // 8)
        self.records = np.frombuffer(self.memory, TICK, capacity, HEADER_BYTES)
        # Touch every page now: a page fault inside the measurement is not the ring's cost.
        self.records[:] = np.zeros(capacity, TICK)


class StartLine:
    """Both processes meet here before anything is timed."""

    READY, GO = 0, LINE_WORDS

    def __init__(self) -> None:
        self.words = np.frombuffer(mmap.mmap(-1, HEADER_BYTES), np.uint64)

    def wait(self) -> None:
        """Child: say that it is ready and wait for the start."""
        self.words[self.READY] = 1
        _all_came(kernels.await_turn(self.words, self.GO, 1), 1)

    def start(self) -> None:
        """Parent: wait for the child and start both."""
        _all_came(kernels.await_turn(self.words, self.READY, 1), 1)
        self.words[self.GO] = 1


def _all_came(got: int, count: int) -> None:
    """Raise RuntimeError when the other process stopped midway."""
    if got != count:
        raise RuntimeError(f"the benchmark's other process stopped: {got} of {count} came")


def _expected_checksum(count: int) -> int:
    """Seven 64-bit fields of each record hold its number."""
    return 7 * (count * (count - 1) // 2) % 2**64


def _throughput(count: int, batch: int, where: Cores) -> tuple[float, bool]:
    """(records per second, contents verified) of one run; batch 1 publishes one at a time."""
    lane, sums = Lane(), np.zeros(2, np.uint64)
    scratch, out = np.zeros(batch, TICK), np.zeros(DRAIN, TICK)
    line = StartLine()
    seconds = 0.0

    def child() -> None:
        line.wait()
        if batch == 1:
            kernels.produce_singly(lane.header, lane.records, count)
        else:
            kernels.produce_batched(lane.header, lane.records, scratch, count)

    def parent() -> None:
        nonlocal seconds
        line.start()
        started = time.perf_counter()
        got = kernels.consume(lane.header, lane.records, out, count, sums)
        seconds = time.perf_counter() - started
        _all_came(got, count)

    run_pair(child, parent, where)
    return count / seconds, int(sums[0]) == _expected_checksum(count) and int(sums[1]) == 0


def _round_trip(count: int, where: Cores) -> dict[str, int]:
    """Percentiles in ns of a record going there and back, both sides spinning."""
    there, back = Lane(), Lane()
    latencies = np.zeros(SLOT_WORDS, np.int64)
    out = np.zeros(1, TICK)
    warm = count // 10

    def child() -> None:
        kernels.echo(there.header, there.records, back.header, back.records, out, count + warm)

    def parent() -> None:
        ends = (there.header, there.records, back.header, back.records, out)
        _all_came(kernels.ping(*ends, latencies, warm), warm)
        latencies[:] = 0
        _all_came(kernels.ping(*ends, latencies, count), count)

    run_pair(child, parent, where)
    return percentiles(latencies)


def _lapped(count: int, where: Cores) -> dict[str, Any]:
    """A reader of a flooded broadcast ring: what it read and what it knows it lost."""
    lane = Lane(1024)
    scratch, out = np.zeros(64, TICK), np.zeros(32, TICK)
    cursor, sums = np.zeros(1, np.uint64), np.zeros(4, np.uint64)
    line = StartLine()

    def child() -> None:
        line.wait()
        kernels.flood(lane.header, lane.records, scratch, count)

    def parent() -> None:
        line.start()
        _all_came(kernels.follow(lane.header, lane.records, cursor, out, count, sums), count)

    run_pair(child, parent, where)
    read, lost, laps, torn = (int(value) for value in sums)
    return {
        "published": int(lane.header[TAIL]),
        "read": read,
        "lost": lost,
        "laps": laps,
        "torn": torn,
        "accounted": read + lost == count and torn == 0,
    }


def _warm_up() -> None:
    """Compile (or load from the cache) every loop before anything is timed."""
    lane, back = Lane(), Lane()
    scratch, out = np.zeros(BATCH, TICK), np.zeros(DRAIN, TICK)
    sums, latencies = np.zeros(4, np.uint64), np.zeros(SLOT_WORDS, np.int64)
    kernels.produce_singly(lane.header, lane.records, 4)
    kernels.produce_batched(lane.header, lane.records, scratch, 4)
    kernels.consume(lane.header, lane.records, out, 8, sums[:2].copy())
    kernels.flood(lane.header, lane.records, scratch, 4)
    kernels.follow(lane.header, lane.records, np.zeros(1, np.uint64), out, 0, sums)
    ends = (lane.header, lane.records, back.header, back.records, np.zeros(1, TICK))
    kernels.ping(*ends, latencies, 0)
    kernels.echo(*ends, 0)
    kernels.await_turn(np.ones(1, np.uint64), 0, 1)


def measure_ring(*, smoke: bool = False, progress: Any = None) -> dict[str, Any]:
    """Run everything; `progress(text)` is told what is being measured. Keys as documented.

    Throughput and round trips are medians of several runs (one when `smoke`), because other work
    on the machine only ever makes them worse.
    """
    say = progress or (lambda text: None)
    where = cores()
    count = 400_000 if smoke else 50_000_000
    runs = 1 if smoke else 7
    _warm_up()
    say(f"our ring, {runs} runs of {count:,} records, one at a time and in batches of {BATCH}")
    singly = [_throughput(count, 1, where) for _ in range(runs)]
    batched = [_throughput(count, BATCH, where) for _ in range(runs)]
    say("round trips, both sides spinning")
    trips = [_round_trip(4_000 if smoke else 500_000, where) for _ in range(runs)]
    say("a reader that is lapped")
    lapped = _lapped(count, where)
    say("the same over multiprocessing.Queue, Pipe and struct in plain Python")
    baselines = measure_baselines(where, smoke=smoke)
    rate = statistics.median(rate for rate, _ in singly)
    result: dict[str, Any] = {
        "records_per_s": round(rate),
        "records_per_s_batched": round(statistics.median(rate for rate, _ in batched)),
        "rtt_ns": {
            key: int(statistics.median(trip[key] for trip in trips))
            for key in ("p50", "p99", "p999", "max")
        },
        "best": {
            "records_per_s": round(max(rate for rate, _ in singly)),
            "records_per_s_batched": round(max(rate for rate, _ in batched)),
            "rtt_p50_ns": min(trip["p50"] for trip in trips),
        },
        "verified": all(good for _, good in singly + batched),
        "lapped": lapped,
        "record_bytes": TICK.itemsize,
        "batch": BATCH,
        "runs": runs,
        "cores": [where.parent, where.child],
        "shared_core": where.shared,
        "baselines": baselines,
    }
    result["times_faster"] = {
        name: round(rate / lane["records_per_s"], 1) for name, lane in baselines.items()
    }
    return result
