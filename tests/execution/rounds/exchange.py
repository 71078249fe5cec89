"""The embedded exchange in a process of its own, and what the rounds ask it over its public doors.

Forked once for many rounds; each round trades on an account of its own. `Account` is the oracle's
eye: signed REST questions, written apart from the client that is under test. Nothing here looks
into the exchange's memory.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import select
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aegis.bench.child import Child, fork
from aegis.bench.exchange import NO_LIMIT, serve_exchange
from aegis.config.models import FlowConfig, VenueConfig, VenueLimitsConfig
from aegis.shm.wiring import Credentials
from aegis.venue.build import VenueOptions
from aegis.venue.credentials import mint
from aegis.venue.faults.schema import Schedule

SYMBOL = "BTCUSDT"
BALANCE_USDT = 1_000_000.0
_LIMITS = VenueLimitsConfig(
    weight_per_minute=NO_LIMIT,
    orders_per_10s=NO_LIMIT,
    orders_per_minute=NO_LIMIT,
    messages_per_s=NO_LIMIT,
    connections_per_5min=NO_LIMIT,
)
_PATIENCE_S = 20.0
_MOST_ROWS = 1_000


def pause(seconds: float) -> None:
    """Let others run for a moment; the callers look at a condition and a deadline around it."""
    select.select([], [], [], max(seconds, 0.0))


@dataclass(frozen=True)
class Exchange:
    """A running exchange: its process and the keys of its accounts."""

    child: Child
    keys: tuple[Credentials, ...]

    @property
    def port(self) -> int:
        return self.child.port

    @classmethod
    def open(
        cls, accounts: int, seed: int, flow: FlowConfig, faults: Schedule | None = None
    ) -> Exchange:
        """Fork one with so many accounts and nearly no limits."""
        minted = [mint() for _ in range(accounts)]
        config = VenueConfig(
            universe=1, seed=seed, flow=flow, limits=_LIMITS, balance_usdt=BALANCE_USDT
        )
        options = VenueOptions(config=config, keys=tuple(minted), faults=faults or Schedule())
        child = fork(lambda tell: serve_exchange(options, tell), None)
        keys = (
            Credentials(m.api_key, m.hmac_secret, m.ed25519_private_pem, m.ed25519_public_pem)
            for m in minted
        )
        return cls(child, tuple(keys))

    def close(self) -> None:
        self.child.stop()


class Account:
    """One account of an exchange, asked over REST on one connection that is kept."""

    def __init__(self, exchange: Exchange, number: int) -> None:
        self.number = number
        self.keys = exchange.keys[number]
        self._line = http.client.HTTPConnection("127.0.0.1", exchange.port, timeout=5.0)

    def close(self) -> None:
        self._line.close()

    def _request(self, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        headers = {"X-MBX-APIKEY": self.keys.api_key}
        try:
            self._line.request(method, path, body, headers)
            reply = self._line.getresponse()
            text = reply.read()
        except (OSError, http.client.HTTPException):
            self._line.close()
            return 0, None
        try:
            return reply.status, json.loads(text)
        except ValueError:
            return reply.status, None

    # What is known to everybody, and the faults

    def top(self) -> tuple[int, int] | None:
        """Best bid and ask in ticks of 0.1, None while nobody answers."""
        path = f"/fapi/v1/depth?symbol={SYMBOL}&limit=5"
        status, book = self._request("GET", path)
        if status != 200 or not book["bids"] or not book["asks"]:
            return None
        bid, ask = (round(float(book[side][0][0]) * 10) for side in ("bids", "asks"))
        return bid, ask

    def arm(self, faults: Sequence[dict[str, Any]]) -> None:
        status, answer = self._request("POST", "/venue/faults", json.dumps(list(faults)))
        assert status == 200, answer

    def struck(self) -> Counter[str]:
        """How often faults have struck, by their names."""
        status, told = self._request("GET", "/venue/faults")
        assert status == 200, told
        count: Counter[str] = Counter()
        for row in (*told["active"], *told["past"]):
            count[row.get("name", "")] += int(row["struck"])
        return count

    def disarm(self) -> None:
        status, answer = self._request("DELETE", "/venue/faults")
        assert status == 200, answer

    # What is the account's own

    def ask(self, path: str, **parameters: Any) -> Any:
        """The answer to a signed question; asked again while the exchange refuses to answer."""
        until_s = time.monotonic() + _PATIENCE_S
        while True:
            stamped = {**parameters, "recvWindow": 60_000, "timestamp": int(time.time() * 1_000)}
            text = urlencode(stamped)
            secret = self.keys.hmac_secret.encode()
            signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
            status, answer = self._request("GET", f"{path}?{text}&signature={signature}")
            if status == 200:
                return answer
            assert time.monotonic() < until_s, f"{path}: {status} {answer}"
            pause(0.05)

    def open_orders(self) -> list[dict[str, Any]]:
        return list(self.ask("/fapi/v1/openOrders", symbol=SYMBOL))

    def orders(self) -> list[dict[str, Any]]:
        """Every order that ever was."""
        rows = self.ask("/fapi/v1/allOrders", symbol=SYMBOL, orderId=1, limit=_MOST_ROWS)
        assert len(rows) < _MOST_ROWS, "a round has more orders than one answer holds"
        return list(rows)

    def trades(self) -> list[dict[str, Any]]:
        """Every trade, oldest first."""
        rows = self.ask("/fapi/v1/userTrades", symbol=SYMBOL, fromId=0, limit=_MOST_ROWS)
        assert len(rows) < _MOST_ROWS, "a round has more trades than one answer holds"
        return sorted(rows, key=lambda row: int(row["id"]))

    def position_lots(self) -> int:
        """In lots of 0.001."""
        rows = self.ask("/fapi/v3/positionRisk", symbol=SYMBOL)
        return sum(round(float(row["positionAmt"]) * 1_000) for row in rows)

    def wallet_e8(self) -> int:
        """The balance, 1e-8 USDT."""
        (row,) = (r for r in self.ask("/fapi/v3/balance") if r["asset"] == "USDT")
        return exact_e8(row["balance"])


def exact_e8(text: str) -> int:
    """A decimal text in units of 1e-8, exactly."""
    whole, _, part = text.lstrip("-").partition(".")
    value = int(whole) * 10**8 + int(part.ljust(8, "0")[:8] or "0")
    return -value if text.startswith("-") else value
