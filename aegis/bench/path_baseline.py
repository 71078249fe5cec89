"""The baseline of `aegis bench path`: the same trade written the usual way.

Three processes as one would write them first: an asyncio feed with `websockets` and `json`, a brain
that computes the same GLFT quotes in plain Python, an asyncio gateway that signs orders; between
them `multiprocessing.Queue`. It does less than the appliance (no book, no risk gate, no order
states) and the scheduler places its processes as it likes, so the comparison leans its way.
"""

import asyncio
import hashlib
import hmac
import json
import math
import multiprocessing
import time
from dataclasses import dataclass
from typing import Any

from aegis.bench.python_lanes import sorted_percentiles

__all__ = ["MIN_REQUOTE_MS", "Peer", "run_baseline"]

HALFLIFE_S = 30.0
MIN_REQUOTE_MS = 1
TICK = 0.1


@dataclass(frozen=True)
class Peer:
    """Where the exchange is and how to trade on it; `parameters` are the strategy's own."""

    stream_url: str
    order_url: str
    api_key: str
    hmac_secret: str
    symbol: str
    parameters: dict[str, float]
    seconds: float


def _feed(peer: Peer, ticks: Any) -> None:
    from websockets.asyncio.client import connect

    async def listen() -> None:
        async with connect(peer.stream_url, max_size=None, compression=None) as socket:
            async for text in socket:
                received_ns = time.monotonic_ns()
                data = json.loads(text)["data"]
                if data["e"] == "bookTicker":
                    bid, ask = float(data["b"]), float(data["a"])
                    ticks.put((received_ns, data["E"], bid, ask))

    async def bounded() -> None:
        try:
            await asyncio.wait_for(listen(), peer.seconds)
        except (TimeoutError, OSError):
            ticks.put(None)

    asyncio.run(bounded())
    ticks.put(None)


class _Glft:
    """GLFT half spread and skew with an event-time EWMA of the mid's variance, per tick."""

    def __init__(self, parameters: dict[str, float]) -> None:
        self.gamma = parameters["risk_aversion"]
        self.a = parameters["intensity_a"]
        self.k = parameters["intensity_k"]
        self.floor = parameters["min_half_spread_ticks"]
        self.variance = 1.0
        self.last: tuple[int, float] | None = None

    def quotes(self, event_ms: int, bid: float, ask: float) -> tuple[int, int]:
        """Bid and ask to show, in ticks."""
        mid = (bid + ask) / 2 / TICK
        if self.last is not None and event_ms > self.last[0]:
            elapsed = (event_ms - self.last[0]) / 1000
            weight = 1 - 0.5 ** (elapsed / HALFLIFE_S)
            self.variance += weight * ((mid - self.last[1]) ** 2 / elapsed - self.variance)
            self.last = (event_ms, mid)
        elif self.last is None:
            self.last = (event_ms, mid)
        c1 = math.log(1 + self.gamma / self.k) / self.gamma
        power = self.k / self.gamma + 1
        c2 = math.sqrt(self.gamma / (2 * self.a * self.k) * (1 + self.gamma / self.k) ** power)
        half = max(c1 + math.sqrt(self.variance) * c2 / 2, self.floor)
        return min(math.floor(mid - half), round(ask / TICK) - 1), max(
            math.ceil(mid + half), round(bid / TICK) + 1
        )


class _Side:
    """One quote of ours: nothing, an order (price, client id), and whether an answer is due."""

    def __init__(self) -> None:
        self.order: tuple[int, str] | None = None
        self.waits_for = ""
        self.number = 0

    def answered(self, client_id: str, placed: bool) -> None:
        """An answer came: the order rests, or it is gone."""
        if client_id == self.waits_for:
            self.waits_for = ""
            if not placed:
                self.order = None


def _brain(peer: Peer, ticks: Any, orders: Any, answers: Any) -> None:
    strategy = _Glft(peer.parameters)
    sides = {"BUY": _Side(), "SELL": _Side()}
    last_ms = 0
    while (tick := ticks.get()) is not None:
        received_ns, event_ms, bid, ask = tick
        while not answers.empty():
            client_id, placed = answers.get()
            for side in sides.values():
                side.answered(client_id, placed)
        wanted = strategy.quotes(event_ms, bid, ask)
        if event_ms - last_ms < MIN_REQUOTE_MS:
            continue
        last_ms = event_ms
        for (name, side), price in zip(sides.items(), wanted, strict=True):
            if side.waits_for or (side.order is not None and side.order[0] == price):
                continue
            if side.order is not None:
                side.waits_for = side.order[1]
                orders.put((received_ns, "order.cancel", name, price, side.waits_for))
            else:
                side.number += 1
                side.waits_for = f"base-{name}-{side.number}"
                side.order = (price, side.waits_for)
                orders.put((received_ns, "order.place", name, price, side.waits_for))
    orders.put(None)


def _signed(peer: Peer, method: str, side: str, price: int, client_id: str) -> str:
    fields: dict[str, Any] = {
        "apiKey": peer.api_key,
        "symbol": peer.symbol,
        "timestamp": int(time.time() * 1000),
    }
    if method == "order.place":
        fields |= {
            "side": side,
            "type": "LIMIT",
            "timeInForce": "GTX",
            "quantity": "0.002",
            "price": f"{price * TICK:.2f}",
            "newClientOrderId": client_id,
        }
    else:
        fields["origClientOrderId"] = client_id
    query = "&".join(f"{key}={fields[key]}" for key in sorted(fields))
    secret = peer.hmac_secret.encode()
    fields["signature"] = hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()
    return json.dumps({"id": f"{method} {client_id}", "method": method, "params": fields})


def _execution(peer: Peer, orders: Any, answers: Any, results: Any) -> None:
    from websockets.asyncio.client import connect

    times: list[int] = []

    async def listen(socket: Any) -> None:
        async for text in socket:
            answer = json.loads(text)
            method, client_id = answer["id"].split()
            answers.put((client_id, method == "order.place" and answer["status"] == 200))

    async def trade() -> None:
        loop = asyncio.get_running_loop()
        async with connect(peer.order_url, max_size=None, compression=None) as socket:
            reader = asyncio.create_task(listen(socket))
            while (order := await loop.run_in_executor(None, orders.get)) is not None:
                received_ns, method, side, price, client_id = order
                await socket.send(_signed(peer, method, side, price, client_id))
                if method == "order.place":
                    times.append(time.monotonic_ns() - received_ns)
            reader.cancel()

    asyncio.run(trade())
    results.put(times)
    # Nobody reads the last answers any more: do not wait for the queue's thread to hand them over.
    answers.cancel_join_thread()


def run_baseline(peer: Peer) -> dict[str, int]:
    """Run the three processes for `peer.seconds`; tick-to-order percentiles in ns and a count."""
    context = multiprocessing.get_context("fork")
    ticks: Any = context.Queue()
    orders: Any = context.Queue()
    answers: Any = context.Queue()
    results: Any = context.Queue()
    processes = [
        context.Process(target=_execution, args=(peer, orders, answers, results)),
        context.Process(target=_brain, args=(peer, ticks, orders, answers)),
        context.Process(target=_feed, args=(peer, ticks)),
    ]
    for process in processes:
        process.start()
    times: list[int] = results.get(timeout=peer.seconds + 60)
    for process in processes:
        process.join(30)
        if process.is_alive():
            process.kill()
            process.join()
    if not times:
        raise RuntimeError("the baseline sent no order")
    count = len(times)
    return {**sorted_percentiles(times), "count": count}
