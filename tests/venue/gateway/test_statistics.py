"""The statistics: what the venue says of its own positions, marks and volumes, and its limits."""

from __future__ import annotations

from typing import Any

import pytest

from aegis.config.models import VenueConfig
from aegis.venue.matching.interface import BUY, SELL
from tests.venue.desk import KEYS, START_MS, Desk

FIVE_MINUTES_MS = 300_000
V1, DATA = "/fapi/v1", "/futures/data"


def get(desk: Desk, path: str, **parameters: Any) -> Any:
    status, body = desk.call("GET", path, None, signed=False, **parameters)
    assert status == 200, body
    return body


def pass_time(desk: Desk, seconds: int) -> None:
    for _ in range(seconds):
        desk.now_ms += 1_000
        desk.exchange.on_second(desk.now_ms)
    desk.flush()


@pytest.fixture
def desk() -> Desk:
    """Two accounts are long, 0.030 and 0.010 BTC; the makers hold the other side."""
    desk = Desk()
    desk.book(lots=100_000)
    desk.order(KEYS[0], type="MARKET", quantity="0.030")
    desk.order(KEYS[1], type="MARKET", quantity="0.010")
    desk.take(SELL, 600_000, 5)
    pass_time(desk, 900)
    return desk


def test_open_interest_is_what_is_held(desk: Desk) -> None:
    body = get(desk, f"{V1}/openInterest", symbol="BTCUSDT")
    # 40 lots of the accounts; the makers bought 5 of the takers and sold 40: 35 short, 5 short.
    assert body == {"symbol": "BTCUSDT", "openInterest": "0.040", "time": desk.now_ms}
    desk.order(KEYS[1], side="SELL", type="MARKET", quantity="0.010")
    assert get(desk, f"{V1}/openInterest", symbol="BTCUSDT")["openInterest"] == "0.030"
    assert get(desk, f"{V1}/openInterest", symbol="ETHUSDT")["openInterest"] == "0.000"


