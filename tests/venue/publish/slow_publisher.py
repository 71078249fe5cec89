"""The publisher once more, slowly: dicts and texts, one message at a time, in the same order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aegis.venue.history.history import History
from aegis.venue.history.intervals import INTERVALS, opens_after, opens_at
from aegis.venue.publish.kinds import GRID_MS, symbol_streams
from aegis.venue.symbols import SymbolSpec
from aegis.venue.tape import LEVEL, STEP, TRADE
from tests.venue.publish import reference

CHAINS = {
    "depth@0ms": 0, "depth@100ms": 100, "depth": 250, "depth@500ms": 500, "rpiDepth@500ms": 500,
}  # fmt: skip
SPEEDS = {"@100ms": 100, "": 250, "@500ms": 500}
WIDTHS = (100, 250, 500, 5_000)


class Chain:
    """What has changed since the last event of one depth stream."""

    def __init__(self) -> None:
        self.first = self.last = self.previous = self.time_ms = 0
        self.sides: dict[int, dict[int, int]] = {1: {}, -1: {}}

    def clear(self) -> None:
        self.previous, self.first = self.last, 0
        self.sides = {1: {}, -1: {}}

    @property
    def ids(self) -> tuple[int, int, int]:
        return self.first, self.last, self.previous


class SlowPublisher:
    """Reads records, and leaves (stream, message) of what is `wanted` in `out`."""

    def __init__(
        self, specs: list[SymbolSpec], history: History, gauge: Any, markets: Any, modern: bool,
        wanted: Iterable[str],
    ) -> None:  # fmt: skip
        self.specs, self.history, self.gauge, self.markets = specs, history, gauge, markets
        self.modern = modern
        self.wanted = set(wanted)
        self.out: list[tuple[str, bytes]] = []
        self.chains = [
            {name: Chain() for name in (*CHAINS, *(f"partial{speed}" for speed in SPEEDS))}
            for _ in specs
        ]
        self.books: list[dict[int, dict[int, int]]] = [{1: {}, -1: {}} for _ in specs]
        self.tops: list[tuple[int, int, int, int]] = [(0, 0, 0, 0)] * len(specs)
        self.top_of = [(0, 0)] * len(specs)  # id and time
        self.last_id = [0] * len(specs)
        self.pending: dict[int, dict[int, None]] = {width: {} for width in WIDTHS}
        self.due: dict[int, int] = {}
        self.windows: dict[tuple[str, int], int] = {}
        self.seen_aggregates = history.closed_count
        self.candles: dict[str, tuple[int, int]] = {}
        self.shown: dict[tuple[str, int], int] = {}

    def put(self, stream: str, message: bytes) -> None:
        if stream in self.wanted:
            self.out.append((stream, message))

    def name(self, number: int, kind: str) -> str:
        return f"{self.specs[number].symbol.lower()}@{kind}"

    # --- the tape ---

    def read(self, record: Any) -> None:
        kind, number, now_ms = int(record["kind"]), int(record["symbol"]), int(record["time_ms"])
        a, b, c, d, e, f = (int(record[name]) for name in "abcdef")
        spec = self.specs[number]
        if kind == TRADE:
            message = reference.trade(spec, now_ms, a, b, c, d < 0)
            self.put(self.name(number, "trade"), message)
        elif kind == LEVEL:
            for chain in (self.chains[number][name] for name in CHAINS):
                chain.sides[b][c] = d
            self.books[number][b][c] = d
            if d == 0:
                del self.books[number][b][c]
        elif kind == STEP:
            self.step(number, now_ms, a, b, (c, d, e, f))

    def step(self, number: int, now_ms: int, first: int, last: int, top: Any) -> None:
        self.last_id[number] = last or self.last_id[number]
        if top != self.tops[number]:
            self.tops[number] = top
            self.top_of[number] = (self.last_id[number], now_ms)
            self.ticker(self.name(number, "bookTicker"), number, now_ms)
            self.pending[5_000][number] = None
        if last == 0:
            return
        for chain in self.chains[number].values():
            chain.first = chain.first or first
            chain.last, chain.time_ms = last, now_ms
        for width in WIDTHS[:3]:
            self.pending[width][number] = None
        self.diff(number, "depth@0ms", now_ms)

    def ticker(self, stream: str, number: int, event_ms: int) -> None:
        update_id, time_ms = self.top_of[number]
        message = reference.book_ticker(
            self.specs[number], event_ms, time_ms, update_id, self.tops[number], self.modern
        )
        self.put(stream, message)

    def diff(self, number: int, name: str, event_ms: int) -> None:
        chain = self.chains[number][name]
        bids, asks = sorted(chain.sides[1].items()), sorted(chain.sides[-1].items())
        message = reference.depth_update(
            self.specs[number], event_ms, chain.time_ms, chain.ids, bids, asks, self.modern
        )
        self.put(self.name(number, name), message)
        chain.clear()

    def partials(self, number: int, speed: str, event_ms: int) -> None:
        chain, book = self.chains[number][f"partial{speed}"], self.books[number]
        for levels in (5, 10, 20):
            bids = sorted(book[1].items(), reverse=True)[:levels]
            asks = sorted(book[-1].items())[:levels]
            message = reference.depth_update(
                self.specs[number], event_ms, chain.time_ms, chain.ids, bids, asks, self.modern
            )
            self.put(self.name(number, f"depth{levels}{speed}"), message)
        chain.clear()

    # --- the clock ---

    def tick(self, now_ms: int) -> None:
        assert now_ms % GRID_MS == 0
        for width in WIDTHS:
            self.due.setdefault(width, (now_ms // width + 1) * width)
        while min(self.due.values()) <= now_ms:
            width = min(WIDTHS, key=lambda one: (self.due[one], one))
            for number in self.pending[width]:
                self.cut(number, width, self.due[width])
            self.pending[width].clear()
            self.due[width] = (now_ms // width + 1) * width
        for what, width in (
            ("aggregates", 100), ("candles", 250), ("miniTicker", 500), ("!miniTicker@arr", 1_000),
            ("ticker", 2_000), ("!ticker@arr", 1_000), ("markPrice@1s", 1_000),
            ("markPrice", 3_000),
        ):  # fmt: skip
            window = now_ms // width
            before = self.windows.get((what, width))
            self.windows[what, width] = window
            if before is not None and window > before:
                self.timed(what, window * width)

    def cut(self, number: int, width: int, event_ms: int) -> None:
        if width == 5_000:
            self.ticker("!bookTicker", number, event_ms)
            return
        speed = next(name for name, ms in SPEEDS.items() if ms == width)
        self.partials(number, speed, event_ms)
        for name, ms in CHAINS.items():
            if ms == width:
                self.diff(number, name, event_ms)

    def timed(self, what: str, event_ms: int) -> None:
        if what == "aggregates":
            self.aggregates(event_ms)
        elif what == "candles":
            for number, spec in enumerate(self.specs):
                for stream in symbol_streams(spec.symbol):
                    if "ine_" in stream and stream in self.wanted:
                        self.candle(number, stream, event_ms)
        elif what.startswith("markPrice"):
            self.marks(what, event_ms)
        else:
            self.tickers(what, event_ms)

    def aggregates(self, event_ms: int) -> None:
        closed, self.seen_aggregates = self.history.closed_aggregates(self.seen_aggregates)
        for one in closed:
            ids = one.aggregate_id, one.first_id, one.last_id
            message = reference.agg_trade(
                self.specs[one.symbol_number], event_ms, one.time_ms, ids, one.price_ticks,
                one.qty_lots, one.buyer_is_maker, self.modern,
            )  # fmt: skip
            self.put(self.name(one.symbol_number, "aggTrade"), message)

    def candle(self, number: int, stream: str, now_ms: int) -> None:
        interval = stream.rpartition("_")[2]
        code = INTERVALS.index(interval)
        shown_open, shown_trades = self.candles.get(stream, (0, 0))
        trades = int(self.history.tables.trade_counts[number])
        new = None
        if trades != shown_trades:
            (newest,) = self.history.trades(number, 1)
            new = opens_at(code, newest.time_ms)
        if shown_open and (
            new not in (None, shown_open) or opens_after(code, shown_open) <= now_ms
        ):
            self.bar(number, stream, interval, shown_open, now_ms)
            new = None if new == shown_open else new
            shown_open = 0
        if new is not None:
            self.bar(number, stream, interval, new, now_ms)
            shown_open = 0 if opens_after(code, new) <= now_ms else new
        self.candles[stream] = shown_open, trades

    def bar(self, number: int, stream: str, interval: str, open_ms: int, now_ms: int) -> None:
        bar = self.history.bar(number, interval, open_ms)
        if bar is not None and bar.trades:
            continuous = "continuous" in stream
            spec = self.specs[number]
            self.put(stream, reference.kline(spec, now_ms, interval, bar, continuous))

    def tickers(self, what: str, event_ms: int) -> None:
        rows = []
        for number, spec in enumerate(self.specs):
            trades = int(self.history.tables.trade_counts[number])
            if self.shown.get((what, number)) == trades:
                continue
            self.shown[what, number] = trades
            day = self.history.ticker(number, event_ms)
            if day is not None:
                write = reference.mini_ticker if "mini" in what else reference.ticker
                rows.append((number, write(spec, event_ms, day, self.modern)))
        if what.startswith("!"):
            if rows:
                self.put(what, b"[" + b",".join(row for _, row in rows) + b"]")
            return
        for number, row in rows:
            self.put(self.name(number, what), row)

    def marks(self, what: str, event_ms: int) -> None:
        rows = []
        for number, spec in enumerate(self.specs):
            reading = self.gauge.reading(number, self.markets[number].mark_e8(), event_ms)
            rows.append(reference.mark_price(spec, event_ms, reading, self.modern))
            self.put(self.name(number, what), rows[-1])
        self.put(f"!{what}".replace("Price", "Price@arr"), b"[" + b",".join(rows) + b"]")
