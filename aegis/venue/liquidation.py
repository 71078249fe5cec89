"""Liquidation: what happens to an account whose margin balance is down to the maintenance margin.

``exchange`` calls `check` once a second, after the marks and the fundings. The exchange's protocol:
open orders go first; then one large immediate-or-cancel order, limited at the bankruptcy price,
makes the position smaller, if that is enough only down to a lower bracket; if the account still
has too little, what is left is closed at the bankruptcy price: the insurance fund takes it over, or
where that would be too much for the fund, the holders of the other side do (auto-deleveraging).
Whatever is liquidated in the market pays the liquidation fee to the fund, as far as there is money.
An isolated position is liquidated alone and costs no more than its own wallet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aegis.venue.adl import Ranking
from aegis.venue.brackets import E4, schedule_of
from aegis.venue.decimals import E8
from aegis.venue.events import REASON_LIQUIDATION, AccountEvent, MarginCallEvent
from aegis.venue.exchange import Exchange
from aegis.venue.income import INSURANCE_CLEAR
from aegis.venue.insurance import InsuranceFund
from aegis.venue.ledger import OWNER_INSURANCE, USDT, Account
from aegis.venue.liquidation_price import bankruptcy_e8
from aegis.venue.margin import (
    ALL_ASSETS,
    Leg,
    Pool,
    leg_of,
    legs_of,
    pool_name,
    pools_of,
    value_e8,
)
from aegis.venue.market import Market
from aegis.venue.matching.interface import FIRST_CLIENT, OWNER_MAKERS
from aegis.venue.notes import balance_note, call_note, position_notes
from aegis.venue.orders import ADL, Order

# An account is called when its maintenance margin has reached this share of its margin balance.
CALL_E4: Final = 8_000
CALL_EVERY_MS: Final = 3_600_000
E6: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Forced:
    """A liquidation order as everybody is told of it (forceOrder)."""

    market: Market
    side: int
    lots: int
    limit_ticks: int
    average_e8: int
    status: str
    filled_lots: int
    last_lots: int
    time_ms: int


class Liquidator:
    """Watches all clients' accounts. `take_forced` hands over what the public is told."""

    def __init__(self, exchange: Exchange, fund: InsuranceFund) -> None:
        self._exchange = exchange
        self._fund = fund
        self._called_ms: dict[int, int] = {}
        self._forced: list[Forced] = []
        self.liquidations = 0
        self.deleveragings = 0

    def check(self, now_ms: int) -> int:
        """Liquidate and call whoever has to be; returns how many positions were liquidated."""
        before = self.liquidations
        for account_id, account in list(self._exchange.ledger.accounts.items()):
            if account_id >= FIRST_CLIENT and self._can_be_sold(account):
                self._check(account, now_ms)
        return self.liquidations - before

    def _can_be_sold(self, account: Account) -> bool:
        """Whether there is a position, and a book in force for every one."""
        markets = self._exchange.markets
        held = [symbol for (symbol, _), position in account.positions.items() if position.lots]
        return bool(held) and not any(
            markets[symbol].out_of_force for symbol in held if symbol in markets
        )

    def take_forced(self) -> list[Forced]:
        """The liquidation orders since the last call, for the public streams."""
        forced, self._forced = self._forced, []
        return forced

    def liquidate_now(self, account: Account, symbol: str, side: str, now_ms: int) -> None:
        """Liquidate a position whole, whatever margin is behind it: what a drill asks for.

        In the market at any price; what finds no buyer there is handed over at the mark price.
        """
        exchange = self._exchange
        exchange.expire_all(account, symbol, REASON_LIQUIDATION, now_ms)
        leg = leg_of(exchange, account, symbol, side)
        spec = leg.market.spec
        self.liquidations += 1
        limit = spec.min_price_ticks if leg.lots > 0 else spec.max_price_ticks
        self._sell_off(account, leg, abs(leg.lots), limit, now_ms)
        leg = leg_of(exchange, account, symbol, side)
        if leg.lots:
            self._hand_over(account, leg, spec.ticks_of(leg.mark_e8), now_ms)

    # --- one account ---

    def _check(self, account: Account, now_ms: int) -> None:
        legs = self._open_legs(account)
        endangered = []
        for leg in legs:
            if leg.isolated:
                behind = leg.position.isolated_e8 + leg.unrealized_e8
                if behind <= leg.maintenance_e8:
                    self._liquidate_isolated(account, leg, now_ms)
                elif leg.maintenance_e8 * E4 >= behind * CALL_E4:
                    endangered.append(leg)
        cross_wallet: int | None = None
        for name, pool in pools_of(self._exchange, account, legs).items():
            if pool.maintenance_e8 == 0:
                continue
            if pool.equity_e8 <= pool.maintenance_e8:
                self._liquidate_cross(account, name, now_ms)
            elif pool.maintenance_e8 * E4 >= pool.equity_e8 * CALL_E4:
                cross_wallet = pool.balance_e8
                endangered.extend(
                    leg
                    for leg in legs
                    if not leg.isolated and pool_name(account, leg.symbol) == name
                )
        if endangered:
            self._call(account, endangered, cross_wallet, now_ms)

    def _call(
        self, account: Account, legs: list[Leg], cross_wallet_e8: int | None, now_ms: int
    ) -> None:
        """Warn the owner, at most once an hour."""
        last_ms = self._called_ms.get(account.account_id)
        if last_ms is None or now_ms - last_ms >= CALL_EVERY_MS:
            self._called_ms[account.account_id] = now_ms
            notes = tuple(call_note(leg) for leg in legs)
            self._exchange.tell(MarginCallEvent(account.account_id, now_ms, cross_wallet_e8, notes))

    def _liquidate_isolated(self, account: Account, leg: Leg, now_ms: int) -> None:
        exchange = self._exchange
        exchange.expire_all(account, leg.symbol, REASON_LIQUIDATION, now_ms)

        def present() -> tuple[Leg, int, int]:
            now = leg_of(exchange, account, leg.symbol, leg.side)
            return now, now.position.isolated_e8 + now.unrealized_e8, now.maintenance_e8

        self._liquidate(account, present, now_ms)

    def _liquidate_cross(self, account: Account, name: str, now_ms: int) -> None:
        """Close the pool's positions, the largest loss first, until it can hold the others."""
        exchange = self._exchange
        for symbol in {symbol for symbol, _ in account.positions}:
            if symbol in exchange.markets and pool_name(account, symbol) == name:
                exchange.expire_all(account, symbol, REASON_LIQUIDATION, now_ms)
        while True:
            legs = self._cross_legs(account, name)
            pool = pools_of(exchange, account, legs).get(name) or Pool()
            if not legs or pool.equity_e8 > pool.maintenance_e8:
                break
            worst = min(legs, key=lambda leg: (leg.unrealized_e8, leg.symbol, leg.side))

            def present(symbol: str = worst.symbol, side: str = worst.side) -> tuple[Leg, int, int]:
                legs = self._cross_legs(account, name)
                pool = pools_of(exchange, account, legs).get(name) or Pool()
                leg = leg_of(exchange, account, symbol, side)
                return leg, pool.equity_e8, pool.maintenance_e8

            self._liquidate(account, present, now_ms)
        self._balance_to_zero(account, name, now_ms)

    def _liquidate(
        self, account: Account, present: Callable[[], tuple[Leg, int, int]], now_ms: int
    ) -> None:
        """Make one position smaller in the market, or close it; `present` tells how it stands.

        That is the leg, the margin balance behind it, and the maintenance margin that it needs
        together with whatever else that balance is behind.
        """
        self.liquidations += 1
        leg, behind, needed = present()
        lots = self._lots_to_close(account, leg, behind, needed)
        order = self._sell_off(account, leg, lots, self._limit_ticks(leg, behind), now_ms)
        leg, behind, needed = present()
        if leg.lots and (behind <= needed or order.filled_lots == 0):
            self._hand_over(account, leg, self._limit_ticks(leg, behind), now_ms)

    def _lots_to_close(self, account: Account, leg: Leg, behind_e8: int, needed_e8: int) -> int:
        """As few as bring it into a bracket where the balance suffices after fees; else all."""
        schedule, spec = schedule_of(leg.market.spec), leg.market.spec
        held, value = abs(leg.lots), abs(leg.value_e8)
        fee_e8 = account.taker_rate_e8 + spec.liquidation_fee_e6 * E8 // E6
        for bracket in reversed(schedule.brackets[: schedule.bracket(value).number - 1]):
            kept = held * bracket.cap_e8 // value
            kept_value = abs(value_e8(spec, kept, leg.mark_e8))
            left = behind_e8 - (value - kept_value) * fee_e8 // E8
            if left > needed_e8 - leg.maintenance_e8 + schedule.maintenance_e8(kept_value):
                return held - kept
        return held

    def _limit_ticks(self, leg: Leg, behind_e8: int) -> int:
        """The bankruptcy price in ticks, rounded so that closing there leaves no debt."""
        spec = leg.market.spec
        price = bankruptcy_e8(leg, behind_e8)
        ticks = -(-price // spec.tick_e8) if leg.lots > 0 else price // spec.tick_e8
        return min(max(ticks, spec.min_price_ticks), spec.max_price_ticks)

    # --- into the market ---

    def _sell_off(
        self, account: Account, leg: Leg, lots: int, limit_ticks: int, now_ms: int
    ) -> Order:
        """Send the liquidation order, and take the liquidation fee of what it filled."""
        asset = leg.market.spec.quote
        cross_before = account.cross_balance_e8(asset)
        side = -1 if leg.lots > 0 else 1
        order = self._exchange.place_forced(
            account, leg.symbol, leg.side, side, lots, limit_ticks, now_ms
        )
        freed = account.cross_balance_e8(asset) - cross_before
        if leg.isolated and leg.position.lots and freed > 0:
            # What the closed part gave back stays behind the rest.
            leg.position.isolated_e8 += freed
        if order.filled_lots:
            self._note_forced(leg.market, order, now_ms)
            self._charge(account, leg, order.cost_e8, freed, now_ms)
        return order

    def _charge(
        self, account: Account, leg: Leg, notional_e8: int, freed_e8: int, now_ms: int
    ) -> None:
        """The liquidation fee, into the insurance fund; no more than there is."""
        if leg.isolated:
            most = freed_e8
        else:
            name = pool_name(account, leg.symbol)
            pool = pools_of(self._exchange, account, self._cross_legs(account, name)).get(name)
            most = pool.equity_e8 if pool is not None else 0
        fee = min(notional_e8 * leg.market.spec.liquidation_fee_e6 // E6, most)
        if fee > 0:
            if leg.isolated and leg.position.lots:
                leg.position.isolated_e8 -= fee
            self._clear(account, leg.market, leg.side, -fee, now_ms)

    def _clear(
        self, account: Account, market: Market, side: str, amount_e8: int, now_ms: int
    ) -> None:
        """Money between an account and the insurance fund (positive: the fund pays), told."""
        exchange, spec = self._exchange, market.spec
        exchange.ledger.cover(account, spec.quote, amount_e8)
        exchange.touched.accounts[OWNER_INSURANCE] = exchange.ledger.insurance
        exchange.touched.accounts[account.account_id] = account
        owner = account.account_id
        exchange.income.add(owner, spec.symbol, INSURANCE_CLEAR, amount_e8, spec.quote, now_ms)
        exchange.tell(
            AccountEvent(
                owner,
                now_ms,
                INSURANCE_CLEAR,
                (balance_note(account, spec.quote, amount_e8),),
                position_notes(market, account, side),
            )
        )

    # --- past the book ---

    def _hand_over(self, account: Account, leg: Leg, ticks: int, now_ms: int) -> None:
        """Close what is left at the bankruptcy price: with the fund, or with the other side."""
        exchange, market = self._exchange, leg.market
        side = -1 if leg.lots > 0 else 1
        left = abs(leg.lots)
        order = exchange.open_forced(account, leg.symbol, leg.side, side, left, ticks, now_ms)
        if self._fund.can_take(leg, ticks):
            exchange.trade_past_book(order, self._fund.account, left, None, now_ms)
        else:
            self.deleveragings += 1
            ranking = Ranking(exchange, exchange.ledger.accounts)
            opposite = ranking.queue(leg.symbol, -1 if leg.lots > 0 else 1)
            for holder in opposite:
                if holder.account is account or left == 0:
                    continue
                lots = min(left, abs(holder.leg.lots))
                left -= lots
                counter = exchange.open_forced(
                    holder.account, leg.symbol, holder.leg.side, -side, lots, ticks, now_ms,
                    force=ADL,
                )  # fmt: skip
                exchange.trade_past_book(order, holder.account, lots, counter, now_ms)
            if left:
                makers = exchange.ledger.accounts[OWNER_MAKERS]
                exchange.trade_past_book(order, makers, left, None, now_ms)
        exchange.touched.accounts[OWNER_INSURANCE] = exchange.ledger.insurance
        self._note_forced(market, order, now_ms)

    def _balance_to_zero(self, account: Account, name: str, now_ms: int) -> None:
        """A pool that is still negative when all is closed is brought back to 0."""
        exchange = self._exchange
        if self._cross_legs(account, name):
            return
        pool = pools_of(exchange, account, []).get(name)
        if pool is None or pool.balance_e8 >= 0:
            return
        asset = USDT if name == ALL_ASSETS else name
        markets = sorted(exchange.markets.values(), key=lambda one: one.spec.quote != asset)
        self._clear(account, markets[0], account.sides[0], -pool.balance_e8, now_ms)

    def _note_forced(self, market: Market, order: Order, now_ms: int) -> None:
        average = market.spec.price_e8(order.cost_e8, order.filled_lots)
        self._forced.append(
            Forced(
                market, order.side, order.qty_lots, order.price_ticks, average, order.status,
                order.filled_lots, order.filled_lots, now_ms,
            )
        )  # fmt: skip

    def _open_legs(self, account: Account) -> list[Leg]:
        return [leg for leg in legs_of(self._exchange, account) if leg.lots]

    def _cross_legs(self, account: Account, name: str) -> list[Leg]:
        return [
            leg
            for leg in self._open_legs(account)
            if not leg.isolated and pool_name(account, leg.symbol) == name
        ]
