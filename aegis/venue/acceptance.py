"""Whether an order may come in, and how it does: the rules in their sequence, then the book.

The middle of the exchange: ``exchange`` (clients' commands) and ``algo.desk`` (orders that have
triggered) come through here alike. A refusal is raised as RejectError before anything has changed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aegis.venue import checks, margin
from aegis.venue.clearing import Clearing, Held
from aegis.venue.client_ids import client_id_of
from aegis.venue.codes import reject
from aegis.venue.dialect import OPPONENT, QUEUE
from aegis.venue.ledger import Account
from aegis.venue.market import Market
from aegis.venue.matching.interface import STP_NONE, Fill
from aegis.venue.orders import (
    ADL,
    ADL_CLIENT_ID,
    LIQUIDATION,
    LIQUIDATION_PREFIX,
    RESTING_TIFS,
    Order,
    closes,
)
from aegis.venue.requests import PlaceRequest

# An order that finds no room in its book: the exchange has one code for being overloaded.
NO_ROOM: Final = -1008
NOBODY: Final = Account(0, "nobody")  # who took no part in a trade past the book


class Acceptance(Clearing):
    """Rules for new orders, and the one way into the book."""

    def priced(self, market: Market, request: PlaceRequest) -> PlaceRequest:
        """The request with the price that its priceMatch finds now. Raises RejectError -5041."""
        if request.price_match == "NONE":
            return request
        price = matched_price(market, request.side, request.price_match)
        return replace(request, price_ticks=price)

    def check_rules(
        self, market: Market, account: Account, request: PlaceRequest, now_ms: int
    ) -> None:
        """Everything that does not depend on who stands in the book. Raises RejectError."""
        side, lots, price = request.side, request.qty_lots, request.price_ticks
        reduces = request.reduce_only or closes(side, request.position_side)
        checks.check_position_side(account, request.position_side, request.says_reduce)
        checks.check_status(market, reduces)
        checks.check_in_force(market)
        if request.tif == "GTD":
            checks.check_good_till(request.good_till_ms, now_ms)
        if request.kind == "LIMIT":
            checks.check_percent_price(market, side, price)
        else:
            checks.check_counterparty_price(market, side)
        resting = self.orders.resting_of(account.account_id, request.symbol)
        if reduces:
            checks.check_reduce_only(
                account, request.symbol, request.position_side, side, price, lots, resting
            )
        if not request.reduce_only:
            checks.check_notional(market, price, lots)
        if len(resting) >= market.spec.max_open_orders:
            raise reject(-2025)
        self.check_client_id(account, request.client_id)
        if not reduces:
            self.check_margin(market, account, request)

    def check_client_id(self, account: Account, client_id: str | None) -> None:
        """-4116 if an open order of the account already has it."""
        if client_id is not None and self.orders.is_open_client_id(account.account_id, client_id):
            raise reject(-4116)

    def check_margin(self, market: Market, account: Account, request: PlaceRequest) -> None:
        """-2019 or -2027; a MARKET order is valued at the best price it could trade at."""
        side, lots = request.side, request.qty_lots
        ticks = request.price_ticks or market.book.best(-side)[0] or market.last_ticks
        notional = market.spec.notional_e8(ticks, lots)
        loss = margin.open_loss_e8(market, side, ticks, lots)
        margin.check_order(self, account, market, side, request.position_side, notional, loss)

    def check_book(self, market: Market, account: Account, request: PlaceRequest) -> None:
        """What only the matching engine knows: post-only, fill-or-kill. Raises RejectError."""
        side, lots, price = request.side, request.qty_lots, request.price_ticks
        book, owner = market.book, account.account_id
        if request.tif == "GTX" and book.available(owner, side, price, 0, 1):
            raise reject(-5022)
        if request.tif == "FOK" and book.available(owner, side, price, 0, lots) < lots:
            raise reject(-5021)
        if request.kind == "LIMIT" and request.tif in RESTING_TIFS:
            self.check_room(market, side, price)

    def check_room(self, market: Market, side: int, price_ticks: int) -> None:
        """Books are bounded; the exchange says that it is overloaded."""
        if not market.book.has_room(side, price_ticks):
            raise reject(NO_ROOM)

    def make_order(self, account: Account, request: PlaceRequest, now_ms: int) -> Order:
        """A new order with an id of its own, in no table yet."""
        return self.draft(account, request, self.ids.next_order(), now_ms)

    def draft(self, account: Account, request: PlaceRequest, order_id: int, now_ms: int) -> Order:
        """The order that a request asks for."""
        return Order(
            order_id=order_id,
            client_id=request.client_id or client_id_of(order_id),
            account_id=account.account_id,
            symbol=request.symbol,
            side=request.side,
            kind=request.kind,
            tif=request.tif,
            price_ticks=request.price_ticks,
            qty_lots=request.qty_lots,
            reduce_only=request.reduce_only,
            stp=request.stp,
            created_ms=now_ms,
            updated_ms=now_ms,
            position_side=request.position_side,
            price_match=request.price_match,
            good_till_ms=request.good_till_ms,
            condition=request.condition,
        )

    def accept(self, market: Market, account: Account, order: Order, now_ms: int) -> Order:
        """Report a checked order as NEW and match it; returns it as it was when accepted."""
        if order.order_id not in self.orders.open:
            self.orders.add(order)
        self._enter(order)
        self._report(order, "NEW", now_ms)
        accepted = order.copy()
        self._match(market, account, order, now_ms)
        return accepted

    # --- orders against the owner's will ---

    def place_forced(
        self,
        account: Account,
        symbol: str,
        position_side: str,
        side: int,
        lots: int,
        price_ticks: int,
        now_ms: int,
        force: str = LIQUIDATION,
    ) -> Order:
        """Close (part of) a position by an immediate-or-cancel order at a limit; returns its end.

        What a liquidation does (section "Fees, margin, funding"), past all rules: the caller has
        expired the account's own orders of the symbol with `expire_all`.
        """
        order = self._draft_forced(
            account, symbol, position_side, side, lots, price_ticks, now_ms, force
        )
        self.accept(self.market(symbol), account, order, now_ms)
        return order.copy()

    def open_forced(
        self,
        account: Account,
        symbol: str,
        position_side: str,
        side: int,
        lots: int,
        price_ticks: int,
        now_ms: int,
        force: str = LIQUIDATION,
    ) -> Order:
        """Report a forced order as NEW that no book gets to see; `trade_past_book` fills it."""
        order = self._draft_forced(
            account, symbol, position_side, side, lots, price_ticks, now_ms, force
        )
        self.orders.add(order)
        self._enter(order)
        self._report(order, "NEW", now_ms)
        return order

    def trade_past_book(
        self, order: Order, other: Account, lots: int, counter: Order | None, now_ms: int
    ) -> None:
        """Trade with another account at the order's price, without the book and without fees.

        `counter` is the other account's forced order, None if it is no client (the insurance fund,
        the makers). The public is not told: such trades are in no aggregate and no candle.
        """
        market = self.market(order.symbol)
        account = self.account(order.account_id)
        ticks, spec = order.price_ticks, market.spec
        fill = Fill(0, other.account_id, ticks, lots, 0, self.ids.next_trade(spec.number))
        before: Held = {}
        pairs = [(account, order, order.side)]
        if counter is not None:
            pairs.append((other, counter, counter.side))
        else:
            self.ledger.book(other, spec, -order.side * lots, ticks, False, now_ms, free=True)
        for owner, own, side in pairs:
            held = owner.position(own.symbol, own.position_side).lots
            before.setdefault((owner.account_id, own.position_side), held)
            booking = self.ledger.book(
                owner, spec, side * lots, ticks, False, now_ms, own.position_side, free=True
            )
            self._filled(market, owner, own, fill, booking, False, now_ms)
        self._after_trades(market, NOBODY, before, now_ms)

    def _draft_forced(
        self,
        account: Account,
        symbol: str,
        position_side: str,
        side: int,
        lots: int,
        price_ticks: int,
        now_ms: int,
        force: str,
    ) -> Order:
        request = PlaceRequest(
            symbol=symbol, side=side, kind="LIMIT", tif="IOC", qty_lots=lots,
            price_ticks=price_ticks, reduce_only=False, client_id=None, stp=STP_NONE,
            full_reply=True, position_side=position_side,
        )  # fmt: skip
        order = self.make_order(account, request, now_ms)
        order.force = force
        if force == ADL:
            order.client_id = ADL_CLIENT_ID
        else:
            order.client_id = f"{LIQUIDATION_PREFIX}{now_ms}{order.order_id % 10**6:06d}"
        assert not self.orders.is_open_client_id(account.account_id, order.client_id), (
            f"a forced order of account {account.account_id} is open"
        )
        return order

    def expire_all(self, account: Account, symbol: str, reason: int, now_ms: int) -> int:
        """Expire the account's resting orders of a symbol for `reason`; returns how many."""
        doomed = self.orders.resting_of(account.account_id, symbol)
        for order in doomed:
            # One that only reduces may have been knocked out by the end of another.
            if order.is_open:
                self._expire(order, reason, now_ms)
        return len(doomed)


def matched_price(market: Market, side: int, name: str) -> int:
    """The price in ticks that a priceMatch means now. Raises RejectError -5041 without depth."""
    place, book_side = (QUEUE[name], side) if name in QUEUE else (OPPONENT[name], -side)
    levels = market.book.depth(book_side, place)
    if len(levels) < place:
        raise reject(-5041)
    return levels[place - 1][0]
