"""The private half of the official SDK's session: user data, orders of all kinds, account settings.

``official_sdk`` lists these chapters. Each starts from a clean stage and reads the events that the
venue pushes next to the replies, both through the SDK's own models.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from binance_common.errors import BadRequestError
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    ModifyMultipleOrdersBatchOrdersParameterInner,
    PlaceMultipleOrdersBatchOrdersParameterInner,
)

from tests.venue.clients.session import Figures, until
from tests.venue.clients.shapes import fits


async def _begin(scene: Any) -> float:
    """A clean stage and an empty list of events; the price in the middle of the spread."""
    await asyncio.to_thread(scene.stage.strike)
    await asyncio.sleep(0.05)
    scene.events.clear()
    return scene.stage.inside()


async def _limit(scene: Any, side: str, quantity: float, price: float, **more: Any) -> Any:
    return await scene.ask(
        scene.rest.new_order, symbol=scene.job.symbol, side=side, type="LIMIT",
        time_in_force="GTC", quantity=quantity, price=price, **more,
    )  # fmt: skip


def _orders(scene: Any, client_id: str) -> list[Any]:
    return [event.o for event in scene.told("OrderTradeUpdate") if event.o.c == client_id]


async def _refused(code: int, method: Any, **parameters: Any) -> None:
    try:
        await asyncio.to_thread(method, **parameters)
    except BadRequestError as error:
        assert error.status_code == code, error
        return
    raise AssertionError(f"{code} was expected of {method}")


async def user_data(scene: Any) -> Figures:
    """A listen key, its stream, and the first events on it."""
    price = await _begin(scene)
    key = (await scene.ask(scene.rest.start_user_data_stream)).listen_key
    assert len(key) == 64
    again = (await scene.ask(scene.rest.keepalive_user_data_stream)).listen_key
    assert again == key
    sockets = scene.quiet.websocket_streams
    await sockets.create_connection()
    handle = await sockets.user_data(key)
    handle.on("message", lambda event: scene.events.append(event.actual_instance))
    await asyncio.sleep(0.1)
    placed = await _limit(scene, "BUY", 0.01, price, new_client_order_id="user-1")
    (event,) = await until(lambda: _orders(scene, "user-1"), "the first event")
    assert (event.i, event.x, event.X) == (placed.order_id, "NEW", "NEW")
    return {"listen_key": len(key)}


async def life_of_an_order(scene: Any) -> Figures:
    """Placed, partly filled by the rival, amended, cancelled: replies and events."""
    price, rest, symbol = await _begin(scene), scene.rest, scene.job.symbol
    placed = await _limit(scene, "BUY", 0.01, price, new_client_order_id="life-1")
    assert (placed.status, placed.executed_qty, placed.cum_qty) == ("NEW", "0.000", "0.000")
    scene.stage.sells(0.004, price)
    order_id = placed.order_id
    query = await scene.ask(rest.query_order, symbol=symbol, order_id=order_id)
    assert (query.status, query.executed_qty) == ("PARTIALLY_FILLED", "0.004")
    assert float(query.avg_price) == price
    amended = await scene.ask(
        rest.modify_order, symbol=symbol, side="BUY", quantity=0.008, price=price - 1,
        order_id=order_id,
    )  # fmt: skip
    assert (amended.orig_qty, float(amended.price)) == ("0.008", price - 1)
    (change,) = await scene.ask(rest.get_order_modify_history, symbol=symbol, order_id=order_id)
    assert (change.amendment.orig_qty.before, change.amendment.orig_qty.after) == ("0.010", "0.008")
    (row,) = await scene.ask(rest.current_all_open_orders, symbol=symbol)
    assert row.order_id == order_id
    gone = await scene.ask(rest.cancel_order, symbol=symbol, order_id=order_id)
    assert (gone.status, gone.executed_qty) == ("CANCELED", "0.004")
    await _refused(-2011, rest.cancel_order, symbol=symbol, order_id=order_id)
    await until(lambda: len(_orders(scene, "life-1")) >= 4, "four events")
    story = [(event.x, event.X) for event in _orders(scene, "life-1")]
    assert story == [
        ("NEW", "NEW"),
        ("TRADE", "PARTIALLY_FILLED"),
        ("AMENDMENT", "PARTIALLY_FILLED"),
        ("CANCELED", "CANCELED"),
    ]
    fill = _orders(scene, "life-1")[1]
    assert (fill.l, fill.z, fill.m, fill.N) == ("0.004", "0.004", True, "USDT")
    assert abs(float(fill.n) - 0.004 * price * 0.0002) < 1e-6
    (lite,) = scene.told("TradeLite")
    assert (lite.t, lite.i, lite.m) == (fill.t, order_id, True)
    (update,) = scene.told("AccountUpdate")
    assert (update.a.m, update.a.P[0].pa, update.a.B[0].a) == ("ORDER", "0.004", "USDT")
    (trade,) = await scene.ask(rest.account_trade_list, symbol=symbol, order_id=order_id)
    assert (trade.id, trade.commission, trade.maker) == (fill.t, fill.n, True)
    assert order_id in {o.order_id for o in await scene.ask(rest.all_orders, symbol=symbol)}
    await _refused(
        -4014, rest.new_order, symbol=symbol, side="BUY", type="LIMIT", time_in_force="GTC",
        quantity=0.01, price=price + 0.05,
    )  # fmt: skip
    return {"events": len(scene.events), "commission": fill.n}


async def algo_stop(scene: Any) -> Figures:
    """A stop that the rivals' print triggers: the child order sells to the rival's bid."""
    price, rest, symbol = await _begin(scene), scene.rest, scene.job.symbol
    scene.stage.offers("SELL", 0.01, price)
    bought = await scene.ask(
        rest.new_order, symbol=symbol, side="BUY", type="MARKET", quantity=0.01,
        new_order_resp_type="RESULT",
    )  # fmt: skip
    assert (bought.status, bought.cum_qty) == ("FILLED", "0.010")
    asked = {"algo_type": "CONDITIONAL", "symbol": symbol, "side": "SELL", "type": "STOP_MARKET"}
    stop = await scene.ask(
        rest.new_algo_order, **asked, quantity=0.01, trigger_price=price - 10,
        client_algo_id="stop-1", reduce_only="true",
    )  # fmt: skip
    assert (stop.algo_status, stop.order_type) == ("NEW", "STOP_MARKET")
    (row,) = await scene.ask(rest.current_all_algo_open_orders, symbol=symbol)
    assert (row.algo_id, float(row.trigger_price)) == (stop.algo_id, price - 10)
    await _refused(-2021, rest.new_algo_order, **asked, quantity=0.01, trigger_price=price + 50)
    await asyncio.to_thread(scene.stage.prints, price - 20, 0.02)

    def told() -> list[Any]:
        updates = [event.o for event in scene.told("AlgoUpdate")]
        return [update for update in updates if update.caid == "stop-1"]

    await until(lambda: told() and told()[-1].X == "FINISHED", "the end of the stop")
    assert [event.X for event in told()] == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
    child = int(told()[-1].ai)
    (fill,) = [e.o for e in scene.told("OrderTradeUpdate") if e.o.i == child and e.o.x == "TRADE"]
    assert (fill.X, fill.S, float(fill.L), fill.ot) == ("FILLED", "SELL", price - 20, "STOP_MARKET")
    done = await scene.ask(rest.query_algo_order, algo_id=stop.algo_id)
    assert (done.algo_status, done.actual_order_id) == ("FINISHED", str(child))
    assert scene.stage.held() == {}
    other = await scene.ask(rest.new_algo_order, **asked, quantity=0.01, trigger_price=price - 200)
    gone = await scene.ask(rest.cancel_algo_order, algo_id=other.algo_id)
    assert (gone.algo_id, gone.code) == (other.algo_id, "200")
    every = await scene.ask(rest.query_all_algo_orders, symbol=symbol)
    assert {stop.algo_id, other.algo_id} <= {row.algo_id for row in every}
    return {"child": child, "sold_at": fill.L}


async def batch(scene: Any) -> Figures:
    """Five orders in one request, one of them bad; two amended, then three cancelled at once."""
    price, rest, symbol = await _begin(scene), scene.rest, scene.job.symbol
    wanted = [
        PlaceMultipleOrdersBatchOrdersParameterInner(
            symbol=symbol, side="BUY", type="LIMIT", timeInForce="GTC", quantity=0.01,
            price=round(price - step, 2), newClientOrderId=f"batch-{number}",
        )
        for number, step in enumerate((1, 2, 0.05, 3, 4))
    ]  # fmt: skip
    placed = await scene.ask(
        rest.place_multiple_orders, batch_orders=wanted, may_lack=_either(ORDER_KEYS)
    )
    assert [row.code for row in placed] == [None, None, -4014, None, None]
    good = [row for row in placed if row.order_id]
    changes = [
        ModifyMultipleOrdersBatchOrdersParameterInner(
            symbol=symbol, side="BUY", orderId=row.order_id, quantity=0.02,
            price=float(row.price),
        )
        for row in good[:2]
    ]  # fmt: skip
    amended = await scene.ask(
        rest.modify_multiple_orders, batch_orders=changes, may_lack=_either(ORDER_KEYS)
    )
    assert [row.orig_qty for row in amended] == ["0.020", "0.020"]
    gone = await scene.ask(
        rest.cancel_multiple_orders, symbol=symbol,
        order_id_list=[good[0].order_id, good[1].order_id, 1], may_lack=_either(ORDER_KEYS),
    )  # fmt: skip
    assert [row.status or row.code for row in gone] == ["CANCELED", "CANCELED", -2011]
    gone = await scene.ask(
        rest.cancel_multiple_orders, symbol=symbol,
        orig_client_order_id_list=["batch-3", "batch-4"], may_lack=_either(ORDER_KEYS),
    )  # fmt: skip
    assert [row.status for row in gone] == ["CANCELED", "CANCELED"]
    await until(lambda: len(scene.events) >= 10, "ten events")
    return {"events": len(scene.events)}


async def countdown(scene: Any) -> Figures:
    """Two orders left alone are cancelled when their time is over."""
    price, rest, symbol = await _begin(scene), scene.rest, scene.job.symbol
    for number in (1, 2):
        await _limit(scene, "BUY", 0.01, price - number, new_client_order_id=f"left-{number}")
    began_s = time.monotonic()
    reply = await scene.ask(rest.auto_cancel_all_open_orders, symbol=symbol, countdown_time=800)
    assert (reply.symbol, reply.countdown_time) == (symbol, "800")

    def gone() -> list[Any]:
        return [event for event in scene.told("OrderTradeUpdate") if event.o.x == "CANCELED"]

    await until(lambda: len(gone()) == 2, "both cancellations")
    waited_s = time.monotonic() - began_s
    assert waited_s > 0.7, f"after {waited_s} s already"
    assert await scene.ask(rest.current_all_open_orders, symbol=symbol) == []
    return {"waited_s": round(waited_s, 3)}


async def settings(scene: Any) -> Figures:
    """Leverage and margin type, with what the stream says to it."""
    await _begin(scene)
    rest, symbol = scene.rest, scene.job.symbol
    changed = await scene.ask(rest.change_initial_leverage, symbol=symbol, leverage=7)
    assert (changed.leverage, changed.symbol) == (7, symbol)
    assert int(changed.max_notional_value) > 0
    await until(lambda: scene.told("AccountConfigUpdate"), "the leverage's event")
    (event,) = scene.told("AccountConfigUpdate")
    assert (event.ac.s, event.ac.l) == (symbol, 7)
    done = await scene.ask(rest.change_margin_type, symbol=symbol, margin_type="ISOLATED")
    assert (done.code, done.msg) == (200, "success")
    await _refused(-4046, rest.change_margin_type, symbol=symbol, margin_type="ISOLATED")
    (row,) = await scene.ask(rest.symbol_configuration, symbol=symbol)
    assert (row.leverage, row.margin_type) == (7, "ISOLATED")
    price = scene.stage.inside()
    await _limit(scene, "BUY", 0.01, price)
    scene.stage.sells(0.01, price)
    (risk,) = await scene.ask(rest.position_information_v3, symbol=symbol)
    assert abs(float(risk.isolated_margin) - price * 0.01 / 7) < price * 0.01 / 7 * 0.05
    added = await scene.ask(
        rest.modify_isolated_position_margin, symbol=symbol, amount=50.0, type="1"
    )
    assert (added.code, float(added.amount), added.type) == (200, 50.0, 1)
    (more,) = await scene.ask(rest.position_information_v3, symbol=symbol)
    assert abs(float(more.isolated_wallet) - float(risk.isolated_wallet) - 50) < 1e-6
    (row,) = await scene.ask(rest.get_position_margin_change_history, symbol=symbol)
    assert (float(row.amount), row.type) == (50.0, 1)
    await _refused(-4048, rest.change_margin_type, symbol=symbol, margin_type="CROSSED")
    await _refused(-4028, rest.change_initial_leverage, symbol=symbol, leverage=126)
    return {"isolated_margin": risk.isolated_margin}


async def hedge(scene: Any) -> Figures:
    """Into hedge mode, a long and a short side by side, out again."""
    price, rest, symbol = await _begin(scene), scene.rest, scene.job.symbol
    assert (await scene.ask(rest.change_position_mode, dual_side_position="true")).code == 200
    assert (await scene.ask(rest.get_current_position_mode)).dual_side_position is True
    await _refused(-4061, rest.new_order, symbol=symbol, side="BUY", type="MARKET", quantity=0.01)
    for side, position_side, trade in (
        ("BUY", "LONG", scene.stage.sells),
        ("SELL", "SHORT", scene.stage.buys),
    ):
        await _limit(scene, side, 0.01, price, position_side=position_side)
        trade(0.01, price)
    rows = await scene.ask(rest.position_information_v3, symbol=symbol)
    sides = {row.position_side: row.position_amt for row in rows}
    assert sides == {"LONG": "0.010", "SHORT": "-0.010"}
    await until(
        lambda: (
            {"LONG", "SHORT"}
            <= {row.ps for event in scene.told("AccountUpdate") for row in event.a.P}
        ),
        "the events of both sides",
    )
    await _refused(-4068, rest.change_position_mode, dual_side_position="false")
    await asyncio.to_thread(scene.stage.strike)
    assert (await scene.ask(rest.get_current_position_mode)).dual_side_position is False
    return {"sides": sides}


async def money(scene: Any) -> Figures:
    """What the account's books say of all this."""
    await _begin(scene)
    rest, symbol = scene.rest, scene.job.symbol
    rows = await scene.ask(rest.get_income_history, symbol=symbol, limit=1000)
    kinds = {row.income_type for row in rows}
    assert {"COMMISSION", "REALIZED_PNL"} <= kinds, kinds
    paid = sum(float(row.income) for row in rows if row.income_type == "COMMISSION")
    assert paid < 0
    account = await scene.ask(rest.account_information_v2)
    wallet = float(account.total_wallet_balance)
    booked = sum(float(row.income) for row in rows)
    assert abs(wallet - 1_000_000 - booked) < 0.01, (wallet, booked)
    await scene.ask(rest.futures_account_balance_v2)
    await scene.ask(rest.position_information_v2, symbol=symbol)
    assert (await scene.ask(rest.get_current_multi_assets_mode)).multi_assets_margin is False
    await scene.ask(rest.get_bnb_burn_status)
    await scene.ask(rest.query_user_rate_limit)
    return {"wallet": wallet, "booked": round(booked, 8)}


