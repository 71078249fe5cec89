"""A core that is brought back: same accounts, orders resting, ids ahead, money conserved."""

from __future__ import annotations

from pathlib import Path

from aegis.venue.journal import ROTATE_BYTES, Journal
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.memory import BLOCK, Memory
from aegis.venue.order_store import MAX_UNTRADED
from tests.venue.desk import CLIENT, Desk


def remembered(tmp_path: Path) -> tuple[Desk, Memory]:
    desk = Desk()
    memory = Memory(desk.core, Journal(tmp_path, "me"))
    memory.restore()
    return desk, memory


def test_an_exchange_does_not_forget(tmp_path: Path) -> None:
    desk, memory = remembered(tmp_path)
    desk.book()
    desk.order(type="MARKET", quantity="0.010", newClientOrderId="market")
    _, resting = desk.order(quantity="0.020", price="59999.0", newClientOrderId="resting")
    desk.order(quantity="0.020", price="59998.0", newClientOrderId="gone")
    desk.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="gone")
    _, key = desk.call("POST", "/fapi/v1/listenKey")
    memory.commit()
    # The process dies here. Its successor knows what was acknowledged.
    desk.order(quantity="0.020", price="59997.0", newClientOrderId="never-acknowledged")
    again, _ = remembered(tmp_path)
    wallet = desk.exchange.account(CLIENT).wallet_e8
    assert again.exchange.account(CLIENT).wallet_e8 == wallet
    assert again.exchange.account(CLIENT).position("BTCUSDT").lots == 10
    statuses = {}
    for name in ("market", "resting", "gone", "never-acknowledged"):
        _, body = again.call("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId=name)
        statuses[name] = body.get("status")
    assert statuses == {
        "market": "FILLED", "resting": "NEW", "gone": "CANCELED", "never-acknowledged": None,
    }  # fmt: skip
    assert again.btc.book.best(BUY) == (599_990, 20)
    assert len(again.call("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")[1]) == 1
    assert again.call("POST", "/fapi/v1/listenKey")[1] == key
    again.assert_balanced()
    again.book(lots=50)
    _, newer = again.order(quantity="0.010", price="59990")
    assert newer["orderId"] > resting["orderId"] + BLOCK // 2
    again.take(SELL, 599_990, 70)
    assert again.exchange.account(CLIENT).position("BTCUSDT").lots == 30
    again.assert_balanced()


def test_ids_never_run_into_what_was_given_out(tmp_path: Path) -> None:
    desk, memory = remembered(tmp_path)
    for _ in range(3):
        desk.exchange.ids.update += BLOCK
        memory.commit()
    before = desk.exchange.ids.update
    again, _ = remembered(tmp_path)
    assert again.exchange.ids.update > before


def test_history_is_bounded(tmp_path: Path) -> None:
    desk, memory = remembered(tmp_path)
    desk.book()
    for number in range(2_100):
        desk.now_ms += 1_000
        desk.wall_ms += 1_000
        desk.order(quantity="0.001", price="59000", newClientOrderId=f"n{number}")
        desk.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId=f"n{number}")
        memory.commit()
    assert sum(1 for _ in desk.exchange.orders.everything()) == MAX_UNTRADED
    for path in tmp_path.iterdir():
        assert path.stat().st_size < ROTATE_BYTES + 400 * MAX_UNTRADED
    # A successor remembers the same ones.
    again, _ = remembered(tmp_path)
    kept = [order.order_id for order in desk.exchange.orders.everything()]
    assert [order.order_id for order in again.exchange.orders.everything()] == kept


def test_a_full_disk_is_said_once_and_counted(tmp_path: Path) -> None:
    desk = Desk()
    memory = Memory(desk.core, Journal(tmp_path / "absent", "me"))
    memory.restore()
    desk.book()
    assert desk.order(quantity="0.001", price="59000")[0] == 200
    memory.commit()
    assert memory.failures == 1
