"""The baselines of `aegis bench ring`: what Python offers for passing records between processes.

`multiprocessing.Queue` and `Pipe` carrying the record as a tuple, and a shared ring packed field by
field with `struct`, all between the same two pinned processes. "Batched" sends lists of 16.
"""

import mmap
import multiprocessing
import struct
import time
from collections.abc import Callable
from typing import Any

from aegis.bench.pair import Cores, run_pair

__all__ = ["LANES", "finish", "measure_baselines", "sorted_percentiles"]

BATCH = 16
RECORD = struct.Struct("<IHHqqddddd")
SLOTS = 16_384
HEADER = 256
# Words of the header: the writer's cursor, and the reader's on a cache line of its own.
_TAIL, _HEAD = 0, 16

Send = Callable[[Any], None]
Receive = Callable[[], Any]


def _record(number: int) -> tuple[Any, ...]:
    value = float(number)
    return (number & 0xFFFFFFFF, 1, 0, number, number, value, value, value, value, value)


class StructRing:
    """A single-producer, single-consumer ring in plain Python over shared memory.

    The cursors are written through a view of words, each in one store. `pack_into` clears what it
    is going to write, so that the other process can see a cursor that has gone back to nothing.
    """

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, HEADER + SLOTS * RECORD.size)
        self.cursors = memoryview(self.memory)[:HEADER].cast("Q")
        self.tail = 0
        self.head = 0

    def send(self, record: tuple[Any, ...]) -> None:
        """Pack one record; spins while the ring is full."""
        while self.tail - self.cursors[_HEAD] >= SLOTS:
            pass
        RECORD.pack_into(self.memory, HEADER + self.tail % SLOTS * RECORD.size, *record)
        self.tail += 1
        self.cursors[_TAIL] = self.tail

    def receive(self) -> tuple[Any, ...]:
        """Unpack one record; spins while the ring is empty."""
        while self.cursors[_TAIL] == self.head:
            pass
        record = RECORD.unpack_from(self.memory, HEADER + self.head % SLOTS * RECORD.size)
        self.head += 1
        self.cursors[_HEAD] = self.head
        return record

    def send_list(self, records: list[tuple[Any, ...]]) -> None:
        """Pack several records and publish them with one cursor write."""
        while self.tail + len(records) - self.cursors[_HEAD] > SLOTS:
            pass
        for record in records:
            RECORD.pack_into(self.memory, HEADER + self.tail % SLOTS * RECORD.size, *record)
            self.tail += 1
        self.cursors[_TAIL] = self.tail


def _queue() -> tuple[Send, Receive]:
    queue: Any = multiprocessing.get_context("fork").Queue(SLOTS)
    return queue.put, queue.get


def _pipe() -> tuple[Send, Receive]:
    reader, writer = multiprocessing.get_context("fork").Pipe(duplex=False)
    return writer.send, reader.recv


def _struct() -> tuple[Send, Receive]:
    ring = StructRing()
    return ring.send, ring.receive


LANES: dict[str, Callable[[], tuple[Send, Receive]]] = {
    "multiprocessing.Queue": _queue,
    "multiprocessing.Pipe": _pipe,
    "struct": _struct,
}


def _rate(name: str, count: int, where: Cores, *, batched: bool) -> float:
    send, receive = LANES[name]()
    if batched and name == "struct":
        ring = StructRing()
        send_list, receive = ring.send_list, ring.receive
    else:
        send_list = send  # type: ignore[assignment]
    seconds = 0.0

    def child() -> None:
        if not batched:
            for number in range(count):
                send(_record(number))
            finish(send)
            return
        for first in range(0, count, BATCH):
            send_list([_record(first + item) for item in range(BATCH)])
        finish(send)

    def parent() -> None:
        nonlocal seconds
        checksum = received = 0
        started = time.perf_counter()
        while received < count:
            got = receive()
            records = got if isinstance(got, list) else [got]
            for record in records:
                checksum += record[3]
            received += len(records)
        seconds = time.perf_counter() - started
        if checksum != count * (count - 1) // 2:
            raise RuntimeError(f"{name}: checksum {checksum} is wrong")

    run_pair(child, parent, where)
    return count / seconds


def finish(send: Send) -> None:
    """A multiprocessing.Queue hands over in a thread: wait for it before the process exits."""
    queue = getattr(send, "__self__", None)
    if hasattr(queue, "join_thread"):
        queue.close()  # type: ignore[union-attr]
        queue.join_thread()  # type: ignore[union-attr]


def _round_trip(name: str, count: int, where: Cores) -> dict[str, int]:
    there_send, there_receive = LANES[name]()
    back_send, back_receive = LANES[name]()
    times: list[int] = []

    def child() -> None:
        for _ in range(count):
            back_send(there_receive())
        finish(back_send)

    def parent() -> None:
        for number in range(count):
            started = time.perf_counter_ns()
            there_send(_record(number))
            back_receive()
            times.append(time.perf_counter_ns() - started)
        # No thread of a queue may be alive here at the next fork.
        finish(there_send)

    run_pair(child, parent, where)
    return sorted_percentiles(times)


def sorted_percentiles(times: list[int]) -> dict[str, int]:
    """p50, p99, p999 and max of a list of nanoseconds (sorted in place)."""
    times.sort()
    last = len(times) - 1
    return {
        "p50": times[last // 2],
        "p99": times[last * 99 // 100],
        "p999": times[last * 999 // 1000],
        "max": times[-1],
    }


def measure_baselines(where: Cores, *, smoke: bool = False) -> dict[str, dict[str, Any]]:
    """Every baseline with the same keys as our ring: records_per_s, ..._batched, rtt_ns."""
    count = 8_000 if smoke else 160_000
    trips = 200 if smoke else 10_000
    return {
        name: {
            "records_per_s": round(_rate(name, count, where, batched=False)),
            "records_per_s_batched": round(_rate(name, count, where, batched=True)),
            "rtt_ns": _round_trip(name, trips, where),
        }
        for name in LANES
    }
