"""The public endpoints of the markets: parameter rules, windows, limits, texts, both dialects."""

from __future__ import annotations

from typing import Any

import pytest

from aegis.config.models import VenueConfig
from aegis.venue.gateway.public import PUBLIC
from aegis.venue.matching.interface import BUY, SELL
from tests.venue.desk import START_MS, Desk

V1 = "/fapi/v1"
MINUTE_MS = 60_000


def get(desk: Desk, path: str, **parameters: Any) -> Any:
    """The body of a public request that must succeed."""
    status, body = desk.call("GET", path, None, signed=False, **parameters)
    assert status == 200, body
    return body


def code(desk: Desk, path: str, **parameters: Any) -> int:
    """The error code of a public request that must fail."""
    status, body = desk.call("GET", path, None, signed=False, **parameters)
    assert status == 400, body
    return int(body["code"])


@pytest.fixture
def desk() -> Desk:
    """Three minutes with two trades a minute, 40 s apart: a sale of 3 lots, a purchase of 5."""
    desk = Desk()
    desk.book()
    for _ in range(3):
        desk.take(SELL, 600_000, 3)
        desk.now_ms += 40_000
        desk.take(BUY, 600_001, 5)
        desk.now_ms += 20_000
    desk.flush()
    return desk


# --- candles ---


def test_klines_are_the_trades_minute_by_minute(desk: Desk) -> None:
    rows = get(desk, f"{V1}/klines", symbol="BTCUSDT", interval="1m", limit=3)
    assert rows[0] == [
        START_MS + MINUTE_MS, "60000.00", "60000.10", "60000.00", "60000.10", "0.008",
        START_MS + 2 * MINUTE_MS - 1, "480.00050", 2, "0.005", "300.00050", "0",
    ]  # fmt: skip
    # The newest row is the minute that has just begun: no trade yet, the last close repeated.
    assert rows[2][1:6] == ["60000.10"] * 4 + ["0.000"]
    assert rows[2][8] == 0


