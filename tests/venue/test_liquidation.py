"""Liquidations from the breach to the last cent: orders, fees, the fund, and the other side."""

from __future__ import annotations

import json

import numpy as np
import pytest

from aegis.config.models import VenueConfig
from aegis.venue.events import AccountEvent, MarginCallEvent, OrderEvent
from aegis.venue.ledger import OWNER_INSURANCE
from aegis.venue.liquidation import Liquidator
from aegis.venue.matching.interface import BUY, OWNER_MAKERS, OWNER_TAKERS, SELL
from aegis.venue.payloads.user import encode
from tests.venue.desk import CLIENT, KEYS, OTHER
from tests.venue.purse import USDT, Purse


@pytest.fixture
def purse() -> Purse:
    return Purse()


def liquidator(purse: Purse) -> Liquidator:
    return purse.core.treasury.liquidator


def requote(purse: Purse, bid: int, ask: int, lots: int = 1_000_000) -> None:
    """Move the whole market: take everything that stands, and quote anew."""
    purse.take(SELL, bid, 10**9)
    purse.take(BUY, ask, 10**9)
    purse.quote(BUY, bid, lots)
    purse.quote(SELL, ask, lots)
    purse.story()


def insurance(purse: Purse) -> int:
    return purse.exchange.ledger.insurance.wallet_e8


def risk(purse: Purse, key: int = 0) -> dict[str, str]:
    _, rows = purse.call("GET", "/fapi/v3/positionRisk", KEYS[key], symbol="BTCUSDT")
    row: dict[str, str] = rows[0]
    return row


def test_a_breach_closes_the_position_in_the_market(purse: Purse) -> None:
    purse.post("/fapi/v1/leverage", symbol="BTCUSDT", leverage=100)
    purse.buy("10")
    purse.order(quantity="0.001", price="58000", newClientOrderId="mine")
    purse.story()
    price = float(risk(purse)["liquidationPrice"])
    assert 59_000 < price < 59_500
    # A unit of 1e-8 above it nothing happens, at it the account is liquidated.
    purse.set_mark(price + 1)
    purse.second()
    assert purse.held().lots == 10_000
    requote(purse, 593_000, 593_001)
    purse.set_mark(price - 0.00000001)
    fund = insurance(purse)
    purse.second()
    assert purse.held().lots == 0
    assert purse.story() == [
        "EXPIRED/EXPIRED", "NEW/NEW", "CALCULATED/FILLED", "ORDER", "INSURANCE_CLEAR",
    ]  # fmt: skip
    assert insurance(purse) > fund
    assert purse.account.wallet_e8 >= 0
    purse.assert_balanced()
    assert liquidator(purse).check(purse.now_ms) == 0


def test_what_the_owner_and_the_public_are_told(purse: Purse) -> None:
    purse.post("/fapi/v1/leverage", symbol="BTCUSDT", leverage=100)
    purse.buy("10")
    requote(purse, 593_000, 593_001)
    purse.set_mark(59_100)
    purse.second()
    new, filled, account, cleared = purse.events()
    assert isinstance(new, OrderEvent) and isinstance(filled, OrderEvent)
    assert isinstance(account, AccountEvent) and isinstance(cleared, AccountEvent)
    lite, update = encode(filled, purse.exchange.markets)
    order = json.loads(update[1])["o"]
    assert lite[0] == "TRADE_LITE"
    assert order["c"].startswith("autoclose-")
    assert (order["x"], order["X"], order["S"], order["f"]) == (
        "CALCULATED",
        "FILLED",
        "SELL",
        "IOC",
    )
    # At the bankruptcy price, 9,700 USDT below the entry of ten; sold in the market.
    assert (order["p"], order["L"]) == ("59030.20", "59300.00")
    fee = sum(note.change_e8 for note in cleared.balances)
    assert fee < 0 and cleared.cause == "INSURANCE_CLEAR"
    rows = purse.get("/fapi/v1/income", incomeType="INSURANCE_CLEAR")
    assert [float(row["income"]) for row in rows] == [fee / USDT]
    forced = purse.get("/fapi/v1/forceOrders", symbol="BTCUSDT")
    assert [row["clientOrderId"] for row in forced] == [order["c"]]
    assert purse.get("/fapi/v1/forceOrders", symbol="BTCUSDT", autoCloseType="ADL") == []
    (public,) = liquidator(purse).take_forced()
    assert (public.side, public.lots, public.status) == (SELL, 10_000, "FILLED")
    assert public.average_e8 == 59_300 * USDT
    assert liquidator(purse).take_forced() == []


