"""Account replies: balance, account and positionRisk in their v2 and v3 shapes, configurations."""

from __future__ import annotations

from typing import Any

from aegis.venue.decimals import format_scaled, money_text, trimmed_text
from aegis.venue.ledger import Account
from aegis.venue.payloads.user import ENTRY_DECIMALS
from aegis.venue.standing import MAX_NOTIONAL, Standing, SymbolStanding, liquidation_e8

Json = dict[str, Any]
ASSET = "USDT"
ALIAS = "aegis"


def balances(standing: Standing) -> list[Json]:
    """GET /fapi/v2|v3/balance."""
    wallet, available = money_text(standing.wallet_e8), money_text(standing.available_e8)
    return [
        {
            "accountAlias": ALIAS,
            "asset": ASSET,
            "balance": wallet,
            "crossWalletBalance": wallet,
            "crossUnPnl": money_text(standing.unrealized_e8),
            "availableBalance": available,
            "maxWithdrawAmount": available,
            "marginAvailable": True,
            "updateTime": standing.updated_ms,
        }
    ]


def account_v3(standing: Standing) -> Json:
    """GET /fapi/v3/account: only symbols with a position or an open order."""
    return {
        **_totals(standing),
        "assets": [_asset(standing)],
        "positions": [_account_position_v3(row) for row in standing.symbols],
    }


def account_v2(standing: Standing) -> Json:
    """GET /fapi/v2/account: every symbol."""
    return {
        "feeTier": 0,
        "feeBurn": False,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        **_totals(standing),
        "assets": [{**_asset(standing), "marginAvailable": True}],
        "positions": [_account_position_v2(row) for row in standing.symbols],
    }


def position_risk_v3(wallet_e8: int, row: SymbolStanding) -> Json:
    """A row of GET /fapi/v3/positionRisk."""
    whole = row.position_margin_e8 + row.order_margin_e8
    return {
        **_risk(wallet_e8, row),
        "marginAsset": ASSET,
        "initialMargin": money_text(whole),
        "maintMargin": money_text(row.maintenance_e8),
        "positionInitialMargin": money_text(row.position_margin_e8),
        "openOrderInitialMargin": money_text(row.order_margin_e8),
        "adl": 0,
        "bidNotional": money_text(row.bids_e8),
        "askNotional": money_text(row.asks_e8),
    }


def position_risk_v2(wallet_e8: int, row: SymbolStanding) -> Json:
    """A row of GET /fapi/v2/positionRisk: with leverage and margin type."""
    return {
        **_risk(wallet_e8, row),
        "marginType": "isolated" if row.isolated else "cross",
        "isAutoAddMargin": "false",
        "leverage": str(row.leverage),
        "maxNotionalValue": str(MAX_NOTIONAL),
    }


def account_config() -> Json:
    """GET /fapi/v1/accountConfig: one-way, single asset."""
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": False,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def commission_rate(symbol: str, account: Account) -> Json:
    """GET /fapi/v1/commissionRate: fractions, as the ledger charges them."""
    return {
        "symbol": symbol,
        "makerCommissionRate": _rate(account.maker_rate_e8),
        "takerCommissionRate": _rate(account.taker_rate_e8),
        "rpiCommissionRate": "0",
    }


def symbol_config(row: SymbolStanding) -> Json:
    """A row of GET /fapi/v1/symbolConfig."""
    return {
        "symbol": row.market.spec.symbol,
        "marginType": "ISOLATED" if row.isolated else "CROSSED",
        "isAutoAddMargin": False,
        "leverage": row.leverage,
        "maxNotionalValue": str(MAX_NOTIONAL),
    }


def _rate(rate_e8: int) -> str:
    text = format_scaled(rate_e8, 8)
    return text.rstrip("0").rstrip(".") if rate_e8 else "0"


