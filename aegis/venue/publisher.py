"""From what happened in the markets to stream messages: when each goes out, and with which ids.

``pump`` hands it every batch, the clock its ticks; what it makes goes to a sink (the hub, or a
test). Depth streams of each speed keep their own chain: `pu` is the `u` of the previous event of
that stream, `U` the first id folded in, and both sides are ascending by price. Ids are shared by
all symbols, so `U` is not the previous `u` plus one.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable
from typing import Final, Protocol

from aegis.venue.candles import INTERVALS_MS
from aegis.venue.market import Batch, Market, PublicTrade
from aegis.venue.matching.interface import BUY, SELL, BookChanges
from aegis.venue.payloads import stream as payload
from aegis.venue.streams import (
    DIFF_SPEEDS_MS,
    PARTIAL_LEVELS,
    PARTIAL_SPEEDS_MS,
    diff_stream,
    partial_stream,
)

AGGREGATE_MS: Final = 100
KLINE_MS: Final = 250
SECOND_MS: Final = 1_000
SLOW_MARK_MS: Final = 3_000


class Sink(Protocol):
    """Where messages go."""

    def wants(self, stream: str) -> bool:
        """Is anybody subscribed? Messages nobody wants are not even written."""

    def publish(self, stream: str, message: bytes) -> None:
        """Send a raw payload to the stream's subscribers."""


class _DepthChain:
    """One speed of one symbol: what has changed since its last event."""

    __slots__ = ("asks", "bids", "first_id", "last_id", "previous_id", "stream")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.previous_id = 0
        self.first_id = 0
        self.last_id = 0
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def fold(self, changes: BookChanges) -> None:
        if self.first_id == 0:
            self.first_id = changes.first_id
        self.last_id = changes.last_id
        self.bids.update(changes.bids)
        self.asks.update(changes.asks)

    def clear(self) -> None:
        self.previous_id = self.last_id
        self.first_id = 0
        self.bids.clear()
        self.asks.clear()


class _Aggregate:
    """Trades of one side at one price, not sent yet."""

    __slots__ = ("first", "last_id", "lots")

    def __init__(self, trade: PublicTrade) -> None:
        self.first = trade
        self.last_id = trade.trade_id
        self.lots = trade.qty_lots

    def takes(self, trade: PublicTrade) -> bool:
        first = self.first
        same = (first.price_ticks, first.buyer_is_maker) == (
            trade.price_ticks,
            trade.buyer_is_maker,
        )
        return same and trade.time_ms - first.time_ms < AGGREGATE_MS


class _SymbolStreams:
    """The outgoing state of one symbol."""

    def __init__(self, market: Market) -> None:
        symbol = market.spec.symbol
        lower = symbol.lower()
        self.market = market
        self.chains = {speed: _DepthChain(diff_stream(symbol, speed)) for speed in DIFF_SPEEDS_MS}
        self.partials = {
            speed: [(levels, partial_stream(symbol, levels, speed)) for levels in PARTIAL_LEVELS]
            for speed in PARTIAL_SPEEDS_MS
        }
        self.book_ticker = f"{lower}@bookTicker"
        self.trade = f"{lower}@trade"
        self.agg_trade = f"{lower}@aggTrade"
        self.mark = f"{lower}@markPrice"
        self.mark_fast = f"{lower}@markPrice@1s"
        self.klines = [(f"{lower}@kline_{name}", name) for name in INTERVALS_MS]
        self.aggregate: _Aggregate | None = None
        self.aggregate_id = 0
        self.traded = False


class EventDigest:
    """A running hash of everything public, with times relative to the start: same seed, same hash.

    64-bit integers, little endian: trades, then changed levels, of each batch in order.
    """

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self.batches = 0

    def add(self, batch: Batch, origin_ms: int) -> None:
        words = array("q", [batch.time_ms - origin_ms])
        for trade in batch.trades:
            words.extend((trade.trade_id, trade.price_ticks, trade.qty_lots, trade.buyer_is_maker))
        if batch.changes is not None:
            words.extend((batch.changes.first_id, batch.changes.last_id))
            for ticks, lots in (*batch.changes.bids, *batch.changes.asks):
                words.extend((ticks, lots))
        self._hash.update(batch.market.spec.symbol.encode())
        self._hash.update(words.tobytes())
        self.batches += 1

    def hex(self) -> str:
        return self._hash.hexdigest()


