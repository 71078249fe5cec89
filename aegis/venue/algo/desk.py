"""Conditional orders from their placement to their end: waiting, triggering, becoming orders.

The upper middle of the exchange, between ``acceptance`` and ``exchange``. Since 2025-12 they are
orders of the algo service with ids and events of their own; when one triggers, an order with a new
id goes into the book. In 2024 they are orders from the start, which expire when they trigger and
are placed anew under the same id. Both wait on the same board and trigger by the same rules.

Whatever changes a price (a client's order, the market's own participants, the mark price) ends in
`run_triggers`: an order that has triggered trades, which may trigger others, until nothing moves.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Final

from aegis.venue import checks
from aegis.venue.acceptance import Acceptance
from aegis.venue.algo import order as algo_status
from aegis.venue.algo import triggers
from aegis.venue.algo.board import Board, Waiting
from aegis.venue.algo.order import AlgoOrder
from aegis.venue.algo.store import AlgoStore
from aegis.venue.algo.triggers import Prices
from aegis.venue.client_ids import client_id_of
from aegis.venue.codes import reject
from aegis.venue.errors import RejectError
from aegis.venue.events import (
    REASON_POSITION_CLOSED,
    REASON_TRIGGERED,
    AlgoEvent,
    TriggerRejectEvent,
)
from aegis.venue.ledger import Account, Ledger
from aegis.venue.market import Market
from aegis.venue.matching.interface import IdSource
from aegis.venue.orders import EXPIRED, LIMIT_STOPS, NEW, Condition, Order, closes
from aegis.venue.reducing import reducible_lots
from aegis.venue.requests import PlaceRequest

# Open conditional orders per account, since 2025-12-29.
MAX_WAITING: Final = 200
TIED: Final = "GTE_GTC"  # the timeInForce that ends with the position


class ConditionalDesk(Acceptance):
    """The waiting orders of all accounts."""

    def __init__(self, markets: dict[str, Market], ledger: Ledger, ids: IdSource) -> None:
        super().__init__(markets, ledger, ids)
        self.algos = AlgoStore()
        self.board = Board()
        self._by_child: dict[int, AlgoOrder] = {}
        self._stale: set[str] = set()  # symbols whose watch band is to be told anew

    def has_open_orders(self, account_id: int, symbol: str | None = None) -> bool:
        waiting = self.algos.waiting_of(account_id, symbol)
        return bool(waiting) or super().has_open_orders(account_id, symbol)

    # --- placing and ending ---

    def wait_as_algo(
        self, market: Market, account: Account, request: PlaceRequest, now_ms: int
    ) -> AlgoOrder:
        """Take an order of the algo service on. Raises RejectError."""
        condition = self.check_conditional(market, account, request, now_ms)
        client_id = request.client_id
        if client_id is not None and self.algos.is_live_client_id(account.account_id, client_id):
            raise reject(-4116)
        algo_id = self.algos.next_id()
        algo = AlgoOrder(
            algo_id=algo_id,
            client_id=client_id or client_id_of(algo_id, b"algo"),
            account_id=account.account_id,
            symbol=request.symbol,
            side=request.side,
            condition=condition,
            tif=request.tif,
            qty_lots=request.qty_lots,
            price_ticks=request.price_ticks,
            reduce_only=_says_reduce_only(account, request, condition),
            stp=request.stp,
            created_ms=now_ms,
            updated_ms=now_ms,
            position_side=request.position_side,
            price_match=request.price_match,
            good_till_ms=request.good_till_ms,
        )
        self.algos.add(algo)
        self._arm(algo)
        self._tell_algo(algo, algo_status.NEW, now_ms)
        return algo

    def wait_as_order(
        self, market: Market, account: Account, request: PlaceRequest, now_ms: int
    ) -> Order:
        """Take an order of 2024 on. Raises RejectError.

        Unlike today's it is checked for margin, or for a position to reduce, when it is placed.
        """
        condition = self.check_conditional(market, account, request, now_ms)
        self.check_client_id(account, request.client_id)
        side, owner_side = request.side, request.position_side
        if request.reduce_only or closes(side, owner_side):
            if reducible_lots(account, request.symbol, owner_side, side) == 0:
                raise reject(-2022)
        elif not condition.closes_position:
            ticks = request.price_ticks or _reference_ticks(condition)
            self.check_margin(market, account, replace(request, price_ticks=ticks))
        order = self.make_order(account, replace(request, condition=condition), now_ms)
        order.reduce_only = _says_reduce_only(account, request, condition)
        self.orders.add(order)
        self._arm(order)
        self._touch(order)
        self._report(order, "NEW", now_ms)
        return order

    def end_waiting(self, order: Waiting, status: str, reason: int, now_ms: int) -> None:
        """An order that has not triggered is cancelled or expires, and that is reported."""
        assert order.waits, f"an order of {order.symbol} has triggered already"
        self._disarm(order)
        if isinstance(order, AlgoOrder):
            self._end_algo(order, status, now_ms)
            return
        order.status = status
        order.updated_ms = now_ms
        self._touch(order)
        self._report(order, status, now_ms, reason)
        self.orders.finish(order)

    def reenter_algo(self, algo: AlgoOrder, now_ms: int) -> None:
        """Take an order of the algo service back after a restart, after all orders."""
        self.algos.add(algo)
        self.touched.algos[algo.algo_id] = algo
        if algo.waits:
            self._arm(algo)
        elif not algo.is_final:
            child = self.orders.open.get(algo.child_id)
            if child is not None:
                self._by_child[algo.child_id] = algo
            else:
                self._end_algo(algo, algo_status.FINISHED, now_ms)

    def check_conditional(
        self, market: Market, account: Account, request: PlaceRequest, now_ms: int
    ) -> Condition:
        """The rules of placing; returns the condition as it starts to wait. Raises RejectError."""
        asked = request.condition
        assert asked is not None, "a conditional order has a condition"
        side, symbol, owner_side = request.side, request.symbol, request.position_side
        reduces = request.reduce_only or asked.closes_position or closes(side, owner_side)
        checks.check_position_side(account, owner_side, request.says_reduce)
        checks.check_status(market, reduces)
        if request.tif == "GTD":
            checks.check_good_till(request.good_till_ms, now_ms)
        if request.price_ticks and asked.trigger_ticks:
            checks.check_stop_limit(market, side, request.price_ticks, asked.trigger_ticks)
        condition = _started(asked, market, side)
        if not request.reduce_only and not condition.closes_position:
            ticks = request.price_ticks or _reference_ticks(condition)
            checks.check_notional(market, ticks, request.qty_lots)
        if request.tif == TIED and reducible_lots(account, symbol, owner_side, side) == 0:
            raise reject(-2022)
        if len(self.board.waiting(account.account_id)) >= MAX_WAITING:
            raise reject(-4045)
        return condition

    # --- triggering ---

    def on_prints(self, market: Market, low_ticks: int, high_ticks: int, now_ms: int) -> None:
        """Trades of the market reached these prices: trigger what waited for the last price."""
        self._look_at_trades(market, low_ticks, high_ticks, now_ms)
        self.run_triggers(now_ms)

    def on_marks(self, now_ms: int) -> None:
        """Mark prices were set anew: trigger what waits for them, and what was held back."""
        for symbol in self.board.symbols():
            market = self.markets[symbol]
            mark_e8 = market.mark_e8()
            self._look(market, Prices(mark_e8, mark_e8, mark_e8), True, now_ms)
            self._look_at_trades(market, market.last_ticks, market.last_ticks, now_ms)
        self.run_triggers(now_ms)

    def run_triggers(self, now_ms: int) -> None:
        """Trigger by the trades that happened since the last call, and by those that follow."""
        moved = bool(self.board)
        while moved:
            moved = False
            for symbol in self.board.symbols():
                market = self.markets[symbol]
                prints = market.take_prints()
                if prints is not None:
                    moved = True
                    self._stale.add(symbol)
                    self._look_at_trades(market, *prints, now_ms)
        for symbol in self._stale:
            self.board.watch(self.markets[symbol])
        self._stale.clear()

    def _look_at_trades(self, market: Market, low: int, high: int, now_ms: int) -> None:
        tick_e8 = market.spec.tick_e8
        prices = Prices(low * tick_e8, high * tick_e8, market.last_ticks * tick_e8)
        self._look(market, prices, False, now_ms)

    def _look(self, market: Market, prices: Prices, by_mark: bool, now_ms: int) -> None:
        if market.out_of_force:
            # What would trigger could not trade: it is looked at again every second.
            return
        for order in self.board.follow(market, prices, by_mark):
            self._touch(order)
            self._stale.add(order.symbol)
        for order in self.board.reached(market, prices, by_mark):
            # What triggered before it may have ended it.
            if not self.board.is_armed(order):
                continue
            if isinstance(order, AlgoOrder):
                self._trigger_algo(market, order, now_ms)
            else:
                self._trigger_order(market, order, now_ms)

    def _trigger_algo(self, market: Market, algo: AlgoOrder, now_ms: int) -> None:
        """Events in their order: TRIGGERING; then REJECTED, or TRIGGERED and the new order's."""
        account = self.account(algo.account_id)
        self._disarm(algo)
        algo.triggered_ms = now_ms
        self._tell_algo(algo, algo_status.TRIGGERING, now_ms)
        client_id: str | None = algo.client_id
        if self.orders.is_open_client_id(account.account_id, algo.client_id):
            client_id = None
        try:
            request = self._checked(market, account, algo, client_id, now_ms)
        except RejectError as error:
            algo.reason = error.message
            self._end_algo(algo, algo_status.REJECTED, now_ms)
            return
        order = self.make_order(account, request, now_ms)
        algo.child_id, algo.child_kind = order.order_id, order.kind
        self._tell_algo(algo, algo_status.TRIGGERED, now_ms)
        self._by_child[order.order_id] = algo
        self.accept(market, account, order, now_ms)

    def _trigger_order(self, market: Market, order: Order, now_ms: int) -> None:
        """It expires as what it was and is new as what it becomes; or it is refused, and ends."""
        account = self.account(order.account_id)
        self._disarm(order)
        order.status, order.updated_ms = EXPIRED, now_ms
        self._touch(order)
        self._report(order, "EXPIRED", now_ms, REASON_TRIGGERED)
        try:
            request = self._checked(market, account, order, None, now_ms)
        except RejectError as error:
            self.orders.finish(order)
            self.tell(
                TriggerRejectEvent(
                    account.account_id, now_ms, order.symbol, order.order_id, error.message
                )
            )
            return
        order.status = NEW
        order.kind, order.tif = request.kind, request.tif
        order.price_ticks, order.qty_lots = request.price_ticks, request.qty_lots
        order.reduce_only = request.reduce_only
        self.accept(market, account, order, now_ms)

    def _checked(
        self, market: Market, account: Account, order: Waiting, client_id: str | None, now_ms: int
    ) -> PlaceRequest:
        """The order that a conditional one turns into, checked as any other. Raises RejectError."""
        condition = order.condition
        assert condition is not None, "a conditional order has a condition"
        limited = condition.kind in LIMIT_STOPS
        lots = order.qty_lots
        if condition.closes_position:
            lots = reducible_lots(account, order.symbol, order.position_side, order.side)
            if lots == 0:
                raise reject(-2022)
        request = PlaceRequest(
            symbol=order.symbol,
            side=order.side,
            kind="LIMIT" if limited else "MARKET",
            tif=order.tif if limited and order.tif != TIED else "GTC",
            qty_lots=lots,
            price_ticks=order.price_ticks,
            reduce_only=order.reduce_only,
            client_id=client_id,
            stp=order.stp,
            full_reply=False,
            position_side=order.position_side,
            price_match=order.price_match,
            good_till_ms=order.good_till_ms if limited else 0,
            condition=condition,
        )
        request = self.priced(market, request)
        # The end of a GTD order was far enough when it was placed.
        lasting = replace(request, tif="GTC") if request.tif == "GTD" else request
        self.check_rules(market, account, lasting, now_ms)
        self.check_book(market, account, request)
        return request

    # --- what the lower floors tell ---

    def _order_ended(self, order: Order, now_ms: int) -> None:
        algo = self._by_child.pop(order.order_id, None)
        if algo is not None:
            algo.child_lots, algo.child_cost_e8 = order.filled_lots, order.cost_e8
            self._end_algo(algo, algo_status.FINISHED, now_ms)

    def _position_closed(self, account: Account, symbol: str, side: str, now_ms: int) -> None:
        for order in self.board.waiting(account.account_id, symbol):
            if order.tif == TIED and order.position_side == side:
                self.end_waiting(order, EXPIRED, REASON_POSITION_CLOSED, now_ms)

    # --- small steps ---

    def _arm(self, order: Waiting) -> None:
        self.board.arm(order)
        self.board.watch(self.markets[order.symbol])

    def _disarm(self, order: Waiting) -> None:
        self.board.disarm(order)
        # The band is told at the end of `run_triggers`: it forgets prints that nobody looked at.
        self._stale.add(order.symbol)

    def _touch(self, order: Waiting) -> None:
        if isinstance(order, AlgoOrder):
            self.touched.algos[order.algo_id] = order
        else:
            self.touched.orders[order.order_id] = order

    def _tell_algo(self, algo: AlgoOrder, status: str, now_ms: int) -> None:
        algo.status = status
        algo.updated_ms = now_ms
        self.touched.algos[algo.algo_id] = algo
        self.tell(AlgoEvent(algo.copy(), now_ms))

    def _end_algo(self, algo: AlgoOrder, status: str, now_ms: int) -> None:
        self._tell_algo(algo, status, now_ms)
        self.algos.finish(algo)


