"""Loading the venue's kernels before anybody waits for them, with the types they will meet.

Called by the supervisor in the parent, so that all children share the machine code, and by a venue
on its own before it opens its port. It runs a small exchange for two seconds of its own time,
without sockets; nothing of it is seen by anybody.
"""

from __future__ import annotations

import numpy as np

from aegis.config.models import VenueConfig
from aegis.config.settings import Settings
from aegis.venue.build import VenueOptions, build
from aegis.venue.core import Core
from aegis.venue.flow.population import make_agents
from aegis.venue.flow_driver import FlowDriver
from aegis.venue.market import Market
from aegis.venue.matching import records
from aegis.venue.matching.interface import BUY, OWNER_MAKERS, SELL
from aegis.venue.matching.layout import Books
from aegis.venue.memory import Memory
from aegis.venue.publish.publisher import Publisher
from aegis.venue.pump import Pump
from aegis.venue.wire.hub import Hub
from aegis.venue.wire.userfeed import UserFeed

__all__ = ["warm_up"]

_ORIGIN_MS = 1_700_000_000_000
_loaded = False


class _Listener:
    """Somebody who subscribes, so that frames are gathered for him."""

    def enqueue(self, frame: bytes) -> None:
        return

    def flush(self) -> None:
        return

    def backlog(self) -> int:
        return 0


def warm_up(settings: Settings | None = None) -> None:
    """Run every kernel of the venue once. The settings do not matter; leaves nothing behind.

    A second call does nothing.
    """
    global _loaded
    if _loaded:
        return
    _loaded = True
    config = VenueConfig(universe=1)
    core = build(VenueOptions(config=config), lambda: _ORIGIN_MS, lambda: _ORIGIN_MS).core
    hub, feed = Hub(), UserFeed(core.exchange.markets, core.listen_keys, core.modern)
    pump = Pump(core, Memory(core, None), Publisher(core, hub), hub, feed)
    market, *_ = core.exchange.markets.values()
    hub.subscribe(f"{market.spec.symbol.lower()}@depth", _Listener(), combined=True)
    agents = make_agents([market.spec], config.flow, config.seed)
    core.treasury.marks.follow(agents.fair_ticks)
    driver = FlowDriver(core, agents, _ORIGIN_MS, pump.after_step)
    driver.open_markets()
    driver.run_until(2.0)
    _trade(core, market)
    pump.after_command(_ORIGIN_MS + 3_000)
    _play(core.books)
    core.tape.clear()


def _trade(core: Core, market: Market) -> None:
    """What clients' orders and questions need."""
    book, order_id = market.book, core.exchange.ids.next_order()
    price, _ = book.best(BUY)
    assert book.has_room(BUY, price), "a market that has just opened has room"
    book.available(OWNER_MAKERS, SELL, price, 0, 1)
    book.submit(order_id, OWNER_MAKERS, BUY, price, 1, now_ms=_ORIGIN_MS, rest=True)
    book.cancel(order_id, _ORIGIN_MS)
    book.depth(BUY, 5)
    core.exchange.ledger.bring_in()
    last_id = core.exchange.ids.last_trade(0)
    core.history.trades(0, 1, last_id)
    now_ms = _ORIGIN_MS + 3_000
    core.history.bars(0, "1h", 1, None, now_ms, now_ms)
    core.history.open_bar(0, "1m", now_ms)
    core.history.ticker(0, now_ms)


def _play(books: Books) -> None:
    """What a recorded market needs."""
    levels = np.array([[BUY, 1, 1]], np.int64)
    records.record_levels(books, 0, 1, 2, levels, _ORIGIN_MS)
    records.record_trade(books, 0, 1, 1, 1, BUY, _ORIGIN_MS)
    records.close_step(books, 0, 1, 1, 2, 1, _ORIGIN_MS)
    records.add_sum(books.sums, 0, OWNER_MAKERS, 1, 1)