class Publisher:
    """All market streams of the venue, but `raw_streams`, which come from a recording."""

    def __init__(
        self,
        markets: Iterable[Market],
        sink: Sink,
        modern: bool,
        raw_streams: frozenset[str] = frozenset(),
    ) -> None:
        self._sink = sink
        self._modern = modern
        self._symbols = {market.spec.symbol: _SymbolStreams(market) for market in markets}
        self._raw = raw_streams
        self._windows: dict[str, int] = {}

    def batch(self, batch: Batch) -> None:
        """Publish one step of a market: prints first, then the top of the book, then its depth."""
        streams = self._symbols[batch.market.spec.symbol]
        spec = batch.market.spec
        for trade in batch.trades:
            if self._wants(streams.trade):
                self._sink.publish(streams.trade, payload.trade(spec, trade))
            self._aggregate(streams, trade)
            streams.traded = True
        changes = batch.changes
        if changes is None:
            return
        if batch.top is not None and self._wants(streams.book_ticker):
            message = payload.book_ticker(
                spec, batch.time_ms, changes.last_id, batch.top, self._modern
            )
            self._sink.publish(streams.book_ticker, message)
        for speed, chain in streams.chains.items():
            chain.fold(changes)
            if speed == 0:
                self._diff(streams, chain, batch.time_ms)

    def tick(self, now_ms: int) -> None:
        """Publish what is due on the clock: the slower depth streams, aggregates, marks, klines."""
        for speed in (100, 250, 500):
            if self._due(f"depth{speed}", speed, now_ms):
                for streams in self._symbols.values():
                    self._timed_depth(streams, speed, now_ms)
        if self._due("aggregate", AGGREGATE_MS, now_ms):
            for streams in self._symbols.values():
                self._flush_aggregate(streams, now_ms)
        if self._due("kline", KLINE_MS, now_ms):
            for streams in self._symbols.values():
                self._klines(streams, now_ms)
        if self._due("mark", SECOND_MS, now_ms):
            self._marks(fast=True, now_ms=now_ms)
        if self._due("slow mark", SLOW_MARK_MS, now_ms):
            self._marks(fast=False, now_ms=now_ms)

    def _due(self, what: str, width_ms: int, now_ms: int) -> bool:
        """True once per window of the clock; the first call only starts the counting."""
        number = now_ms // width_ms
        before = self._windows.get(what)
        self._windows[what] = number
        return before is not None and number > before

    def _wants(self, stream: str) -> bool:
        return stream not in self._raw and self._sink.wants(stream)

    def _diff(self, streams: _SymbolStreams, chain: _DepthChain, now_ms: int) -> None:
        if self._wants(chain.stream):
            message = payload.depth_update(
                streams.market.spec,
                now_ms,
                chain.first_id,
                chain.last_id,
                chain.previous_id,
                sorted(chain.bids.items()),
                sorted(chain.asks.items()),
                self._modern,
            )
            self._sink.publish(chain.stream, message)
        chain.clear()

    def _timed_depth(self, streams: _SymbolStreams, speed: int, now_ms: int) -> None:
        chain = streams.chains[speed]
        if chain.first_id == 0:
            return
        market = streams.market
        for levels, stream in streams.partials[speed]:
            if self._wants(stream):
                message = payload.depth_update(
                    market.spec,
                    now_ms,
                    chain.first_id,
                    chain.last_id,
                    chain.previous_id,
                    market.book.depth(BUY, levels),
                    market.book.depth(SELL, levels),
                    self._modern,
                )
                self._sink.publish(stream, message)
        self._diff(streams, chain, now_ms)

    def _aggregate(self, streams: _SymbolStreams, trade: PublicTrade) -> None:
        open_one = streams.aggregate
        if open_one is not None and open_one.takes(trade):
            open_one.last_id = trade.trade_id
            open_one.lots += trade.qty_lots
            return
        self._flush_aggregate(streams, trade.time_ms)
        streams.aggregate = _Aggregate(trade)

    def _flush_aggregate(self, streams: _SymbolStreams, now_ms: int) -> None:
        done = streams.aggregate
        if done is None:
            return
        streams.aggregate = None
        streams.aggregate_id += 1
        if self._wants(streams.agg_trade):
            message = payload.agg_trade(
                streams.market.spec,
                now_ms,
                streams.aggregate_id,
                done.first,
                done.last_id,
                done.lots,
                self._modern,
            )
            self._sink.publish(streams.agg_trade, message)

    def _klines(self, streams: _SymbolStreams, now_ms: int) -> None:
        if not streams.traded:
            return
        streams.traded = False
        for stream, interval in streams.klines:
            if self._wants(stream):
                bars = streams.market.candles.read(interval, 1, 0, now_ms)
                if bars:
                    width = INTERVALS_MS[interval]
                    spec = streams.market.spec
                    message = payload.kline(spec, now_ms, interval, width, bars[-1])
                    self._sink.publish(stream, message)

    def _marks(self, fast: bool, now_ms: int) -> None:
        whole_second = now_ms - now_ms % SECOND_MS
        for streams in self._symbols.values():
            stream = streams.mark_fast if fast else streams.mark
            if self._wants(stream):
                message = payload.mark_price(streams.market, whole_second, self._modern)
                self._sink.publish(stream, message)
