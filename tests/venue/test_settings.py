"""What an account may set, and each documented refusal, with nothing changed by any of them."""

from __future__ import annotations

from typing import Any

import pytest

from aegis.config.models import VenueConfig
from aegis.venue.events import AccountEvent
from tests.venue.desk import KEYS, Desk
from tests.venue.purse import USDT, Purse


@pytest.fixture
def purse() -> Purse:
    return Purse()


def leverage(purse: Purse, value: int, symbol: str = "BTCUSDT") -> Any:
    return purse.post("/fapi/v1/leverage", symbol=symbol, leverage=value)


def test_leverage_says_how_much_it_allows(purse: Purse) -> None:
    assert leverage(purse, 125) == {
        "leverage": 125, "maxNotionalValue": "300000", "symbol": "BTCUSDT",
    }  # fmt: skip
    assert purse.story() == ["leverage 125"]
    assert leverage(purse, 125)["leverage"] == 125
    assert purse.story() == []  # nothing has changed
    for wrong in (0, -1, 126):
        assert leverage(purse, wrong) == -4028
    assert leverage(purse, 5, "NOPE") == -1121
    config = purse.get("/fapi/v1/symbolConfig", symbol="BTCUSDT")
    assert (config[0]["leverage"], config[0]["maxNotionalValue"]) == (125, "300000")


def test_no_position_or_order_beyond_the_cap_of_its_leverage(purse: Purse) -> None:
    purse.account.wallet_e8 = 10**7 * USDT
    leverage(purse, 125)
    assert purse.order(type="MARKET", quantity="5.1")[1]["code"] == -2027
    purse.buy("4.9")
    assert purse.order(quantity="0.2", price="59999")[1]["code"] == -2027
    # The other side leads nowhere beyond the cap.
    assert purse.order(side="SELL", quantity="0.2", price="60010")[0] == 200
    leverage(purse, 100)
    purse.buy("5")
    assert leverage(purse, 125) == -2027
    assert purse.account.leverage("BTCUSDT") == 100


def test_lower_leverage_needs_margin(purse: Purse) -> None:
    purse.buy("1")  # 3,000 of 10,000 USDT at 20x
    assert leverage(purse, 6) == -2028
    assert leverage(purse, 7)["leverage"] == 7
    assert leverage(purse, 50)["leverage"] == 50


def test_leverage_of_an_isolated_position_only_rises(purse: Purse) -> None:
    purse.isolate()
    purse.buy("0.1")
    wallet = purse.held().isolated_e8
    assert leverage(purse, 19) == -4161
    assert leverage(purse, 21)["leverage"] == 21
    assert purse.held().isolated_e8 == wallet
    purse.sell("0.1")
    assert leverage(purse, 3)["leverage"] == 3


def margin_type(purse: Purse, kind: str) -> Any:
    return purse.post("/fapi/v1/marginType", symbol="BTCUSDT", marginType=kind)


def test_margin_type(purse: Purse) -> None:
    assert margin_type(purse, "CROSSED") == -4046
    assert margin_type(purse, "OTHER") == -1130
    purse.order(quantity="0.001", price="59000")
    assert margin_type(purse, "ISOLATED") == -4047
    purse.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")
    purse.buy("0.001")
    assert margin_type(purse, "ISOLATED") == -4048
    purse.sell("0.001")
    purse.story()
    assert margin_type(purse, "ISOLATED") == {"code": 200, "msg": "success"}
    assert purse.story() == ["MARGIN_TYPE_CHANGE"]
    assert margin_type(purse, "ISOLATED") == -4046


def margin(purse: Purse, amount: Any, kind: int, **more: Any) -> Any:
    return purse.post("/fapi/v1/positionMargin", symbol="BTCUSDT", amount=amount, type=kind, **more)


def test_isolated_margin_is_added_and_taken_out(purse: Purse) -> None:
    assert margin(purse, 1, 1) == -4049
    purse.isolate()
    assert margin(purse, 1, 1) == -4054
    purse.buy("0.1")
    before = purse.held().isolated_e8
    purse.story()
    assert margin(purse, "100.5", 1) == {
        "amount": 100.5, "code": 200, "msg": "Successfully modify position margin.", "type": 1,
    }  # fmt: skip
    assert purse.held().isolated_e8 == before + 10_050_000_000
    assert purse.story() == ["MARGIN_TRANSFER"]
    assert margin(purse, "100", 2)["type"] == 2
    # Of what is left only the half above the initial margin may go.
    assert margin(purse, "1", 2) == -4051
    assert margin(purse, "0.4", 2)["code"] == 200
    # What the position has lost must stay, too; what it has won may not go.
    purse.set_mark(59_000)
    assert margin(purse, "0.05", 2) == -4051
    assert margin(purse, "1000000", 1) == -4050
    for amount, code in (("0", -4055), ("-1", -4055), ("x", -1102), ("0.123456789", -1111)):
        assert margin(purse, amount, 1) == code
    assert margin(purse, 1, 3) == -1130
    assert margin(purse, 1, 1, positionSide="LONG") == -4061
    assert margin(purse, 1, 1, positionSide="UP") == -4060
    history = purse.get("/fapi/v1/positionMargin/history", symbol="BTCUSDT")
    assert [(row["type"], row["amount"]) for row in history] == [
        (1, "100.50000000"), (2, "100.00000000"), (2, "0.40000000"),
    ]  # fmt: skip
    assert history[0]["deltaType"] == "USER_ADJUST"
    added = purse.get("/fapi/v1/positionMargin/history", symbol="BTCUSDT", type=1)
    assert [row["type"] for row in added] == [1]
    purse.assert_balanced()


