"""The private half of ccxt.pro's session: user data, orders of all kinds, account settings.

``ccxt_pro`` lists these chapters. What ccxt makes of replies and events is compared in its own
unified words; the exchange's originals are in each structure's `info`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable
from typing import Any

import ccxt

from tests.venue.clients.session import Figures, until

UNIFIED = "BTC/USDT:USDT"


async def _begin(scene: Any) -> float:
    """A clean stage and empty lists of events; the price in the middle of the spread."""
    await asyncio.to_thread(scene.stage.strike)
    await asyncio.sleep(0.05)
    for messages in scene.seen.values():
        messages.clear()
    return scene.stage.inside()


def _orders(scene: Any, order_id: str) -> list[Any]:
    return [order for order in scene.seen["orders"] if order["id"] == order_id]


async def _seen(scene: Any, order_id: str, execution: str) -> Any:
    """Wait for an order's newest event to be `execution`: ccxt joins events that come together."""
    rows = await until(
        lambda: [row for row in _orders(scene, order_id) if row["info"]["x"] == execution],
        f"{execution} of {order_id}",
    )
    return rows[-1]


async def _refused(code: int, kind: type[Exception], call: Awaitable[Any]) -> None:
    try:
        await call
    except kind as error:
        assert f'"code":{code}' in str(error).replace(" ", ""), error
        return
    raise AssertionError(f"{code} was expected")


async def user_data(scene: Any) -> Figures:
    """ccxt fetches a listen key and watches orders, trades, balance and positions with it."""
    client = scene.quiet
    await client.load_markets()
    price = await _begin(scene)
    scene.watch("orders", client.watch_orders, UNIFIED)
    scene.watch("trades", client.watch_my_trades, UNIFIED)
    scene.watch("balance", client.watch_balance)
    scene.watch("positions", client.watch_positions, [UNIFIED])
    private = await until(lambda: [u for u in client.clients if "/private/ws" in u], "the socket")
    await until(lambda: client.clients[private[0]].isConnected, "the private socket")
    placed = await client.create_order(UNIFIED, "limit", "buy", 0.01, price)
    (event,) = await until(lambda: _orders(scene, placed["id"]), "the first event")
    assert (event["status"], event["amount"], event["price"]) == ("open", 0.01, price)
    return {"sockets": len(client.clients)}


async def life_of_an_order(scene: Any) -> Figures:
    """Placed, partly filled by the rival, amended, cancelled: replies and events."""
    price, client = await _begin(scene), scene.quiet
    placed = await client.create_order(UNIFIED, "limit", "buy", 0.01, price)
    order_id = placed["id"]
    assert (placed["status"], placed["filled"]) == ("open", 0.0)
    await _seen(scene, order_id, "NEW")
    scene.stage.sells(0.004, price)
    filled = await _seen(scene, order_id, "TRADE")
    assert (filled["status"], filled["filled"], filled["average"]) == ("open", 0.004, price)
    found = await client.fetch_order(order_id, UNIFIED)
    assert (found["status"], found["filled"], found["average"]) == ("open", 0.004, price)
    assert found["remaining"] == 0.006
    amended = await client.edit_order(order_id, UNIFIED, "limit", "buy", 0.008, price - 1)
    assert (amended["id"], amended["amount"], amended["price"]) == (order_id, 0.008, price - 1)
    assert (await _seen(scene, order_id, "AMENDMENT"))["price"] == price - 1
    (row,) = await client.fetch_open_orders(UNIFIED)
    assert row["id"] == order_id
    gone = await client.cancel_order(order_id, UNIFIED)
    assert (gone["status"], gone["filled"]) == ("canceled", 0.004)
    await _refused(-2011, ccxt.OrderNotFound, client.cancel_order(order_id, UNIFIED))
    end = await _seen(scene, order_id, "CANCELED")
    assert (end["status"], end["filled"], end["remaining"]) == ("canceled", 0.004, 0.004)
    story = [order["info"]["x"] for order in _orders(scene, order_id)]
    assert story == ["NEW", "TRADE", "AMENDMENT", "CANCELED"]
    (trade,) = await until(lambda: scene.seen["trades"], "the trade")
    assert (trade["order"], trade["amount"], trade["takerOrMaker"]) == (order_id, 0.004, "maker")
    assert abs(trade["fee"]["cost"] - 0.004 * price * 0.0002) < 1e-6
    (position,) = await until(lambda: scene.seen["positions"], "the position")
    assert (position["side"], position["contracts"]) == ("long", 0.004)
    assert scene.seen["balance"][-1]["USDT"]["total"] > 0
    (own,) = await client.fetch_my_trades(UNIFIED, params={"orderId": order_id})
    assert (own["id"], own["fee"]["cost"]) == (trade["id"], trade["fee"]["cost"])
    assert order_id in {row["id"] for row in await client.fetch_orders(UNIFIED)}
    await _refused(
        -5022, ccxt.InvalidOrder,
        client.create_order(UNIFIED, "limit", "buy", 0.01, price * 1.01, {"postOnly": True}),
    )  # fmt: skip
    return {"order_events": len(story), "fee": trade["fee"]["cost"]}


