"""What follows from a match: trades booked, orders closed, owners told.

The lower half of the exchange: it owns the tables (markets, accounts, orders) and every change to
them, while ``exchange`` decides what may happen. Runs on integers, with the time passed in; it
knows no socket, no clock and no text, and never refuses anything: what comes here is accepted.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from aegis.venue import checks
from aegis.venue.codes import reject
from aegis.venue.events import (
    REASON_IOC_REST,
    REASON_MARKET_REST,
    REASON_NONE,
    REASON_REDUCE_ONLY,
    REASON_SELF_TRADE,
    AccountEvent,
    OrderEvent,
    UserEvent,
)
from aegis.venue.ledger import Account, Booking, Ledger
from aegis.venue.market import Market, PublicTrade
from aegis.venue.matching.interface import BUY, FIRST_CLIENT, SELL, Fill, IdSource, Matched
from aegis.venue.orders import (
    CANCELED,
    EXPIRED,
    EXPIRED_IN_MATCH,
    FILLED,
    PARTIALLY_FILLED,
    Order,
    OrderStore,
    UserTrade,
)
from aegis.venue.touched import Touched

RESTING: Final = frozenset({"GTC", "GTX"})
# /userTrades reaches back three months; that of a loopback exchange the newest so many fills, of
# all accounts together: about two of every order with fills that it remembers.
MAX_USER_TRADES: Final = 500


class Clearing:
    """The tables of the exchange, and what a match does to them."""

    def __init__(self, markets: dict[str, Market], ledger: Ledger, ids: IdSource) -> None:
        self.markets = markets
        self.ledger = ledger
        self.ids = ids
        self.orders = OrderStore()
        self.touched = Touched()
        self.user_trades: deque[UserTrade] = deque(maxlen=MAX_USER_TRADES)
        # (account, symbol) -> notional of open buys and sells in 1e-8: for margin, `b` and `a`.
        self.open_notional_e8: dict[tuple[int, str], list[int]] = {}
        self._outbox: list[UserEvent] = []
        self._reducing: dict[tuple[int, str], int] = {}

    def market(self, symbol: str) -> Market:
        """The market of `symbol`. Raises RejectError -1121."""
        market = self.markets.get(symbol)
        if market is None:
            raise reject(-1121)
        return market

    def account(self, account_id: int) -> Account:
        return self.ledger.accounts[account_id]

    def take_events(self) -> list[UserEvent]:
        """The user events since the last call, in the order in which they happened."""
        events, self._outbox = self._outbox, []
        return events

    def restore(self, order: Order) -> None:
        """Enter an accepted open order into the tables, without reporting or matching it."""
        self.orders.add(order)
        self.touched.orders[order.order_id] = order
        self._count_open(order, order.left_lots)
        if order.reduce_only:
            key = (order.account_id, order.symbol)
            self._reducing[key] = self._reducing.get(key, 0) + 1

    def reenter(self, order: Order, now_ms: int) -> None:
        """Put an open order back into its book after a restart; it may trade at once."""
        self.restore(order)
        self._match(self.market(order.symbol), self.account(order.account_id), order, now_ms)

    def _match(self, market: Market, account: Account, order: Order, now_ms: int) -> None:
        """Send an accepted order (or its new version) into the book and settle what follows."""
        is_market = order.kind == "MARKET"
        limit = self._market_limit(market, order.side) if is_market else order.price_ticks
        matched = market.book.submit(
            order.order_id,
            account.account_id,
            order.side,
            limit,
            order.left_lots,
            rest=not is_market and order.tif in RESTING,
            stp=order.matching_stp,
        )
        self._settle(market, matched, order.side, account, order, now_ms)
        if not order.is_open:
            return
        if matched.stopped:
            self._close(order, EXPIRED_IN_MATCH, "EXPIRED", REASON_SELF_TRADE, now_ms)
        elif not matched.rested:
            reason = REASON_MARKET_REST if is_market else REASON_IOC_REST
            self._close(order, EXPIRED, "EXPIRED", reason, now_ms)

    def _market_limit(self, market: Market, side: int) -> int:
        """How far a MARKET order may walk: mark price * (1 +/- marketTakeBound), in ticks."""
        spec = market.spec
        bound = market.mark_e8() * (checks.E4 + side * spec.market_take_bound_e4) // checks.E4
        return spec.ticks_of(bound) if side == BUY else -(-bound // spec.tick_e8)

    def _settle(
        self,
        market: Market,
        matched: Matched,
        taker_side: int,
        taker: Account,
        taker_order: Order | None,
        now_ms: int,
    ) -> None:
        for expired in matched.expired:
            order = self.orders.open[expired.order_id]
            self._close(order, EXPIRED_IN_MATCH, "EXPIRED", REASON_SELF_TRADE, now_ms)
        clients: dict[int, Account] = {}
        for fill in matched.fills:
            maker = self.account(fill.maker_owner)
            self._trade(market, fill, taker_side, taker, maker, taker_order, now_ms)
            for account in (taker, maker):
                if account.account_id >= FIRST_CLIENT:
                    clients[account.account_id] = account
        for account in clients.values():
            self._knock_out(market, account, now_ms)

    def _trade(
        self,
        market: Market,
        fill: Fill,
        taker_side: int,
        taker: Account,
        maker: Account,
        taker_order: Order | None,
        now_ms: int,
    ) -> None:
        trade_id = self.ids.next_trade()
        lots, price, spec = fill.qty_lots, fill.price_ticks, market.spec
        market.print_trade(PublicTrade(trade_id, price, lots, taker_side == SELL, now_ms))
        book = self.ledger.book
        taken = book(taker, spec, taker_side * lots, price, maker=False, now_ms=now_ms)
        made = book(maker, spec, -taker_side * lots, price, maker=True, now_ms=now_ms)
        if maker.account_id >= FIRST_CLIENT:
            order = self.orders.open[fill.maker_id]
            assert order.left_lots == lots + fill.maker_left_lots, f"order {order.order_id} drifts"
            self._filled(market, maker, order, trade_id, fill, made, True, now_ms)
        if taker_order is not None:
            self._filled(market, taker, taker_order, trade_id, fill, taken, False, now_ms)

    def _filled(
        self,
        market: Market,
        account: Account,
        order: Order,
        trade_id: int,
        fill: Fill,
        booking: Booking,
        maker: bool,
        now_ms: int,
    ) -> None:
        """Book a fill into a client's order and report it."""
        realized, fee = booking
        lots, price = fill.qty_lots, fill.price_ticks
        self._count_open(order, -lots)
        order.filled_lots += lots
        order.cost_e8 += market.spec.notional_e8(price, lots)
        order.updated_ms = now_ms
        order.status = FILLED if order.left_lots == 0 else PARTIALLY_FILLED
        self.touched.orders[order.order_id] = order
        self.touched.accounts[account.account_id] = account
        trade = UserTrade(
            account.account_id, order.symbol, trade_id, order.order_id, order.side, price, lots,
            realized, fee, maker, now_ms,
        )  # fmt: skip
        self.user_trades.append(trade)
        self.touched.trades.append(trade)
        bids, asks = self._open_notional(order)
        self._outbox.append(
            OrderEvent(
                order.copy(), "TRADE", now_ms, lots, price, trade_id, fee, realized, maker,
                REASON_NONE, bids, asks,
            )
        )  # fmt: skip
        self._report_account(market, account, "ORDER", now_ms)
        if order.status == FILLED:
            self._forget_open(order)

    def _knock_out(self, market: Market, account: Account, now_ms: int) -> None:
        """Expire reduce-only orders that, oldest first, no longer fit into the position."""
        symbol = market.spec.symbol
        if not self._reducing.get((account.account_id, symbol)):
            return
        held = account.position(symbol).lots
        room = {BUY: max(0, -held), SELL: max(0, held)}
        for order in self.orders.open_of(account.account_id, symbol):
            if not order.reduce_only:
                continue
            room[order.side] -= order.left_lots
            if room[order.side] < 0:
                room[order.side] += order.left_lots
                market.book.cancel(order.order_id)
                self._close(order, EXPIRED, "EXPIRED", REASON_REDUCE_ONLY, now_ms)

    def _cancel(self, order: Order, now_ms: int) -> None:
        lots = self.markets[order.symbol].book.cancel(order.order_id)
        assert lots == order.left_lots, f"order {order.order_id}: book {lots}, {order.left_lots}"
        self._close(order, CANCELED, "CANCELED", REASON_NONE, now_ms)

    def _close(self, order: Order, status: str, execution: str, reason: int, now_ms: int) -> None:
        """Give an order that left the book (or never got in) its final status, and report it."""
        self._count_open(order, -order.left_lots)
        order.status = status
        order.updated_ms = now_ms
        self.touched.orders[order.order_id] = order
        self._report(order, execution, now_ms, reason)
        self._forget_open(order)

    def _forget_open(self, order: Order) -> None:
        self.orders.finish(order)
        if order.reduce_only:
            self._reducing[order.account_id, order.symbol] -= 1

    # --- reports ---

    def _report(self, order: Order, execution: str, now_ms: int, reason: int = REASON_NONE) -> None:
        bids, asks = self._open_notional(order)
        self._outbox.append(
            OrderEvent(
                order.copy(),
                execution,
                now_ms,
                reason=reason,
                open_bids_e8=bids,
                open_asks_e8=asks,
            )
        )

    def _report_account(self, market: Market, account: Account, cause: str, now_ms: int) -> None:
        symbol = market.spec.symbol
        position = account.position(symbol)
        self._outbox.append(
            AccountEvent(
                account.account_id,
                now_ms,
                cause,
                account.wallet_e8,
                symbol,
                position.lots,
                position.cost_e8,
                position.realized_e8,
                checks.unrealized_e8(market, position.lots, position.cost_e8),
                account.isolated.get(symbol, False),
            )
        )

    def _open_notional(self, order: Order) -> tuple[int, int]:
        bids, asks = self.open_notional_e8.get((order.account_id, order.symbol), (0, 0))
        return bids, asks

    def _count_open(self, order: Order, lots: int) -> None:
        """Add lots (or take them off) to the notional that the account's open orders hold."""
        sums = self.open_notional_e8.setdefault((order.account_id, order.symbol), [0, 0])
        spec = self.markets[order.symbol].spec
        sums[0 if order.side == BUY else 1] += spec.notional_e8(order.price_ticks, lots)
