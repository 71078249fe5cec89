"""Liquidation and bankruptcy prices: exact to the last unit, whatever else the account holds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aegis.config.models import VenueConfig
from aegis.venue.brackets import E4, schedule_of
from aegis.venue.ledger import LONG, SHORT, Account, Position
from aegis.venue.liquidation_price import bankruptcy_e8, liquidation_price_e8
from aegis.venue.margin import Leg, leg_of, legs_of, pool_for, value_e8
from aegis.venue.symbols import make_symbol

BTC = make_symbol("BTCUSDT", VenueConfig().symbols["BTCUSDT"])
ETH = make_symbol("ETHUSDT", VenueConfig().symbols["ETHUSDT"])
SPECS = {"BTCUSDT": BTC, "ETHUSDT": ETH}


@dataclass
class FixedMarket:
    """A market that is nothing but its mark price."""

    spec: Any
    mark: int

    def mark_e8(self) -> int:
        return self.mark


@dataclass
class Marked:
    """Tables with set mark prices and no orders."""

    markets: Any = field(default_factory=dict)

    def open_notional(self, account_id: int, symbol: str, side: str) -> tuple[int, int]:
        return 0, 0


def tables_at(marks: dict[str, int]) -> Marked:
    return Marked({name: FixedMarket(SPECS[name], mark) for name, mark in marks.items()})


def position(symbol: str, lots: int, entry_ticks: int, isolated_e8: int = 0) -> Position:
    cost = SPECS[symbol].notional_e8(entry_ticks, lots)
    return Position(lots, cost, isolated_e8=isolated_e8)


def cushion_e8(tables: Marked, account: Account, leg: Leg) -> int:
    """What stands behind the position above its maintenance margin, summed up independently."""
    if leg.isolated:
        now = leg_of(tables, account, leg.symbol, leg.side)
        return now.position.isolated_e8 + now.unrealized_e8 - now.maintenance_e8
    pool = pool_for(tables, account, leg.symbol)
    return pool.equity_e8 - pool.maintenance_e8


def assert_is_the_edge(account: Account, marks: dict[str, int], symbol: str, side: str) -> int:
    """At the liquidation price there is no cushion, one unit nearer to safety there is one."""
    tables = tables_at(marks)
    legs = legs_of(tables, account)
    leg = leg_of(tables, account, symbol, side)
    price = liquidation_price_e8(tables, account, leg, legs)
    safe = cushion_e8(tables, account, leg) > 0
    if price == 0:
        return 0
    assert cushion_e8(tables_at({**marks, symbol: price}), account, leg) <= 0
    toward = 1 if (marks[symbol] > price) == safe else -1
    assert cushion_e8(tables_at({**marks, symbol: price + toward}), account, leg) > 0
    return price


LOTS = st.integers(-200_000, 200_000).filter(bool)
WALLET = st.integers(1, 10**15)
BTC_MARK = st.integers(3 * 10**12, 12 * 10**12)
ETH_MARK = st.integers(10**11, 5 * 10**11)


@settings(max_examples=300, deadline=None)
@given(WALLET, LOTS, st.integers(400_000, 900_000), BTC_MARK)
def test_cross_one_way_is_the_exchange_s_formula(
    wallet: int, lots: int, entry: int, mark: int
) -> None:
    """LP = (WB + cum - s*q*EP) / (q*mmr - s*q) in the bracket that it falls into."""
    account = Account(16, "client", wallet)
    account.positions["BTCUSDT", "BOTH"] = position("BTCUSDT", lots, entry)
    price = assert_is_the_edge(account, {"BTCUSDT": mark}, "BTCUSDT", "BOTH")
    assume(price > 0)
    sign = 1 if lots > 0 else -1
    scale = 10**BTC.quantity_precision
    quantity = Fraction(abs(lots) * BTC.step_points, scale)
    bracket = schedule_of(BTC).bracket(abs(value_e8(BTC, lots, price)))
    cost = account.positions["BTCUSDT", "BOTH"].cost_e8
    exact = (wallet + bracket.cum_e8 - cost) / (quantity * (Fraction(bracket.ratio_e4, E4) - sign))
    # Sums are rounded to 1e-8 quote, so the price is sharp to that over the quantity.
    assert abs(price - exact) <= 3 / quantity + 1


@settings(max_examples=300, deadline=None)
@given(WALLET, LOTS, LOTS, st.integers(400_000, 900_000), BTC_MARK, ETH_MARK)
def test_cross_with_another_position(
    wallet: int, lots: int, others: int, entry: int, btc: int, eth: int
) -> None:
    account = Account(16, "client", wallet)
    account.positions["BTCUSDT", "BOTH"] = position("BTCUSDT", lots, entry)
    account.positions["ETHUSDT", "BOTH"] = position("ETHUSDT", others, 260_000)
    marks = {"BTCUSDT": btc, "ETHUSDT": eth}
    assert_is_the_edge(account, marks, "BTCUSDT", "BOTH")
    assert_is_the_edge(account, marks, "ETHUSDT", "BOTH")


@settings(max_examples=300, deadline=None)
@given(WALLET, st.integers(1, 200_000), st.integers(1, 200_000), BTC_MARK)
def test_cross_hedged_positions_share_their_price(
    wallet: int, longs: int, shorts: int, mark: int
) -> None:
    account = Account(16, "client", wallet, hedged=True)
    account.positions["BTCUSDT", LONG] = position("BTCUSDT", longs, 600_000)
    account.positions["BTCUSDT", SHORT] = position("BTCUSDT", -shorts, 610_000)
    marks = {"BTCUSDT": mark}
    one = assert_is_the_edge(account, marks, "BTCUSDT", LONG)
    assert assert_is_the_edge(account, marks, "BTCUSDT", SHORT) == one


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 10**13), LOTS, st.integers(400_000, 900_000), BTC_MARK)
def test_isolated_stands_on_its_own_wallet(isolated: int, lots: int, entry: int, mark: int) -> None:
    account = Account(16, "client", 10**15, isolated={"BTCUSDT": True})
    account.positions["BTCUSDT", "BOTH"] = position("BTCUSDT", lots, entry, isolated)
    marks = {"BTCUSDT": mark}
    price = assert_is_the_edge(account, marks, "BTCUSDT", "BOTH")
    account.wallet_e8 *= 1_000  # money that is none of its business
    assert assert_is_the_edge(account, marks, "BTCUSDT", "BOTH") == price


@settings(max_examples=300, deadline=None)
@given(st.integers(-(10**13), 10**13), LOTS, BTC_MARK)
def test_closing_at_the_bankruptcy_price_leaves_nothing_and_no_debt(
    behind: int, lots: int, mark: int
) -> None:
    account = Account(16, "client", 0)
    account.positions["BTCUSDT", "BOTH"] = position("BTCUSDT", lots, 600_000)
    leg = leg_of(tables_at({"BTCUSDT": mark}), account, "BTCUSDT", "BOTH")
    price = bankruptcy_e8(leg, behind)
    assume(price > 0)
    left = behind + value_e8(BTC, lots, price) - leg.value_e8
    quantity = abs(lots) * BTC.step_points / 10**BTC.quantity_precision
    assert 0 <= left + 1 <= quantity + 3


def test_what_cannot_be_liquidated_has_no_price() -> None:
    rich = Account(16, "client", 10**14)
    rich.positions["BTCUSDT", "BOTH"] = position("BTCUSDT", 10, 600_000)
    assert assert_is_the_edge(rich, {"BTCUSDT": 6 * 10**12}, "BTCUSDT", "BOTH") == 0
    rich.positions["BTCUSDT", "BOTH"] = Position()
    assert assert_is_the_edge(rich, {"BTCUSDT": 6 * 10**12}, "BTCUSDT", "BOTH") == 0


def test_the_documented_example() -> None:
    """1 BTC long at 20,000 with 1,535.44 USDT: below 400,000 USDT of notional, 0.5 % in a bracket
    of its own, it is liquidated where wallet and loss meet the maintenance margin."""
    spec = replace(BTC, base="SOL")  # a schedule whose first bracket says 0.5 %
    market = FixedMarket(spec, 2 * 10**12)
    account = Account(16, "client", 153_544_000_000)
    account.positions["BTCUSDT", "BOTH"] = Position(1_000, spec.notional_e8(200_000, 1_000))
    tables = Marked({"BTCUSDT": market})
    legs = legs_of(tables, account)
    price = liquidation_price_e8(tables, account, legs[0], legs)
    # (1535.44 - 20000) / (0.005 - 1)
    assert price == (20_000 * 10**8 - 153_544_000_000) * 1_000 // 995
