"""Orders of every kind over the death of the process: what was acknowledged is still in force."""

from __future__ import annotations

from pathlib import Path

from aegis.venue.algo.store import MAX_ENDED
from aegis.venue.journal import ROTATE_BYTES, Journal
from aegis.venue.memory import Memory
from tests.venue.desk import CLIENT
from tests.venue.order_desk import OrderDesk


def remembered(tmp_path: Path, dialect: str = "2026") -> tuple[OrderDesk, Memory]:
    """A desk with a journal; the second one is the successor of the first."""
    desk = OrderDesk(dialect)
    memory = Memory(desk.core, Journal(tmp_path, "me"))
    memory.restore()
    return desk, memory


def test_conditional_orders_go_on_waiting(tmp_path: Path) -> None:
    desk, memory = remembered(tmp_path)
    desk.algo(triggerPrice="59500", quantity="0.010", clientAlgoId="stop")
    desk.algo(type="TRAILING_STOP_MARKET", quantity="0.010", callbackRate="1",
              clientAlgoId="trailing")  # fmt: skip
    desk.algo(triggerPrice="59400", quantity="0.010", clientAlgoId="gone")
    desk.call("DELETE", "/fapi/v1/algoOrder", clientAlgoId="gone")
    desk.print_at(605_000)
    memory.commit()
    again, _ = remembered(tmp_path)
    _, waiting = again.call("GET", "/fapi/v1/openAlgoOrders")
    assert [row["clientAlgoId"] for row in waiting] == ["stop", "trailing"]
    _, gone = again.call("GET", "/fapi/v1/algoOrder", clientAlgoId="gone")
    assert gone["algoStatus"] == "CANCELED"
    # The trailing stop remembers how far it had come: 1 % below 60,500.
    again.quote(1, 598_900, 10)
    again.heard()
    again.print_at(598_950)
    assert again.story()[:2] == ["algo TRIGGERING", "algo TRIGGERED"]
    _, newer = again.algo(triggerPrice="59500", quantity="0.010")
    assert newer["algoId"] > max(row["algoId"] for row in waiting)
    again.print_at(595_000)
    assert "algo TRIGGERED" in again.story()


def test_an_order_that_a_stop_became_still_ends_it(tmp_path: Path) -> None:
    desk, memory = remembered(tmp_path)
    desk.algo(type="STOP", side="BUY", triggerPrice="60500", price="60600", quantity="0.010",
              clientAlgoId="entry")  # fmt: skip
    desk.print_at(605_000)
    memory.commit()
    again, _ = remembered(tmp_path)
    assert again.call("GET", "/fapi/v1/algoOrder", clientAlgoId="entry")[1]["algoStatus"] == (
        "TRIGGERED"
    )
    again.heard()
    again.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="entry")
    assert again.story() == ["CANCELED LIMIT CANCELED", "algo FINISHED"]


def test_stops_of_2024_go_on_waiting(tmp_path: Path) -> None:
    desk, memory = remembered(tmp_path, "2024")
    _, placed = desk.order(side="SELL", type="STOP_MARKET", stopPrice="59500", quantity="0.010")
    memory.commit()
    again, _ = remembered(tmp_path, "2024")
    _, rows = again.call("GET", "/fapi/v1/openOrders", symbol="BTCUSDT")
    assert [(row["orderId"], row["type"]) for row in rows] == [(placed["orderId"], "STOP_MARKET")]
    again.heard()
    again.print_at(595_000)
    assert again.story()[:2] == ["EXPIRED STOP_MARKET EXPIRED", "NEW MARKET NEW"]


def test_ends_and_countdowns_still_come(tmp_path: Path) -> None:
    desk, memory = remembered(tmp_path)
    desk.order(quantity="0.010", price="59100", timeInForce="GTD", newClientOrderId="mortal",
               goodTillDate=desk.now_ms + 700_000)  # fmt: skip
    desk.order(quantity="0.010", price="59100", newClientOrderId="guarded")
    desk.call("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=900_000)
    memory.commit()
    again, _ = remembered(tmp_path)
    again.second(700)
    assert again.query("mortal")["status"] == "EXPIRED"
    assert again.exchange.fire_countdowns(again.wall_ms + 199_999, again.now_ms) == 0
    assert again.exchange.fire_countdowns(again.wall_ms + 200_000, again.now_ms) == 1
    assert again.query("guarded")["status"] == "CANCELED"


def test_hedge_mode_and_the_history_of_modifications(tmp_path: Path) -> None:
    desk, memory = remembered(tmp_path)
    desk.call("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true")
    desk.buy("0.010", positionSide="LONG")
    desk.order(side="SELL", positionSide="LONG", quantity="0.010", price="60900",
               newClientOrderId="close")  # fmt: skip
    key = {"symbol": "BTCUSDT", "origClientOrderId": "close"}
    desk.call("PUT", "/fapi/v1/order", **key, side="SELL", quantity="0.010", price="60800")
    memory.commit()
    again, _ = remembered(tmp_path)
    assert again.call("GET", "/fapi/v1/positionSide/dual")[1] == {"dualSidePosition": True}
    account = again.exchange.account(CLIENT)
    assert account.position("BTCUSDT", "LONG").lots == 10
    assert len(again.call("GET", "/fapi/v1/orderAmendment", **key)[1]) == 1
    # What closes is still known to: a market order leaves it no room.
    again.heard()
    again.order(side="SELL", positionSide="LONG", type="MARKET", quantity="0.010")
    assert again.story()[-1] == "EXPIRED LIMIT EXPIRED er4"
    again.assert_books_agree()
    again.assert_balanced()


def test_what_is_remembered_of_algo_orders_is_bounded(tmp_path: Path) -> None:
    desk, memory = remembered(tmp_path)
    for number in range(2 * MAX_ENDED):
        desk.algo(triggerPrice="59500", quantity="0.010", clientAlgoId=f"a{number}")
        desk.call("DELETE", "/fapi/v1/algoOrder", clientAlgoId=f"a{number}")
        desk.exchange.take_events()
        memory.commit()
    assert desk.exchange.algos.sizes() == {
        "algo_live": 0, "algo_ended": MAX_ENDED, "algo_by_client": MAX_ENDED,
    }  # fmt: skip
    for path in tmp_path.iterdir():
        assert path.stat().st_size < ROTATE_BYTES + 400 * MAX_ENDED
    again, _ = remembered(tmp_path)
    kept = [algo.algo_id for algo in desk.exchange.algos.everything()]
    assert [algo.algo_id for algo in again.exchange.algos.everything()] == kept
