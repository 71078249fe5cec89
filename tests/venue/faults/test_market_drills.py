"""Faults of markets, accounts and the whole venue, as a client meets them over sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.venue.client import receive, receive_until, stream
from tests.venue.faults.drill import ORDER, Drill, play


@pytest.mark.parametrize("status", ["SETTLING", "TRADING_HALT", "TRADING_CANCEL_ONLY"])
def test_a_symbol_that_does_not_trade(status: str) -> None:
    async def scene(drill: Drill) -> None:
        rest = drill.rest
        resting = {**ORDER, "type": "LIMIT", "timeInForce": "GTC", "price": "55000.00"}
        placed = await rest.good("POST", "/fapi/v1/order", **resting)
        async with (
            stream(drill.venue.url, "/market/ws/!contractInfo") as told,
            stream(drill.venue.url, "/public/ws/btcusdt@depth@0ms") as depth,
        ):
            await receive(depth)
            number = await drill.arm("symbol_status", symbol="BTC*", status=status)
            info = await receive(told)
            assert (info["e"], info["s"], info["cs"]) == ("contractInfo", "BTCUSDT", status)
            assert info["bks"][0]["ma"] == 125
            listed = await rest.good("GET", "/fapi/v1/exchangeInfo", False)
            by_name = {row["symbol"]: row["status"] for row in listed["symbols"]}
            assert (by_name["BTCUSDT"], by_name["ETHUSDT"]) == (status, "TRADING")
            code = (await rest.call("POST", "/fapi/v1/order", **ORDER))[1]["code"]
            assert code in (-1122, -4140, -4141)
            canceled = await rest.good(
                "DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=placed["orderId"]
            )
            assert canceled["status"] == "CANCELED"
            await asyncio.wait_for(_until_silent(depth), 5)
            await drill.end(number)
            assert (await receive(told))["cs"] == "TRADING"
            assert (await receive(depth))["e"] == "depthUpdate"
        assert (await rest.call("POST", "/fapi/v1/order", **ORDER))[0] == 200

    play(scene)


async def _until_silent(socket: Any) -> None:
    """Until nothing has come for a while: a synthetic market moves dozens of times a second."""
    with contextlib.suppress(TimeoutError):
        while True:
            await asyncio.wait_for(socket.recv(), 0.4)


def test_filters_that_change_and_come_back() -> None:
    async def scene(drill: Drill) -> None:
        rest = drill.rest
        order = {**ORDER, "type": "LIMIT", "timeInForce": "GTC", "price": "55000.10"}
        number = await drill.arm(
            "filter_change", symbol="BTCUSDT", tick=0.5, step=0.002, min_notional=200.0
        )

        async def filters() -> dict[str, Any]:
            listed = await rest.good("GET", "/fapi/v1/exchangeInfo", False)
            rows = next(row for row in listed["symbols"] if row["symbol"] == "BTCUSDT")["filters"]
            return {row["filterType"]: row for row in rows}

        changed = await filters()
        assert changed["PRICE_FILTER"]["tickSize"] == "0.50"
        assert changed["LOT_SIZE"]["stepSize"] == "0.002"
        assert float(changed["MIN_NOTIONAL"]["notional"]) == 200
        codes = [
            (await rest.call("POST", "/fapi/v1/order", **{**order, **change}))[1].get("code")
            for change in (
                {}, {"price": "55000.50", "quantity": "0.011"},
                {"price": "55000.50", "quantity": "0.002"}, {"price": "55000.50"},
            )
        ]  # fmt: skip
        assert codes == [-4014, -4023, -4164, None]
        await drill.end(number)
        assert (await filters())["PRICE_FILTER"]["tickSize"] == "0.10"
        assert (await rest.call("POST", "/fapi/v1/order", **order))[0] == 200

    play(scene)


def test_maintenance_is_for_everybody_and_ends_by_the_markets_clock() -> None:
    async def scene(drill: Drill) -> None:
        rest, url = drill.rest, drill.venue.url
        async with stream(url, "/ws-fapi/v1?returnRateLimits=false") as api:
            number = await drill.arm("maintenance", for_ms=60_000)
            status, body = await rest.call("GET", "/fapi/v1/time", False)
            assert (status, body["msg"]) == (503, "Service Unavailable.")
            await api.send('{"id":1,"method":"ping"}')
            assert (await receive(api))["status"] == 503
            with pytest.raises(InvalidStatus) as caught:
                async with stream(url, "/public/ws"):
                    pass
            assert caught.value.response.status_code == 503
            await drill.end(number)
            await drill.arm("maintenance", for_ms=100)
            while (await rest.call("GET", "/fapi/v1/time", False))[0] == 503:
                await asyncio.sleep(0.01)

    play(scene)


def test_a_skewed_clock() -> None:
    async def scene(drill: Drill) -> None:
        rest = drill.rest
        before = (await rest.good("GET", "/fapi/v1/time", False))["serverTime"]
        for shift_ms, text in ((-60_000, "1000ms ahead"), (60_000, "outside of the recvWindow")):
            number = await drill.arm("clock_skew", shift_ms=shift_ms)
            now = (await rest.good("GET", "/fapi/v1/time", False))["serverTime"]
            assert abs(now - before - shift_ms) < 20_000
            status, body = await rest.call("GET", "/fapi/v3/balance")
            assert (status, body["code"]) == (400, -1021)
            assert text in body["msg"]
            await drill.end(number)
        await rest.good("GET", "/fapi/v3/balance")

    play(scene)


def test_a_price_spike_is_a_real_sweep_and_a_cancel_loses_its_race() -> None:
    async def scene(drill: Drill) -> None:
        rest = drill.rest
        book = await rest.good("GET", "/fapi/v1/depth", False, symbol="BTCUSDT", limit=5)
        price = f"{float(book['asks'][0][0]) * 1.0005:.1f}"
        resting = await rest.good(
            "POST", "/fapi/v1/order", symbol="BTCUSDT", side="SELL", type="LIMIT",
            timeInForce="GTC", quantity="0.010", price=price,
        )  # fmt: skip
        await drill.arm("price_spike", symbol="BTCUSDT", bps=50.0)
        # Not a print that is over at once: the makers follow, and bid near the new price.
        believed = float(book["bids"][0][0]) * 1.003
        async with stream(drill.venue.url, "/public/ws/btcusdt@bookTicker") as tops:
            await receive_until(tops, lambda top: float(top["b"]) > believed)
        query = {"symbol": "BTCUSDT", "orderId": resting["orderId"]}
        assert (await rest.good("GET", "/fapi/v1/order", **query))["status"] == "FILLED"
        far = await rest.good(
            "POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="LIMIT",
            timeInForce="GTC", quantity="0.010", price=f"{float(price) * 0.999:.1f}",
        )  # fmt: skip
        await drill.arm("fill_first", endpoint="DELETE *")
        query = {"symbol": "BTCUSDT", "orderId": far["orderId"]}
        status, body = await rest.call("DELETE", "/fapi/v1/order", **query)
        assert (status, body["code"]) == (400, -2011)
        assert (await rest.good("GET", "/fapi/v1/order", **query))["status"] == "FILLED"

    play(scene)


def test_what_happens_to_an_account_from_outside() -> None:
    async def scene(drill: Drill) -> None:
        rest = drill.rest
        key = await rest.listen_key()

        async def held() -> str:
            rows = await rest.good("GET", "/fapi/v3/positionRisk", symbol="BTCUSDT")
            return rows[0]["positionAmt"] if rows else "0"

        async with stream(drill.venue.url, f"/private/ws/{key}") as private:

            async def told(last: Callable[[Any], bool]) -> list[Any]:
                return await receive_until(private, last)

            await rest.good("POST", "/fapi/v1/order", **ORDER)
            await told(lambda one: one["e"] == "ACCOUNT_UPDATE")
            await drill.arm("trade_bust", account=0)
            assert float(await held()) == 0
            (bust,) = await told(lambda one: one["e"] == "ACCOUNT_UPDATE")
            assert (bust["a"]["m"], float(bust["a"]["P"][0]["pa"])) == ("ADJUSTMENT", 0)
            await drill.arm("position_shift", account=0, qty=0.25)
            assert await held() == "0.250"
            await drill.arm("foreign_leverage", account=0, symbol="BTCUSDT", leverage=7)
            (config,) = await told(lambda one: one["e"] == "ACCOUNT_CONFIG_UPDATE")
            assert config["ac"] == {"s": "BTCUSDT", "l": 7}
            await drill.arm("foreign_order", account=0, qty=-0.010)
            placed = (await told(lambda one: one["e"] == "ORDER_TRADE_UPDATE"))[-1]["o"]
            assert (placed["c"][:4], placed["S"], placed["q"]) == ("web_", "SELL", "0.010")
            await drill.arm("adl", account=0)
            adl = await told(_is_filled)
            assert (adl[-1]["o"]["c"], await held()) == ("adl_autoclose", "0.125")
            await drill.arm("funding", symbol="BTCUSDT", bps=10.0)
            paid = (await told(lambda one: one["e"] == "ACCOUNT_UPDATE"))[-1]["a"]
            paid = paid if paid["m"] == "FUNDING_FEE" else (await told(_is_funding))[-1]["a"]
            assert float(paid["B"][0]["bc"]) < -5
            await drill.arm("liquidation", account=0)
            forced = await told(lambda one: _is_filled(one) and float(one["o"]["z"]) == 0.125)
            assert forced[-1]["o"]["c"].startswith("autoclose-")
            assert float(await held()) == 0
            assert await rest.good("GET", "/fapi/v1/openOrders", symbol="BTCUSDT") == []
            income = await rest.good("GET", "/fapi/v1/income", symbol="BTCUSDT")
            kinds = {row["incomeType"] for row in income}
            assert {"FUNDING_FEE", "INSURANCE_CLEAR"} <= kinds

    play(scene)


def _is_funding(event: Any) -> bool:
    return bool(event["e"] == "ACCOUNT_UPDATE" and event["a"]["m"] == "FUNDING_FEE")


def _is_filled(event: Any) -> bool:
    return bool(event["e"] == "ORDER_TRADE_UPDATE" and event["o"]["X"] == "FILLED")