def _started(asked: Condition, market: Market, side: int) -> Condition:
    """The condition as it begins to wait. Raises RejectError -2021 if it would not have to.

    A trailing stop's activation price must lie on the far side of the market (a BUY's below it, a
    SELL's above it); without one it is activated where the market stands.
    """
    tick_e8 = market.spec.tick_e8
    price_e8 = market.mark_e8() if asked.by_mark else market.last_ticks * tick_e8
    condition = copy(asked)
    if not condition.is_trailing:
        if triggers.is_beyond(condition, side, price_e8, tick_e8):
            raise reject(-2021)
        return condition
    condition.extreme_e8 = price_e8
    if condition.activation_ticks == 0:
        condition.activation_ticks = market.spec.ticks_of(price_e8)
        condition.activated = True
    elif (price_e8 - condition.activation_ticks * tick_e8) * side <= 0:
        raise reject(-2021)
    return condition


def _reference_ticks(condition: Condition) -> int:
    """The price that an order without a limit is valued at until it triggers."""
    return condition.trigger_ticks or condition.activation_ticks


def _says_reduce_only(account: Account, request: PlaceRequest, condition: Condition) -> bool:
    """closePosition implies reduceOnly, which hedge mode does not have."""
    return request.reduce_only or (condition.closes_position and not account.hedged)
