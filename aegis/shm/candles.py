"""The candles region: the last closed candles of every instrument and interval, read in place.

The feed is the only writer. There is one ring for each instrument and interval (`instrument *
intervals + place of the interval`), under a seqlock of its own. A candle's slot follows from its
time alone, `(open_ms // width_ms) % history`, so a correction goes where the candle already is, and
an old candle fetched late goes where it belongs; nothing is ever moved. The header page says what
the rings are::

    byte 128      136       144              152
         +--------+---------+----------------+-----------------------------+
         | rings  | history | intervals (n)  | n lengths in seconds, u64   |
         +--------+---------+----------------+-----------------------------+

Rings start at byte 4096, each `2 + history` lines of 64 bytes, the first two being its head::

    byte 0        8             16         24
         +--------+-------------+----------+----------+------------------------+
         | seq u64| newest i64  | width ms | known    | unused                 |
         +--------+-------------+----------+----------+------------------------+
    byte 128      history slots, CANDLE records:
         +---------+------+------+-----+-------+--------+--------+-------------+
         | open ms | open | high | low | close | volume | trades | flags       |
         +---------+------+------+-----+-------+--------+--------+-------------+

`newest` is the open time of the newest closed candle, 0 before the first; `known` is 1 once the
exchange has answered for the older ones, 0 while it is still to be asked (again). A slot that does
not hold the time it should is a hole: that candle is not known (yet). Flags are those of CANDLE
records: INCOMPLETE means that trades may be missing and a correction will follow. `trades` is 0 for
a candle in which nothing was traded: it repeats the close before it, as the exchange's own history
does.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.shm.atomics import (
    fence_acquire,
    fence_release,
    load_acquire,
    load_relaxed,
    pause,
    store_relaxed,
    store_release,
)
from aegis.shm.region import HEADER_BYTES, Region, Words
from aegis.shm.tick import CANDLE as CANDLE_KIND

__all__ = [
    "CANDLE",
    "CandlePlan",
    "Candles",
    "candle_at",
    "candle_ring",
    "candle_write",
    "candles_after",
    "candles_known",
    "candles_read",
    "tick_from_candle",
]

KIND = 7
SLOT_WORDS = 8
SLOT_BYTES = SLOT_WORDS * 8
HEAD_WORDS = 16
PLAN_AT = 128
SEQUENCE, NEWEST, WIDTH_MS, KNOWN = range(4)
OPEN_MS, OPEN, HIGH, LOW, CLOSE, VOLUME, TRADES, FLAGS = range(SLOT_WORDS)
_TRIES = 1000

CANDLE = np.dtype(
    [
        ("open_ms", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),
        ("trades", "<i8"),
        ("flags", "<i8"),
    ]
)
assert CANDLE.itemsize == SLOT_BYTES, "a candle is one cache line"


class CandlePlan(NamedTuple):
    """Which candles an instance keeps: lengths in seconds, and how many closed ones of each."""

    intervals_s: tuple[int, ...] = ()
    history: int = 2

    def lines(self, rows: int) -> int:
        """Lines of 64 bytes for so many instruments."""
        return rows * max(len(self.intervals_s), 1) * (2 + self.history)


@kernel
def candle_ring(ring: Any, history: Any) -> Any:
    """Where a ring begins in the region's words."""
    return np.uint64(ring) * (np.uint64(history) * np.uint64(SLOT_WORDS) + np.uint64(HEAD_WORDS))


