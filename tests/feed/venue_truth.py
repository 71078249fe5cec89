"""What the embedded exchange's books really are, update id by update id, for tests that lie.

A tap subscribes to the depth streams inside the exchange, in front of every fault, and rebuilds the
books from them the slow way: plain dicts. Whenever the exchange stands still its matching engine is
asked for the whole book and must agree, so the history is the engine's own. The checker compares
with it, level by level, what the shared books region shows as valid.
"""

from __future__ import annotations

import json
import random
from array import array
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from aegis.feed.intake import Intake
from aegis.host.clock import monotonic_ns
from aegis.shm.books import DEPTH
from aegis.shm.instance import InstanceMemory
from aegis.venue.market import Market
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.serve import Venue

Levels = tuple[bytes, bytes]
WHOLE_BOOKS_KEPT = 400
TOP_BYTES = DEPTH * 2 * 8
FULL_CHECK_SHARE = 0.02


class SymbolTruth:
    """One symbol's books. `tops[u]` are the best levels of both sides after update id u."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.sides: tuple[dict[float, float], dict[float, float]] = self.engine_book()
        self.last_id = market.book.last_update_id()
        self.tops: dict[int, Levels] = {}
        self.whole: OrderedDict[int, Levels] = OrderedDict()
        self.ids: list[int] = []
        self.told_ns: list[int] = []
        self._keep()

    def engine_book(self) -> tuple[dict[float, float], dict[float, float]]:
        """What the matching engine holds now, prices and quantities as the wire spells them."""
        spec, book = self.market.spec, self.market.book
        bids, asks = (
            {
                float(spec.price_text(ticks)): float(spec.qty_text(lots))
                for ticks, lots in book.depth(side, 1000)
            }
            for side in (BUY, SELL)
        )
        return bids, asks

    def take(self, event: dict[str, Any]) -> None:
        """A depth event as the exchange meant it."""
        # The first event follows what the stream told last, before we listened.
        follows = event["pu"] == self.last_id or len(self.ids) == 1
        assert follows, f"the tap missed an event: {event['pu']}"
        for side, levels in zip(self.sides, (event["b"], event["a"]), strict=True):
            for price, quantity in levels:
                if float(quantity) == 0.0:
                    side.pop(float(price), None)
                else:
                    side[float(price)] = float(quantity)
        self.last_id = event["u"]
        self._keep()

    def _keep(self) -> None:
        bids = array("d", chain(*sorted(self.sides[0].items(), reverse=True))).tobytes()
        asks = array("d", chain(*sorted(self.sides[1].items()))).tobytes()
        self.tops[self.last_id] = bids[:TOP_BYTES], asks[:TOP_BYTES]
        self.whole[self.last_id] = bids, asks
        if len(self.whole) > WHOLE_BOOKS_KEPT:
            self.whole.popitem(last=False)
        self.ids.append(self.last_id)
        self.told_ns.append(monotonic_ns())

    def overtaken_ns(self, update_id: int) -> int | None:
        """When the book of `update_id` ceased to be the exchange's; None while it still is."""
        place = bisect_right(self.ids, update_id)
        return self.told_ns[place] if place < len(self.ids) else None


class Tap:
    """A subscriber of the hub that no fault can touch."""

    def __init__(self, venue: Venue, symbols: list[str]) -> None:
        markets = venue.core.exchange.markets
        venue.hub.flush()
        self.truths = {symbol: SymbolTruth(markets[symbol]) for symbol in symbols}
        self.engine_checks = 0
        for symbol in symbols:
            venue.hub.subscribe(f"{symbol.lower()}@depth@0ms", self, combined=False)

    def enqueue(self, frames: bytes) -> None:
        at = 0
        while at < len(frames):
            length, at = frames[at + 1] & 0x7F, at + 2
            if length >= 126:
                size = 2 if length == 126 else 8
                length, at = int.from_bytes(frames[at : at + size], "big"), at + size
            event = json.loads(frames[at : at + length])
            self.truths[event["s"]].take(event)
            at += length

    def flush(self) -> None:
        return

    def backlog(self) -> int:
        return 0

    def ask_the_engine(self) -> None:
        """Compare with the matching engine every book of which all has been told."""
        for truth in self.truths.values():
            if truth.last_id == truth.market.book.last_update_id():
                assert truth.engine_book() == truth.sides, truth.market.spec.symbol
                self.engine_checks += 1


@dataclass
class Checker:
    """Looks at every valid book after whatever the intake did.

    `wrong` are sentences about books that were valid and not the exchange's; `stalest_ns` is the
    longest time for which a book was shown as valid after the exchange's had moved on, by symbol.
    """

    intake: Intake
    memory: InstanceMemory
    tap: Tap
    source: random.Random
    wrong: list[str] = field(default_factory=list)
    stalest_ns: dict[str, int] = field(default_factory=dict)
    valid_moments: int = 0
    whole_books: int = 0
    _seen: dict[int, int] = field(default_factory=dict)

    def watch(self) -> None:
        """Check after everything that the intake takes in; to be called before it runs."""
        intake: Any = self.intake
        for name in ("take", "flush", "on_snapshot"):
            setattr(intake, name, self._checked(getattr(intake, name)))

    def _checked(self, act: Any) -> Any:
        def checked(*arguments: Any) -> Any:
            result = act(*arguments)
            self.check()
            return result

        return checked

    def check(self) -> None:
        """Compare every book that has changed since the last look."""
        for row, symbol in enumerate(self.intake.symbols.symbols):
            sequence = int(self.memory.books.heads[row, 0])
            if symbol in self.tap.truths and self._seen.get(row) != sequence:
                self._seen[row] = sequence
                self._compare(row, symbol)

    def _compare(self, row: int, symbol: str) -> None:
        view = self.memory.books.read(row)
        if view is None or not view.valid:
            return
        self.valid_moments += 1
        truth = self.tap.truths[symbol]
        known = truth.tops.get(view.update_id)
        if known != (view.bids.tobytes(), view.asks.tobytes()):
            true = "never was" if known is None else [array("d", side).tolist() for side in known]
            shown = view.bids.tolist(), view.asks.tolist()
            self.wrong.append(f"{symbol} at {view.update_id}: shown {shown}, true {true}")
        if view.update_id in truth.whole and self.source.random() < FULL_CHECK_SHARE:
            self.whole_books += 1
            book = self.intake.full_book(row)
            if (book.bids.tobytes(), book.asks.tobytes()) != truth.whole[view.update_id]:
                self.wrong.append(f"{symbol} at {view.update_id}: the full book differs")

    def age_ns(self, row: int, symbol: str, now_ns: int) -> int | None:
        """For how long the shown book has not been the exchange's; None when it is not valid."""
        view = self.memory.books.read(row)
        if view is None or not view.valid:
            return None
        since_ns = self.tap.truths[symbol].overtaken_ns(view.update_id)
        return 0 if since_ns is None else now_ns - since_ns

    def look_for_stale(self, now_ns: int) -> None:
        """Keep the greatest age at which any book was still shown as valid."""
        for row, symbol in enumerate(self.intake.symbols.symbols):
            if symbol in self.tap.truths:
                age_ns = self.age_ns(row, symbol, now_ns) or 0
                self.stalest_ns[symbol] = max(self.stalest_ns.get(symbol, 0), age_ns)
