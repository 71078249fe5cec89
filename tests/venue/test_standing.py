"""What an account is told about itself, in every mode, and in the shapes of the official SDK."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aegis.config.models import VenueConfig
from aegis.venue.adl import Ranking
from aegis.venue.margin import leg_of
from tests.venue.desk import KEYS
from tests.venue.purse import Purse


@pytest.fixture
def purse() -> Purse:
    purse = Purse()
    purse.set_mark(60_000)
    return purse


def money(text: Any) -> Decimal:
    return Decimal(text)


def test_totals_of_a_cross_account(purse: Purse) -> None:
    purse.buy("1")  # at 60,000.1, for 30 USDT
    purse.order(quantity="0.5", price="59990")
    purse.set_mark(60_100)
    account = purse.get("/fapi/v3/account")
    assert account["totalWalletBalance"] == "9969.99995000"
    assert account["totalUnrealizedProfit"] == "99.90000000"
    assert account["totalMarginBalance"] == "10069.89995000"
    assert account["totalPositionInitialMargin"] == "3005.00000000"
    assert account["totalOpenOrderInitialMargin"] == "1499.75000000"
    assert account["totalInitialMargin"] == "4504.75000000"
    assert account["totalMaintMargin"] == "240.40000000"  # 0.4 % of 60,100
    assert account["availableBalance"] == "5565.14995000"
    # Profit that is open may not be withdrawn.
    assert account["maxWithdrawAmount"] == "5465.24995000"
    (asset,) = account["assets"]
    assert (asset["asset"], asset["availableBalance"]) == ("USDT", "5565.14995000")
    (position,) = account["positions"]
    assert (position["positionAmt"], position["notional"], position["positionSide"]) == (
        "1.000", "60100.00000000", "BOTH",
    )  # fmt: skip
    (balance,) = purse.get("/fapi/v3/balance")
    assert (balance["balance"], balance["crossUnPnl"]) == ("9969.99995000", "99.90000000")


def test_an_isolated_position_stands_apart(purse: Purse) -> None:
    purse.isolate()
    purse.buy("1")
    purse.set_mark(60_100)
    account = purse.get("/fapi/v3/account")
    assert account["totalCrossWalletBalance"] == "6969.99495000"  # 3,000.005 are set aside
    assert account["totalCrossUnPnl"] == "0.00000000"
    assert account["availableBalance"] == "6969.99495000"
    (position,) = account["positions"]
    assert (position["isolatedWallet"], position["isolatedMargin"]) == (
        "3000.00500000", "3099.90500000",
    )  # fmt: skip
    (risk,) = purse.get("/fapi/v2/positionRisk", symbol="BTCUSDT")
    assert (risk["marginType"], risk["isolatedWallet"]) == ("isolated", "3000.00500000")
    # (3,000.005 - 60,000.1) / (0.004 - 1)
    assert risk["liquidationPrice"] == "57229.01104417"


def test_rows_in_hedge_mode(purse: Purse) -> None:
    purse.hedge()
    purse.buy("1", positionSide="LONG")
    purse.sell("0.4", positionSide="SHORT")
    purse.order(side="BUY", quantity="0.1", price="59000", positionSide="SHORT")
    rows = purse.get("/fapi/v3/positionRisk", symbol="BTCUSDT")
    assert [(row["positionSide"], row["positionAmt"]) for row in rows] == [
        ("LONG", "1.000"), ("SHORT", "-0.400"),
    ]  # fmt: skip
    assert rows[0]["liquidationPrice"] == rows[1]["liquidationPrice"]
    # An order that closes needs no margin.
    assert [row["openOrderInitialMargin"] for row in rows] == ["0", "0"]
    assert rows[1]["bidNotional"] == "5900.00000000"
    rows = purse.get("/fapi/v2/positionRisk")
    assert {row["positionSide"] for row in rows} == {"LONG", "SHORT"}
    assert len(rows) == 2 * len(purse.exchange.markets)
    rows = purse.get("/fapi/v2/account")["positions"]
    assert len(rows) == 3 * len(purse.exchange.markets)


def test_an_order_alone_makes_a_row(purse: Purse) -> None:
    assert purse.get("/fapi/v3/positionRisk") == []
    purse.order(quantity="0.5", price="59990")
    (row,) = purse.get("/fapi/v3/positionRisk")
    assert (row["positionAmt"], row["entryPrice"], row["liquidationPrice"]) == ("0.000", "0.0", "0")
    assert row["initialMargin"] == row["openOrderInitialMargin"] == "1499.75000000"


def test_break_even_pays_for_fees_and_fundings(purse: Purse) -> None:
    purse.buy("1")
    (row,) = purse.get("/fapi/v3/positionRisk")
    assert (row["entryPrice"], row["breakEvenPrice"]) == ("60000.10000", "60030.10005")
    purse.sell("2")
    (row,) = purse.get("/fapi/v3/positionRisk")
    # Short at 60,000, and 30 USDT of fee for it.
    assert (row["entryPrice"], row["breakEvenPrice"]) == ("60000.00000", "59970.00000")


def test_assets_of_a_rich_account() -> None:
    purse = Purse(config=VenueConfig(balances={"USDC": 500.0, "BNB": 2.0}))
    names = [row["asset"] for row in purse.get("/fapi/v2/balance")]
    assert names == ["USDT", "BNB", "USDC"]
    assert [row["asset"] for row in purse.get("/fapi/v3/balance")] == names
    account = purse.get("/fapi/v2/account")
    # In single-asset mode the totals are USDT's.
    assert account["totalWalletBalance"] == "10000.00000000"
    transfers = purse.get("/fapi/v1/income", incomeType="TRANSFER")
    assert [(row["asset"], row["income"]) for row in transfers] == [
        ("USDT", "10000.00000000"), ("USDC", "500.00000000"), ("BNB", "2.00000000"),
    ]  # fmt: skip


def test_fees_in_bnb_show_everywhere() -> None:
    purse = Purse(config=VenueConfig(balances={"BNB": 2.0}, universe=10))
    purse.set_mark(600, "BNBUSDT")
    purse.second()
    purse.story()
    purse.buy("1")
    (trade,) = purse.get("/fapi/v1/userTrades", symbol="BTCUSDT")
    assert (trade["commission"], trade["commissionAsset"]) == ("0.04500008", "BNB")
    (fee,) = purse.get("/fapi/v1/income", incomeType="COMMISSION")
    assert (fee["income"], fee["asset"]) == ("-0.04500008", "BNB")
    purse.assert_balanced()


def test_brackets_are_told_as_margins_are_computed(purse: Purse) -> None:
    one = purse.get("/fapi/v1/leverageBracket", symbol="BTCUSDT")
    everything = purse.get("/fapi/v1/leverageBracket")
    assert one in everything and len(everything) == len(purse.exchange.markets)
    for bracket in one["brackets"]:
        assert bracket["notionalFloor"] < bracket["notionalCap"]
    purse.account.wallet_e8 *= 1_000
    purse.buy("100")
    (row,) = purse.get("/fapi/v3/positionRisk")
    notional = money(row["notional"])
    (bracket,) = [
        row for row in one["brackets"] if row["notionalFloor"] < notional <= row["notionalCap"]
    ]
    expected = notional * money(str(bracket["maintMarginRatio"])) - money(str(bracket["cum"]))
    assert money(row["maintMargin"]) == expected
    assert purse.call("GET", "/fapi/v1/leverageBracket", symbol="NOPE")[1]["code"] == -1121


def test_adl_ranks_profit_times_leverage(purse: Purse) -> None:
    purse.buy("1")
    purse.buy("0.1", account=1)
    (row,) = purse.get("/fapi/v1/adlQuantile")
    # Both have lost the spread; the one with more leverage would go first.
    assert row == {"symbol": "BTCUSDT", "adlQuantile": {"LONG": 1, "SHORT": 0, "BOTH": 1}}
    purse.set_mark(61_000)
    accounts = purse.exchange.ledger.accounts
    queue = Ranking(purse.exchange, accounts).queue("BTCUSDT", 1)
    # The same profit per unit; the first has ten times the leverage.
    assert [holder.account.account_id for holder in queue] == [16, 17]
    assert Ranking(purse.exchange, accounts).queue("BTCUSDT", -1) == []
    (mine,) = purse.get("/fapi/v1/adlQuantile", symbol="BTCUSDT")
    _, (theirs,) = purse.call("GET", "/fapi/v1/adlQuantile", KEYS[1])
    assert mine["adlQuantile"]["BOTH"] == 3 > theirs["adlQuantile"]["BOTH"] == 1
    (risk,) = purse.get("/fapi/v3/positionRisk")
    assert risk["adl"] == 3
    purse.set_mark(59_000)
    queue = Ranking(purse.exchange, accounts).queue("BTCUSDT", 1)
    # Of losers, too, the one with more leverage comes first.
    assert [holder.account.account_id for holder in queue] == [16, 17]
    assert purse.get("/fapi/v1/adlQuantile")[0]["adlQuantile"]["BOTH"] == 1
    leg = leg_of(purse.exchange, purse.account, "ETHUSDT", "BOTH")
    assert Ranking(purse.exchange, accounts).quantile(purse.account, leg) == 0


def test_adl_in_hedge_mode(purse: Purse) -> None:
    purse.hedge()
    purse.buy("1", positionSide="LONG")
    purse.set_mark(61_000)
    (row,) = purse.get("/fapi/v1/adlQuantile")
    assert row["adlQuantile"] == {"LONG": 2, "SHORT": 0, "HEDGE": 0}


def test_nobody_is_restricted(purse: Purse) -> None:
    everything = purse.get("/fapi/v1/apiTradingStatus")
    assert {"BTCUSDT", "ACCOUNT"} <= set(everything["indicators"])
    one = purse.get("/fapi/v1/apiTradingStatus", symbol="BTCUSDT")
    assert list(one["indicators"]) == ["BTCUSDT"]
    assert not any(row["isLocked"] for row in one["indicators"]["BTCUSDT"])


SHAPES = [
    ("/fapi/v1/leverageBracket", "NotionalAndLeverageBracketsResponse1Inner"),
    ("/fapi/v1/income", "GetIncomeHistoryResponseInner"),
    ("/fapi/v1/positionMargin/history", "GetPositionMarginChangeHistoryResponseInner"),
    ("/fapi/v1/multiAssetsMargin", "GetCurrentMultiAssetsModeResponse"),
    ("/fapi/v1/feeBurn", "GetBnbBurnStatusResponse"),
    ("/fapi/v1/positionSide/dual", "GetCurrentPositionModeResponse"),
    ("/fapi/v1/accountConfig", "FuturesAccountConfigurationResponse"),
    ("/fapi/v1/symbolConfig", "SymbolConfigurationResponseInner"),
    ("/fapi/v1/apiTradingStatus", "FuturesTradingQuantitativeRulesIndicatorsResponse"),
    ("/fapi/v3/account", "AccountInformationV3Response"),
    ("/fapi/v3/positionRisk", "PositionInformationV3ResponseInner"),
    ("/fapi/v2/positionRisk", "PositionInformationV2ResponseInner"),
]
KINDS: dict[str, type | tuple[type, ...]] = {
    "Union": (int, float), "str": str, "int": int, "bool": bool, "List": list,
}  # fmt: skip


@pytest.mark.parametrize(("path", "model"), SHAPES, ids=[path for path, _ in SHAPES])
def test_replies_have_the_sdk_s_fields(
    purse: Purse, shared_data: Path, path: str, model: str
) -> None:
    models = json.loads((shared_data / "usdm" / "usdm_sdk_models_18.0.1.json").read_text())
    purse.isolate()
    purse.buy("1")
    purse.post("/fapi/v1/positionMargin", symbol="BTCUSDT", amount="1", type=1)
    body = purse.get(path, symbol="BTCUSDT")
    row = body[0] if isinstance(body, list) else body
    fields: dict[str, str] = models["rest_api"][model]
    assert set(row) == set(fields)
    for name, declared in fields.items():
        kind = next((KINDS[key] for key in KINDS if key in declared), object)
        assert isinstance(row[name], kind), (name, declared, row[name])
