"""Tapes for tests: a few symbols of every scale, random steps on them, and a hub that hears all."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.streams import StreamReader

from aegis.config.models import VenueSymbolConfig
from aegis.venue.history.history import History
from aegis.venue.history.layout import Rows
from aegis.venue.liquidation import Forced
from aegis.venue.marks import Reading
from aegis.venue.publish.grid import Grid
from aegis.venue.publish.kinds import MARKET_STREAMS, symbol_streams
from aegis.venue.publish.log import make_log
from aegis.venue.publish.publisher import Publisher
from aegis.venue.symbols import SymbolSpec, make_symbol
from aegis.venue.tape import LEVEL, STEP, TRADE, Tape
from aegis.venue.wire.hub import Hub

START_MS = 1_799_999_999_975
FIRST_ID = 5_123_107_832_006
SMALL = Rows(40, 1_500, 60, 64, 64, 50, 50)


def _symbol(name: str, number: int, **fields: Any) -> SymbolSpec:
    return make_symbol(name, VenueSymbolConfig(min_qty=fields["step"], **fields), number)


SPECS = [
    _symbol("BTCUSDT", 0, price=60_000.0, tick=0.1, step=0.001, price_precision=2),
    _symbol(
        "1000SATSUSDT", 1, price=0.0002, tick=1e-7, step=1.0, price_precision=7,
        quantity_precision=0, min_price=1e-7, max_qty=1e9,
    ),
    _symbol(
        "BIGUSDC", 2, price=500.0, tick=5.0, step=0.5, price_precision=0, quantity_precision=1
    ),
]  # fmt: skip


class Ear:
    """A subscriber that takes everything and reads it with the library's own parser."""

    def __init__(self) -> None:
        self.queued: list[bytes] = []
        self.heard: list[bytes] = []
        self.writes = 0

    def enqueue(self, frame: bytes) -> None:
        self.queued.append(frame)

    def flush(self) -> None:
        self.heard += unframe(b"".join(self.queued))
        self.queued.clear()
        self.writes += 1

    def backlog(self) -> int:
        return len(self.queued)


def unframe(raw: bytes) -> list[bytes]:
    """The payloads of the frames in `raw`, which must end with the last one."""
    reader = StreamReader()
    reader.feed_data(raw)
    payloads = []
    while reader.buffer:
        parser = Frame.parse(reader.read_exact, mask=False)
        try:
            while True:
                next(parser)
        except StopIteration as end:
            assert end.value.fin
            payloads.append(bytes(end.value.data))
    return payloads


@dataclass(frozen=True)
class Step:
    """One step of one symbol: prints, then changed levels."""

    later_ms: int
    symbol: int
    trades: list[tuple[int, int, bool]]  # ticks, lots, the taker sold
    levels: list[tuple[int, int, int]]  # side, distance from the middle in ticks, lots


steps = st.lists(
    st.builds(
        Step,
        later_ms=st.one_of(
            st.integers(0, 20), st.integers(0, 300), st.sampled_from([999, 5_000, 61_000])
        ),
        symbol=st.integers(0, len(SPECS) - 1),
        trades=st.lists(
            st.tuples(st.integers(1, 40), st.integers(1, 10**9), st.booleans()), max_size=3
        ),
        levels=st.lists(
            st.tuples(
                st.sampled_from([1, -1]), st.integers(1, 12),
                st.one_of(st.just(0), st.integers(1, 10**9)),
            ),
            max_size=6,
        ),
    ),
    min_size=1,
    max_size=40,
)  # fmt: skip