async def websocket_api(scene: Any) -> Figures:
    """The WebSocket API: log on with Ed25519, then trade without signatures."""
    price, symbol, api = await _begin(scene), scene.job.symbol, scene.quiet.websocket_api
    await api.create_connection()
    reply = await api.send_signed_message(
        {"method": "session.logon", "params": {}}, api.signer, session_logon=True
    )
    assert reply.data()["result"]["apiKey"] == scene.job.key.api_key
    assert api.connections[0].is_session_log_on
    account = fits((await api.account_information_v2()).data()).result
    assert float(account.total_wallet_balance) > 0
    fits((await api.futures_account_balance_v2()).data())
    placed = fits(
        (
            await api.new_order(
                symbol=symbol, side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.01,
                price=price, new_client_order_id="ws-1",
            )
        ).data()
    )  # fmt: skip
    assert (placed.status, placed.result.status) == (200, "NEW")
    assert {row.rate_limit_type for row in placed.rate_limits} >= {"ORDERS"}
    order_id = placed.result.order_id
    changed = fits(
        (
            await api.modify_order(
                symbol=symbol, side="BUY", order_id=order_id, quantity=0.02, price=price - 1
            )
        ).data()
    )
    assert changed.result.orig_qty == "0.020"
    found = fits((await api.query_order(symbol=symbol, order_id=order_id)).data())
    assert float(found.result.price) == price - 1
    gone = fits((await api.cancel_order(symbol=symbol, order_id=order_id)).data())
    assert gone.result.status == "CANCELED"
    stop = fits(
        (
            await api.new_algo_order(
                algo_type="CONDITIONAL", symbol=symbol, side="SELL", type="STOP_MARKET",
                quantity=0.01, trigger_price=price - 100,
            )
        ).data()
    )  # fmt: skip
    fits((await api.cancel_algo_order(algo_id=stop.result.algo_id)).data())
    # The SDK's model has the levels beside `result`; on the wire they are in it.
    deep = fits(
        (await api.order_book(symbol=symbol, limit=20)).data(),
        may_lack=(".bids", ".asks"), may_have=(".bids", ".asks"),
    )  # fmt: skip
    assert len(deep.result.additional_properties["bids"]) == 20
    fits((await api.symbol_order_book_ticker(symbol=symbol)).data())
    fits((await api.symbol_price_ticker(symbol=symbol)).data())
    key = fits((await api.start_user_data_stream()).data()).result.listen_key
    assert len(key) == 64
    events = [event.x for event in _orders(scene, "ws-1")]
    assert events == ["NEW", "AMENDMENT", "CANCELED"]
    return {"order_id": order_id}


# A row of a batch has an order's keys or an error's: the other half is absent.
ORDER_KEYS = (
    "clientOrderId", "cumQty", "executedQty", "orderId", "origQty", "price", "reduceOnly", "side",
    "positionSide", "status", "stopPrice", "closePosition", "symbol", "timeInForce", "type",
    "origType", "updateTime", "workingType", "priceProtect", "priceMatch",
    "selfTradePreventionMode", "goodTillDate", "pair", "modifyId",
)  # fmt: skip


def _either(keys: tuple[str, ...]) -> tuple[str, ...]:
    return (*(f".{key}" for key in keys), ".code", ".msg")
