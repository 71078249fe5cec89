"""What clients may do at the exchange: place, amend, cancel and test orders; and what time does.

The gateway calls it for clients, the synthetic flow and the mirror for the market's own
participants. Every call runs to its end at once, on integers, with the time passed in; nothing
here knows a socket, a clock or a text. Refusals are raised as RejectError before anything has
changed: an order is either refused and leaves no trace, or accepted and reported by events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aegis.venue import checks, margin
from aegis.venue.acceptance import matched_price
from aegis.venue.algo import order as algo_status
from aegis.venue.algo.desk import ConditionalDesk
from aegis.venue.algo.order import AlgoOrder
from aegis.venue.clearing import Held
from aegis.venue.codes import reject
from aegis.venue.events import REASON_NONE
from aegis.venue.ledger import Account, Ledger
from aegis.venue.market import Market
from aegis.venue.matching.interface import BUY, SELL, STP_NONE, Fill, IdSource, Matched
from aegis.venue.orders import (
    CANCELED,
    EXPIRED,
    NEW,
    RESTING_TIFS,
    Amendment,
    Order,
)
from aegis.venue.requests import AmendRequest, OrderKey, PlaceRequest

MAX_AMENDMENTS: Final = 10_000
# GTC orders without a fill end after a year.
GTC_LIFE_MS: Final = 365 * 86_400_000
NEVER_MS: Final = 2**62
UNPLACED: Final = 0  # the order id of an order that was only tested


class Exchange(ConditionalDesk):
    """Markets, accounts and orders, and the rules between them."""

    def __init__(self, markets: dict[str, Market], ledger: Ledger, ids: IdSource) -> None:
        super().__init__(markets, ledger, ids)
        self.countdowns: dict[tuple[int, str], int] = {}
        # What happens to the money every second, in this order: marks, funding, liquidation.
        self.settlements: list[Callable[[int], None]] = []
        self.orders_accepted = 0
        self._soonest_end_ms = NEVER_MS

    # --- orders ---

    def place(self, account_id: int, request: PlaceRequest, now_ms: int) -> Order:
        """Accept and match an order; returns it as the reply shows it. Raises RejectError."""
        market = self.market(request.symbol)
        account = self.account(account_id)
        if request.condition is not None:
            order = self.wait_as_order(market, account, request, now_ms)
            self.orders_accepted += 1
            self._note_end(order)
            self.run_triggers(now_ms)
            return order.copy()
        request = self.priced(market, request)
        self.check_rules(market, account, request, now_ms)
        self.check_book(market, account, request)
        order = self.make_order(account, request, now_ms)
        self.orders_accepted += 1
        accepted = self.accept(market, account, order, now_ms)
        self._note_end(order)
        final = request.full_reply and (order.kind == "MARKET" or order.tif not in RESTING_TIFS)
        reply = order.copy() if final else accepted
        self.run_triggers(now_ms)
        return reply

    def test(self, account_id: int, request: PlaceRequest, now_ms: int) -> Order:
        """Check an order as `place` does, up to the book, and forget it. Raises RejectError."""
        market = self.market(request.symbol)
        account = self.account(account_id)
        if request.condition is None:
            request = self.priced(market, request)
            self.check_rules(market, account, request, now_ms)
        else:
            self.check_conditional(market, account, request, now_ms)
            self.check_client_id(account, request.client_id)
        return self.draft(account, request, UNPLACED, now_ms)

    def cancel(self, account_id: int, key: OrderKey, now_ms: int) -> Order:
        """Cancel one open order; returns it. Raises RejectError -2011."""
        order = self.orders.find(account_id, key.symbol, key.order_id, key.client_id)
        if order is None or not order.is_open:
            raise reject(-2011)
        self._cancel_any(order, now_ms)
        self.run_triggers(now_ms)
        return order.copy()

    def cancel_all(self, account_id: int, symbol: str, now_ms: int) -> int:
        """Cancel every open order of the symbol; returns how many there were."""
        doomed = self.orders.open_of(account_id, symbol)
        for order in doomed:
            self._cancel_any(order, now_ms)
        self.run_triggers(now_ms)
        return len(doomed)

    def amend(self, account_id: int, request: AmendRequest, now_ms: int) -> Order:
        """Change price and total quantity; the order loses its place in the queue.

        It is cancelled instead when it would be no larger than what is filled, or when it is
        post-only and the new price would take. Raises RejectError and leaves the order alone
        otherwise.
        """
        market = self.market(request.symbol)
        account = self.account(account_id)
        order = self.orders.find(account_id, request.symbol, request.order_id, request.client_id)
        if order is None or not order.is_open:
            raise reject(-2013)
        price = request.price_ticks
        if request.price_match != "NONE":
            price = matched_price(market, request.side, request.price_match)
        self._check_amend(market, account, order, request, price)
        crosses = market.book.available(account_id, order.side, price, 0, 1) > 0
        if request.qty_lots <= order.filled_lots or (order.tif == "GTX" and crosses):
            self._cancel(order, now_ms)
            self.run_triggers(now_ms)
            return order.copy()
        self.check_room(market, order.side, price)
        self._withdraw(order, now_ms)
        self._count_open(order, -order.left_lots)
        self._note_amendment(order, request, price, now_ms)
        order.price_ticks = price
        order.qty_lots = request.qty_lots
        order.price_match = request.price_match
        # As the exchange says of its own: an amended order is not kept from our others any more.
        order.stp = STP_NONE
        order.updated_ms = now_ms
        self._count_open(order, order.left_lots)
        self.arrivals += 1
        order.arrival = self.arrivals
        self.touched.orders[order.order_id] = order
        self._report(order, "AMENDMENT", now_ms)
        amended = order.copy()
        self._match(market, account, order, now_ms)
        self.run_triggers(now_ms)
        return amended

    # --- orders of the algo service ---

    def place_algo(self, account_id: int, request: PlaceRequest, now_ms: int) -> AlgoOrder:
        """Accept a conditional order; returns it. Raises RejectError."""
        market = self.market(request.symbol)
        algo = self.wait_as_algo(market, self.account(account_id), request, now_ms)
        self.orders_accepted += 1
        self._note_end(algo)
        return algo.copy()

    def cancel_algo(
        self, account_id: int, algo_id: int | None, client_id: str | None, now_ms: int
    ) -> AlgoOrder:
        """Cancel a conditional order that has not triggered. Raises RejectError -2011."""
        algo = self.algos.find(account_id, algo_id, client_id)
        if algo is None or not algo.waits:
            raise reject(-2011)
        self.end_waiting(algo, algo_status.CANCELED, REASON_NONE, now_ms)
        self.run_triggers(now_ms)
        return algo.copy()

    def cancel_all_algos(self, account_id: int, symbol: str, now_ms: int) -> int:
        """Cancel every waiting algo order of the symbol; returns how many there were."""
        doomed = self.algos.waiting_of(account_id, symbol)
        for algo in doomed:
            self.end_waiting(algo, algo_status.CANCELED, REASON_NONE, now_ms)
        self.run_triggers(now_ms)
        return len(doomed)

    # --- time ---

    def set_countdown(self, account_id: int, symbol: str, deadline_ms: int | None) -> None:
        """Cancel all orders of the symbol at `deadline_ms` of the gateway's clock; None stops it.

        The countdown guards against a silent client, so it runs on the clock of the wall even where
        the market's own time is a recording's.
        """
        self.market(symbol)
        if deadline_ms is None:
            self.countdowns.pop((account_id, symbol), None)
        else:
            self.countdowns[account_id, symbol] = deadline_ms
        self.touched.countdowns = True

    def fire_countdowns(self, wall_ms: int, now_ms: int) -> int:
        """Cancel what is due at `wall_ms`, with event time `now_ms`; returns how many orders."""
        due = [key for key, deadline in self.countdowns.items() if deadline <= wall_ms]
        fired = 0
        for account_id, symbol in due:
            del self.countdowns[account_id, symbol]
            self.touched.countdowns = True
            fired += self.cancel_all(account_id, symbol, now_ms)
        return fired

    def on_second(self, now_ms: int) -> None:
        """A second of event time has passed: money first, then triggers, then what has ended."""
        for settle in self.settlements:
            settle(now_ms)
        self.on_marks(now_ms)
        self.expire_due(now_ms)

    def expire_due(self, now_ms: int) -> int:
        """End the orders whose goodTillDate (or year) is over; returns how many."""
        if now_ms < self._soonest_end_ms:
            return 0
        self._soonest_end_ms = NEVER_MS
        ended = 0
        mortal: list[Order | AlgoOrder] = [*self.orders.open.values(), *self.algos.live.values()]
        for order in mortal:
            # The end of one may have knocked another out.
            if not (order.is_open if isinstance(order, Order) else order.waits):
                continue
            if end_ms(order) > now_ms:
                self._note_end(order)
                continue
            ended += 1
            if order.waits:
                self.end_waiting(order, EXPIRED, REASON_NONE, now_ms)
            elif isinstance(order, Order):
                self._expire(order, REASON_NONE, now_ms)
        self.run_triggers(now_ms)
        return ended

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
        matched = market.book.submit(
            order_id, owner, side, price_ticks, lots, now_ms=now_ms, rest=rest
        )
        if matched.fills:
            self._settle(market, matched, side, self.account(owner), None, now_ms)
        self.run_triggers(now_ms)
        return order_id, matched

    def fill_resting(self, market: Market, fills: list[Fill], owner: int, now_ms: int) -> None:
        """A recorded participant traded against these client orders (`maker_id` of each fill)."""
        # Sorted out first: settling one side may finish orders that the list still names.
        hit: dict[int, list[Fill]] = {BUY: [], SELL: []}
        for fill in fills:
            hit[-self.orders.open[fill.maker_id].side].append(fill)
        # All are booked before anything is knocked out: the book has filled them all.
        before: Held = {}
        taker = self.account(owner)
        for side, group in hit.items():
            self._book_fills(market, group, side, taker, None, before, now_ms)
        self._after_trades(market, taker, before, now_ms)
        self.run_triggers(now_ms)

    # --- after a restart ---

    def reenter(self, order: Order, now_ms: int) -> None:
        """Put an open order back where it was; one of a book may trade at once."""
        self.orders.add(order)
        self._note_end(order)
        if order.waits:
            self._arm(order)
            return
        self._enter(order)
        market = self.market(order.symbol)
        self._match(market, self.account(order.account_id), order, now_ms)

    # --- small steps ---

    def _cancel_any(self, order: Order, now_ms: int) -> None:
        if not order.is_open:
            # The end of another order of the list has knocked it out.
            return
        if order.waits:
            self.end_waiting(order, CANCELED, REASON_NONE, now_ms)
        else:
            self._cancel(order, now_ms)

    def _note_end(self, order: Order | AlgoOrder) -> None:
        self._soonest_end_ms = min(self._soonest_end_ms, end_ms(order))

    def _note_amendment(
        self, order: Order, request: AmendRequest, price_ticks: int, now_ms: int
    ) -> None:
        order.amendments += 1
        amendment_id = self.amendments[-1].amendment_id + 1 if self.amendments else 1
        order.modify_id = amendment_id if request.modify_id is None else request.modify_id
        amendment = Amendment(
            amendment_id, order.account_id, order.symbol, order.order_id, order.client_id, now_ms,
            order.price_ticks, price_ticks, order.qty_lots, request.qty_lots, order.amendments,
            order.modify_id, request.price_match,
        )  # fmt: skip
        self.amendments.append(amendment)
        self.touched.amendments.append(amendment)

    def _check_amend(
        self,
        market: Market,
        account: Account,
        order: Order,
        request: AmendRequest,
        price_ticks: int,
    ) -> None:
        checks.check_amendable(market)
        if order.kind != "LIMIT":
            raise reject(-5025)
        if request.side != order.side:
            raise reject(-1117)
        if request.reduce_only and not order.reduce_only:
            raise reject(-5047)
        if (price_ticks, request.qty_lots) == (order.price_ticks, order.qty_lots):
            raise reject(-5027)
        if order.amendments >= MAX_AMENDMENTS:
            raise reject(-5026)
        checks.check_percent_price(market, order.side, price_ticks)
        left = max(0, request.qty_lots - order.filled_lots)
        if not order.reduce_only:
            checks.check_notional(market, price_ticks, request.qty_lots, -5029)
        if order.reduces:
            others = self.orders.resting_of(account.account_id, order.symbol)
            others.remove(order)
            checks.check_reduce_only(
                account, order.symbol, order.position_side, order.side, price_ticks, left, others
            )
            return
        spec = market.spec
        added = spec.notional_e8(price_ticks, left) - spec.notional_e8(
            order.price_ticks, order.left_lots
        )
        if added > 0:
            loss = margin.open_loss_e8(market, order.side, price_ticks, left)
            margin.check_order(self, account, market, order.side, order.position_side, added, loss)


def end_ms(order: Order | AlgoOrder) -> int:
    """When an order ends by itself: its goodTillDate, or a year after a GTC order was placed."""
    if order.good_till_ms:
        return order.good_till_ms
    unfilled = isinstance(order, Order) and order.status == NEW
    return order.created_ms + GTC_LIFE_MS if order.tif == "GTC" and unfilled else NEVER_MS
