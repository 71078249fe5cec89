"""A measured tape through the encoders and the fan-out: how many messages a second these do alone.

The benchmark and the tests call `measure`. A tape of a busy market is written once, in turns of so
many records; what is timed is reading it, encoding what the subscribers want, and gathering each
subscriber's bytes. The same tape is read again and again, with nothing behind it: no matching, no
history, no sockets. Nothing of it is used by a running venue.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from aegis.config.models import VenueSymbolConfig
from aegis.venue.publish.encoder import cut, encode, refresh
from aegis.venue.publish.kinds import GRID_MS, KINDS, symbol_streams
from aegis.venue.publish.log import MESSAGES
from aegis.venue.publish.tables import make_encoder
from aegis.venue.symbols import make_symbol
from aegis.venue.tape import HEADROOM, LEVEL, STEP, TRADE, Tape
from aegis.venue.wire.hub import Hub

__all__ = ["STREAMS", "Sink", "Throughput", "measure"]

STREAMS: Final = ("trade", "bookTicker", "depth@100ms")
START_MS: Final = 1_800_000_000_000
START_ID: Final = 5_123_107_832_006
MIDDLE_TICKS: Final = 600_000
REACH_TICKS: Final = 40
RECORDS_PER_TURN: Final = 1_500  # some five milliseconds of a hundred thousand messages a second


@dataclass(frozen=True, slots=True)
class Throughput:
    """What was done in how long; `sent` counts a message once for each subscriber."""

    records: int
    messages: int
    sent: int
    sent_bytes: int
    encode_s: float
    fan_out_s: float

    @property
    def sent_per_s(self) -> float:
        return self.sent / (self.encode_s + self.fan_out_s)


class Sink:
    """A subscriber that takes its bytes and drops them, as a socket does at its best."""

    def __init__(self) -> None:
        self.taken_bytes = 0

    def enqueue(self, frame: bytes) -> None:
        self.taken_bytes += len(frame)

    def flush(self) -> None:
        return

    def backlog(self) -> int:
        return 0


def _write_tape(symbols: int, seed: int) -> Tape:
    """A tape full of steps of random symbols: prints, changed levels, moving tops."""
    dice = np.random.default_rng(seed)
    tape = Tape()
    records, at, update_id, trade_id = tape.records, 0, START_ID, START_ID
    while at < len(records) - HEADROOM:
        symbol = int(dice.integers(symbols))
        now_ms = START_MS + at // 100
        if dice.random() < 0.4:
            trade_id += 1
            ticks = MIDDLE_TICKS + int(dice.integers(REACH_TICKS))
            lots, side = int(dice.integers(1, 5_000)), 1 - 2 * int(dice.integers(2))
            records[at] = (TRADE, 0, symbol, now_ms, trade_id, ticks, lots, side, 1, 2)
            at += 1
        first = update_id + 1
        for _ in range(int(dice.integers(1, 6))):
            update_id += 1
            side = 1 - 2 * int(dice.integers(2))
            ticks = MIDDLE_TICKS - side * int(dice.integers(1, REACH_TICKS))
            lots = int(dice.integers(5_000))
            records[at] = (LEVEL, 0, symbol, now_ms, update_id, side, ticks, lots, 0, 0)
            at += 1
        bid, ask = MIDDLE_TICKS - int(dice.integers(1, 3)), MIDDLE_TICKS + int(dice.integers(1, 3))
        sizes = dice.integers(1, 5_000, 2)
        records[at] = (
            STEP, 0, symbol, now_ms, first, update_id, bid, int(sizes[0]), ask, int(sizes[1]),
        )  # fmt: skip
        at += 1
    tape.cursor[0] = at
    return tape


def measure(
    *, symbols: int = 300, subscribers: int = 1, rounds: int = 10, seed: int = 7
) -> Throughput:
    """Read a tape `rounds` times for so many subscribers, each of which wants everything."""
    config = VenueSymbolConfig(price=60_000.0, tick=0.1, step=0.001)
    specs = [make_symbol(f"COIN{number}USDT", config, number) for number in range(symbols)]
    tape = _write_tape(symbols, seed)
    hub = Hub()
    names = [name for spec in specs for name in symbol_streams(spec.symbol)]
    encoder = make_encoder(specs, True, hub.reserve([*names, *(f"!{n}" for n in range(8))]))
    sinks = [Sink() for _ in range(subscribers)]
    for number, sink in enumerate(sinks):
        for name in names:
            if name.partition("@")[2] in STREAMS:
                hub.subscribe(name, sink, combined=number % 2 == 0)
    refresh(encoder, hub.table.arrays, np.zeros(symbols * KINDS, np.uint8))
    messages, encode_s, fan_out_s = 0, 0.0, 0.0
    for reading in range(rounds + 1):
        if reading == 1:
            # The first reading has loaded the kernels and touched the memory.
            messages, encode_s, fan_out_s, hub.sent = 0, 0.0, 0.0, 0
            for sink in sinks:
                sink.taken_bytes = 0
        now_ms, begin = START_MS + reading * len(tape), 0
        while begin < len(tape):
            end = min(len(tape), begin + RECORDS_PER_TURN)
            now_ms += GRID_MS
            began_s = time.perf_counter()
            cut(encoder, hub.log, hub.table.arrays, now_ms)
            begin = encode(encoder, hub.log, hub.table.arrays, tape.records, begin, end)
            encoded_s = time.perf_counter()
            messages += int(hub.log.cursor[MESSAGES])
            hub.flush()
            fan_out_s += time.perf_counter() - encoded_s
            encode_s += encoded_s - began_s
    taken_bytes = sum(sink.taken_bytes for sink in sinks)
    return Throughput(rounds * len(tape), messages, hub.sent, taken_bytes, encode_s, fan_out_s)
