"""The private half of python-binance's session: user data, orders of all kinds, account settings.

``python_binance`` lists these chapters. Orders go over REST with the parameters in a form body,
where this client puts them, and over the WebSocket API signed one by one with HMAC.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

from binance.exceptions import BinanceAPIException

from tests.venue.clients.session import Figures, until


async def _begin(scene: Any) -> float:
    """A clean stage and an empty list of events; the price in the middle of the spread."""
    await asyncio.to_thread(scene.stage.strike)
    await asyncio.sleep(0.05)
    scene.events.clear()
    return scene.stage.inside()


async def _limit(scene: Any, side: str, quantity: float, price: float, **more: Any) -> Any:
    return await scene.quiet.futures_create_order(
        symbol=scene.job.symbol, side=side, type="LIMIT", timeInForce="GTC", quantity=quantity,
        price=price, **more,
    )  # fmt: skip


def _orders(scene: Any, client_id: str) -> list[dict[str, Any]]:
    updates = [event["o"] for event in scene.told("ORDER_TRADE_UPDATE")]
    return [update for update in updates if update["c"] == client_id]


async def _refused(code: int, call: Awaitable[Any]) -> None:
    try:
        await call
    except BinanceAPIException as error:
        assert error.code == code, error
        return
    raise AssertionError(f"{code} was expected")


async def user_data(scene: Any) -> Figures:
    """The client's own user socket: it fetches the listen key and connects with it."""
    price = await _begin(scene)
    await scene.read(scene.quiet_sockets.futures_user_socket(), scene.events.append)
    key = await scene.quiet.futures_stream_get_listen_key()
    await scene.quiet.futures_stream_keepalive(key)
    await _limit(scene, "BUY", 0.01, price, newClientOrderId="user-1")
    (event,) = await until(lambda: _orders(scene, "user-1"), "the first event")
    assert (event["x"], event["X"]) == ("NEW", "NEW")
    return {"listen_key": len(key)}


async def life_of_an_order(scene: Any) -> Figures:
    """Placed, partly filled by the rival, amended, cancelled: replies and events."""
    price, client, symbol = await _begin(scene), scene.quiet, scene.job.symbol
    placed = await _limit(scene, "BUY", 0.01, price, newClientOrderId="life-1")
    which = {"symbol": symbol, "orderId": placed["orderId"]}
    assert (placed["status"], placed["executedQty"]) == ("NEW", "0.000")
    scene.stage.sells(0.004, price)
    query = await client.futures_get_order(**which)
    assert (query["status"], query["executedQty"]) == ("PARTIALLY_FILLED", "0.004")
    amended = await client.futures_modify_order(
        **which, side="BUY", quantity=0.008, price=price - 1
    )
    assert (amended["origQty"], float(amended["price"])) == ("0.008", price - 1)
    (change,) = await client.futures_v1_get_order_amendment(**which)
    assert change["amendment"]["origQty"] == {"before": "0.010", "after": "0.008"}
    (row,) = await client.futures_get_open_orders(symbol=symbol)
    assert row["orderId"] == placed["orderId"]
    gone = await client.futures_cancel_order(**which)
    assert (gone["status"], gone["executedQty"]) == ("CANCELED", "0.004")
    await _refused(-2011, client.futures_cancel_order(**which))
    await until(lambda: len(_orders(scene, "life-1")) >= 4, "four events")
    story = [(event["x"], event["X"]) for event in _orders(scene, "life-1")]
    assert story == [
        ("NEW", "NEW"),
        ("TRADE", "PARTIALLY_FILLED"),
        ("AMENDMENT", "PARTIALLY_FILLED"),
        ("CANCELED", "CANCELED"),
    ]
    fill = _orders(scene, "life-1")[1]
    (trade,) = await client.futures_account_trades(**which)
    assert (trade["id"], trade["commission"], trade["maker"]) == (fill["t"], fill["n"], True)
    every = await client.futures_get_all_orders(symbol=symbol)
    assert which["orderId"] in {row["orderId"] for row in every}
    await client.futures_create_test_order(
        symbol=symbol, side="BUY", type="LIMIT", timeInForce="GTC", quantity=0.01, price=price
    )
    assert await client.futures_get_open_orders(symbol=symbol) == []
    return {"events": len(scene.events)}