def test_samples_every_five_minutes_and_longer_periods(desk: Desk) -> None:
    rows = get(desk, f"{DATA}/openInterestHist", symbol="BTCUSDT", period="5m")
    assert [(row["timestamp"] - START_MS) // FIVE_MINUTES_MS for row in rows] == [0, 1, 2, 3]
    assert rows[-1] == {
        "symbol": "BTCUSDT", "sumOpenInterest": "0.04000000",
        "sumOpenInterestValue": "2400.00200000", "CMCCirculatingSupply": "0",
        "timestamp": START_MS + 3 * FIVE_MINUTES_MS,
    }  # fmt: skip
    asked = {"symbol": "BTCUSDT", "period": "15m"}
    fifteen = get(desk, f"{DATA}/openInterestHist", **asked)
    assert fifteen == [row for row in rows if row["timestamp"] % (3 * FIVE_MINUTES_MS) == 0]
    one = get(desk, f"{DATA}/openInterestHist", **{**asked, "period": "5m"}, limit=1)
    assert one == rows[-1:]
    from_start = get(
        desk, f"{DATA}/openInterestHist", symbol="BTCUSDT", period="5m", limit=2,
        startTime=START_MS + 1,
    )  # fmt: skip
    assert from_start == rows[1:3]


def test_ratios_count_accounts_and_their_lots(desk: Desk) -> None:
    everybody = get(desk, f"{DATA}/globalLongShortAccountRatio", symbol="BTCUSDT", period="5m")[-1]
    # Long: two clients. Short: the makers and the takers.
    assert (everybody["longAccount"], everybody["shortAccount"]) == ("0.5000", "0.5000")
    assert everybody["longShortRatio"] == "1.0000"
    # The two largest balances are those of the clients: nobody of the top is short.
    for path in ("topLongShortAccountRatio", "topLongShortPositionRatio"):
        assert get(desk, f"{DATA}/{path}", symbol="BTCUSDT", period="5m") == []
    desk.order(KEYS[0], side="SELL", type="MARKET", quantity="0.090")
    pass_time(desk, 300)
    top = get(desk, f"{DATA}/topLongShortPositionRatio", symbol="BTCUSDT", period="5m")[-1]
    assert (top["longAccount"], top["shortAccount"], top["longShortRatio"]) == (
        "0.1429", "0.8571", "0.1667",
    )  # fmt: skip
    accounts = get(desk, f"{DATA}/topLongShortAccountRatio", symbol="BTCUSDT", period="5m")[-1]
    assert accounts["longShortRatio"] == "1.0000"
    assert get(desk, f"{DATA}/globalLongShortAccountRatio", symbol="ETHUSDT", period="5m") == []


def test_taker_volumes_are_those_of_whole_periods(desk: Desk) -> None:
    (row,) = get(desk, f"{DATA}/takerlongshortRatio", symbol="BTCUSDT", period="5m")
    assert row == {
        "buySellRatio": "8.0000", "sellVol": "0.005", "buyVol": "0.040", "timestamp": START_MS,
    }  # fmt: skip
    # The hour is not over.
    assert get(desk, f"{DATA}/takerlongshortRatio", symbol="BTCUSDT", period="1h") == []


def test_basis_is_last_price_against_index(desk: Desk) -> None:
    asked = {"pair": "BTCUSDT", "contractType": "PERPETUAL", "period": "5m"}
    row = get(desk, f"{DATA}/basis", **asked)[-1]
    assert row == {
        "indexPrice": "60000.05000000", "contractType": "PERPETUAL", "basisRate": "0.0000",
        "futuresPrice": "60000.00", "annualizedBasisRate": "", "basis": "-0.05000000",
        "pair": "BTCUSDT", "timestamp": START_MS + 3 * FIVE_MINUTES_MS,
    }  # fmt: skip
    assert get(desk, f"{DATA}/basis", **{**asked, "contractType": "NEXT_QUARTER"}) == []


@pytest.mark.parametrize(
    ("path", "parameters", "wanted"),
    [
        ("openInterestHist", {"symbol": "BTCUSDT"}, -1102),
        ("openInterestHist", {"symbol": "BTCUSDT", "period": "7m"}, -1130),
        ("openInterestHist", {"symbol": "BTCUSDT", "period": "5m", "limit": 501}, -1130),
        ("openInterestHist", {"symbol": "NOPE", "period": "5m"}, -1121),
        ("openInterestHist", {"period": "5m"}, -1102),
        ("takerlongshortRatio", {"symbol": "BTCUSDT", "period": "1w"}, -1130),
        ("basis", {"pair": "NOPE", "contractType": "PERPETUAL", "period": "5m"}, -4144),
        ("basis", {"pair": "BTCUSDT", "contractType": "SPOT", "period": "5m"}, -4104),
        ("delivery-price", {"pair": "NOPE"}, -4144),
        (
            "globalLongShortAccountRatio",
            {"symbol": "BTCUSDT", "period": "5m", "startTime": 2, "endTime": 1},
            -1023,
        ),
    ],
)
def test_what_is_refused(desk: Desk, path: str, parameters: dict[str, Any], wanted: int) -> None:
    status, body = desk.call("GET", f"{DATA}/{path}", None, signed=False, **parameters)
    assert (status, body["code"]) == (400, wanted)


def test_statistics_have_a_limit_of_their_own() -> None:
    desk = Desk()
    asked = {"symbol": "BTCUSDT", "period": "5m"}
    for _ in range(1_000):
        reply = desk.reply("GET", f"{DATA}/openInterestHist", None, signed=False, **asked)
        assert reply.status == 200
    assert reply.headers["X-MBX-USED-WEIGHT-1M"] == "0"
    assert desk.call("GET", f"{DATA}/openInterestHist", None, signed=False, **asked)[0] == 429
    desk.wall_ms += 300_000
    assert desk.call("GET", f"{DATA}/openInterestHist", None, signed=False, **asked)[0] == 200


def test_the_insurance_fund_and_the_risk_it_leaves() -> None:
    rich = Desk(VenueConfig(insurance_fund_usdt=1_000_000.0))
    body = get(rich, f"{V1}/insuranceBalance", symbol="BTCUSDT")
    assert body["symbols"] == list(rich.exchange.markets)
    assert [(row["asset"], row["marginBalance"]) for row in body["assets"]] == [
        ("USDT", "1000000.00000000")
    ]
    assert get(rich, f"{V1}/insuranceBalance") == [body]
    for fund, risk in ((1_000_000.0, "low"), (2.0, "medium"), (0.5, "high")):
        desk = Desk(VenueConfig(insurance_fund_usdt=fund))
        desk.book()
        desk.order(type="MARKET", quantity="0.010")  # 600 USDT of open interest
        row = get(desk, f"{V1}/symbolAdlRisk", symbol="BTCUSDT")
        assert (row["symbol"], row["adlRisk"]) == ("BTCUSDT", risk), fund
        assert row["updateTime"] % 1_800_000 == 0
        assert len(get(desk, f"{V1}/symbolAdlRisk")) == len(desk.exchange.markets)


def test_indices() -> None:
    desk = Desk(VenueConfig(universe=5))
    desk.book()
    rows = {row["symbol"]: row for row in get(desk, f"{V1}/assetIndex")}
    assert list(rows) == ["BTCUSD", "ETHUSD", "BNBUSD", "USDCUSD", "USDTUSD"]
    assert rows["BTCUSD"]["bidRate"] == "57000.04750000"
    assert rows["USDTUSD"]["index"] == "1.00000000"
    assert get(desk, f"{V1}/assetIndex", symbol="BNBUSD") == rows["BNBUSD"]
    assert desk.call("GET", f"{V1}/assetIndex", None, signed=False, symbol="ADAUSD")[0] == 400
    body = get(desk, f"{V1}/constituents", symbol="BTCUSDT")
    assert sum(float(row["weight"]) for row in body["constituents"]) == 1.0
    assert get(desk, f"{V1}/indexInfo") == []
    schedule = get(desk, f"{V1}/tradingSchedule")
    assert all(kind == {"sessions": []} for kind in schedule["marketSchedules"].values())


def test_mark_candles_come_from_the_marks_of_each_second() -> None:
    desk = Desk()
    desk.book()
    pass_time(desk, 90)
    desk.quote(BUY, 600_000, 1)
    desk.take(BUY, 600_001, 1_000)
    desk.quote(SELL, 600_101, 1_000)
    pass_time(desk, 60)
    asked = {"symbol": "BTCUSDT", "interval": "1m"}
    rows = get(desk, f"{V1}/markPriceKlines", **asked)
    assert [row[8] for row in rows] == [59, 60, 31]
    assert rows[0][1:6] == ["60000.05000000"] * 4 + ["0"]
    assert rows[1][1:5] == [
        "60000.05000000", "60005.05000000", "60000.05000000", "60005.05000000",
    ]  # fmt: skip
    assert get(desk, f"{V1}/indexPriceKlines", pair="BTCUSDT", interval="1m") == rows
    premiums = get(desk, f"{V1}/premiumIndexKlines", **asked)
    assert premiums[-1][1:5] == ["0.00000000"] * 4
