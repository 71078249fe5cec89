"""Keeps a venue's core in its journal, and brings it back from there.

``pump`` calls `commit` before any answer goes out; ``serve`` calls `restore` once at start. Resting
orders are kept, as an exchange does: they go back into their books before the market opens, and
what happens to them there is found over REST. In a recorded market they join the queue anew.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable

from aegis.venue.core import Core
from aegis.venue.credentials import KeyPair
from aegis.venue.errors import JournalError
from aegis.venue.journal import Countdowns, Journal, Recovered, VenueState
from aegis.venue.ledger import OWNER_INSURANCE
from aegis.venue.matching.interface import FIRST_CLIENT, OWNER_MAKERS

log = logging.getLogger(__name__)

# Ids are reserved in blocks: the synthetic flow uses up hundreds per second, and a restart may
# begin only behind the last one that was given out.
BLOCK = 1_000_000


def identity_of(keys: Iterable[KeyPair]) -> str:
    """Names the accounts that a journal belongs to, without telling their keys."""
    text = ",".join(key.api_key for key in keys)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class Memory:
    """The link between a core and its journal; without a journal it does nothing."""

    def __init__(self, core: Core, journal: Journal | None) -> None:
        self._core = core
        self._journal = journal
        self._reserved = (0, 0, 0)
        self._prices: dict[str, int] = {}
        self.failures = 0

    def restore(self) -> Recovered | None:
        """Bring back what the journal holds; the prices in it are for the flow to start from."""
        journal = self._journal
        if journal is None:
            return None
        found = journal.recover()
        if found is not None:
            self._apply(found)
        self._rotate()
        self._core.exchange.touched.clear()
        return found

    def commit(self) -> None:
        """Write what has changed since the last call. A failure is said once and counted."""
        journal, core = self._journal, self._core
        touched = core.exchange.touched
        income = core.exchange.income
        if journal is None:
            touched.clear()
            income.seen()
            core.listen_keys.changed = False
            return
        change: VenueState | None = None
        if touched:
            change = VenueState(
                orders=list(touched.orders.values()),
                accounts=list(touched.accounts.values()),
                trades=list(touched.trades),
                algos=list(touched.algos.values()),
                amendments=list(touched.amendments),
                countdowns=self._countdowns() if touched.countdowns else None,
                incomes=list(income.new_incomes),
                margin_changes=list(income.new_margin_changes),
                fees_e8=core.exchange.ledger.fees_e8,
            )
            income.seen()
        if core.listen_keys.changed:
            change = change or VenueState()
            change.listen_keys = list(core.listen_keys.by_key.values())
        if self._must_reserve():
            change = change or VenueState()
            change.reserved_ids = self._reserve()
        if change is not None:
            self._append(change)
        touched.clear()
        core.listen_keys.changed = False

    def note_prices(self, prices: dict[str, int]) -> None:
        """Remember where the synthetic market stands, so that a restart goes on from there."""
        if self._journal is not None and prices != self._prices:
            self._prices = prices
            self._append(VenueState(prices=prices))

    def discard(self) -> None:
        if self._journal is not None:
            self._journal.discard()

    def _append(self, change: VenueState) -> None:
        assert self._journal is not None
        try:
            self._journal.append(change)
            if self._journal.is_full:
                self._journal.begin(self._whole())
        except JournalError as error:
            self._failed(error)

    def _rotate(self) -> None:
        assert self._journal is not None
        self._reserved = self._reserve()
        try:
            self._journal.begin(self._whole())
        except JournalError as error:
            # Without its first file the journal cannot be appended to.
            self._journal = None
            self._failed(error)

    def _failed(self, error: JournalError) -> None:
        if self.failures == 0:
            log.error("the accounts will not survive a restart: %s", error)
        self.failures += 1

    def _whole(self) -> VenueState:
        exchange = self._core.exchange
        clients = [
            account
            for number, account in exchange.ledger.accounts.items()
            if number >= FIRST_CLIENT or number == OWNER_INSURANCE
        ]
        return VenueState(
            orders=list(exchange.orders.everything()),
            accounts=clients,
            trades=list(exchange.user_trades),
            algos=list(exchange.algos.everything()),
            amendments=list(exchange.amendments),
            countdowns=self._countdowns(),
            incomes=exchange.income.incomes(),
            margin_changes=exchange.income.margin_changes(),
            reserved_ids=self._reserved,
            fees_e8=exchange.ledger.fees_e8,
            listen_keys=list(self._core.listen_keys.by_key.values()),
            prices=self._prices,
        )

    def _countdowns(self) -> Countdowns:
        running = self._core.exchange.countdowns
        return [(account, symbol, deadline) for (account, symbol), deadline in running.items()]

    def _must_reserve(self) -> bool:
        ids = self._core.exchange.ids
        order, trade, update = self._reserved
        return ids.order >= order or ids.trade >= trade or ids.update >= update

    def _reserve(self) -> tuple[int, int, int]:
        ids = self._core.exchange.ids
        self._reserved = (ids.order + BLOCK, ids.trade + BLOCK, ids.update + BLOCK)
        return self._reserved

    def _apply(self, found: Recovered) -> None:
        exchange = self._core.exchange
        ids = exchange.ids
        order_id, trade_id, update_id = found.reserved_ids
        ids.order = max(ids.order, order_id)
        ids.trade = max(ids.trade, trade_id)
        ids.update = max(ids.update, update_id)
        ledger = exchange.ledger
        for account_id, account in found.accounts.items():
            if account_id in ledger.accounts:
                ledger.replace(account)
        ledger.fees_e8 = found.fees_e8
        self._balance_the_world()
        ledger.reopen()
        for key in found.listen_keys:
            self._core.listen_keys.by_key[key.key] = key
        exchange.user_trades.extend(found.trades)
        exchange.income.restore(found.incomes, found.margin_changes)
        self._prices = found.prices
        for order in sorted(found.orders.values(), key=lambda one: one.order_id):
            if order.is_open and order.symbol in exchange.markets:
                # Margins are summed over the symbols that an account knows.
                exchange.account(order.account_id).position(order.symbol, order.position_side)
                exchange.reenter(order, self._core.event_ms())
            else:
                exchange.orders.add(order)
        for algo in sorted(found.algos.values(), key=lambda one: one.algo_id):
            if algo.symbol in exchange.markets:
                exchange.reenter_algo(algo, self._core.event_ms())
        exchange.amendments.extend(found.amendments)
        for account_id, symbol, deadline_ms in found.countdowns:
            if symbol in exchange.markets:
                exchange.set_countdown(account_id, symbol, deadline_ms)

    def _balance_the_world(self) -> None:
        """The makers are the other side of what the clients hold: positions must sum to zero."""
        ledger = self._core.exchange.ledger
        makers = ledger.accounts[OWNER_MAKERS]
        for account_id, account in ledger.accounts.items():
            if account_id < FIRST_CLIENT and account_id != OWNER_INSURANCE:
                continue
            for (symbol, _), position in account.positions.items():
                mirror = makers.position(symbol)
                mirror.lots -= position.lots
                mirror.cost_e8 -= position.cost_e8
