"""A venue on paper without sockets, and a feed in its shared memory that does what a test says."""

from __future__ import annotations

import os
import time
from typing import Any, cast

import numpy as np

from aegis.host.process_identity import start_time_ticks
from aegis.shm.absence import Reason
from aegis.shm.instance import InstanceMemory
from aegis.shm.tick import BOOK, FUNDING, GAP, MARK, QUOTE, RESYNC, STATUS, TRADE
from aegis.venue.core import Core
from aegis.venue.mirror.book import MirrorBook
from aegis.venue.paper.follower import Follower
from aegis.venue.paper.listing import contracts_of
from aegis.venue.pump import Pump
from aegis.venue.wire.hub import Hub
from tests.venue.desk import KEYS, Desk

BTC: dict[str, Any] = {
    "symbol": b"BTCUSDT", "status": 1, "price_precision": 2, "quantity_precision": 3,
    "tick_size": 0.1, "step_size": 0.001, "min_qty": 0.001, "max_qty": 1000.0,
    "min_notional": 50.0, "min_price": 556.8, "max_price": 4529764.0, "multiplier_up": 1.05,
    "multiplier_down": 0.95,
}  # fmt: skip
ETH = {**BTC, "symbol": b"ETHUSDT", "tick_size": 0.01, "min_price": 39.86, "max_price": 306177.0}
Levels = list[tuple[float, float]]


class _Pump:
    """Reads the tape as the venue's pump does, and has nobody to send it to."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def public(self, now_ms: int) -> None:
        self._core.history.consume(self._core.tape)
        self._core.tape.clear()

    def after_step(self, now_ms: int) -> None:
        self.public(now_ms)

    def tick(self, now_ms: int) -> None:
        return


class PaperDesk(Desk):
    """`Desk` over an instance's memory; `feed_*` are what the feed does there."""

    def __init__(self, memory: InstanceMemory, **changes: Any) -> None:
        self.memory = memory
        self.contracts = contracts_of(memory.instruments, takes_all=False)
        super().__init__(contracts=tuple(one.spec for one in self.contracts), **changes)
        self.exchange.touched.clear()
        self.follower = Follower(
            self.core,
            self.built.followed,
            self.contracts,
            memory,
            cast(Pump, _Pump(self.core)),
            Hub(),
            lambda now_ms: None,
        )
        self.core.catch_up = self.follower.catch_up
        self._update_id = 1_000
        self.event_ms = self.now_ms  # of the exchange's newest event

    @property
    def book(self) -> MirrorBook:  # type: ignore[override]
        return self.built.followed["BTCUSDT"]

    def begin(self) -> None:
        """The feed's loop turns, and the venue takes over what stands in the memory."""
        self.feed_beat()
        self.follower.begin()

    def read(self) -> None:
        self.follower.catch_up()

    # --- the feed ---

    def feed_beat(self) -> None:
        """A turn of a feed that is this very process."""
        counters = self.memory.counters["feed"]
        counters["pid"] = os.getpid()
        counters["start_time_ticks"] = start_time_ticks(os.getpid()) or 0
        counters["loop_ts_ns"] = time.monotonic_ns()

    def feed_record(
        self, kind: int, *values: float, instrument: int = 0, event_ms: int = 0, flags: int = 0
    ) -> None:
        fields = (*values, *(0.0,) * (5 - len(values)))
        self.event_ms += 1
        event_ns = (event_ms or self.event_ms) * 1_000_000
        self.memory.ticks.write((instrument, kind, flags, event_ns, time.monotonic_ns(), *fields))

    def feed_levels(self, bids: Levels, asks: Levels, instrument: int = 0) -> int:
        """The shared book changes, and is valid; the update id."""
        self._update_id += 1
        self.memory.books.write(
            instrument, self._update_id, self.event_ms * 1_000_000, time.monotonic_ns(),
            np.array(bids).reshape(-1, 2), np.array(asks).reshape(-1, 2),
        )  # fmt: skip
        return self._update_id

    def feed_book(self, bids: Levels, asks: Levels, instrument: int = 0) -> None:
        """The shared book changes, and its record follows."""
        update_id = self.feed_levels(bids, asks, instrument)
        top = (*bids[0], *asks[0], float(update_id))
        self.feed_record(BOOK, *top, instrument=instrument)

    def feed_quote(self, bid: float, bid_qty: float, ask: float, ask_qty: float) -> None:
        self._update_id += 1
        self.feed_record(QUOTE, bid, bid_qty, ask, ask_qty, float(self._update_id))

    def feed_trade(self, price: float, quantity: float, side: int, *, event_ms: int = 0) -> None:
        self.feed_record(TRADE, price, quantity, float(side), 7.0, event_ms=event_ms)

    def feed_breaks(self, reason: Reason = Reason.GAP, instrument: int = 0) -> None:
        """The book goes out of force: in the memory first, then in the ring."""
        self.memory.books.set_valid(instrument, False, reason, time.monotonic_ns())
        self.feed_record(GAP, 1.0, 2.0, instrument=instrument)
        self.feed_record(STATUS, 3.0, float(reason), instrument=instrument)

    def feed_mends(self, bids: Levels, asks: Levels) -> None:
        """The book comes back, in the order in which the feed tells of it."""
        self.feed_record(STATUS, 2.0)
        self.feed_record(RESYNC, float(self._update_id + 1), float(self._update_id))
        self.feed_book(bids, asks)

    def feed_mark(self, mark: float, index: float, rate: float, next_ms: int) -> None:
        self.feed_record(MARK, mark, index, rate, float(next_ms))

    def feed_funding(self, rate: float, due_ms: int, mark: float, *, flags: int = 0) -> None:
        self.feed_record(FUNDING, rate, float(due_ms), mark, flags=flags)

    # --- the client ---

    def order(self, key: Any = KEYS[0], **parameters: Any) -> tuple[int, Any]:
        self.follower.catch_up()
        return super().order(key, **parameters)

    def filled(self) -> list[tuple[int, int, bool]]:
        """(ticks, lots, whether ours was the maker) of every trade of ours."""
        return [(t.price_ticks, t.qty_lots, t.maker) for t in self.exchange.user_trades]


def list_contracts(memory: InstanceMemory, *rows: dict[str, Any]) -> None:
    """What the feed writes when it has the exchange's list."""
    for instrument, row in enumerate(rows):
        memory.instruments.set(instrument, **row)
