"""Accounts: after every event of a trading day our books are the exchange's, to the last unit.

Real trading against the embedded exchange. The exchange's ledger is noted at every trade of ours;
each time a message of the private stream has been taken, position, cost, realised profit, fees and
the wallet (with funding) are compared. Then the process is restarted over its journal, and the
books must be the same again.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from pathlib import Path
from typing import Any

from aegis.execution.user_events import AccountUpdate, OrderUpdate
from aegis.shm.intent import IOC, MARKET, POST_ONLY
from aegis.venue.serve import Venue
from tests.execution.rig import Rig, run
from tests.execution.test_against_venue import SYMBOL, exchange_at_work, settled, top, trading

Books = tuple[int, int, int]


class Ledger:
    """The exchange's side: what its ledger said after each trade of ours."""

    def __init__(self, venue: Venue) -> None:
        exchange = venue.core.exchange
        self.account = next(a for a in exchange.ledger.accounts.values() if a.name == "client-0")
        self.opening_e8 = self.account.wallet_e8
        self.after: dict[int, Books] = {}
        ledger = self

        class Watched(deque[Any]):
            def append(self, trade: Any) -> None:
                super().append(trade)
                ledger.after[trade.trade_id] = ledger.books()

        exchange.user_trades = Watched(exchange.user_trades, exchange.user_trades.maxlen)

    def books(self) -> Books:
        position = self.account.position(SYMBOL)
        return position.lots, position.cost_e8, position.realized_e8


class Comparison:
    """Our side: looks after every event that has been taken."""

    def __init__(self, rig: Rig, ledger: Ledger) -> None:
        self.compared_trades = self.compared_wallets = 0
        self._rig = rig
        self._ledger = ledger
        session: Any = rig.session
        take = session.on_event

        def look(event: OrderUpdate | AccountUpdate, now_ns: int) -> None:
            take(event, now_ns)
            self._look(event)

        session.on_event = look

    def _look(self, event: OrderUpdate | AccountUpdate) -> None:
        if isinstance(event, OrderUpdate):
            if event.x == "TRADE":
                self.compared_trades += 1
                assert books(self._rig) == self._ledger.after[event.t], f"after trade {event.t}"
        elif event.B:
            self.compared_wallets += 1
            assert self._rig.session.core.wallet_e8 == wallet_e8(self._rig, self._ledger)


def books(rig: Rig) -> Books:
    held = rig.session.gate.exposure[0]
    return int(held["position_lots"]), int(held["cost_e8"]), int(held["realized_e8"])


def wallet_e8(rig: Rig, ledger: Ledger) -> int:
    """What the wallet must be by our own books."""
    held = rig.session.gate.exposure[0]
    funding_e8 = rig.session.core.funding_e8
    return ledger.opening_e8 + int(held["realized_e8"]) - int(held["fees_e8"]) + funding_e8


async def trade(venue: Venue, rig: Rig, rng: random.Random, orders: int) -> None:
    """Orders of every kind on both sides, and now and then a funding payment."""
    exchange = venue.core.exchange
    for number in range(orders):
        bid, ask = top(venue)
        side = rng.choice((1, -1))
        flags = rng.choice((POST_ONLY, 0, IOC, MARKET))
        base = bid if side > 0 else ask
        price = 0 if flags == MARKET else base - side * rng.randint(-3, 2)
        ref = rig.send(side=side, flags=flags, price_ticks=price, qty_lots=rng.randint(1, 30))
        if number % 10 == 5:
            venue.core.treasury.funding.pay_now(
                [exchange.markets[SYMBOL]], rng.choice((-10_000, 7_777)), venue.core.event_ms()
            )
        await asyncio.sleep(0.01)
        if rng.random() < 0.5:
            rig.cancel(ref)
    for ref in range(1, rig.next_ref + 1):
        rig.cancel(ref)
    await settled(rig)
    await rig.until(lambda: not rig.session.core.positions_differ(), "equal positions")


async def caught_up(rig: Rig, ledger: Ledger) -> None:
    """Everything told has been heard: the books and the wallet are the exchange's now."""
    core = rig.session.core
    await rig.until(lambda: core.wallet_e8 == ledger.account.wallet_e8, "the last balance")
    assert books(rig) == ledger.books()
    assert wallet_e8(rig, ledger) == ledger.account.wallet_e8


def test_equal_after_every_event_and_after_a_restart(tmp_path: Path) -> None:
    async def day() -> None:
        async with exchange_at_work() as (venue, peer):
            async with trading(tmp_path, venue, peer) as rig:
                ledger = Ledger(venue)
                seen = Comparison(rig, ledger)
                await trade(venue, rig, random.Random(4), 60)
                await caught_up(rig, ledger)
                assert seen.compared_trades > 15
                assert seen.compared_wallets > seen.compared_trades
                assert rig.session.core.funding_e8 != 0
                assert rig.session.core.pnl_differences == 0
                before = (*books(rig), rig.session.core.funding_e8)
            # While nobody listens a funding is paid.
            wallet_before_e8 = ledger.account.wallet_e8
            market = venue.core.exchange.markets[SYMBOL]
            venue.core.treasury.funding.pay_now([market], 5_000, venue.core.event_ms())
            paid_e8 = ledger.account.wallet_e8 - wallet_before_e8
            assert (paid_e8 != 0) == (before[0] != 0)
            async with trading(tmp_path, venue, peer) as rig:
                assert (*books(rig), rig.session.core.funding_e8 - paid_e8) == before
                assert rig.session.reconciler.funding.missed == (paid_e8 != 0)
                assert rig.counters["gate_state"] == 1
                seen = Comparison(rig, ledger)
                await trade(venue, rig, random.Random(5), 20)
                await caught_up(rig, ledger)
                assert seen.compared_trades > 3

    run(day())