def test_hedge_mode_is_switched_only_when_all_is_closed(purse: Purse) -> None:
    def dual(value: str) -> Any:
        return purse.post("/fapi/v1/positionSide/dual", dualSidePosition=value)

    assert dual("false") == -4059
    assert dual("maybe") == -1130
    purse.order(quantity="0.001", price="59000")
    assert dual("true") == -4067
    purse.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")
    purse.buy("0.001")
    assert dual("true") == -4068
    purse.sell("0.001")
    assert dual("true") == {"code": 200, "msg": "success"}
    assert purse.get("/fapi/v1/positionSide/dual") == {"dualSidePosition": True}
    assert purse.get("/fapi/v1/accountConfig")["dualSidePosition"] is True
    purse.buy("0.002", positionSide="LONG")
    purse.sell("0.001", positionSide="SHORT")
    assert (purse.held("LONG").lots, purse.held("SHORT").lots) == (2, -1)
    assert dual("false") == -4068
    purse.assert_balanced()


def multi(purse: Purse, value: str) -> Any:
    return purse.post("/fapi/v1/multiAssetsMargin", multiAssetsMargin=value)


def test_a_hedger_is_told_of_both_sides(purse: Purse) -> None:
    purse.hedge()
    purse.story()
    purse.isolate()
    (event,) = purse.events()
    assert isinstance(event, AccountEvent)
    assert [(note.side, note.isolated) for note in event.positions] == [
        ("BOTH", True), ("LONG", True), ("SHORT", True),
    ]  # fmt: skip
    assert [note.change_e8 for note in event.balances] == [0]


def test_asset_mode(purse: Purse) -> None:
    assert multi(purse, "false") == -4171
    purse.order(quantity="0.001", price="59000")
    assert multi(purse, "true") == -4170
    purse.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")
    purse.isolate()
    assert multi(purse, "true") == -4167
    margin_type(purse, "CROSSED")
    purse.account.other_wallets_e8["USDC"] = -1
    assert multi(purse, "true") == -4172
    purse.account.other_wallets_e8.clear()
    purse.story()
    assert multi(purse, "true") == {"code": 200, "msg": "success"}
    assert purse.story() == ["multi True"]
    assert purse.get("/fapi/v1/multiAssetsMargin") == {"multiAssetsMargin": True}
    assert margin_type(purse, "ISOLATED") == -4168
    assert multi(purse, "false")["code"] == 200


def test_in_multi_assets_mode_other_assets_are_margin() -> None:
    config = VenueConfig(balances={"USDC": 90_000.0, "BNB": 1.0})
    purse = Purse(config=config)
    wanted = {"quantity": "5", "price": "59999"}  # 15,000 USDT of margin
    assert purse.order(**wanted)[1]["code"] == -2019
    assert multi(purse, "true")["code"] == 200
    assert purse.order(**wanted)[0] == 200
    account = purse.get("/fapi/v3/account")
    assert [row["asset"] for row in account["assets"]] == ["USDT", "BNB", "USDC"]
    available = float(account["availableBalance"])
    assert 85_000 < available < 85_001 + 2_000  # BNB counts with what it is worth
    purse.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")
    purse.buy("5")
    # Its own asset alone would not carry the position any more.
    assert multi(purse, "false") == -4169
    assert purse.account.multi_assets


def test_fee_burn(purse: Purse) -> None:
    assert purse.get("/fapi/v1/feeBurn") == {"feeBurn": True}
    assert purse.post("/fapi/v1/feeBurn", feeBurn="false") == {"code": 200, "msg": "success"}
    assert purse.get("/fapi/v1/feeBurn") == {"feeBurn": False}
    assert purse.get("/fapi/v2/account")["feeBurn"] is False
    assert purse.post("/fapi/v1/feeBurn", feeBurn="no") == -1130


def test_settings_are_the_account_s_own(purse: Purse) -> None:
    leverage(purse, 7)
    _, other = purse.call("GET", "/fapi/v1/symbolConfig", KEYS[1], symbol="BTCUSDT")
    assert other[0]["leverage"] == 20


def test_an_account_may_be_opened_with_other_leverages_than_the_usual_one() -> None:
    desk = Desk(leverages={"BTCUSDT": 7, "ETHUSDT": 10_000, "NOBODYUSDT": 3})
    _, rows = desk.call("GET", "/fapi/v1/symbolConfig")
    found = {row["symbol"]: row["leverage"] for row in rows}
    assert (found["BTCUSDT"], found["ETHUSDT"]) == (7, 20), "no bracket allows the other"
    assert "NOBODYUSDT" not in found