async def algo_stop(scene: Any) -> Figures:
    """A stop by `futures_create_order`, which the client sends to the algo service by itself."""
    price, client, symbol = await _begin(scene), scene.quiet, scene.job.symbol
    scene.stage.offers("SELL", 0.01, price)
    bought = await client.futures_create_order(
        symbol=symbol, side="BUY", type="MARKET", quantity=0.01, newOrderRespType="RESULT"
    )
    assert (bought["status"], bought["executedQty"]) == ("FILLED", "0.010")
    asked = {"symbol": symbol, "side": "SELL", "type": "STOP_MARKET"}
    stop = await client.futures_create_order(
        **asked, stopPrice=price - 10, closePosition="true", clientAlgoId="stop-1"
    )
    assert (stop["algoStatus"], stop["clientAlgoId"]) == ("NEW", "stop-1")
    (row,) = await client.futures_get_open_orders(symbol=symbol, conditional=True)
    assert (row["algoId"], row["closePosition"]) == (stop["algoId"], True)
    await asyncio.to_thread(scene.stage.prints, price - 20, 0.02)

    def told() -> list[str]:
        updates = [event["o"] for event in scene.told("ALGO_UPDATE")]
        return [update["X"] for update in updates if update["caid"] == "stop-1"]

    await until(lambda: "FINISHED" in told(), "the end of the stop")
    assert told() == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
    done = await client.futures_get_algo_order(algoId=stop["algoId"])
    child = await client.futures_get_order(symbol=symbol, orderId=done["actualOrderId"])
    assert (child["status"], child["executedQty"]) == ("FILLED", "0.010")
    assert float(child["avgPrice"]) == price - 20
    assert scene.stage.held() == {}
    trailing = await client.futures_create_algo_order(
        symbol=symbol, side="SELL", type="TRAILING_STOP_MARKET", quantity=0.01, callbackRate=1,
        activatePrice=price + 500,
    )  # fmt: skip
    gone = await client.futures_cancel_algo_order(algoId=trailing["algoId"])
    assert (gone["algoId"], gone["code"]) == (trailing["algoId"], "200")
    every = await client.futures_get_all_algo_orders(symbol=symbol)
    assert {stop["algoId"], trailing["algoId"]} <= {row["algoId"] for row in every}
    return {"child": child["orderId"]}


async def batch(scene: Any) -> Figures:
    """A batch in a form body, one order of it bad; cancelled by the list `orderidlist`."""
    price, client, symbol = await _begin(scene), scene.quiet, scene.job.symbol
    wanted = [
        {
            "symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
            "quantity": "0.010", "price": f"{price - step:.2f}", "newClientOrderId": f"pb-{step}",
        }
        for step in (1, 0.05, 2)
    ]  # fmt: skip
    placed = await client.futures_place_batch_order(batchOrders=wanted)
    assert [row.get("code") for row in placed] == [None, -4014, None]
    ids = [row["orderId"] for row in placed if "orderId" in row]
    gone = await client.futures_cancel_orders(symbol=symbol, orderidlist=[*ids, 1])
    assert [row.get("status") or row["code"] for row in gone] == ["CANCELED", "CANCELED", -2011]
    await until(lambda: len(scene.events) >= 4, "four events")
    return {"events": len(scene.events)}


async def countdown(scene: Any) -> Figures:
    """Two orders left alone are cancelled when their time is over."""
    price, client, symbol = await _begin(scene), scene.quiet, scene.job.symbol
    for number in (1, 2):
        await _limit(scene, "BUY", 0.01, price - number)
    began_s = time.monotonic()
    reply = await client.futures_countdown_cancel_all(symbol=symbol, countdownTime=800)
    assert reply == {"symbol": symbol, "countdownTime": "800"}

    def gone() -> list[Any]:
        return [e for e in scene.told("ORDER_TRADE_UPDATE") if e["o"]["x"] == "CANCELED"]

    await until(lambda: len(gone()) == 2, "both cancellations")
    waited_s = time.monotonic() - began_s
    assert waited_s > 0.7
    assert await client.futures_get_open_orders(symbol=symbol) == []
    return {"waited_s": round(waited_s, 3)}