def test_klines_from_a_start_or_up_to_an_end(desk: Desk) -> None:
    def opens(**parameters: Any) -> list[int]:
        rows = get(desk, f"{V1}/klines", symbol="BTCUSDT", interval="1m", **parameters)
        return [(row[0] - START_MS) // MINUTE_MS for row in rows]

    assert opens() == [0, 1, 2, 3]
    assert opens(limit=2) == [2, 3]
    assert opens(startTime=START_MS, limit=2) == [0, 1]
    assert opens(startTime=START_MS + 1, limit=2) == [1, 2]
    assert opens(endTime=START_MS + MINUTE_MS, limit=1) == [1]
    assert opens(startTime=START_MS, endTime=START_MS + MINUTE_MS) == [0, 1]
    assert opens(startTime=START_MS + 10 * MINUTE_MS) == []
    hours = get(desk, f"{V1}/klines", symbol="BTCUSDT", interval="1M")
    assert [(row[8], row[5]) for row in hours] == [(6, "0.024")]


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ({}, -1102),
        ({"symbol": "BTCUSDT"}, -1102),
        ({"symbol": "NOPE", "interval": "1m"}, -1121),
        ({"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ({"symbol": "BTCUSDT", "interval": "1s"}, -1120),
        ({"symbol": "BTCUSDT", "interval": "1m", "limit": 0}, -1130),
        ({"symbol": "BTCUSDT", "interval": "1m", "limit": 1501}, -1130),
        ({"symbol": "BTCUSDT", "interval": "1m", "limit": "x"}, -1102),
        ({"symbol": "BTCUSDT", "interval": "1m", "startTime": -1}, -1130),
        ({"symbol": "BTCUSDT", "interval": "1m", "startTime": 2, "endTime": 1}, -1023),
        ({"symbol": "BTCUSDT", "interval": ""}, -1105),
    ],
)
def test_klines_refuse_what_the_exchange_refuses(
    desk: Desk, parameters: dict[str, Any], wanted: int
) -> None:
    assert code(desk, f"{V1}/klines", **parameters) == wanted


def test_continuous_klines(desk: Desk) -> None:
    asked = {"pair": "BTCUSDT", "contractType": "PERPETUAL", "interval": "1m"}
    assert get(desk, f"{V1}/continuousKlines", **asked) == get(
        desk, f"{V1}/klines", symbol="BTCUSDT", interval="1m"
    )
    seconds = get(desk, f"{V1}/continuousKlines", **{**asked, "interval": "1s"}, limit=1500)
    assert sum(row[8] for row in seconds) == 6
    assert get(desk, f"{V1}/continuousKlines", **{**asked, "contractType": "NEXT_QUARTER"}) == []
    assert code(desk, f"{V1}/continuousKlines", **{**asked, "contractType": "WEEKLY"}) == -4104
    assert code(desk, f"{V1}/continuousKlines", **{**asked, "pair": "NOPE"}) == -4144


@pytest.mark.parametrize(
    ("limit", "weight"), [(None, 5), (1, 1), (99, 1), (100, 2), (499, 2), (1000, 5), (1001, 10)]
)
def test_candles_weigh_by_their_limit(limit: int | None, weight: int) -> None:
    parameters = {} if limit is None else {"limit": str(limit)}
    for path in ("klines", "continuousKlines", "markPriceKlines", "premiumIndexKlines"):
        assert PUBLIC["GET", f"{V1}/{path}"].cost(parameters) == weight


# --- prints ---


def test_trades_and_how_far_back_they_go(desk: Desk) -> None:
    rows = get(desk, f"{V1}/trades", symbol="BTCUSDT")
    assert [row["qty"] for row in rows] == ["0.003", "0.005"] * 3
    assert rows[0] == {
        "id": rows[0]["id"], "price": "60000.00", "qty": "0.003", "quoteQty": "180.00",
        "time": START_MS, "isBuyerMaker": True, "isRPITrade": False,
    }  # fmt: skip
    assert get(desk, f"{V1}/trades", symbol="BTCUSDT", limit=2) == rows[-2:]
    assert code(desk, f"{V1}/trades", symbol="BTCUSDT", limit=1001) == -1130


def test_old_trades_need_a_key_and_go_on_from_an_id(desk: Desk) -> None:
    path = f"{V1}/historicalTrades"
    assert desk.call("GET", path, None, signed=False, symbol="BTCUSDT")[0] == 401
    rows = desk.call("GET", path, signed=False, symbol="BTCUSDT")[1]
    later = desk.call("GET", path, signed=False, symbol="BTCUSDT", fromId=rows[2]["id"], limit=2)
    assert later[1] == rows[2:4]
    for limit, status in ((500, 200), (501, 400)):
        assert desk.call("GET", path, signed=False, symbol="BTCUSDT", limit=limit)[0] == status
    assert desk.call("GET", path, signed=False, symbol="BTCUSDT", fromId=-1)[1]["code"] == -1130


def test_aggregated_trades_by_id_and_by_time(desk: Desk) -> None:
    path = f"{V1}/aggTrades"
    rows = get(desk, path, symbol="BTCUSDT")
    assert [row["a"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[1] == {
        "a": 2, "p": "60000.10", "q": "0.005", "nq": "0.005", "f": rows[1]["f"],
        "l": rows[1]["l"], "T": START_MS + 40_000, "m": False,
    }  # fmt: skip
    assert get(desk, path, symbol="BTCUSDT", limit=2) == rows[-2:]
    assert get(desk, path, symbol="BTCUSDT", fromId=2, limit=3) == rows[1:4]
    assert get(desk, path, symbol="BTCUSDT", fromId=7) == []
    in_the_first_minute = {"startTime": START_MS, "endTime": START_MS + 59_999}
    assert get(desk, path, symbol="BTCUSDT", **in_the_first_minute) == rows[:2]
    assert get(desk, path, symbol="BTCUSDT", startTime=START_MS + 1, limit=1) == rows[1:2]
    assert get(desk, path, symbol="BTCUSDT", endTime=START_MS + 60_000, limit=2) == rows[1:3]


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ({"fromId": 1, "startTime": START_MS}, -1128),
        ({"fromId": -1}, -1130),
        ({"startTime": START_MS, "endTime": START_MS + 3_600_000}, -1127),
        ({"startTime": 2, "endTime": 1}, -1023),
        ({"limit": 1001}, -1130),
    ],
)
def test_aggregated_trades_refuse(desk: Desk, parameters: dict[str, Any], wanted: int) -> None:
    assert code(desk, f"{V1}/aggTrades", symbol="BTCUSDT", **parameters) == wanted


def test_fills_of_one_order_are_one_aggregate_per_price() -> None:
    desk = Desk()
    for price, lots in ((600_001, 2), (600_001, 3), (600_002, 4)):
        desk.quote(SELL, price, lots)
    desk.quote(BUY, 600_000, 100)
    desk.take(BUY, 600_002, 9)
    desk.now_ms += 100
    desk.flush()
    rows = get(desk, f"{V1}/aggTrades", symbol="BTCUSDT")
    assert [(row["p"], row["q"], row["l"] - row["f"]) for row in rows] == [
        ("60000.10", "0.005", 1),
        ("60000.20", "0.004", 0),
    ]


# --- books ---


def test_depth_has_the_best_first_and_only_some_limits(desk: Desk) -> None:
    body = get(desk, f"{V1}/depth", symbol="BTCUSDT", limit=5)
    assert body["bids"] == [["60000.00", "0.991"]]
    assert body["asks"] == [["60000.10", "0.985"]]
    assert code(desk, f"{V1}/depth", symbol="BTCUSDT", limit=7) == -4021
    rpi = get(desk, f"{V1}/rpiDepth", symbol="BTCUSDT")
    assert rpi == get(desk, f"{V1}/depth", symbol="BTCUSDT", limit=1000)
    assert code(desk, f"{V1}/rpiDepth", symbol="BTCUSDT", limit=500) == -4021


# --- tickers ---


def test_the_day_ticker(desk: Desk) -> None:
    body = get(desk, f"{V1}/ticker/24hr", symbol="BTCUSDT")
    first, *_, last = get(desk, f"{V1}/trades", symbol="BTCUSDT")
    assert body == {
        "symbol": "BTCUSDT", "priceChange": "0.10", "priceChangePercent": "0.000",
        "weightedAvgPrice": "60000.06", "lastPrice": "60000.10", "lastQty": "0.005",
        "openPrice": "60000.00", "highPrice": "60000.10", "lowPrice": "60000.00",
        "volume": "0.024", "quoteVolume": "1440.00", "openTime": desk.now_ms - 86_400_000,
        "closeTime": last["time"], "firstId": first["id"], "lastId": last["id"], "count": 6,
    }  # fmt: skip
    both = get(desk, f"{V1}/ticker/24hr")
    assert [row["symbol"] for row in both] == list(desk.exchange.markets)
    untraded = both[1]
    assert (untraded["count"], untraded["firstId"], untraded["volume"]) == (0, -1, "0.000")
    assert untraded["lastPrice"] == untraded["openPrice"] == "2600.00"


def test_percentages_round_half_away_from_zero() -> None:
    from aegis.venue.payloads.market import percent_text

    assert percent_text(1, 3) == "33.333"
    assert percent_text(-2, 3) == "-66.667"
    assert percent_text(-95, 99) == "-95.960"
    assert percent_text(5, 0) == "0.000"


# --- fundings ---


def test_fundings_share_a_limit_of_their_own() -> None:
    desk = Desk()
    for _ in range(250):
        assert desk.call("GET", f"{V1}/fundingRate", None, signed=False)[0] == 200
        assert desk.call("GET", f"{V1}/fundingInfo", None, signed=False)[0] == 200
    status, body = desk.call("GET", f"{V1}/fundingRate", None, signed=False)
    assert (status, body["code"]) == (429, -1003)
    desk.wall_ms += 300_000
    assert desk.call("GET", f"{V1}/fundingRate", None, signed=False)[0] == 200


# --- dialects ---


def test_the_dialect_of_2024_lacks_what_came_later() -> None:
    old, new = Desk(VenueConfig(dialect="2024")), Desk()
    for desk in (old, new):
        desk.book()
        desk.take(BUY, 600_001, 1)
        desk.now_ms += 200
        desk.flush()
    for path, key in (("trades", "isRPITrade"), ("aggTrades", "nq")):
        (then,), (now,) = (get(desk, f"{V1}/{path}", symbol="BTCUSDT") for desk in (old, new))
        assert set(now) - set(then) == {key}
    then, now = (get(desk, f"{V1}/exchangeInfo")["symbols"][0] for desk in (old, new))
    kinds = [{one["filterType"] for one in row["filters"]} for row in (then, now)]
    assert kinds[0] - kinds[1] == {"MAX_NUM_ALGO_ORDERS"}
    assert kinds[1] - kinds[0] == {"POSITION_RISK_CONTROL"}
    limits = [desk.call("GET", f"{V1}/historicalTrades", signed=False, symbol="BTCUSDT",
                        limit=1000)[0] for desk in (old, new)]  # fmt: skip
    assert limits == [200, 400]


def test_exchange_info_tells_of_every_symbol_of_a_universe() -> None:
    desk = Desk(VenueConfig(universe=40))
    rows = get(desk, f"{V1}/exchangeInfo")["symbols"]
    assert [row["symbol"] for row in rows] == list(desk.exchange.markets)
    pepe = next(row for row in rows if row["symbol"] == "1000PEPEUSDT")
    filters = {one.pop("filterType"): one for one in pepe["filters"]}
    assert pepe["baseAsset"] == "1000PEPE"
    assert filters["PRICE_FILTER"] == {
        "maxPrice": "200", "minPrice": "0.0000001", "tickSize": "0.0000001",
    }  # fmt: skip
    assert filters["LOT_SIZE"] == {"maxQty": "1000000000", "minQty": "1", "stepSize": "1"}
    assert filters["MARKET_LOT_SIZE"]["maxQty"] == "10000000"
    assert filters["MIN_NOTIONAL"] == {"notional": "5"}


def test_a_status_that_changes_is_told_at_once() -> None:
    desk = Desk()
    assert get(desk, f"{V1}/exchangeInfo")["symbols"][0]["status"] == "TRADING"
    desk.btc.status = "SETTLING"
    assert get(desk, f"{V1}/exchangeInfo")["symbols"][0]["status"] == "SETTLING"