async def algo_stop(scene: Any) -> Figures:
    """A stop-loss that the rivals' print triggers, watched as algo order and as its child."""
    price, client = await _begin(scene), scene.quiet
    scene.stage.offers("SELL", 0.01, price)
    bought = await client.create_order(UNIFIED, "market", "buy", 0.01)
    assert (bought["status"], bought["filled"]) == ("closed", 0.01)
    stop = await client.create_order(
        UNIFIED, "market", "sell", 0.01, None, {"stopLossPrice": price - 10, "reduceOnly": True}
    )
    assert (stop["status"], stop["triggerPrice"], stop["reduceOnly"]) == ("open", price - 10, True)
    (row,) = await client.fetch_open_orders(UNIFIED, params={"trigger": True})
    assert row["id"] == stop["id"]
    await asyncio.to_thread(scene.stage.prints, price - 20, 0.02)

    def told() -> list[str]:
        rows = [order["info"] for order in scene.seen["orders"]]
        return [row["X"] for row in rows if str(row.get("aid")) == stop["id"]]

    await until(lambda: "FINISHED" in told(), "the end of the stop")
    assert told() == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
    fetched = await client.fetch_order(stop["id"], UNIFIED, {"trigger": True})
    child = fetched["info"]["actualOrderId"]
    sold = [order for order in _orders(scene, child) if order["status"] == "closed"]
    assert sold[-1]["filled"] == 0.01 and sold[-1]["average"] == price - 20
    assert scene.stage.held() == {}
    other = await client.create_order(
        UNIFIED, "market", "sell", 0.01, None, {"takeProfitPrice": price + 500}
    )
    await client.cancel_order(other["id"], UNIFIED, {"trigger": True})
    trailing = await client.create_order(
        UNIFIED, "market", "sell", 0.01, None,
        {"trailingPercent": 1, "trailingTriggerPrice": price + 300},
    )  # fmt: skip
    await client.cancel_all_orders(UNIFIED, {"trigger": True})
    every = await client.fetch_orders(UNIFIED, params={"trigger": True})
    assert {stop["id"], other["id"], trailing["id"]} <= {row["id"] for row in every}
    await _refused(
        -2021, ccxt.ExchangeError,
        client.create_order(UNIFIED, "market", "sell", 0.01, None, {"stopLossPrice": price + 50}),
    )  # fmt: skip
    return {"child": child}


async def batch(scene: Any) -> Figures:
    """Three orders in one request, amended in one, cancelled by `orderidlist`."""
    price, client = await _begin(scene), scene.quiet
    wanted = [
        {"symbol": UNIFIED, "type": "limit", "side": "buy", "amount": 0.01, "price": price - step}
        for step in (1, 2, 3)
    ]
    placed = await client.create_orders(wanted)
    assert [row["status"] for row in placed] == ["open"] * 3
    ids = [row["id"] for row in placed]
    changed = await client.edit_orders(
        [{**row, "id": order_id, "amount": 0.02} for row, order_id in zip(wanted, ids, strict=True)]
    )
    assert [row["amount"] for row in changed] == [0.02] * 3
    gone = await client.cancel_orders(ids[:2], UNIFIED)
    assert [row["status"] for row in gone] == ["canceled"] * 2
    names = [placed[2]["clientOrderId"]]
    gone = await client.cancel_orders([], UNIFIED, {"clientOrderIds": names})
    assert [row["status"] for row in gone] == ["canceled"]
    for order_id in ids:
        await _seen(scene, order_id, "CANCELED")
    return {"events": len(scene.seen["orders"])}


async def countdown(scene: Any) -> Figures:
    """Two orders left alone are cancelled when their time is over."""
    price, client = await _begin(scene), scene.quiet
    for step in (1, 2):
        await client.create_order(UNIFIED, "limit", "buy", 0.01, price - step)
    began_s = time.monotonic()
    market_id = client.market_id(UNIFIED)
    reply = await client.fapiPrivatePostCountdownCancelAll(
        {"symbol": market_id, "countdownTime": 800}
    )
    assert reply == {"symbol": market_id, "countdownTime": "800"}

    def gone() -> list[Any]:
        return [order for order in scene.seen["orders"] if order["status"] == "canceled"]

    await until(lambda: len(gone()) == 2, "both cancellations")
    waited_s = time.monotonic() - began_s
    assert waited_s > 0.7
    assert await client.fetch_open_orders(UNIFIED) == []
    return {"waited_s": round(waited_s, 3)}


