"""What clients may do at the exchange: place, amend, cancel, and the rules each must pass.

The gateway calls it for clients, the synthetic flow and the mirror for the market's own
participants. Every call runs to its end at once, on integers, with the time passed in; nothing
here knows a socket, a clock or a text. Refusals are raised as RejectError before anything has
changed: an order is either refused and leaves no trace, or accepted and reported by events.
"""

from __future__ import annotations

from typing import Final

from aegis.venue import checks
from aegis.venue.clearing import RESTING, Clearing
from aegis.venue.codes import reject
from aegis.venue.events import LeverageEvent
from aegis.venue.ledger import MAX_LEVERAGE, Account, Ledger
from aegis.venue.market import Market
from aegis.venue.matching.interface import BUY, SELL, Fill, IdSource, Matched
from aegis.venue.orders import Order
from aegis.venue.requests import AmendRequest, OrderKey, PlaceRequest

MAX_AMENDMENTS: Final = 10_000


class Exchange(Clearing):
    """Markets, accounts and orders, and the rules between them."""

    def __init__(self, markets: dict[str, Market], ledger: Ledger, ids: IdSource) -> None:
        super().__init__(markets, ledger, ids)
        self._countdowns: dict[tuple[int, str], int] = {}
        self.orders_accepted = 0

    # --- orders of clients ---

    def place(self, account_id: int, request: PlaceRequest, now_ms: int) -> Order:
        """Accept and match an order; returns it as the reply shows it. Raises RejectError."""
        market = self.market(request.symbol)
        account = self.account(account_id)
        self._check_place(market, account, request)
        order_id = self.ids.next_order()
        order = Order(
            order_id=order_id,
            client_id=request.client_id or f"venue-{order_id}",
            account_id=account_id,
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
        )
        self.orders_accepted += 1
        self.restore(order)
        self._report(order, "NEW", now_ms)
        accepted = order.copy()
        self._match(market, account, order, now_ms)
        final = request.full_reply and (order.kind == "MARKET" or order.tif not in RESTING)
        return order.copy() if final else accepted

    def cancel(self, account_id: int, key: OrderKey, now_ms: int) -> Order:
        """Cancel one open order; returns it. Raises RejectError -2011."""
        order = self.orders.find(account_id, key.symbol, key.order_id, key.client_id)
        if order is None or not order.is_open:
            raise reject(-2011)
        self._cancel(order, now_ms)
        return order.copy()

    def cancel_all(self, account_id: int, symbol: str, now_ms: int) -> int:
        """Cancel every open order of the symbol; returns how many there were."""
        doomed = self.orders.open_of(account_id, symbol)
        for order in doomed:
            self._cancel(order, now_ms)
        return len(doomed)

    def amend(self, account_id: int, request: AmendRequest, now_ms: int) -> Order:
        """Change price and total quantity; the order loses its place in the queue.

        It is cancelled instead when it would be smaller than what is filled, or when it is
        post-only and the new price would take. Raises RejectError and leaves the order alone
        otherwise.
        """
        market = self.market(request.symbol)
        account = self.account(account_id)
        order = self.orders.find(account_id, request.symbol, request.order_id, request.client_id)
        if order is None or not order.is_open:
            raise reject(-2013)
        self._check_amend(market, account, order, request)
        crosses = market.book.available(account_id, order.side, request.price_ticks, 0, 1) > 0
        if request.qty_lots <= order.filled_lots or (order.tif == "GTX" and crosses):
            self._cancel(order, now_ms)
            return order.copy()
        market.book.cancel(order.order_id)
        self._count_open(order, -order.left_lots)
        order.price_ticks = request.price_ticks
        order.qty_lots = request.qty_lots
        order.amendments += 1
        order.updated_ms = now_ms
        self._count_open(order, order.left_lots)
        self.touched.orders[order.order_id] = order
        self._report(order, "AMENDMENT", now_ms)
        amended = order.copy()
        self._match(market, account, order, now_ms)
        return amended

    def set_leverage(self, account_id: int, symbol: str, leverage: int, now_ms: int) -> None:
        """Change the leverage of a symbol. Raises RejectError -1121, -4028, -2019."""
        self.market(symbol)
        account = self.account(account_id)
        if not 1 <= leverage <= MAX_LEVERAGE:
            raise reject(-4028, leverage)
        account.leverages[symbol] = leverage
        self.touched.accounts[account_id] = account
        self._outbox.append(LeverageEvent(account_id, now_ms, symbol, leverage))

    def set_isolated(self, account_id: int, symbol: str, isolated: bool, now_ms: int) -> None:
        """Change the margin type. Raises RejectError -4046, -4047, -4048."""
        market = self.market(symbol)
        account = self.account(account_id)
        if account.isolated.get(symbol, False) == isolated:
            raise reject(-4046)
        if self.orders.open_of(account_id, symbol):
            raise reject(-4047)
        if account.position(symbol).lots:
            raise reject(-4048)
        account.isolated[symbol] = isolated
        self.touched.accounts[account_id] = account
        self._report_account(market, account, "MARGIN_TYPE_CHANGE", now_ms)

    def set_countdown(self, account_id: int, symbol: str, deadline_ms: int | None) -> None:
        """Cancel all orders of the symbol at `deadline_ms` of the gateway's clock; None stops it.

        The countdown guards against a silent client, so it runs on the clock of the wall even where
        the market's own time is a recording's.
        """
        self.market(symbol)
        if deadline_ms is None:
            self._countdowns.pop((account_id, symbol), None)
        else:
            self._countdowns[account_id, symbol] = deadline_ms

    def fire_countdowns(self, wall_ms: int, now_ms: int) -> int:
        """Cancel what is due at `wall_ms`, with event time `now_ms`; returns how many orders."""
        due = [key for key, deadline in self._countdowns.items() if deadline <= wall_ms]
        fired = 0
        for account_id, symbol in due:
            del self._countdowns[account_id, symbol]
            fired += self.cancel_all(account_id, symbol, now_ms)
        return fired

    # --- the market's own participants ---

    def market_order_flow(
        self,
        market: Market,
        owner: int,
        side: int,
        price_ticks: int,
        lots: int,
        rest: bool,
        now_ms: int,
    ) -> tuple[int, Matched]:
        """An order of the synthetic flow; returns its id and what it traded."""
        order_id = self.ids.next_order()
        matched = market.book.submit(order_id, owner, side, price_ticks, lots, rest=rest)
        if matched.fills:
            self._settle(market, matched, side, self.account(owner), None, now_ms)
        return order_id, matched

    def fill_resting(self, market: Market, fills: list[Fill], owner: int, now_ms: int) -> None:
        """A recorded participant traded against these client orders (`maker_id` of each fill)."""
        # Sorted out first: settling one side may finish orders that the list still names.
        hit: dict[int, list[Fill]] = {BUY: [], SELL: []}
        for fill in fills:
            hit[-self.orders.open[fill.maker_id].side].append(fill)
        for side, group in hit.items():
            if group:
                self._settle(market, Matched(0, group), side, self.account(owner), None, now_ms)

    # --- rules ---

    def _check_place(self, market: Market, account: Account, request: PlaceRequest) -> None:
        side, lots, price = request.side, request.qty_lots, request.price_ticks
        if request.kind == "LIMIT":
            checks.check_percent_price(market, side, price)
        else:
            checks.check_counterparty_price(market, side)
        resting = self.orders.open_of(account.account_id, request.symbol)
        if request.reduce_only:
            checks.check_reduce_only(account, request.symbol, side, lots, resting)
        else:
            checks.check_notional(market, price, lots)
        if len(resting) >= market.spec.max_open_orders:
            raise reject(-2025)
        if request.client_id is not None and self.orders.is_open_client_id(
            account.account_id, request.client_id
        ):
            raise reject(-4116)
        if not request.reduce_only:
            self._check_margin(market, account, side, price, lots)
        if request.tif == "GTX" and market.book.available(account.account_id, side, price, 0, 1):
            raise reject(-5022)
        if request.tif == "FOK":
            found = market.book.available(account.account_id, side, price, 0, lots)
            if found < lots:
                raise reject(-5021)

    def _check_amend(
        self, market: Market, account: Account, order: Order, request: AmendRequest
    ) -> None:
        if order.kind != "LIMIT":
            raise reject(-5025)
        if request.side != order.side:
            raise reject(-1117)
        if request.reduce_only and not order.reduce_only:
            raise reject(-5047)
        if (request.price_ticks, request.qty_lots) == (order.price_ticks, order.qty_lots):
            raise reject(-5027)
        if order.amendments >= MAX_AMENDMENTS:
            raise reject(-5026)
        checks.check_percent_price(market, order.side, request.price_ticks)
        if order.reduce_only:
            others = [
                other
                for other in self.orders.open_of(account.account_id, order.symbol)
                if other is not order
            ]
            left = max(0, request.qty_lots - order.filled_lots)
            checks.check_reduce_only(account, order.symbol, order.side, left, others)
            return
        checks.check_notional(market, request.price_ticks, request.qty_lots, -5029)
        new_left = max(0, request.qty_lots - order.filled_lots)
        added = market.spec.notional_e8(request.price_ticks, new_left) - market.spec.notional_e8(
            order.price_ticks, order.left_lots
        )
        if added > 0:
            self._margin(account, market, order.side, added)

    def _check_margin(
        self, market: Market, account: Account, side: int, price_ticks: int, lots: int
    ) -> None:
        ticks = price_ticks or market.book.best(-side)[0] or market.last_ticks
        self._margin(account, market, side, market.spec.notional_e8(ticks, lots))

    def _margin(self, account: Account, market: Market, side: int, notional_e8: int) -> None:
        checks.check_margin(
            account,
            self.market,
            self.open_notional_e8,
            market.spec.symbol,
            side,
            notional_e8,
        )