@kernel
def candle_place(base: Any, history: Any, open_ms: Any, width_ms: Any) -> Any:
    """Where the slot of the candle that opens at `open_ms` begins."""
    slot = np.uint64((open_ms // width_ms) % history)
    return base + np.uint64(HEAD_WORDS) + slot * np.uint64(SLOT_WORDS)


@kernel
def candle_write(
    words: Any,
    values: Any,
    ring: Any,
    history: Any,
    width_ms: Any,
    open_ms: Any,
    open_: Any,
    high: Any,
    low: Any,
    close: Any,
    volume: Any,
    trades: Any,
    flags: Any,
    newest_ms: Any,
) -> Any:
    """Put a closed candle into its slot (the feed only); `newest_ms` becomes the ring's newest.

    words, values: the region's i64 and f64 views.
    """
    base = candle_ring(ring, history)
    inside = (load_relaxed(words, base) + 1) | 1
    store_relaxed(words, base, inside)
    fence_release()
    place = candle_place(base, history, open_ms, width_ms)
    words[place + np.uint64(OPEN_MS)] = open_ms
    values[place + np.uint64(OPEN)] = open_
    values[place + np.uint64(HIGH)] = high
    values[place + np.uint64(LOW)] = low
    values[place + np.uint64(CLOSE)] = close
    values[place + np.uint64(VOLUME)] = volume
    words[place + np.uint64(TRADES)] = trades
    words[place + np.uint64(FLAGS)] = flags
    words[base + np.uint64(NEWEST)] = newest_ms
    store_release(words, base, inside + 1)


@kernel
def candle_at(words: Any, ring: Any, history: Any, width_ms: Any, open_ms: Any) -> Any:
    """(place of the slot, its open time): for the writer, who needs no lock to look."""
    place = candle_place(candle_ring(ring, history), history, open_ms, width_ms)
    return place, words[place + np.uint64(OPEN_MS)]


@kernel
def copy_candle(words: Any, values: Any, base: Any, history: Any, open_ms: Any, out: Any) -> None:
    """One slot into a CANDLE record, inside the seqlock."""
    place = candle_place(base, history, open_ms, words[base + np.uint64(WIDTH_MS)])
    out.open_ms = open_ms
    out.open = values[place + np.uint64(OPEN)]
    out.high = values[place + np.uint64(HIGH)]
    out.low = values[place + np.uint64(LOW)]
    out.close = values[place + np.uint64(CLOSE)]
    out.volume = values[place + np.uint64(VOLUME)]
    out.trades = words[place + np.uint64(TRADES)]
    out.flags = words[place + np.uint64(FLAGS)]


@kernel
def candles_read(words: Any, values: Any, ring: Any, history: Any, limit: Any, out: Any) -> Any:
    """Copy up to `limit` of the newest closed candles into out CANDLE[limit], oldest first.

    Returns how many, from the last hole on; 0 when there is none or the writer was always inside.
    No allocation, no wait: a strategy may call it.
    """
    base = candle_ring(ring, history)
    for _ in range(_TRIES):
        before = load_acquire(words, base)
        if before & 1:
            pause()
            continue
        width_ms = words[base + np.uint64(WIDTH_MS)]
        newest_ms = words[base + np.uint64(NEWEST)]
        count = np.int64(0)
        if newest_ms > 0 and width_ms > 0:
            most = min(np.int64(limit), np.int64(history))
            while count < most:
                open_ms = newest_ms - count * width_ms
                place = candle_place(base, history, open_ms, width_ms)
                if open_ms <= 0 or words[place + np.uint64(OPEN_MS)] != open_ms:
                    break
                count += 1
            for number in range(count):
                open_ms = newest_ms - (count - 1 - number) * width_ms
                copy_candle(words, values, base, history, open_ms, out[number])
        fence_acquire()
        if load_relaxed(words, base) == before:
            return count
    return np.int64(0)


@kernel
def candles_known(words: Any, ring: Any, history: Any) -> Any:
    """(open time of the newest closed candle in ms, whether the exchange answered for the rest)."""
    base = candle_ring(ring, history)
    known = load_acquire(words, base + np.uint64(KNOWN))
    return load_acquire(words, base + np.uint64(NEWEST)), known


@kernel
def candles_after(
    words: Any, values: Any, ring: Any, history: Any, after_ms: Any, limit: Any, out: Any
) -> Any:
    """As `candles_read`, but the oldest `limit` of those that opened after `after_ms`."""
    base = candle_ring(ring, history)
    for _ in range(_TRIES):
        before = load_acquire(words, base)
        if before & 1:
            pause()
            continue
        width_ms = words[base + np.uint64(WIDTH_MS)]
        first_ms = words[base + np.uint64(NEWEST)] + width_ms
        behind = np.int64(0)
        if width_ms > 0:
            while behind < history and first_ms - width_ms > max(after_ms, np.int64(0)):
                place = candle_place(base, history, first_ms - width_ms, width_ms)
                if words[place + np.uint64(OPEN_MS)] != first_ms - width_ms:
                    break
                first_ms -= width_ms
                behind += 1
        count = min(behind, np.int64(limit))
        for number in range(count):
            copy_candle(words, values, base, history, first_ms + number * width_ms, out[number])
        fence_acquire()
        if load_relaxed(words, base) == before:
            return count
    return np.int64(0)


@kernel
def tick_from_candle(event: Any, instrument: Any, candle: Any) -> Any:
    """Write a candle of the history into a TICK record, as the feed would have told of it."""
    event.instrument = instrument
    event.kind = CANDLE_KIND
    event.flags = candle.flags
    event.ts_event_ns = candle.open_ms * 1_000_000
    event.ts_recv_ns = 0
    event.a = candle.open
    event.b = candle.high
    event.c = candle.low
    event.d = candle.close
    event.e = candle.volume


class Candles:
    """The candles of an instance, over a region; kernels use `words` and `values` directly."""

    def __init__(self, region: Region) -> None:
        self.region = region
        rings, history, count = (int(word) for word in region.words(PLAN_AT, 3))
        lengths = region.words(PLAN_AT + 24, count)
        self.intervals_s = tuple(int(length_s) for length_s in lengths)
        self.rings = rings
        self.history = history
        size = region.capacity * SLOT_WORDS
        self.words: npt.NDArray[np.int64] = region.array(np.int64, size)
        self.values: npt.NDArray[np.float64] = region.array(np.float64, size)

    @staticmethod
    def describe(region: Region, rows: int, plan: CandlePlan) -> None:
        """Write what the rings are into a new region (the creator only)."""
        head: Words = region.words(PLAN_AT, 3 + len(plan.intervals_s))
        head[:3] = rows * len(plan.intervals_s), plan.history, len(plan.intervals_s)
        head[3:] = plan.intervals_s
        candles = Candles(region)
        for ring in range(candles.rings):
            length_s = plan.intervals_s[ring % len(plan.intervals_s)]
            candles.words[candles._base(ring) + WIDTH_MS] = length_s * 1000

    @property
    def instruments(self) -> int:
        """How many instruments have rings."""
        return self.rings // max(len(self.intervals_s), 1)

    def ring(self, instrument: int, interval_s: int) -> int:
        """The ring of an instrument and interval; KeyError, IndexError when there is none."""
        if interval_s not in self.intervals_s:
            raise KeyError(
                f"no candles of {interval_s} s are kept, those of {self.intervals_s} are"
            )
        if not 0 <= instrument < self.instruments:
            raise IndexError(f"instrument {instrument}; the region has 0..{self.instruments - 1}")
        return instrument * len(self.intervals_s) + self.intervals_s.index(interval_s)

    def tell_known(self, instrument: int, place: int, *, known: bool) -> None:
        """Say whether the exchange has answered for the history of a ring (the feed only)."""
        ring = instrument * len(self.intervals_s) + place
        self.words[self._base(ring) + KNOWN] = int(known)

    def read(self, instrument: int, interval_s: int, limit: int = 1 << 30) -> Any:
        """CANDLE[n]: a copy of the newest closed candles, oldest first, from the last hole on.

        In plain numpy, for people's eyes (see `Books.read`); empty when the writer died inside.
        Raises KeyError for an interval that is not kept, IndexError for an instrument.
        """
        base = self._base(self.ring(instrument, interval_s))
        first = base + HEAD_WORDS
        for _ in range(_TRIES):
            before = int(self.words[base])
            newest_ms = int(self.words[base + NEWEST])
            slots = self.words[first : first + self.history * SLOT_WORDS].copy().view(CANDLE)
            if before & 1 or int(self.words[base]) != before:
                os.sched_yield()
                continue
            width_ms = interval_s * 1000
            wanted = newest_ms - np.arange(min(limit, self.history))[::-1] * width_ms
            found = slots[wanted // width_ms % self.history]
            whole = (found["open_ms"] == wanted) & (wanted > 0)
            holes = np.flatnonzero(~whole)
            return found[holes[-1] + 1 if holes.size else 0 :]
        return np.zeros(0, CANDLE)

    def _base(self, ring: int) -> int:
        return ring * (HEAD_WORDS + self.history * SLOT_WORDS)


def region_bytes(rows: int, plan: CandlePlan) -> int:
    """Bytes of the region behind its header page."""
    return plan.lines(rows) * SLOT_BYTES


assert PLAN_AT + 8 * (3 + 96) <= HEADER_BYTES, "the plan fits into the header page"
