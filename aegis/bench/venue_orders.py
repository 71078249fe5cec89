"""Place to acknowledgement: orders over the WebSocket API while the market streams flow.

The client of `bench venue` for its third figure: one connection, signed requests, each answer
awaited before the next request goes out. Every placement is a fresh order far from the market, and
is cancelled before the next, so that nothing but the exchange's own work is measured.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from typing import Any, Final

from aegis.bench.frame_counter import masked_frame, open_websocket

__all__ = ["OrderClient", "OrderError"]

API_PATH: Final = "/ws-fapi/v1?returnRateLimits=false"
WINDOW_MS: Final = 60_000


class OrderError(Exception):
    """The exchange refused an order of the benchmark; the text is its answer."""


class OrderClient:
    """One blocking connection to the WebSocket API. Prices and quantities are texts."""

    def __init__(self, port: int, api_key: str, hmac_secret: str) -> None:
        self._key, self._secret = api_key, hmac_secret.encode()
        self._wire, self._rest = open_websocket(port, API_PATH)
        self._numbers = itertools.count(1)

    def place(self, symbol: str, side: str, price: str, quantity: str) -> tuple[int, int]:
        """Place a GTC order; returns its id and the time to its answer in ns."""
        answer, took_ns = self._ask(
            "order.place",
            symbol=symbol, side=side, type="LIMIT", timeInForce="GTC",
            price=price, quantity=quantity,
        )  # fmt: skip
        return int(answer["orderId"]), took_ns

    def cancel(self, symbol: str, order_id: int) -> int:
        """Cancel an order; returns the time to the answer in ns."""
        return self._ask("order.cancel", symbol=symbol, orderId=order_id)[1]

    def close(self) -> None:
        """Leave without a goodbye."""
        self._wire.close()

    def _ask(self, method: str, **parameters: str | int) -> tuple[Any, int]:
        parameters |= {
            "apiKey": self._key,
            "recvWindow": WINDOW_MS,
            "timestamp": time.time_ns() // 1_000_000,
        }
        payload = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
        signature = hmac.new(self._secret, payload.encode(), hashlib.sha256).hexdigest()
        request = {
            "id": next(self._numbers),
            "method": method,
            "params": {**parameters, "signature": signature},
        }
        frame = masked_frame(json.dumps(request).encode())
        began_ns = time.perf_counter_ns()
        self._wire.sendall(frame)
        message = self._receive()
        took_ns = time.perf_counter_ns() - began_ns
        answer = json.loads(message)
        if answer["status"] != 200:
            raise OrderError(f"{method}: {answer['error']['code']} {answer['error']['msg']}")
        return answer["result"], took_ns

    def _receive(self) -> bytes:
        """The next text message; pings in between are not answered, the run is too short."""
        while True:
            while len(self._rest) < 2 or (size := self._size()) is None:
                self._read_more()
            head, body = size
            while len(self._rest) < head + body:
                self._read_more()
            opcode = self._rest[0] & 0x0F
            message = self._rest[head : head + body]
            self._rest = self._rest[head + body :]
            if opcode == 1:
                return message

    def _size(self) -> tuple[int, int] | None:
        """Bytes of the frame's head and of its body; None while the head is incomplete."""
        first = self._rest[1] & 0x7F
        wide = {126: 2, 127: 8}.get(first, 0)
        if len(self._rest) < 2 + wide:
            return None
        return 2 + wide, int.from_bytes(self._rest[2 : 2 + wide]) if wide else first

    def _read_more(self) -> None:
        try:
            more = self._wire.recv(65_536)
        except TimeoutError:
            raise OrderError("no answer within 10 s") from None
        if not more:
            raise OrderError("the exchange closed the connection")
        self._rest += more
