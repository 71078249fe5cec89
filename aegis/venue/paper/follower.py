"""The live market on paper: one more reader of the feed's memory, and the books that it drives.

Theory of operation. The ring of ticks is read in order, and every record does to a book what the
recorded message of the same kind does in a mirror: TRADE is a print, QUOTE a newer top, MARK and
FUNDING are the exchange's. Levels are not in the ring. A BOOK record says that the shared book has
an update id; if it still has just that one, its levels are taken over, and our orders' places with
them. If the shared book is already ahead, its own record is on its way behind trades that have not
been read: until then the record's top counts alone. A feed that conflates may stay ahead for long;
then the levels are taken, but nobody's place is moved by them.

A book is in force here only while it is in the feed's memory, the feed lives (``feed_watch``) and
no record was lost. It goes out of force on the first sign of any of these, before anything else is
read, and comes back with its levels from the shared memory (MirrorBook.resume). Trades that are no
newer than those levels are in them already: they are printed and move nobody.

`catch_up` is called before every command, so a command meets all that the feed has told by then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from aegis.shm.absence import why_absent
from aegis.shm.books import FLAGS, UPDATE_ID, VALID, BookView
from aegis.shm.instance import InstanceMemory
from aegis.shm.tick import BOOK, FUNDING, INCOMPLETE, MARK, QUOTE, RESYNC, STATUS, TRADE
from aegis.venue.core import Core
from aegis.venue.decimals import E8
from aegis.venue.market import Market, Top
from aegis.venue.marks import Funding
from aegis.venue.matching.interface import OWNER_TAKERS, Fill
from aegis.venue.mirror.book import MirrorBook, Rows
from aegis.venue.paper.feed_watch import FeedWatch
from aegis.venue.paper.listing import Contract, market_status
from aegis.venue.pump import Pump
from aegis.venue.reaction import Reaction
from aegis.venue.tape import HEADROOM, TAPE_RECORDS
from aegis.venue.wire.hub import Hub

log = logging.getLogger(__name__)

TURN_S: Final = 0.002
BATCH: Final = 1_024
MS_NS: Final = 1_000_000
SECOND_MS: Final = 1_000
# Values of a STATUS record.
FEED_UP, BOOK_INVALID, TRADING_STATUS = 1.0, 3.0, 4.0
# So many BOOK records in a row may find the shared book ahead before its levels are taken anyway.
PATIENCE: Final = 8
# A quotient of two prices that is so near below a whole number is that number.
SLACK: Final = 1e-3
NOT_YET: Final = "its book has not been seen yet"
JUST_STARTED: Final = "the feed has just been started"
LAPPED: Final = "records of the feed were missed"
OTHER_FILTERS: Final = (
    "the exchange has changed its tick or step; the venue's next start lists it anew"
)


@dataclass(slots=True)
class _Followed:
    """One instrument here."""

    instrument: int
    market: Market
    book: MirrorBook
    tick: float
    step: float
    # Trades up to here are in the levels with which the book came back.
    levels_ns: int = 0
    behind: int = 0
    has_other_filters: bool = False

    def ticks(self, price: float) -> int:
        return int(price / self.tick + SLACK)

    def lots(self, quantity: float) -> int:
        return int(quantity / self.step + SLACK)


class Follower:
    """Drives the markets of a venue on paper. `on_time` is told every turn's event time."""

    def __init__(
        self,
        core: Core,
        books: Mapping[str, MirrorBook],
        contracts: Sequence[Contract],
        memory: InstanceMemory,
        pump: Pump,
        hub: Hub,
        on_time: Callable[[int], None],
    ) -> None:
        self._core = core
        self._memory = memory
        self._pump = pump
        self._hub = hub
        self._on_time = on_time
        self._reaction = Reaction(core.exchange, core.books)
        self._followed: dict[int, _Followed] = {}
        for contract in contracts:
            market = core.exchange.markets[contract.spec.symbol]
            row = memory.instruments.row(contract.instrument)
            self._followed[contract.instrument] = _Followed(
                contract.instrument,
                market,
                books[contract.spec.symbol],
                float(row["tick_size"]),
                float(row["step_size"]),
            )
        self._rows = np.array(sorted(self._followed))
        self._ticks = np.array([self._followed[row].tick for row in self._rows.tolist()])
        self._steps = np.array([self._followed[row].step for row in self._rows.tolist()])
        self._reader = memory.ticks.reader(batch=BATCH)
        self._watch = FeedWatch(memory, time.monotonic_ns())
        self._doubt = NOT_YET
        self._second = 0
        self._is_busy = False
        self.laps = 0
        self.fundings = 0
        core.treasury.marks.listen()
        for one in self._followed.values():
            self._suspend(one, NOT_YET)

    # --- life ---

    def begin(self) -> None:
        """Take over what stands in the shared memory; the accounts are back by now."""
        for one in self._followed.values():
            self._set_status(one, int(self._memory.instruments.row(one.instrument)["status"]))
            self._read_mark(one)
        self.catch_up()

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            self.catch_up()
            self._hub.flush()
            await asyncio.sleep(TURN_S)

    def catch_up(self) -> None:
        """Let everything happen that the feed has told by now."""
        if self._is_busy:
            # A fault may act as a client does, in the middle of it.
            return
        self._is_busy = True
        try:
            now_ms = self._core.event_ms()
            self._look_at_feed()
            self._read_ring(now_ms)
            self._look_at_feed()
            self._on_time(now_ms)
            second = now_ms // SECOND_MS
            if second > self._second:
                self._second = second
                self._look_at_rows()
                self._core.exchange.on_second(second * SECOND_MS)
                self._pump.after_step(now_ms)
            elif len(self._core.tape) or self._core.exchange.touched:
                self._pump.after_step(now_ms)
            else:
                self._pump.tick(now_ms)
        finally:
            self._is_busy = False

    @property
    def lost(self) -> int:
        """Records that were overwritten before they were read."""
        return self._reader.lost

    @property
    def in_force(self) -> int:
        """How many books can be traded on."""
        return sum(not one.market.out_of_force for one in self._followed.values())

    # --- whether what is read can be believed ---

    def _look_at_feed(self) -> None:
        """Take out of force what is not valid any more, before anything is read; and back."""
        doubt = self._watch.doubt(time.monotonic_ns())
        if doubt:
            if doubt != self._doubt:
                for one in self._followed.values():
                    self._suspend(one, doubt)
        elif self._doubt:
            self._doubt = ""
            for one in self._followed.values():
                self._resume(one)
        else:
            valid = self._memory.books.heads[self._rows, FLAGS] & np.uint64(VALID)
            for place in np.flatnonzero(valid == 0).tolist():
                one = self._followed[int(self._rows[place])]
                if not one.market.out_of_force:
                    self._suspend(one, self._why(one))
        self._doubt = doubt

    def _why(self, one: _Followed) -> str:
        view = self._memory.books.read(one.instrument)
        return why_absent(view.why) if view is not None and view.why else JUST_STARTED

    def _suspend(self, one: _Followed, why: str) -> None:
        one.book.suspend()
        one.market.out_of_force = why

    def _resume(self, one: _Followed) -> None:
        """Back in force with the levels of the shared book, if that is valid."""
        if self._doubt or one.book.in_force or one.has_other_filters:
            return
        view = self._memory.books.read(one.instrument)
        if view is None or not view.valid:
            one.market.out_of_force = self._why(one)
            return
        one.levels_ns, one.behind = view.ts_event_ns, 0
        one.market.out_of_force = ""
        bids, asks = self._levels(one, view)
        if bids and asks and one.market.last_time_ms == 0:
            # Nothing was printed here yet: the middle is the best guess at the last price.
            one.market.guess_last((bids[0][0] + asks[0][0]) // 2)
        now_ms = self._core.event_ms()
        self._make_room(now_ms)
        self._settle(one, one.book.resume(view.update_id, bids, asks, now_ms), now_ms)
        one.book.end_step(now_ms)

    def _look_at_rows(self) -> None:
        """Take a symbol out of force for good whose prices or quantities count otherwise now."""
        rows = self._memory.instruments.rows[self._rows]
        differ = (rows["tick_size"] != self._ticks) | (rows["step_size"] != self._steps)
        for place in np.flatnonzero(differ).tolist():
            one = self._followed[int(self._rows[place])]
            if not one.has_other_filters:
                one.has_other_filters = True
                log.warning("%s: %s", one.market.spec.symbol, OTHER_FILTERS)
            self._suspend(one, OTHER_FILTERS)

    def _lapped(self) -> None:
        """Records were overwritten before they were read: begin again from the shared books."""
        log.warning("%d records of the feed were missed; books are read anew", self._reader.lost)
        self.laps = self._reader.laps
        for one in self._followed.values():
            self._suspend(one, LAPPED)
            self._read_mark(one)
            self._set_status(one, int(self._memory.instruments.row(one.instrument)["status"]))
        for one in self._followed.values():
            self._resume(one)

    # --- the ring ---

    def _read_ring(self, now_ms: int) -> None:
        until = self._memory.ticks.published
        while int(self._reader.cursor[0]) < until:
            batch = self._reader.poll()
            if self._reader.laps != self.laps:
                self._lapped()
                return
            for tick in batch.tolist():
                self._take(tick, now_ms)

    def _take(self, tick: tuple[Any, ...], now_ms: int) -> None:
        if tick[1] == STATUS and tick[5] == FEED_UP:
            for one in self._followed.values():
                self._suspend(one, JUST_STARTED)
            return
        taker, found = _TAKERS.get(tick[1]), self._followed.get(tick[0])
        if taker is None or found is None:
            return
        self._make_room(now_ms)
        taker(self, found, tick, now_ms)
        found.book.end_step(now_ms)
        self._reaction.look_at_prints(now_ms)

    def _on_trade(self, one: _Followed, tick: tuple[Any, ...], now_ms: int) -> None:
        _, _, flags, event_ns, _, price, quantity, side, trade_id, _ = tick
        ticks, lots = one.ticks(price), one.lots(quantity)
        if flags or ticks <= 0 or lots <= 0:
            # Settled off the book: an insurance fund's, or one that has no price of the market's.
            return
        moves = event_ns > one.levels_ns
        fills = one.book.trade(
            int(trade_id), ticks, lots, side < 0, event_ns // MS_NS, moves_queue=moves
        )
        self._settle(one, fills, now_ms)

    def _on_quote(self, one: _Followed, tick: tuple[Any, ...], now_ms: int) -> None:
        self._settle(one, one.book.note_top(int(tick[9]), self._top(one, tick)), now_ms)

    def _on_book(self, one: _Followed, tick: tuple[Any, ...], now_ms: int) -> None:
        if not one.book.in_force:
            self._resume(one)
            return
        update_id = int(tick[9])
        shared_id = int(self._memory.books.heads[one.instrument, UPDATE_ID])
        if shared_id != update_id and one.behind < PATIENCE:
            one.behind += 1
            self._settle(one, one.book.note_top(update_id, self._top(one, tick)), now_ms)
            return
        view = self._memory.books.read(one.instrument)
        if view is None or not view.valid:
            self._suspend(one, self._why(one))
            return
        one.behind = 0
        bids, asks = self._levels(one, view)
        settles = view.update_id == update_id
        fills = one.book.show(view.update_id, bids, asks, now_ms, settles=settles)
        self._settle(one, fills, now_ms)

    def _on_resync(self, one: _Followed, tick: tuple[Any, ...], now_ms: int) -> None:
        self._resume(one)

    def _on_status(self, one: _Followed, tick: tuple[Any, ...], now_ms: int) -> None:
        if tick[5] == BOOK_INVALID:
            self._suspend(one, why_absent(int(tick[6])))
        elif tick[5] == TRADING_STATUS:
            self._set_status(one, int(tick[6]))

    def _on_mark(self, one: _Followed, tick: tuple[Any, ...], now_ms: int) -> None:
        mark, index, rate, next_ms = tick[5:9]
        self._core.treasury.marks.tell(
            one.market.spec.number, _e8(mark), _e8(index), _e8(rate), int(next_ms)
        )

    def _on_funding(self, one: _Followed, tick: tuple[Any, ...], now_ms: int) -> None:
        rate, due_ms, mark = tick[5:8]
        if tick[2] & INCOMPLETE:
            log.warning(
                "%s: funding at %d ms is paid at %.8f, a rate of some time before it: the feed did "
                "not hear the last one", one.market.spec.symbol, int(due_ms), rate,
            )  # fmt: skip
        funding = Funding(one.market.spec.symbol, int(due_ms), _e8(rate), _e8(mark))
        self._core.treasury.funding.pay_told(one.market, funding, now_ms)
        self.fundings += 1

    # --- small steps ---

    def _make_room(self, now_ms: int) -> None:
        """A record writes no more on the tape than there is headroom for."""
        if len(self._core.tape) > TAPE_RECORDS - HEADROOM:
            self._pump.public(now_ms)

    def _settle(self, one: _Followed, fills: list[Fill], now_ms: int) -> None:
        if fills:
            self._core.exchange.fill_resting(one.market, fills, OWNER_TAKERS, now_ms)

    def _set_status(self, one: _Followed, code: int) -> None:
        one.market.status = market_status(code)

    def _read_mark(self, one: _Followed) -> None:
        view = self._memory.marks.read(one.instrument)
        if view is not None:
            self._core.treasury.marks.tell(
                one.market.spec.number,
                _e8(view.mark_price),
                _e8(view.index_price),
                _e8(view.funding_rate),
                0,
            )

    def _top(self, one: _Followed, tick: tuple[Any, ...]) -> Top:
        bid, bid_quantity, ask, ask_quantity = tick[5:9]
        return Top(one.ticks(bid), one.lots(bid_quantity), one.ticks(ask), one.lots(ask_quantity))

    def _levels(self, one: _Followed, view: BookView) -> tuple[Rows, Rows]:
        """Bids and asks of a shared book in ticks and lots, best first."""
        sides = []
        for levels in (view.bids, view.asks):
            ticks = (levels[:, 0] / one.tick + SLACK).astype(np.int64)
            lots = (levels[:, 1] / one.step + SLACK).astype(np.int64)
            sides.append(list(zip(ticks.tolist(), lots.tolist(), strict=True)))
        return sides[0], sides[1]


def _e8(value: float) -> int:
    return round(value * E8)


_Taker = Callable[[Follower, _Followed, tuple[Any, ...], int], None]
_TAKERS: Final[Mapping[int, _Taker]] = {
    TRADE: Follower._on_trade,
    QUOTE: Follower._on_quote,
    BOOK: Follower._on_book,
    RESYNC: Follower._on_resync,
    STATUS: Follower._on_status,
    MARK: Follower._on_mark,
    FUNDING: Follower._on_funding,
}