async def settings(scene: Any) -> Figures:
    """Leverage, margin mode and isolated margin."""
    price, client = await _begin(scene), scene.quiet
    changed = await client.set_leverage(8, UNIFIED)
    assert changed["leverage"] == 8
    await client.set_margin_mode("isolated", UNIFIED)
    with contextlib.suppress(ccxt.MarginModeAlreadySet):
        await client.set_margin_mode("isolated", UNIFIED)
        raise AssertionError("-4046 was expected")
    leverage = await client.fetch_leverage(UNIFIED)
    assert (leverage["longLeverage"], leverage["marginMode"]) == (8, "isolated")
    placed = await client.create_order(UNIFIED, "limit", "buy", 0.01, price)
    scene.stage.sells(0.01, price)
    added = await client.add_margin(UNIFIED, 30)
    assert (added["type"], added["amount"]) == ("add", 30)
    (position,) = await client.fetch_positions([UNIFIED])
    assert (position["marginMode"], position["contracts"]) == ("isolated", 0.01)
    assert position["collateral"] > price * 0.01 / 8 + 29
    assert 0 < position["liquidationPrice"] < price
    await client.fetch_margin_adjustment_history(UNIFIED)
    return {"liquidation": position["liquidationPrice"], "order": placed["id"]}


async def hedge(scene: Any) -> Figures:
    """Into hedge mode, a long and a short side by side, out again."""
    price, client = await _begin(scene), scene.quiet
    await client.set_position_mode(True)
    assert (await client.fetch_position_mode())["hedged"] is True
    for side, position_side, trade in (
        ("buy", "LONG", scene.stage.sells),
        ("sell", "SHORT", scene.stage.buys),
    ):
        await client.create_order(
            UNIFIED, "limit", side, 0.01, price, {"positionSide": position_side}
        )
        trade(0.01, price)
    rows = await client.fetch_positions([UNIFIED])
    sides = {row["side"]: row["contracts"] for row in rows}
    assert sides == {"long": 0.01, "short": 0.01}
    assert all(row["hedged"] for row in rows)
    wanted = {("long", 0.01), ("short", 0.01)}
    await until(
        lambda: wanted <= {(row["side"], row["contracts"]) for row in scene.seen["positions"]},
        "the positions' events",
    )
    await _refused(-4068, ccxt.ExchangeError, client.set_position_mode(False))
    await asyncio.to_thread(scene.stage.strike)
    assert (await client.fetch_position_mode())["hedged"] is False
    return {"sides": sides}


async def money(scene: Any) -> Figures:
    """What the account's books say of all this."""
    await _begin(scene)
    client = scene.quiet
    ledger = await client.fetch_ledger("USDT", limit=1000)
    assert {"commission", "trade", "transfer"} <= {row["type"] for row in ledger}
    booked = sum(row["amount"] * (-1 if row["direction"] == "out" else 1) for row in ledger)
    balance = await client.fetch_balance()
    assert abs(balance["USDT"]["total"] - booked) < 0.01, (balance["USDT"], booked)
    await client.fetch_funding_history(UNIFIED)
    assert await client.fetch_positions_risk([UNIFIED]) is not None
    await client.fetch_my_liquidations(UNIFIED)
    fees = await client.fetch_trading_fees()
    assert UNIFIED in fees
    return {"booked": round(booked, 8)}


async def websocket_api(scene: Any) -> Figures:
    """The WebSocket API, every request signed with HMAC over its sorted parameters."""
    price, client = await _begin(scene), scene.quiet
    placed = await client.create_order_ws(UNIFIED, "limit", "buy", 0.01, price)
    order_id = placed["id"]
    assert placed["status"] == "open"
    changed = await client.edit_order_ws(order_id, UNIFIED, "limit", "buy", 0.02, price - 1)
    assert changed["amount"] == 0.02
    found = await client.fetch_order_ws(order_id, UNIFIED)
    assert (found["status"], found["price"]) == ("open", price - 1)
    gone = await client.cancel_order_ws(order_id, UNIFIED)
    assert gone["status"] == "canceled"
    await _refused(-2011, ccxt.OrderNotFound, client.cancel_order_ws(order_id, UNIFIED))
    stop = await client.create_order_ws(
        UNIFIED, "market", "sell", 0.01, None, {"stopLossPrice": price - 100}
    )
    await client.cancel_order_ws(stop["id"], UNIFIED, {"trigger": True})
    balance = await client.fetch_balance_ws()
    assert balance["USDT"]["total"] > 0
    assert await client.fetch_positions_ws([UNIFIED]) is not None
    book = await client.fetch_order_book_ws(UNIFIED, 5)
    assert len(book["bids"]) == 5
    ticker = await client.fetch_ticker_ws(UNIFIED)
    assert ticker["bid"] < ticker["ask"]
    await _seen(scene, order_id, "CANCELED")
    return {"order_id": order_id}
