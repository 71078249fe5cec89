"""A feed between the embedded exchange and a reader of its ring, for `bench feed`.

The exchange sits on one core, the feed alone on the other; the reader (this process) shares the
exchange's core and wakes every few milliseconds. It holds the ring to what market data promises:
trade ids without a hole or a repetition, update ids that only rise, nothing lost by being lapped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from aegis.bench.child import Child, ChildError, fork, processor_s
from aegis.bench.exchange import NO_LIMIT, serve_exchange
from aegis.bench.pair import Cores
from aegis.host.jit import kernel
from aegis.shm.histogram import BUCKETS, MAXIMUM, percentiles
from aegis.shm.instance import InstanceMemory
from aegis.shm.tick import BOOK, GAP, QUOTE, TRADE

__all__ = ["SYMBOLS", "FeedRound", "RingReader", "market", "run_feed"]

SYMBOLS: Final = 320
ROWS: Final = 512
SEED: Final = 42
READ_EVERY_S: Final = 0.004
READY_WITHIN_S: Final = 60.0
DRAINED_WITHIN_S: Final = 10.0
_BATCH: Final = 8_192
# What the reader counts.
_TRADES, _QUOTES, _BOOKS, _GAPS, _HOLES, _REPEATED = range(6)
# What the shipped file's flow gives, each symbol by its activity; a busier market multiplies both.
_TRADES_PER_S, _BOOK_UPDATES_PER_S = 12.0, 20.0

PROFILE = """
[hardware]
cores = {{ feed = {core}, brain = {core}, execution = {core}, venue = {core} }}
share_cores = true

[venue]
universe = {symbols}

[instances.bench]
symbols = "all"
strategy = "observe"

[instances.bench.limits]
max_order_qty = 1.0
max_order_notional = 1000.0
max_position_qty = 1.0
price_collar_bps = 50.0
max_open_orders = 1
max_orders_per_s = 1.0
max_stale_ms = 2000
max_daily_loss = 1.0
max_drawdown = 1.0
min_equity = 1.0
max_gross_notional = 1000.0
max_leverage = 1.0
min_margin_buffer = 0.5
price_collar_window_bps = 100.0
max_mark_deviation_bps = 50.0
max_cancels_per_s = 1.0
max_same_side_fills = 1
"""


@dataclass(frozen=True, slots=True)
class FeedRound:
    """What one round at one rate showed; counts are of the whole round, rates of its middle."""

    asked_per_s: int
    messages_per_s: int
    core_used: float
    sent: int
    received: int
    records: int
    faults: dict[str, int]
    message_to_ring_us: dict[str, float]

    @property
    def is_whole(self) -> bool:
        """Whether every message that was sent is in the ring, once."""
        return self.sent == self.received and not any(self.faults.values())


def market(times: float) -> Any:
    """Options of an exchange with SYMBOLS contracts, `times` as busy as the shipped file's."""
    from aegis.config.models import FlowConfig, VenueConfig
    from aegis.venue.build import VenueOptions
    from aegis.venue.limits import RateLimits

    flow = FlowConfig(
        trades_per_s=_TRADES_PER_S * times, book_updates_per_s=_BOOK_UPDATES_PER_S * times
    )
    config = VenueConfig(universe=SYMBOLS, seed=SEED, flow=flow)
    return VenueOptions(config=config, limits=RateLimits(weight_per_minute=NO_LIMIT))


@kernel
def _follow(records: Any, count: Any, trade_ids: Any, update_ids: Any, counts: Any) -> None:
    """Hold a batch of records to the promises; `update_ids` has a row for quotes and for books."""
    for item in range(count):
        tick = records[item]
        row = np.int64(tick.instrument)
        if tick.kind == TRADE:
            counts[_TRADES] += 1
            number = np.int64(tick.d)
            last = trade_ids[row]
            if last != 0 and number <= last:
                counts[_REPEATED] += 1
            elif last != 0 and number != last + 1:
                counts[_HOLES] += 1
            trade_ids[row] = number
        elif tick.kind == QUOTE or tick.kind == BOOK:
            side = 0 if tick.kind == QUOTE else 1
            counts[_QUOTES if side == 0 else _BOOKS] += 1
            number = np.int64(tick.e)
            if number <= update_ids[side, row]:
                counts[_REPEATED] += 1
            update_ids[side, row] = number
        elif tick.kind == GAP:
            counts[_GAPS] += 1


