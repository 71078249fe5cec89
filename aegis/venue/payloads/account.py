"""Account replies: balance, account and positionRisk in their v2 and v3 shapes, configurations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from aegis.venue.brackets import E4, Schedule, schedule_of
from aegis.venue.decimals import E8, format_scaled, money_text, trimmed_text
from aegis.venue.income import Income, MarginChange
from aegis.venue.ledger import BOTH, Account
from aegis.venue.margin import Leg, max_notional
from aegis.venue.market import Market
from aegis.venue.standing import AssetStanding, Risk, Standing
from aegis.venue.symbols import SymbolSpec

Json = dict[str, Any]
ALIAS: Final = "aegis"
ENTRY_DECIMALS: Final = 5
# Fees of retail price improvement orders, which this venue does not have.
NO_RATE: Final = "0"


def balances(standing: Standing) -> list[Json]:
    """GET /fapi/v2|v3/balance."""
    return [
        {
            "accountAlias": ALIAS,
            "asset": asset.asset,
            "balance": money_text(asset.wallet_e8),
            "crossWalletBalance": money_text(asset.cross_wallet_e8),
            "crossUnPnl": money_text(asset.cross_unrealized_e8),
            "availableBalance": money_text(asset.available_e8),
            "maxWithdrawAmount": money_text(asset.withdrawable_e8),
            "marginAvailable": True,
            "updateTime": asset.updated_ms,
        }
        for asset in standing.assets
    ]


def account_v3(standing: Standing) -> Json:
    """GET /fapi/v3/account: only symbols with a position or an open order."""
    return {
        **_totals(standing.total),
        "assets": [_asset(asset) for asset in standing.assets],
        "positions": [_account_position_v3(leg) for leg in standing.legs],
    }


def account_v2(standing: Standing) -> Json:
    """GET /fapi/v2/account: every symbol."""
    account = standing.account
    return {
        "feeTier": 0,
        "feeBurn": account.burns_bnb,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": account.multi_assets,
        "tradeGroupId": -1,
        **_totals(standing.total),
        "assets": [{**_asset(asset), "marginAvailable": True} for asset in standing.assets],
        "positions": [_account_position_v2(leg) for leg in standing.legs],
    }


def position_risk_v3(risk: Risk) -> Json:
    """A row of GET /fapi/v3/positionRisk."""
    leg = risk.leg
    return {
        **_risk(risk),
        "marginAsset": leg.market.spec.quote,
        "initialMargin": _money(leg.own_e8 + leg.orders_e8),
        "maintMargin": _money(leg.maintenance_e8),
        "positionInitialMargin": _money(leg.own_e8),
        "openOrderInitialMargin": _money(leg.orders_e8),
        "adl": risk.adl_quantile,
        "bidNotional": _money(leg.bids_e8),
        "askNotional": _money(leg.asks_e8),
    }


def position_risk_v2(risk: Risk) -> Json:
    """A row of GET /fapi/v2/positionRisk: with leverage and margin type."""
    leg = risk.leg
    return {
        **_risk(risk),
        "marginType": "isolated" if leg.isolated else "cross",
        "isAutoAddMargin": "false",
        "leverage": str(leg.leverage),
        "maxNotionalValue": str(max_notional(leg.market.spec, leg.leverage)),
    }


def account_config(account: Account) -> Json:
    """GET /fapi/v1/accountConfig."""
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": account.hedged,
        "updateTime": 0,
        "multiAssetsMargin": account.multi_assets,
        "tradeGroupId": -1,
    }


def symbol_config(account: Account, spec: SymbolSpec) -> Json:
    """A row of GET /fapi/v1/symbolConfig."""
    leverage = account.leverage(spec.symbol)
    return {
        "symbol": spec.symbol,
        "marginType": "ISOLATED" if account.isolated.get(spec.symbol, False) else "CROSSED",
        "isAutoAddMargin": False,
        "leverage": leverage,
        "maxNotionalValue": str(max_notional(spec, leverage)),
    }


def commission_rate(symbol: str, account: Account) -> Json:
    """GET /fapi/v1/commissionRate: fractions, as the ledger charges them."""
    return {
        "symbol": symbol,
        "makerCommissionRate": _rate(account.maker_rate_e8),
        "takerCommissionRate": _rate(account.taker_rate_e8),
        "rpiCommissionRate": NO_RATE,
    }


def leverage_brackets(spec: SymbolSpec) -> Json:
    """A row of GET /fapi/v1/leverageBracket; ratios and sums are JSON numbers there."""
    schedule: Schedule = schedule_of(spec)
    return {
        "symbol": spec.symbol,
        "notionalCoef": 1.0,
        "brackets": [
            {
                "bracket": bracket.number,
                "initialLeverage": bracket.leverage,
                "notionalCap": bracket.cap_e8 // E8,
                "notionalFloor": bracket.floor_e8 // E8,
                "maintMarginRatio": bracket.ratio_e4 / E4,
                "cum": bracket.cum_e8 / E8,
            }
            for bracket in schedule.brackets
        ],
    }


def adl_quantiles(risks: Iterable[Risk], hedged: bool) -> list[Json]:
    """GET /fapi/v1/adlQuantile; HEDGE says that cross LONG and SHORT count together."""
    rows: dict[str, dict[str, int]] = {}
    for risk in risks:
        leg = risk.leg
        if leg.lots == 0:
            continue
        quantiles = rows.setdefault(leg.symbol, {"LONG": 0, "SHORT": 0})
        sign = "LONG" if leg.lots > 0 else "SHORT"
        quantiles[sign] = risk.adl_quantile
        if hedged and not leg.isolated:
            quantiles["HEDGE"] = 0
        else:
            quantiles["BOTH"] = risk.adl_quantile if leg.side == BOTH else 0
    return [{"symbol": symbol, "adlQuantile": row} for symbol, row in rows.items()]


def trading_status(markets: Iterable[Market], everything: bool, now_ms: int) -> Json:
    """GET /fapi/v1/apiTradingStatus: nobody is restricted here.

    The indicators are those of the exchange's quantitative rules: unfilled ratio, IOC expiration,
    good-till-cancelled and dust ratios, with its thresholds.
    """
    free = [
        {
            "isLocked": False,
            "plannedRecoverTime": 0,
            "indicator": name,
            "value": 0,
            "triggerValue": threshold,
        }
        for name, threshold in (("UFR", 0.995), ("IFER", 0.99), ("GCR", 0.99), ("DR", 0.99))
    ]
    indicators: dict[str, list[Json]] = {market.spec.symbol: free for market in markets}
    if everything:
        indicators["ACCOUNT"] = [
            {
                "indicator": "TMV",
                "value": 0,
                "triggerValue": 10,
                "plannedRecoverTime": 0,
                "isLocked": False,
            }
        ]
    return {"indicators": indicators, "updateTime": now_ms}


def margin_changed(amount_text: str, added: bool) -> Json:
    """POST /fapi/v1/positionMargin; the amount is a JSON number there."""
    return {
        "amount": float(amount_text),
        "code": 200,
        "msg": "Successfully modify position margin.",
        "type": 1 if added else 2,
    }


def margin_change(change: MarginChange) -> Json:
    """A row of GET /fapi/v1/positionMargin/history."""
    return {
        "symbol": change.symbol,
        "type": 1 if change.added_e8 > 0 else 2,
        "deltaType": change.cause,
        "amount": money_text(abs(change.added_e8)),
        "asset": change.asset,
        "time": change.time_ms,
        "positionSide": change.position_side,
    }


def income(entry: Income) -> Json:
    """A row of GET /fapi/v1/income."""
    return {
        "symbol": entry.symbol,
        "incomeType": entry.kind,
        "income": money_text(entry.amount_e8),
        "asset": entry.asset,
        "info": entry.info,
        "time": entry.time_ms,
        "tranId": entry.transaction_id,
        "tradeId": str(entry.trade_id) if entry.trade_id else "",
    }


def _rate(rate_e8: int) -> str:
    text = format_scaled(rate_e8, 8)
    return text.rstrip("0").rstrip(".") if rate_e8 else "0"


def _totals(total: AssetStanding) -> Json:
    return {
        "totalInitialMargin": money_text(total.initial_margin_e8),
        "totalMaintMargin": money_text(total.maintenance_e8),
        "totalWalletBalance": money_text(total.wallet_e8),
        "totalUnrealizedProfit": money_text(total.unrealized_e8),
        "totalMarginBalance": money_text(total.equity_e8),
        "totalPositionInitialMargin": money_text(total.position_margin_e8),
        "totalOpenOrderInitialMargin": money_text(total.order_margin_e8),
        "totalCrossWalletBalance": money_text(total.cross_wallet_e8),
        "totalCrossUnPnl": money_text(total.cross_unrealized_e8),
        "availableBalance": money_text(total.available_e8),
        "maxWithdrawAmount": money_text(total.withdrawable_e8),
    }


def _asset(asset: AssetStanding) -> Json:
    return {
        "asset": asset.asset,
        "walletBalance": money_text(asset.wallet_e8),
        "unrealizedProfit": money_text(asset.unrealized_e8),
        "marginBalance": money_text(asset.equity_e8),
        "maintMargin": money_text(asset.maintenance_e8),
        "initialMargin": money_text(asset.initial_margin_e8),
        "positionInitialMargin": money_text(asset.position_margin_e8),
        "openOrderInitialMargin": money_text(asset.order_margin_e8),
        "crossWalletBalance": money_text(asset.cross_wallet_e8),
        "crossUnPnl": money_text(asset.cross_unrealized_e8),
        "availableBalance": money_text(asset.available_e8),
        "maxWithdrawAmount": money_text(asset.withdrawable_e8),
        "updateTime": asset.updated_ms,
    }


def _account_position_v3(leg: Leg) -> Json:
    return {
        "symbol": leg.symbol,
        "positionSide": leg.side,
        "positionAmt": leg.market.spec.qty_text(leg.lots),
        "unrealizedProfit": money_text(leg.unrealized_e8),
        "isolatedMargin": money_text(_isolated_margin_e8(leg)),
        "notional": _money(leg.value_e8),
        "isolatedWallet": _money(leg.position.isolated_e8),
        "initialMargin": _money(leg.own_e8 + leg.orders_e8),
        "maintMargin": _money(leg.maintenance_e8),
        "updateTime": leg.position.updated_ms,
    }


def _account_position_v2(leg: Leg) -> Json:
    spec = leg.market.spec
    return {
        "symbol": spec.symbol,
        "initialMargin": _money(leg.own_e8 + leg.orders_e8),
        "maintMargin": _money(leg.maintenance_e8),
        "unrealizedProfit": money_text(leg.unrealized_e8),
        "positionInitialMargin": _money(leg.own_e8),
        "openOrderInitialMargin": _money(leg.orders_e8),
        "leverage": str(leg.leverage),
        "isolated": leg.isolated,
        "entryPrice": _entry(leg),
        "breakEvenPrice": _break_even(leg),
        "maxNotional": str(max_notional(spec, leg.leverage)),
        "bidNotional": _money(leg.bids_e8),
        "askNotional": _money(leg.asks_e8),
        "positionSide": leg.side,
        "positionAmt": spec.qty_text(leg.lots),
        "updateTime": leg.position.updated_ms,
    }


def _risk(risk: Risk) -> Json:
    leg = risk.leg
    return {
        "symbol": leg.symbol,
        "positionSide": leg.side,
        "positionAmt": leg.market.spec.qty_text(leg.lots),
        "entryPrice": _entry(leg),
        "breakEvenPrice": _break_even(leg),
        "markPrice": money_text(leg.mark_e8),
        "unRealizedProfit": money_text(leg.unrealized_e8),
        "liquidationPrice": _money(risk.liquidation_e8),
        "isolatedMargin": money_text(_isolated_margin_e8(leg)),
        "notional": _money(leg.value_e8),
        "isolatedWallet": _money(leg.position.isolated_e8),
        "updateTime": leg.position.updated_ms,
    }


def _isolated_margin_e8(leg: Leg) -> int:
    """An isolated position's wallet with its open profit; 0 of a cross position."""
    return leg.position.isolated_e8 + leg.unrealized_e8 if leg.isolated and leg.lots else 0


def _money(value_e8: int) -> str:
    """Money where the exchange writes nothing as "0"."""
    return money_text(value_e8) if value_e8 else "0"


def _entry(leg: Leg) -> str:
    """The average entry price; "0.0" of a flat position."""
    if leg.lots == 0:
        return "0.0"
    price = leg.market.spec.price_e8(leg.position.cost_e8, leg.lots)
    return trimmed_text(price, ENTRY_DECIMALS)


def _break_even(leg: Leg) -> str:
    """The price at which closing pays for what the position has cost so far; at least 0."""
    if leg.lots == 0:
        return "0.0"
    return trimmed_text(break_even_e8(leg), ENTRY_DECIMALS)


def break_even_e8(leg: Leg) -> int:
    """Cost with fees and funding paid, less what was realised, per unit of the position."""
    cost = leg.position.cost_e8 + leg.position.charges_e8
    if cost * leg.lots <= 0:
        return 0
    return leg.market.spec.price_e8(cost, leg.lots)