async def settings(scene: Any) -> Figures:
    """Leverage, margin type and isolated margin, with what the stream says to it."""
    price, client, symbol = await _begin(scene), scene.quiet, scene.job.symbol
    changed = await client.futures_change_leverage(symbol=symbol, leverage=9)
    assert (changed["leverage"], changed["symbol"]) == (9, symbol)
    await until(lambda: scene.told("ACCOUNT_CONFIG_UPDATE"), "the leverage's event")
    assert scene.told("ACCOUNT_CONFIG_UPDATE")[0]["ac"] == {"s": symbol, "l": 9}
    done = await client.futures_change_margin_type(symbol=symbol, marginType="ISOLATED")
    assert done == {"code": 200, "msg": "success"}
    await _refused(-4046, client.futures_change_margin_type(symbol=symbol, marginType="ISOLATED"))
    await _limit(scene, "SELL", 0.01, price)
    scene.stage.buys(0.01, price)
    added = await client.futures_change_position_margin(symbol=symbol, amount=25, type=1)
    assert added["code"] == 200
    (risk,) = await client.futures_position_information(symbol=symbol)
    assert float(risk["isolatedMargin"]) > 25
    (row,) = await client.futures_position_margin_history(symbol=symbol, limit=1)
    assert (float(row["amount"]), row["type"]) == (25.0, 1)
    mode = await client.futures_get_multi_assets_mode()
    assert mode == {"multiAssetsMargin": False}
    await _refused(-4171, client.futures_change_multi_assets_mode(False))
    return {"isolated_margin": risk["isolatedMargin"]}


async def hedge(scene: Any) -> Figures:
    """Into hedge mode, a long and a short side by side, out again."""
    price, client, symbol = await _begin(scene), scene.quiet, scene.job.symbol
    await client.futures_change_position_mode(dualSidePosition=True)
    assert (await client.futures_get_position_mode())["dualSidePosition"] is True
    for side, position_side, trade in (
        ("BUY", "LONG", scene.stage.sells),
        ("SELL", "SHORT", scene.stage.buys),
    ):
        await _limit(scene, side, 0.01, price, positionSide=position_side)
        trade(0.01, price)
    rows = await client.futures_position_information(symbol=symbol)
    sides = {row["positionSide"]: row["positionAmt"] for row in rows}
    assert sides == {"LONG": "0.010", "SHORT": "-0.010"}
    await _refused(-4068, client.futures_change_position_mode(dualSidePosition=False))
    await asyncio.to_thread(scene.stage.strike)
    assert (await client.futures_get_position_mode())["dualSidePosition"] is False
    await _refused(-4059, client.futures_change_position_mode(dualSidePosition=False))
    return {"sides": sides}


async def money(scene: Any) -> Figures:
    """What the account's books say of all this."""
    await _begin(scene)
    client, symbol = scene.quiet, scene.job.symbol
    rows = await client.futures_income_history(symbol=symbol, limit=1000)
    assert {"COMMISSION", "REALIZED_PNL"} <= {row["incomeType"] for row in rows}
    booked = sum(float(row["income"]) for row in rows)
    (balance,) = await client.futures_account_balance()
    assert abs(float(balance["balance"]) - 1_000_000 - booked) < 0.01, (balance, booked)
    assert await client.futures_adl_quantile_estimate(symbol=symbol) == []
    await client.futures_api_trading_status()
    assert await client.futures_v1_get_rate_limit_order()
    return {"booked": round(booked, 8)}


async def websocket_api(scene: Any) -> Figures:
    """The WebSocket API, every request signed with HMAC, numbers sent as JSON numbers."""
    price, client, symbol = await _begin(scene), scene.quiet, scene.job.symbol
    placed = await client.ws_futures_create_order(
        symbol=symbol, side="BUY", type="LIMIT", timeInForce="GTC", quantity=0.01, price=price,
        newClientOrderId="ws-1",
    )  # fmt: skip
    which = {"symbol": symbol, "orderId": placed["orderId"]}
    assert placed["status"] == "NEW"
    changed = await client.ws_futures_edit_order(
        **which, side="BUY", quantity=0.02, price=price - 1
    )
    assert changed["origQty"] == "0.020"
    assert (await client.ws_futures_get_order(**which))["status"] == "NEW"
    gone = await client.ws_futures_cancel_order(**which)
    assert gone["status"] == "CANCELED"
    await _refused(-2011, client.ws_futures_cancel_order(**which))
    stop = await client.ws_futures_create_order(
        symbol=symbol, side="SELL", type="STOP_MARKET", quantity=0.01, stopPrice=price - 100
    )
    ended = await client.ws_futures_cancel_order(algoId=stop["algoId"])
    assert ended["algoId"] == stop["algoId"]
    account = await client.ws_futures_v2_account_status()
    assert float(account["totalWalletBalance"]) > 0
    assert await client.ws_futures_v2_account_balance()
    assert await client.ws_futures_v2_account_position() == []
    top = await client.ws_futures_get_order_book_ticker(symbol=symbol)
    assert float(top["bidPrice"]) < float(top["askPrice"])
    assert (await client.ws_futures_get_order_book(symbol=symbol, limit=5))["lastUpdateId"]
    events = [event["x"] for event in _orders(scene, "ws-1")]
    assert events == ["NEW", "AMENDMENT", "CANCELED"]
    return {"order_id": placed["orderId"]}
