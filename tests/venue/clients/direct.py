"""The exchange's REST interface in plain Python: the rival that trades against a client.

Written from the exchange's documents with the standard library alone, so that it runs with any
client's interpreter and shares no code with a client or with the venue.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

TIMEOUT_S = 10.0


class RefusedError(Exception):
    """The exchange answered with an error. `code` is its number."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.code = body.get("code", 0) if isinstance(body, dict) else 0


class Direct:
    """Signed calls of one account."""

    def __init__(self, url: str, api_key: str, secret: str) -> None:
        self._host = urlsplit(url).netloc
        self._api_key = api_key
        self._secret = secret

    def call(self, method: str, path: str, **parameters: Any) -> Any:
        """Send a signed request; the decoded answer. Raises RefusedError."""
        query = urlencode({**parameters, "timestamp": time.time_ns() // 1_000_000})
        digest = hmac.new(self._secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT_S)
        try:
            target = f"/fapi/{path}?{query}&signature={digest}"
            connection.request(method, target, headers={"X-MBX-APIKEY": self._api_key})
            answer = connection.getresponse()
            body = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise RefusedError(answer.status, body)
        return body

    def order(self, symbol: str, side: str, quantity: str, price: str, tif: str = "GTC") -> Any:
        """A LIMIT order."""
        return self.call(
            "POST", "v1/order", symbol=symbol, side=side, type="LIMIT", timeInForce=tif,
            quantity=quantity, price=price,
        )  # fmt: skip

    def top(self, symbol: str) -> tuple[float, float]:
        """Best bid and best ask."""
        row = self.call("GET", "v1/ticker/bookTicker", symbol=symbol)
        return float(row["bidPrice"]), float(row["askPrice"])

    def tidy(self, symbol: str) -> None:
        """Back to one-way mode, without orders; positions stay."""
        self.call("DELETE", "v1/allOpenOrders", symbol=symbol)
        self.call("DELETE", "v1/algoOpenOrders", symbol=symbol)
        self.call("POST", "v1/countdownCancelAll", symbol=symbol, countdownTime=0)