def test_a_large_position_is_only_made_smaller() -> None:
    """One order down to a lower bracket is enough: the account keeps the rest."""
    purse = Purse(lots=10_000_000, config=VenueConfig(balance_usdt=9_500_000.0))
    purse.post("/fapi/v1/leverage", symbol="BTCUSDT", leverage=10)
    for _ in range(15):
        purse.buy("100")  # 90,000,000 USDT, where the maintenance ratio is 5 %
    price = float(risk(purse)["liquidationPrice"])
    requote(purse, round(price * 10) - 1, round(price * 10), 10_000_000)
    purse.set_mark(price - 1)
    purse.second()
    # It is 2.5 % up to 60,000,000 USDT.
    assert 59_999_900 < purse.held().lots / 1_000 * (price - 1) <= 60_000_000
    assert purse.story().count("CALCULATED/FILLED") == 1
    assert float(risk(purse)["liquidationPrice"]) < price - 1
    assert purse.account.wallet_e8 > 0
    purse.assert_balanced()
    purse.second()
    assert purse.story() == []


def test_the_insurance_fund_takes_what_the_market_does_not(purse: Purse) -> None:
    purse.buy("3")
    # The market is gone far below the bankruptcy price.
    requote(purse, 400_000, 400_001)
    purse.set_mark(55_000)
    purse.second()
    story = purse.story()
    # Neither order found anybody; the second is filled by the fund.
    assert story == [
        "NEW/NEW", "EXPIRED/EXPIRED", "NEW/NEW", "CALCULATED/FILLED", "ORDER",
    ]  # fmt: skip
    assert purse.held().lots == 0
    assert purse.exchange.ledger.accounts[OWNER_INSURANCE].position("BTCUSDT").lots == 3_000
    assert 0 <= purse.account.wallet_e8 < USDT  # a tick's worth of rounding
    purse.assert_balanced()


def test_winners_are_deleveraged_when_the_fund_cannot_take_it() -> None:
    purse = Purse(config=VenueConfig(insurance_fund_usdt=1_000.0))
    purse.buy("3")
    purse.sell("1", account=1)
    purse.order(KEYS[1], side="BUY", quantity="1", price="39000.0", reduceOnly="true")
    requote(purse, 400_000, 400_001)
    purse.exchange.take_events()
    purse.set_mark(55_000)
    purse.second()
    assert purse.held().lots == 0
    other = purse.exchange.account(OTHER)
    assert other.position("BTCUSDT").lots == 0
    assert purse.exchange.ledger.insurance.position("BTCUSDT").lots == 0
    assert liquidator(purse).deleveragings == 1
    events = [e for e in purse.exchange.take_events() if isinstance(e, OrderEvent)]
    theirs = [e for e in events if e.account_id == OTHER]
    assert [(e.execution, e.order.status) for e in theirs] == [
        ("NEW", "NEW"), ("CALCULATED", "FILLED"), ("EXPIRED", "EXPIRED"),
    ]  # fmt: skip
    assert theirs[1].order.client_id == "adl_autoclose"
    assert theirs[1].realized_e8 > 0 and theirs[1].fee_e8 == 0
    rows = purse.call("GET", "/fapi/v1/forceOrders", KEYS[1], autoCloseType="ADL")[1]
    assert [(row["clientOrderId"], row["side"]) for row in rows] == [("adl_autoclose", "BUY")]
    # What no client held is with the market's own participants.
    assert purse.exchange.account(CLIENT).wallet_e8 >= 0
    accounts = purse.exchange.ledger.accounts
    flow = [accounts[owner].position("BTCUSDT").lots for owner in (OWNER_MAKERS, OWNER_TAKERS)]
    assert sum(flow) == 0
    purse.assert_balanced()


def test_an_isolated_position_costs_no_more_than_its_wallet(purse: Purse) -> None:
    purse.isolate()
    purse.post("/fapi/v1/leverage", symbol="BTCUSDT", leverage=50)
    purse.buy("1")
    own, cross = purse.held().isolated_e8, purse.account.cross_balance_e8("USDT")
    price = float(risk(purse)["liquidationPrice"])
    assert 59_000 < price < 60_000
    requote(purse, 590_000, 590_001)
    purse.set_mark(price + 1)
    purse.second()
    assert purse.held().lots == 1_000
    purse.set_mark(price - 1)
    purse.second()
    assert (purse.held().lots, purse.held().isolated_e8) == (0, 0)
    left = purse.account.cross_balance_e8("USDT") - cross
    assert 0 <= left < own
    purse.assert_balanced()


@pytest.mark.parametrize("market", [500_000, 590_000, 595_000])
def test_isolated_in_any_market_the_cross_wallet_is_safe(purse: Purse, market: int) -> None:
    purse.isolate()
    purse.post("/fapi/v1/leverage", symbol="BTCUSDT", leverage=100)
    purse.buy("4.9")
    cross = purse.account.cross_balance_e8("USDT")
    requote(purse, market, market + 1)
    purse.set_mark(min(market / 10, 59_600))
    for _ in range(3):
        purse.second()
    assert purse.held().lots == 0
    assert purse.account.cross_balance_e8("USDT") >= cross
    purse.assert_balanced()