class Writer:
    """Writes steps onto a tape as the books do, and keeps the books they make."""

    def __init__(self, tape: Tape, first_id: int = FIRST_ID) -> None:
        self.tape = tape
        self.now_ms = START_MS
        self.update_id = first_id
        self.trade_id = first_id
        self.levels: list[dict[int, dict[int, int]]] = [{1: {}, -1: {}} for _ in SPECS]

    def write(self, step: Step) -> None:
        self.now_ms += step.later_ms
        number, middle = step.symbol, SPECS[step.symbol].start_price_ticks
        for ticks, lots, sold in step.trades:
            self.trade_id += 1
            side = -1 if sold else 1
            self._record(TRADE, number, self.trade_id, middle + ticks, lots, side, 1, 2)
        first = 0
        for side, distance, lots in step.levels:
            self.update_id += 1
            first = first or self.update_id
            ticks = middle - side * distance
            self._record(LEVEL, number, self.update_id, side, ticks, lots, 0, 0)
            book = self.levels[number][side]
            book[ticks] = lots
            if lots == 0:
                del book[ticks]
        if step.trades or step.levels:
            last = self.update_id if first else 0
            self._record(STEP, number, first, last, *self.top(number))
        # Ids are shared with whatever else the exchange has.
        self.update_id += 3

    def top(self, number: int) -> tuple[int, int, int, int]:
        bids, asks = self.levels[number][1], self.levels[number][-1]
        bid, ask = max(bids, default=0), min(asks, default=0)
        return bid, bids.get(bid, 0), ask, asks.get(ask, 0)

    def depth(self, number: int, side: int, limit: int) -> list[tuple[int, int]]:
        return sorted(self.levels[number][side].items(), reverse=side > 0)[:limit]

    def _record(self, kind: int, symbol: int, *words: int) -> None:
        place = len(self.tape)
        self.tape.records[place] = (kind, 0, symbol, self.now_ms, *words)
        self.tape.cursor[0] = place + 1


class Gauge:
    """Marks without an index: something else for every symbol and second."""

    is_measured = False
    gauges = SimpleNamespace(words=np.zeros((len(SPECS), 16), np.int64))

    def reading(self, number: int, middle_e8: int, now_ms: int) -> Reading:
        base = middle_e8 + now_ms % 1_000_000
        return Reading(base, base + 1, base + 2, base + 3, -37 * number, 0, 0, now_ms + 5)


class Stage:
    """A publisher on a tape of its own, in front of one listener."""

    def __init__(self, modern: bool = True, messages: int = 512, text_bytes: int = 200_000) -> None:
        self.tape = Tape()
        self.writer = Writer(self.tape)
        self.hub = Hub(make_log(text_bytes, messages))
        self.history = History(SPECS, SMALL)
        self.ear = Ear()
        self.gauge = Gauge()
        self.markets = [
            SimpleNamespace(
                spec=spec,
                mark_e8=lambda number=number: 10**9 * (number + 1),
                book=SimpleNamespace(
                    depth=lambda side, limit, number=number: self.writer.depth(number, side, limit)
                ),
            )
            for number, spec in enumerate(SPECS)
        ]
        self.forced: list[Forced] = []
        self.core = SimpleNamespace(
            exchange=SimpleNamespace(markets={one.spec.symbol: one for one in self.markets}),
            history=self.history,
            tape=self.tape,
            modern=modern,
            treasury=SimpleNamespace(
                marks=self.gauge, liquidator=SimpleNamespace(take_forced=self.take_forced)
            ),
        )
        self.publisher = Publisher(self.core, self.hub)
        self.grid = Grid()

    def take_forced(self) -> list[Forced]:
        forced, self.forced = self.forced, []
        return forced

    @staticmethod
    def streams() -> list[str]:
        """All but the asset indexes, which come from elsewhere."""
        names = [name for spec in SPECS for name in symbol_streams(spec.symbol)]
        return [*names, *(name for name in MARKET_STREAMS if name != "!assetIndex@arr")]

    def listen(self, streams: list[str], combined: bool = False) -> None:
        for stream in streams:
            self.hub.subscribe(stream, self.ear, combined)
        self.publisher.refresh()

    def tick(self, now_ms: int) -> None:
        while (at := self.grid.reach(now_ms)) is not None:
            self.history.close_due(at)
            self.publisher.tick(at)

    def play(self, steps_: list[Step]) -> None:
        """Write steps, and let everybody read them, as ``pump`` does."""
        for step in steps_:
            self.writer.write(step)
        self.publisher.admit()
        begin = 0
        while begin < len(self.tape):
            self.tick(int(self.tape.records[begin]["time_ms"]))
            end = self.grid.end(self.tape, begin)
            self.history.consume_part(self.tape, begin, end)
            self.publisher.consume_part(self.tape, begin, end)
            begin = end
        self.tape.clear()
        self.publisher.refresh()

    def hear(self) -> list[bytes]:
        """What the listener has got since the last call."""
        self.hub.flush()
        heard, self.ear.heard = self.ear.heard, []
        return heard