class RingReader:
    """Reads everything that the feed publishes, and remembers what was wrong with it."""

    def __init__(self, memory: InstanceMemory) -> None:
        self._reader = memory.ticks.reader(from_start=True, batch=_BATCH)
        self._trade_ids = np.zeros(ROWS, np.int64)
        self._update_ids = np.zeros((2, ROWS), np.int64)
        self._counts = np.zeros(6, np.int64)
        _follow(self._reader.out, 0, self._trade_ids, self._update_ids, self._counts)

    def read(self) -> None:
        """Everything that has come."""
        while (batch := self._reader.poll()).size:
            _follow(batch, batch.size, self._trade_ids, self._update_ids, self._counts)

    @property
    def records(self) -> int:
        """Trades, quotes and books read."""
        return int(self._counts[:_GAPS].sum())

    def faults(self) -> dict[str, int]:
        """What must not be: all zero in a round without loss."""
        return {
            "lapped": self._reader.lost,
            "gap_records": int(self._counts[_GAPS]),
            "trade_id_holes": int(self._counts[_HOLES]),
            "repeated": int(self._counts[_REPEATED]),
        }


def _serve_feed(settings: Any, memory: InstanceMemory, tell: Callable[[object], None]) -> None:
    from aegis.feed.process import run
    from aegis.shm.wiring import Wiring

    # What it says of its lost exchange at the end is no news to whoever reads the figures.
    log = os.open(
        settings.source.parent / "feed.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600
    )
    os.dup2(log, 2)
    tell(1)
    run(settings, memory, Wiring.make("bench", memory))


def run_feed(
    times: float,
    asked_per_s: int,
    seconds: float,
    where: Cores,
    folder: Path,
    ready_s: float = READY_WITHIN_S,
) -> FeedRound:
    """One round: the exchange `times` as busy as usual, measured for so long.

    Raises ChildError, also when not every book is in force within `ready_s`.
    """
    from aegis.config.load import load_config
    from aegis.config.settings import Settings

    profile = folder / "aegis.toml"
    profile.write_text(PROFILE.format(core=where.parent, symbols=SYMBOLS))
    settings = Settings.of(load_config(profile), "bench", profile)
    memory = InstanceMemory.create(f"bench{os.getpid()}", instruments=ROWS)
    exchange = feed = None
    try:
        exchange = fork(lambda tell: serve_exchange(market(times), tell), where.child)
        memory.counters["venue"]["port"] = exchange.port
        memory.control.command = 1
        feed = fork(lambda tell: _serve_feed(settings, memory, tell), where.parent)
        return _measure(exchange, feed, memory, asked_per_s, seconds, ready_s)
    finally:
        memory.control.command = 2
        for child in (feed, exchange):
            if child is not None:
                child.stop()
        memory.close()
        memory.unlink()


def _measure(
    exchange: Child,
    feed: Child,
    memory: InstanceMemory,
    asked_per_s: int,
    seconds: float,
    ready_s: float,
) -> FeedRound:
    counters, reader = memory.counters["feed"], RingReader(memory)

    def read_until(done: Callable[[], bool], within_s: float) -> bool:
        until_s = time.perf_counter() + within_s
        while not done():
            if time.perf_counter() > until_s:
                return False
            time.sleep(READ_EVERY_S)
            reader.read()
        return True

    def in_force() -> bool:
        return counters["books_total"] > 0 and counters["books_valid"] == counters["books_total"]

    if not read_until(in_force, ready_s):
        found = f"{counters['books_valid']} of {counters['books_total']} books in force"
        raise ChildError(f"after {ready_s:g} s at {asked_per_s:,}/s: {found}")
    latency = memory.histograms["feed"]["socket_to_ring_ns"].counts
    before, busy_s, began_s = latency.copy(), processor_s(feed.pid), time.perf_counter()
    messages = counters["messages"]
    read_until(lambda: time.perf_counter() - began_s >= seconds, seconds + 1.0)
    elapsed_s = time.perf_counter() - began_s
    messages, busy_s = counters["messages"] - messages, processor_s(feed.pid) - busy_s
    within = latency.copy()
    within[:BUCKETS] -= before[:BUCKETS]
    within[MAXIMUM] = latency[MAXIMUM]
    # The exchange says how many messages it has sent, and closes when all of them are out.
    exchange.end()
    read_until(lambda: counters["connected"] == 0, DRAINED_WITHIN_S)
    sent = int(exchange.stop() or -1)
    reader.read()
    times = percentiles(within)
    return FeedRound(
        asked_per_s=asked_per_s,
        messages_per_s=round(messages / elapsed_s),
        core_used=round(busy_s / elapsed_s, 3),
        sent=sent,
        received=counters["messages"],
        records=reader.records,
        faults={
            **reader.faults(),
            "decode_errors": counters["decode_errors"],
            "duplicates": counters["duplicates"],
            "gaps": counters["gaps"],
            "top_mismatches": counters["top_mismatches"],
        },
        message_to_ring_us={name: round(times[name] / 1000, 1) for name in ("p50", "p99", "p999")},
    )
