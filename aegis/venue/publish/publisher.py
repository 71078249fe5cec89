"""All market streams of the venue: what goes out, when, and with which ids.

``pump`` hands it the tape in pieces that do not cross a multiple of GRID_MS of event time, and
calls `tick` at each of these and on the clock; what it makes goes into the hub's log. The hot
streams are written by the kernels as they read the tape; the timed ones when event time reaches a
multiple of their width. It keeps nothing that nobody wants, and must never see a book that is
ahead of the tape: `refresh` is for when the tape is empty.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np

from aegis.venue.core import Core
from aegis.venue.decimals import E8
from aegis.venue.marks import AVERAGE, INDEX, MARK, NEXT_MS, RATE, SAMPLES, SETTLE
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.publish import kinds, timed
from aegis.venue.publish.encoder import cut, encode, follow, refresh
from aegis.venue.publish.log import MAX_OPENING, MESSAGES
from aegis.venue.publish.rare import asset_index, force_order
from aegis.venue.publish.scales import Words
from aegis.venue.publish.tables import ACTIVE, BOOK_LEVELS, FOLLOWED, MASK, make_encoder
from aegis.venue.publish.templates import MAX_MESSAGE
from aegis.venue.streams import ASSET_STREAMS
from aegis.venue.tape import Tape
from aegis.venue.wire.hub import Hub

__all__ = ["Publisher"]

AGGREGATE_MS: Final = 100
KLINE_MS: Final = 250
MINI_TICKER_MS: Final = 500
SECOND_MS: Final = 1_000
TICKER_MS: Final = 2_000
SLOW_MARK_MS: Final = 3_000
FOLLOWS: Final = 16  # books taken over in one turn
assert all(
    width % kinds.GRID_MS == 0
    for width in (AGGREGATE_MS, KLINE_MS, MINI_TICKER_MS, *kinds.WINDOWS_MS)
), "everything is cut on the grid"

_PARTIAL_BITS: Final = ((1 << kinds.SPEEDS) - 1) << kinds.DIFFS
_CANDLE_BITS: Final = ((1 << (kinds.KINDS - kinds.KLINE)) - 1) << kinds.KLINE


class _Timer:
    """Something that is due at every multiple of a width of event time."""

    __slots__ = ("act", "number", "width_ms")

    def __init__(self, width_ms: int, act: Callable[[int], None]) -> None:
        self.width_ms = width_ms
        self.act = act
        self.number = -1

    def tick(self, now_ms: int) -> None:
        """Act, as of the newest multiple that has been reached; the first call only begins."""
        number = now_ms // self.width_ms
        if number > self.number >= 0:
            self.act(number * self.width_ms)
        self.number = max(number, self.number)


class Publisher:
    """All market streams of the venue, but `raw_streams`, which come from a recording."""

    def __init__(self, core: Core, hub: Hub, raw_streams: frozenset[str] = frozenset()) -> None:
        self._core = core
        self._hub = hub
        self._markets = sorted(core.exchange.markets.values(), key=lambda one: one.spec.number)
        self._history = core.history.tables
        specs = [market.spec for market in self._markets]
        names = [name for spec in specs for name in kinds.symbol_streams(spec.symbol)]
        base = hub.reserve([*names, *kinds.MARKET_STREAMS])
        self._all = base + len(names)
        self._encoder = make_encoder(specs, core.modern, base)
        self._timed = timed.make_timed(len(specs), core.history.closed_count)
        self._muted = np.array([name in raw_streams for name in names] or [False], np.uint8)
        self._marks: Words = np.zeros((len(specs), timed.MARK_WORDS), np.int64)
        self._timers = self._make_timers()
        self._wanted = 0  # bit per kind: somebody wants it of some symbol
        self._version = -1
        self._to_follow: list[int] = []  # symbols whose book is to be taken over for partial depth
        room = (len(specs) + 1) * MAX_MESSAGE + MAX_OPENING
        assert room < len(hub.log.text), f"no room for an array of {len(specs)} symbols"
        self._load()

    # --- what pump does ---

    def consume_part(self, tape: Tape, begin: int, end: int) -> None:
        """Publish the records at places [begin, end) of a tape; no window ends among them."""
        hub = self._hub
        while True:
            begin = encode(self._encoder, hub.log, hub.table.arrays, tape.records, begin, end)
            if begin == end:
                return
            self._make_room()

    def tick(self, now_ms: int) -> None:
        """Publish what is due at `now_ms`, when everything before it has been consumed."""
        hub = self._hub
        while not cut(self._encoder, hub.log, hub.table.arrays, now_ms):
            self._make_room()
        for timer in self._timers:
            timer.tick(now_ms)

    def admit(self) -> None:
        """Take in what has been subscribed: records not consumed yet are for the new ones, too."""
        hub, encoder = self._hub, self._encoder
        if hub.version != self._version:
            self._version = hub.version
            masks = encoder.symbols[:, MASK].copy()
            refresh(encoder, hub.table.arrays, self._muted)
            timed.forget_shown(self._timed, masks, encoder)
            self._wanted = int(np.bitwise_or.reduce(encoder.symbols[:, MASK]))
            lacking = encoder.symbols[:, ACTIVE] & _PARTIAL_BITS != 0
            lacking &= encoder.symbols[:, FOLLOWED] == 0
            self._to_follow = np.flatnonzero(lacking).tolist()

    def refresh(self) -> None:
        """Admit, and take over the books that partial depth is cut from. Only on an empty tape."""
        self.admit()
        encoder = self._encoder
        # A whole market of books at once would keep everybody waiting.
        now, self._to_follow = self._to_follow[:FOLLOWS], self._to_follow[FOLLOWS:]
        for number in now:
            book = self._markets[number].book
            levels = [
                (side, ticks, lots)
                for side in (BUY, SELL)
                for ticks, lots in reversed(book.depth(side, BOOK_LEVELS))
            ]
            follow(encoder, number, np.array(levels, np.int64).reshape(-1, 3))

    # --- inside ---

    def _load(self) -> None:
        """Call every kernel for nothing: it is loaded now, before anybody waits for it."""
        hub, encoder, history = self._hub, self._encoder, self._history
        self.consume_part(self._core.tape, 0, 0)
        cut(encoder, hub.log, hub.table.arrays, 0)
        refresh(encoder, hub.table.arrays, self._muted)
        timed.forget_shown(self._timed, np.zeros(0, np.int64), encoder)
        follow(encoder, 0, np.zeros((0, 3), np.int64))
        encoder.symbols[0, FOLLOWED] = 0
        self._run(timed.write_aggregates, history, 0)
        self._run(timed.write_klines, history, 0)
        for full in (False, True):
            self._run(timed.write_tickers, history, 0, full)
        self._run(timed.write_ticker_array, history, 0, 0, True)
        self._run(timed.write_marks, self._marks, kinds.MARK_FAST, 0)
        self._run(timed.write_mark_array, self._marks[:0], 0, 0)
        assert hub.log.cursor[MESSAGES] == 0, "nothing has happened yet"

    def _make_timers(self) -> list[_Timer]:
        """What goes out by the clock, in the order in which it does when all is due at once."""
        tickers, marks, everyones = self._tickers, self._mark_prices, self._ticker_array
        fast = partial(marks, kind=kinds.MARK_FAST, stream=self._all + kinds.ALL_MARKS_FAST)
        slow = partial(marks, kind=kinds.MARK_SLOW, stream=self._all + kinds.ALL_MARKS_SLOW)
        return [
            _Timer(AGGREGATE_MS, self._aggregates),
            _Timer(KLINE_MS, self._candles),
            _Timer(MINI_TICKER_MS, partial(tickers, full=False)),
            _Timer(SECOND_MS, partial(everyones, full=False)),
            _Timer(TICKER_MS, partial(tickers, full=True)),
            _Timer(SECOND_MS, partial(everyones, full=True)),
            _Timer(SECOND_MS, fast),
            _Timer(SLOW_MARK_MS, slow),
            _Timer(SECOND_MS, self._force_orders),
            _Timer(SECOND_MS, self._asset_indexes),
        ]

    def _run(self, write: Callable[..., bool], *arguments: Any) -> None:
        """Call a kernel until it is done; each time the log is full, hand it out."""
        hub = self._hub
        while not write(self._encoder, self._timed, hub.log, hub.table.arrays, *arguments):
            self._make_room()

    def _make_room(self) -> None:
        assert self._hub.log.cursor[MESSAGES] > 0, "a message is too long for an empty log"
        self._hub.flush()

    def _wants(self, kind: int) -> int:
        return self._wanted >> kind & 1

    def _wants_all(self, stream: int) -> bool:
        return bool(self._hub.table.arrays.wanted[stream])

    def _aggregates(self, event_ms: int) -> None:
        # Also when nobody listens: what was closed before somebody came is not for him.
        self._run(timed.write_aggregates, self._history, event_ms)

    def _candles(self, event_ms: int) -> None:
        if self._wanted & _CANDLE_BITS:
            self._run(timed.write_klines, self._history, event_ms)

    def _tickers(self, event_ms: int, *, full: bool) -> None:
        if self._wants(kinds.TICKER if full else kinds.MINI_TICKER):
            self._run(timed.write_tickers, self._history, event_ms, full)

    def _ticker_array(self, event_ms: int, *, full: bool) -> None:
        stream = self._all + (kinds.ALL_TICKERS if full else kinds.ALL_MINI_TICKERS)
        if self._wants_all(stream):
            self._run(timed.write_ticker_array, self._history, stream, event_ms, full)

    def _mark_prices(self, event_ms: int, *, kind: int, stream: int) -> None:
        everyones = self._wants_all(stream)
        if self._wants(kind) or everyones:
            self._read_marks(event_ms)
        if self._wants(kind):
            self._run(timed.write_marks, self._marks, kind, event_ms)
        if everyones:
            self._run(timed.write_mark_array, self._marks, stream, event_ms)

    def _read_marks(self, now_ms: int) -> None:
        """Mark, average, settlement and index price, rate and next funding of every symbol."""
        marks = self._core.treasury.marks
        words = marks.gauges.words
        if marks.is_measured and (words[:, SAMPLES] > 0).all():
            self._marks[:] = words[:, [MARK, AVERAGE, SETTLE, INDEX, RATE, NEXT_MS]]
            return
        for number, market in enumerate(self._markets):
            one = marks.reading(number, market.mark_e8(), now_ms)
            self._marks[number] = (
                one.mark_e8, one.average_e8, one.settle_e8, one.index_e8, one.rate_e8,
                one.next_funding_ms,
            )  # fmt: skip

    def _force_orders(self, event_ms: int) -> None:
        """The newest liquidation order of each symbol in the second that is over."""
        newest = {
            one.market.spec.symbol: one for one in self._core.treasury.liquidator.take_forced()
        }
        for symbol, forced in newest.items():
            self._hub.publish(f"{symbol.lower()}@forceOrder", force_order(forced, event_ms, False))
            message = force_order(forced, event_ms, self._core.modern)
            self._hub.publish("!forceOrder@arr", message)

    def _asset_indexes(self, event_ms: int) -> None:
        """The margin assets in dollars, as GET /fapi/v1/assetIndex has them."""
        wanted = [name for name in ASSET_STREAMS.values() if self._hub.wants(name)]
        everyones = self._wants_all(self._all + kinds.ALL_ASSET_INDEXES)
        if not wanted and not everyones:
            return
        markets, marks = self._core.exchange.markets, self._core.treasury.marks
        messages = {}
        for asset, stream in ASSET_STREAMS.items():
            market = markets.get(f"{asset}USDT")
            if market is not None:
                one = marks.reading(market.spec.number, market.mark_e8(), event_ms)
                messages[stream] = asset_index(asset, one.index_e8, event_ms)
            elif asset.startswith("USD"):
                messages[stream] = asset_index(asset, E8, event_ms)
        for stream in wanted:
            if stream in messages:
                self._hub.publish(stream, messages[stream])
        if everyones:
            self._hub.publish("!assetIndex@arr", b"[" + b",".join(messages.values()) + b"]")
