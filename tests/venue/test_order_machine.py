"""Random commands of two clients against what must hold whatever they do.

After every command: money and positions are conserved, the books hold exactly the clients' open
orders, the sums for margin are right, reduce-only orders only reduce, and each event fits the ones
before it. At the end a picture made of the event stream alone equals what the queries say.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.payloads.user import encode
from tests.venue.desk import CLIENT, OTHER
from tests.venue.order_desk import KEY_OF, OrderDesk
from tests.venue.replica import Replica

clients = st.sampled_from((CLIENT, OTHER))
sides = st.sampled_from(("BUY", "SELL"))
near = st.integers(599_900, 600_100)
small = st.integers(1, 40)
switches = st.sampled_from(("true", "false"))
modes = st.sampled_from(("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"))
times = st.sampled_from(("GTC", "GTC", "GTC", "IOC", "FOK", "GTX", "GTD"))
stop_kinds = st.sampled_from(("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"))
places = st.integers(0, 20)
distances = st.integers(-20, 20)
matches = st.sampled_from(("OPPONENT", "OPPONENT_5", "QUEUE", "QUEUE_5"))

MARK, CONTRACT = "MARK_PRICE", "CONTRACT_PRICE"


def price(ticks: int) -> str:
    return f"{ticks // 10}.{ticks % 10}"


def qty(lots: int) -> str:
    return f"0.{lots:03d}"


class OrderMachine(RuleBasedStateMachine):
    """One venue of the dialect of 2026."""

    dialect = "2026"

    def __init__(self) -> None:
        super().__init__()
        self.desk = OrderDesk(self.dialect)
        self.replicas = {CLIENT: Replica(), OTHER: Replica()}
        self.names = 0
        self.failed = False  # what the end would say of a broken picture is of no use

    @initialize(hedged=st.sets(clients))
    def begin(self, hedged: set[int]) -> None:
        for who in hedged:
            self.desk.exchange.account(who).hedged = True

    # --- commands ---

    @rule(who=clients, side=sides, ticks=near, lots=small, tif=times, reduces=switches, stp=modes)
    def limit(
        self, who: int, side: str, ticks: int, lots: int, tif: str, reduces: str, stp: str
    ) -> None:
        ends = {"goodTillDate": self.desk.now_ms + 700_000} if tif == "GTD" else {}
        self.order(who, type="LIMIT", timeInForce=tif, price=price(ticks),
                   quantity=qty(lots), selfTradePreventionMode=stp, **ends,
                   **self.mode(who, side, reduces))  # fmt: skip

    @rule(who=clients, side=sides, lots=small, reduces=switches, stp=modes)
    def market(self, who: int, side: str, lots: int, reduces: str, stp: str) -> None:
        self.order(who, type="MARKET", quantity=qty(lots), selfTradePreventionMode=stp,
                   **self.mode(who, side, reduces))  # fmt: skip

    @rule(who=clients, side=sides, lots=small, match=matches)
    def matched(self, who: int, side: str, lots: int, match: str) -> None:
        self.order(who, type="LIMIT", timeInForce="GTC", quantity=qty(lots),
                   priceMatch=match, **self.mode(who, side, "false"))  # fmt: skip

    @rule(who=clients, side=sides, kind=stop_kinds, ticks=near, lots=small, away=distances,
          by_mark=switches, reduces=switches, tied=switches, closes=switches)  # fmt: skip
    def stop(
        self, who: int, side: str, kind: str, ticks: int, lots: int, away: int, by_mark: str,
        reduces: str, tied: str, closes: str,
    ) -> None:  # fmt: skip
        more: dict[str, Any] = self.mode(who, side, reduces)
        if kind in ("STOP", "TAKE_PROFIT"):
            more["price"] = price(ticks + away)
        if closes == "true" and "price" not in more:
            more["closePosition"] = "true"
            more.pop("reduceOnly", None)
        else:
            more["quantity"] = qty(lots)
        self.conditional(who, kind, price(ticks), **more,
                         timeInForce="GTE_GTC" if tied == "true" else "GTC",
                         workingType=MARK if by_mark == "true" else CONTRACT)  # fmt: skip

    @rule(who=clients, side=sides, lots=small, rate=st.sampled_from(("0.1", "0.2", "1")))
    def trailing(self, who: int, side: str, lots: int, rate: str) -> None:
        self.conditional(who, "TRAILING_STOP_MARKET", None, quantity=qty(lots),
                         callbackRate=rate, **self.mode(who, side, "false"))  # fmt: skip

    @rule(who=clients, place=places, ticks=near, lots=small)
    def amend(self, who: int, place: int, ticks: int, lots: int) -> None:
        orders = self.desk.exchange.orders.open_of(who)
        if orders:
            order = orders[place % len(orders)]
            self.ask("PUT", "/fapi/v1/order", who, symbol="BTCUSDT", orderId=order.order_id,
                     side="BUY" if order.side == BUY else "SELL", price=price(ticks),
                     quantity=qty(lots))  # fmt: skip

    @rule(who=clients, place=places)
    def cancel(self, who: int, place: int) -> None:
        orders = self.desk.exchange.orders.open_of(who)
        if orders:
            order = orders[place % len(orders)]
            status, body = self.ask("DELETE", "/fapi/v1/order", who, symbol="BTCUSDT",
                                    orderId=order.order_id)  # fmt: skip
            assert (status, body["status"]) == (200, "CANCELED")

    @rule(who=clients, place=places)
    def cancel_waiting(self, who: int, place: int) -> None:
        algos = self.desk.exchange.algos.waiting_of(who)
        if algos:
            algo = algos[place % len(algos)]
            assert self.ask("DELETE", "/fapi/v1/algoOrder", who, algoId=algo.algo_id)[0] == 200

    @rule(who=clients, dice=st.integers(0, 9))
    def cancel_all(self, who: int, dice: int) -> None:
        if dice:
            return
        assert self.ask("DELETE", "/fapi/v1/allOpenOrders", who, symbol="BTCUSDT")[0] == 200
        assert self.desk.exchange.orders.open_of(who) == []

    @rule(who=clients, side=sides, rows=st.lists(st.tuples(near, small), min_size=1, max_size=5))
    def batch(self, who: int, side: str, rows: list[tuple[int, int]]) -> None:
        orders = [
            {"symbol": "BTCUSDT", "type": "LIMIT", "timeInForce": "GTC",
             "price": price(ticks), "quantity": qty(lots), **self.mode(who, side, "false")}
            for ticks, lots in rows
        ]  # fmt: skip
        status, body = self.ask("POST", "/fapi/v1/batchOrders", who, batchOrders=json.dumps(orders))
        assert (status, len(body)) == (200, len(rows))

    @rule(who=clients, wanted=switches)
    def switch_mode(self, who: int, wanted: str) -> None:
        status, _ = self.ask("POST", "/fapi/v1/positionSide/dual", who, dualSidePosition=wanted)
        if status == 200:
            # Nobody is told of it, and a flat BOTH or LONG is no position.
            account = self.desk.exchange.account(who)
            assert account.hedged == (wanted == "true")

    @rule(side=st.sampled_from((BUY, SELL)), ticks=near, lots=small)
    def makers(self, side: int, ticks: int, lots: int) -> None:
        self.desk.quote(side, ticks, lots)

    @rule(side=st.sampled_from((BUY, SELL)), ticks=near, lots=small)
    def takers(self, side: int, ticks: int, lots: int) -> None:
        self.desk.take(side, ticks, lots)

    @rule(seconds=st.sampled_from((1, 1, 1, 30, 800)))
    def wait(self, seconds: int) -> None:
        self.desk.second(seconds)

    # --- what must hold ---

    @invariant()
    def nothing_is_made_or_lost(self) -> None:
        self.desk.assert_balanced()

    @invariant()
    def books_and_tables_agree(self) -> None:
        self.desk.assert_books_agree()
        self.desk.assert_sums_agree()

    @invariant()
    def events_follow_one_another(self) -> None:
        events = self.desk.exchange.take_events()
        self.failed = True
        for who, replica in self.replicas.items():
            for event in events:
                if event.account_id == who:
                    for body in self.encoded(event):
                        replica.apply(body)
        self.failed = False

    def teardown(self) -> None:
        if self.failed:
            return
        self.events_follow_one_another()
        for who, replica in self.replicas.items():
            orders = self.get("/fapi/v1/openOrders", who, symbol="BTCUSDT")
            open_ids = {row["orderId"] for row in orders}
            assert open_ids == replica.open_ids(), replica.told_of(open_ids ^ replica.open_ids())
            newest = self.get("/fapi/v1/allOrders", who, symbol="BTCUSDT", limit=1000)
            replica.assert_orders(newest)
            replica.assert_positions(self.get("/fapi/v3/positionRisk", who))
            if self.dialect == "2026":
                waiting = self.get("/fapi/v1/openAlgoOrders", who)
                assert {row["algoId"] for row in waiting} == replica.waiting_algos()
            wallet = self.get("/fapi/v3/balance", who)[0]["balance"]
            assert replica.wallets.get("USDT", wallet) == wallet

    # --- small steps ---

    def mode(self, who: int, side: str, reduces: str) -> dict[str, Any]:
        """Side and positionSide or reduceOnly, whichever the mode has; mostly such that it fits."""
        account = self.desk.exchange.account(who)
        if account.hedged:
            opens = "LONG" if side == "BUY" else "SHORT"
            closes = "SHORT" if side == "BUY" else "LONG"
            return {"side": side, "positionSide": closes if reduces == "true" else opens}
        held = account.position("BTCUSDT").lots
        if reduces == "true" and held:
            side = "SELL" if held > 0 else "BUY"
        return {"side": side, "reduceOnly": reduces}

    def order(self, who: int, **parameters: Any) -> None:
        self.names += 1
        self.ask("POST", "/fapi/v1/order", who, symbol="BTCUSDT",
                 newClientOrderId=f"n{self.names}", **parameters)  # fmt: skip

    def conditional(self, who: int, kind: str, trigger: str | None, **more: Any) -> None:
        self.names += 1
        modern = self.dialect == "2026"
        if trigger is not None:
            more["triggerPrice" if modern else "stopPrice"] = trigger
        more["clientAlgoId" if modern else "newClientOrderId"] = f"n{self.names}"
        if modern:
            more["algoType"] = "CONDITIONAL"
        path = "/fapi/v1/algoOrder" if modern else "/fapi/v1/order"
        self.ask("POST", path, who, symbol="BTCUSDT", type=kind, **more)

    def ask(self, method: str, path: str, who: int, **parameters: Any) -> tuple[int, Any]:
        status, body = self.desk.call(method, path, KEY_OF[who], **parameters)
        assert status in (200, 400), body
        return status, body

    def get(self, path: str, who: int, **parameters: Any) -> Any:
        status, body = self.ask("GET", path, who, **parameters)
        assert status == 200, body
        return body

    def encoded(self, event: Any) -> list[dict[str, Any]]:
        pairs = encode(event, self.desk.exchange.markets, self.desk.modern)
        return [json.loads(message) for _, message in pairs]


class OrderMachineOf2024(OrderMachine):
    """The same of 2024: conditional orders are orders."""

    dialect = "2024"


SETTINGS = settings(
    max_examples=25, stateful_step_count=60, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
OrderMachine.TestCase.settings = SETTINGS
OrderMachineOf2024.TestCase.settings = SETTINGS
TestOrders = OrderMachine.TestCase
TestOrdersOf2024 = OrderMachineOf2024.TestCase