def test_only_the_isolated_position_goes(purse: Purse) -> None:
    purse.isolate()
    purse.post("/fapi/v1/leverage", symbol="BTCUSDT", leverage=100)
    purse.buy("1")
    eth = purse.exchange.markets["ETHUSDT"]
    for side, price in ((BUY, 260_000), (SELL, 260_001)):
        purse.exchange.market_order_flow(eth, OWNER_MAKERS, side, price, 10_000, True, purse.now_ms)
    assert purse.order(symbol="ETHUSDT", type="MARKET", quantity="1")[0] == 200
    purse.order(symbol="ETHUSDT", quantity="1", price="2500", newClientOrderId="kept")
    purse.order(quantity="0.01", price="58000", newClientOrderId="gone")
    requote(purse, 595_000, 595_001)
    purse.set_mark(59_500)
    purse.second()
    assert purse.held().lots == 0
    assert purse.held(symbol="ETHUSDT").lots == 1_000
    kept = [order.client_id for order in purse.exchange.orders.open_of(CLIENT)]
    assert kept == ["kept"]
    purse.assert_balanced()


def test_cross_closes_the_worst_position_first(purse: Purse) -> None:
    """The fee takes what closing the long has left, so the hedge has to go as well."""
    purse.hedge()
    purse.buy("2.5", positionSide="LONG")
    purse.sell("0.2", positionSide="SHORT")
    requote(purse, 559_000, 559_001)
    purse.set_mark(55_900)
    purse.second()
    filled = [
        (event.order.position_side, event.order.side)
        for event in purse.events()
        if isinstance(event, OrderEvent) and event.execution == "CALCULATED"
    ]
    assert filled == [("LONG", SELL), ("SHORT", BUY)]
    assert (purse.held("LONG").lots, purse.held("SHORT").lots) == (0, 0)
    purse.assert_balanced()


def test_a_margin_call_comes_before_and_at_most_hourly(purse: Purse) -> None:
    purse.buy("3")
    price = float(risk(purse)["liquidationPrice"])
    purse.story()
    purse.set_mark(60_000)
    purse.second()
    assert purse.story() == []
    purse.set_mark(price + 20)
    purse.second()
    (call,) = purse.events()
    assert isinstance(call, MarginCallEvent)
    ((name, payload),) = encode(call, purse.exchange.markets)
    body = json.loads(payload)
    wallet = f"{purse.account.wallet_e8 / USDT:.8f}"
    assert (name, body["cw"], len(body["p"])) == ("MARGIN_CALL", wallet, 1)
    assert body["p"][0] | {"up": "", "mm": ""} == {
        "s": "BTCUSDT", "ps": "BOTH", "pa": "3.000", "mt": "CROSSED", "iw": "0",
        "mp": f"{price + 20:.8f}", "up": "", "mm": "",
    }  # fmt: skip
    purse.second(1_800)
    assert purse.story() == []
    purse.second(1_801)
    assert purse.story() == ["call"]
    purse.assert_balanced()


def test_a_debt_is_brought_back_to_zero_by_the_fund(purse: Purse) -> None:
    """Fees can take a wallet below zero where the market gave just the bankruptcy price."""
    purse.buy("3")
    bankrupt = 60_000.1 - purse.account.wallet_e8 / USDT / 3
    requote(purse, round(bankrupt * 10 + 2), round(bankrupt * 10 + 3))
    purse.set_mark(bankrupt + 1)
    purse.second()
    assert purse.held().lots == 0
    assert purse.account.wallet_e8 == 0
    assert purse.story()[-1] == "INSURANCE_CLEAR"
    purse.assert_balanced()


def test_accounts_without_positions_are_not_looked_at(purse: Purse) -> None:
    purse.order(quantity="0.001", price="59000")
    purse.set_mark(1)
    purse.second()
    assert purse.exchange.orders.open_of(CLIENT)
    assert liquidator(purse).liquidations == 0


def test_the_fund_brings_what_it_took_back_to_the_market_slowly(purse: Purse) -> None:
    purse.buy("3")
    requote(purse, 400_000, 400_001)
    purse.set_mark(55_000)
    purse.second()
    fund = purse.exchange.ledger.insurance
    position, before = fund.position("BTCUSDT"), fund.wallet_e8
    assert position.lots == 3_000
    # From now on there is an index, and a market near it.
    requote(purse, 550_000, 550_001)
    fair = np.full(len(purse.exchange.markets), 1_000.0)
    fair[purse.btc.spec.number] = 550_000.5
    purse.core.treasury.marks.follow(fair)
    lots = []
    while position.lots:
        purse.second()
        lots.append(position.lots)
        purse.assert_balanced()
    assert lots[:2] == [2_850, 2_707] and len(lots) > 50
    # Taken at the bankruptcy price, given away at the bid.
    price = 600_001 - (10_000 - 90) * 10 / 3
    assert (fund.wallet_e8 - before) / USDT == pytest.approx(3 * (550_000 - price) / 10, abs=1)
    assert (position.cost_e8, purse.account.wallet_e8 >= 0) == (0, True)


def test_the_fund_does_not_sell_at_any_price(purse: Purse) -> None:
    purse.buy("3")
    requote(purse, 400_000, 400_001)
    purse.set_mark(55_000)
    purse.second()
    fund = purse.core.treasury.fund
    assert fund.unwind(purse.now_ms) == 0  # the bid is a quarter below the mark price
    assert fund.account.position("BTCUSDT").lots == 3_000