def _totals(standing: Standing) -> Json:
    wallet, available = money_text(standing.wallet_e8), money_text(standing.available_e8)
    unrealized = money_text(standing.unrealized_e8)
    return {
        "totalInitialMargin": money_text(standing.initial_margin_e8),
        "totalMaintMargin": money_text(standing.maintenance_e8),
        "totalWalletBalance": wallet,
        "totalUnrealizedProfit": unrealized,
        "totalMarginBalance": money_text(standing.equity_e8),
        "totalPositionInitialMargin": money_text(standing.position_margin_e8),
        "totalOpenOrderInitialMargin": money_text(standing.order_margin_e8),
        "totalCrossWalletBalance": wallet,
        "totalCrossUnPnl": unrealized,
        "availableBalance": available,
        "maxWithdrawAmount": available,
    }


def _asset(standing: Standing) -> Json:
    wallet, available = money_text(standing.wallet_e8), money_text(standing.available_e8)
    unrealized = money_text(standing.unrealized_e8)
    return {
        "asset": ASSET,
        "walletBalance": wallet,
        "unrealizedProfit": unrealized,
        "marginBalance": money_text(standing.equity_e8),
        "maintMargin": money_text(standing.maintenance_e8),
        "initialMargin": money_text(standing.initial_margin_e8),
        "positionInitialMargin": money_text(standing.position_margin_e8),
        "openOrderInitialMargin": money_text(standing.order_margin_e8),
        "crossWalletBalance": wallet,
        "crossUnPnl": unrealized,
        "availableBalance": available,
        "maxWithdrawAmount": available,
        "updateTime": standing.updated_ms,
    }


def _account_position_v3(row: SymbolStanding) -> Json:
    spec = row.market.spec
    return {
        "symbol": spec.symbol,
        "positionSide": "BOTH",
        "positionAmt": spec.qty_text(row.lots),
        "unrealizedProfit": money_text(row.unrealized_e8),
        "isolatedMargin": "0",
        "notional": money_text(row.value_e8),
        "isolatedWallet": "0",
        "initialMargin": money_text(row.position_margin_e8 + row.order_margin_e8),
        "maintMargin": money_text(row.maintenance_e8),
        "updateTime": row.updated_ms,
    }


def _account_position_v2(row: SymbolStanding) -> Json:
    spec = row.market.spec
    entry = _entry(row)
    return {
        "symbol": spec.symbol,
        "initialMargin": money_text(row.position_margin_e8 + row.order_margin_e8),
        "maintMargin": money_text(row.maintenance_e8),
        "unrealizedProfit": money_text(row.unrealized_e8),
        "positionInitialMargin": money_text(row.position_margin_e8),
        "openOrderInitialMargin": money_text(row.order_margin_e8),
        "leverage": str(row.leverage),
        "isolated": row.isolated,
        "entryPrice": entry,
        "breakEvenPrice": entry,
        "maxNotional": str(MAX_NOTIONAL),
        "bidNotional": money_text(row.bids_e8),
        "askNotional": money_text(row.asks_e8),
        "positionSide": "BOTH",
        "positionAmt": spec.qty_text(row.lots),
        "updateTime": row.updated_ms,
    }


def _risk(wallet_e8: int, row: SymbolStanding) -> Json:
    spec = row.market.spec
    entry = _entry(row)
    return {
        "symbol": spec.symbol,
        "positionSide": "BOTH",
        "positionAmt": spec.qty_text(row.lots),
        "entryPrice": entry,
        "breakEvenPrice": entry,
        "markPrice": money_text(row.mark_e8),
        "unRealizedProfit": money_text(row.unrealized_e8),
        "liquidationPrice": money_text(liquidation_e8(wallet_e8, row)),
        "isolatedMargin": "0.00000000",
        "notional": money_text(row.value_e8),
        "isolatedWallet": "0",
        "updateTime": row.updated_ms,
    }


def _entry(row: SymbolStanding) -> str:
    spec = row.market.spec
    return trimmed_text(spec.price_e8(row.cost_e8, row.lots), ENTRY_DECIMALS)
