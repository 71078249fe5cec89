"""What follows from a match: trades booked, orders closed, owners told.

The lower half of the exchange: it owns the tables (markets, accounts, orders) and every change to
them, while ``acceptance`` and ``exchange`` decide what may happen. Runs on integers, with the time
passed in; it knows no socket, no clock and no text, and never refuses anything: what comes here is
accepted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from aegis.venue import checks
from aegis.venue.codes import reject
from aegis.venue.events import (
    REASON_IOC_REST,
    REASON_IOC_SELF_TRADE,
    REASON_MARKET_REST,
    REASON_NONE,
    REASON_REDUCE_ONLY,
    REASON_SELF_TRADE,
    AccountEvent,
    OrderEvent,
    UserEvent,
)
from aegis.venue.income import INSURANCE_CLEAR, IncomeHistory
from aegis.venue.ledger import BOTH, Account, Booking, Ledger
from aegis.venue.market import Market
from aegis.venue.matching.interface import BUY, FIRST_CLIENT, SELL, Fill, IdSource, Matched
from aegis.venue.notes import balance_note, position_notes
from aegis.venue.order_store import OrderStore
from aegis.venue.orders import (
    CANCELED,
    EXPIRED,
    EXPIRED_IN_MATCH,
    FILLED,
    PARTIALLY_FILLED,
    RESTING_TIFS,
    Amendment,
    Order,
    UserTrade,
)
from aegis.venue.reducing import by_priority, knocked_out, reducible_lots
from aegis.venue.touched import Touched

# /userTrades reaches back three months; that of a loopback exchange the newest so many fills, of
# all accounts together: about two of every order with fills that it remembers.
MAX_USER_TRADES: Final = 1_000
MAX_AMENDMENTS_KEPT: Final = 500

NotionalKey = tuple[int, str, str]  # account, symbol, position side
Held = dict[tuple[int, str], int]  # account, position side -> signed lots


class Clearing:
    """The tables of the exchange, and what a match does to them."""

    def __init__(self, markets: dict[str, Market], ledger: Ledger, ids: IdSource) -> None:
        self.markets = markets
        self.ledger = ledger
        self.ids = ids
        self.orders = OrderStore()
        self.touched = Touched()
        self.user_trades: deque[UserTrade] = deque(maxlen=MAX_USER_TRADES)
        self.amendments: deque[Amendment] = deque(maxlen=MAX_AMENDMENTS_KEPT)
        self.income = IncomeHistory()
        self.arrivals = 0
        self._open_notional_e8: dict[NotionalKey, list[int]] = {}
        self._outbox: list[UserEvent] = []
        # (account, symbol) -> how many of its resting orders may only reduce.
        self._reducing: dict[tuple[int, str], int] = {}

    # --- the tables ---

    def market(self, symbol: str) -> Market:
        """The market of `symbol`. Raises RejectError -1121."""
        market = self.markets.get(symbol)
        if market is None:
            raise reject(-1121)
        return market

    def account(self, account_id: int) -> Account:
        return self.ledger.accounts[account_id]

    def open_notional(self, account_id: int, symbol: str, side: str = BOTH) -> tuple[int, int]:
        """Notional of the account's resting buys and sells of a position side, in 1e-8."""
        bids, asks = self._open_notional_e8.get((account_id, symbol, side), (0, 0))
        return bids, asks

    def has_open_orders(self, account_id: int, symbol: str | None = None) -> bool:
        """Whether the account has any open order, resting or waiting for a trigger."""
        return bool(self.orders.open_of(account_id, symbol))

    def tell(self, event: UserEvent) -> None:
        """Report something to its owner."""
        self._outbox.append(event)

    def take_events(self) -> list[UserEvent]:
        """The user events since the last call, in the order in which they happened."""
        events, self._outbox = self._outbox, []
        return events

    # --- into the book and out of it ---

    def _enter(self, order: Order) -> None:
        """Write an order that is to be matched into the tables."""
        assert not order.waits, f"order {order.order_id} has not triggered"
        self.arrivals += 1
        order.arrival = self.arrivals
        self.touched.orders[order.order_id] = order
        self._count_open(order, order.left_lots)
        if order.reduces:
            key = (order.account_id, order.symbol)
            self._reducing[key] = self._reducing.get(key, 0) + 1

    def _leave(self, order: Order) -> None:
        """Take an order that was entered out of the tables again; its status is final."""
        self.orders.finish(order)
        if order.reduces:
            key = (order.account_id, order.symbol)
            self._reducing[key] -= 1
            assert self._reducing[key] >= 0, f"{key}: fewer than no reducing orders"

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
            now_ms=now_ms,
            rest=not is_market and order.tif in RESTING_TIFS,
            stp=order.matching_stp,
        )
        assert not matched.refused, f"order {order.order_id} was accepted and finds no room"
        self._settle(market, matched, order.side, account, order, now_ms)
        if order.is_open and matched.stopped:
            of_ioc = order.tif == "IOC" or is_market
            reason = REASON_IOC_SELF_TRADE if of_ioc else REASON_SELF_TRADE
            self._close(order, EXPIRED_IN_MATCH, "EXPIRED", reason, now_ms)
        elif order.is_open and not matched.rested:
            reason = REASON_MARKET_REST if is_market else REASON_IOC_REST
            self._close(order, EXPIRED, "EXPIRED", reason, now_ms)
        self._knock_out(market, account, now_ms)

    def _market_limit(self, market: Market, side: int) -> int:
        """How far a MARKET order may walk: mark price * (1 +/- marketTakeBound), in ticks."""
        spec = market.spec
        bound = market.mark_e8() * (checks.E4 + side * spec.market_take_bound_e4) // checks.E4
        return spec.ticks_of(bound) if side == BUY else -(-bound // spec.tick_e8)

    def _withdraw(self, order: Order, now_ms: int) -> None:
        """Take a resting order out of its book, whatever becomes of it then."""
        lots = self.markets[order.symbol].book.cancel(order.order_id, now_ms)
        assert lots == order.left_lots, f"order {order.order_id}: book {lots}, {order.left_lots}"

    def _cancel(self, order: Order, now_ms: int) -> None:
        self._withdraw(order, now_ms)
        self._close(order, CANCELED, "CANCELED", REASON_NONE, now_ms)

    def _expire(self, order: Order, reason: int, now_ms: int) -> None:
        self._withdraw(order, now_ms)
        self._close(order, EXPIRED, "EXPIRED", reason, now_ms)

    def _close(self, order: Order, status: str, execution: str, reason: int, now_ms: int) -> None:
        """Give an order that left the book (or never got in) its final status, and report it."""
        self._count_open(order, -order.left_lots)
        order.status = status
        order.updated_ms = now_ms
        self.touched.orders[order.order_id] = order
        self._report(order, execution, now_ms, reason)
        self._leave(order)
        self._order_ended(order, now_ms)

    def _order_ended(self, order: Order, now_ms: int) -> None:
        """An order reached its final status and that was reported. For those built upon this."""

    def _position_closed(self, account: Account, symbol: str, side: str, now_ms: int) -> None:
        """A trade left an account without a position. For those built upon this."""

    # --- trades ---

    def _settle(
        self,
        market: Market,
        matched: Matched,
        taker_side: int,
        taker: Account,
        taker_order: Order | None,
        now_ms: int,
    ) -> None:
        """Book everything that a match did, and what follows from it."""
        for expired in matched.expired:
            order = self.orders.open[expired.order_id]
            self._close(order, EXPIRED_IN_MATCH, "EXPIRED", REASON_SELF_TRADE, now_ms)
        before: Held = {}
        self._book_fills(market, matched.fills, taker_side, taker, taker_order, before, now_ms)
        self._after_trades(market, taker, before, now_ms)

    def _book_fills(
        self,
        market: Market,
        fills: Iterable[Fill],
        taker_side: int,
        taker: Account,
        taker_order: Order | None,
        before: Held,
        now_ms: int,
    ) -> None:
        """Book trades; `before` is told what their parties held when the first one happened."""
        for fill in fills:
            maker = self.account(fill.maker_owner)
            self._trade(market, fill, taker_side, taker, maker, taker_order, before, now_ms)

    def _after_trades(self, market: Market, taker: Account, before: Held, now_ms: int) -> None:
        """Positions have changed: orders that no longer fit go. All trades have been booked."""
        symbol = market.spec.symbol
        for (account_id, side), lots in before.items():
            account = self.account(account_id)
            # The taker's own order is not where it will be yet: `_match` sees to that account.
            if account is not taker:
                self._knock_out(market, account, now_ms)
            if lots and account.position(symbol, side).lots * lots <= 0:
                self._position_closed(account, symbol, side, now_ms)

    def _trade(
        self,
        market: Market,
        fill: Fill,
        taker_side: int,
        taker: Account,
        maker: Account,
        taker_order: Order | None,
        before: Held,
        now_ms: int,
    ) -> None:
        # Of owners below FIRST_CLIENT the book itself keeps count.
        signed_lots, price, spec = taker_side * fill.qty_lots, fill.price_ticks, market.spec
        book, symbol = self.ledger.book, spec.symbol
        if maker.account_id >= FIRST_CLIENT:
            order = self.orders.open[fill.maker_id]
            left = fill.qty_lots + fill.maker_left_lots
            assert order.left_lots == left, f"order {order.order_id} drifts"
            side = order.position_side
            before.setdefault((maker.account_id, side), maker.position(symbol, side).lots)
            made = book(maker, spec, -signed_lots, price, True, now_ms, side)
            self._filled(market, maker, order, fill, made, True, now_ms)
        if taker_order is not None:
            side = taker_order.position_side
            before.setdefault((taker.account_id, side), taker.position(symbol, side).lots)
            taken = book(taker, spec, signed_lots, price, False, now_ms, side)
            self._filled(market, taker, taker_order, fill, taken, False, now_ms)

    def _filled(
        self,
        market: Market,
        account: Account,
        order: Order,
        fill: Fill,
        booking: Booking,
        maker: bool,
        now_ms: int,
    ) -> None:
        """Book a fill into a client's order and report it: the order, then the account."""
        lots, price = fill.qty_lots, fill.price_ticks
        self._count_open(order, -lots)
        order.filled_lots += lots
        order.cost_e8 += market.spec.notional_e8(price, lots)
        order.updated_ms = now_ms
        order.status = FILLED if order.left_lots == 0 else PARTIALLY_FILLED
        self.touched.orders[order.order_id] = order
        self.touched.accounts[account.account_id] = account
        trade = UserTrade(
            account.account_id, order.symbol, fill.trade_id, order.order_id, order.side, price,
            lots, booking.realized_e8, booking.fee_e8, maker, now_ms, order.position_side,
            booking.fee_asset,
        )  # fmt: skip
        self.user_trades.append(trade)
        self.touched.trades.append(trade)
        bids, asks = self.open_notional(order.account_id, order.symbol, order.position_side)
        execution = "CALCULATED" if order.force else "TRADE"
        self.tell(
            OrderEvent(
                order.copy(), execution, now_ms, lots, price, fill.trade_id, booking.fee_e8,
                booking.fee_asset, booking.realized_e8, maker, REASON_NONE, bids, asks,
            )
        )  # fmt: skip
        self._tell_account(market, account, order.position_side, booking, now_ms)
        if order.status == FILLED:
            self._leave(order)
            self._order_ended(order, now_ms)

    def _knock_out(self, market: Market, account: Account, now_ms: int) -> None:
        """Expire the account's reducing orders that no longer fit into its positions."""
        symbol = market.spec.symbol
        if not self._reducing.get((account.account_id, symbol)):
            return
        resting = self.orders.resting_of(account.account_id, symbol)
        for position_side in account.sides:
            for side in (BUY, SELL):
                queue = by_priority(resting, position_side, side)
                room = reducible_lots(account, symbol, position_side, side)
                for order in knocked_out(room, queue):
                    self._expire(order, REASON_REDUCE_ONLY, now_ms)

    # --- reports ---

    def _report(self, order: Order, execution: str, now_ms: int, reason: int = REASON_NONE) -> None:
        bids, asks = self.open_notional(order.account_id, order.symbol, order.position_side)
        self.tell(
            OrderEvent(
                order.copy(),
                execution,
                now_ms,
                reason=reason,
                open_bids_e8=bids,
                open_asks_e8=asks,
            )
        )

    def _tell_account(
        self, market: Market, account: Account, side: str, booking: Booking, now_ms: int
    ) -> None:
        """What a trade did to its owner's balances and position."""
        owner, quote = account.account_id, market.spec.quote
        assets = dict.fromkeys((quote, booking.fee_asset))
        balances = tuple(balance_note(account, asset) for asset in assets)
        notes = position_notes(market, account, side)
        self.tell(AccountEvent(owner, now_ms, "ORDER", balances, notes))
        if booking.covered_e8:
            covered = booking.covered_e8
            self.income.add(owner, market.spec.symbol, INSURANCE_CLEAR, covered, quote, now_ms)
            balances = (balance_note(account, quote, covered),)
            self.tell(AccountEvent(owner, now_ms, INSURANCE_CLEAR, balances, notes))

    def _count_open(self, order: Order, lots: int) -> None:
        """Add lots (or take them off) to the notional that the account's resting orders hold."""
        key = (order.account_id, order.symbol, order.position_side)
        sums = self._open_notional_e8.setdefault(key, [0, 0])
        spec = self.markets[order.symbol].spec
        sums[0 if order.side == BUY else 1] += spec.notional_e8(order.price_ticks, lots)
