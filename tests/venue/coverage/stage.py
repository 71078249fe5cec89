"""A venue on which everything has happened once.

The requests of ``asked`` are put to it. It begins at a funding time, trades for ten minutes, lets
an order of every kind come and go, liquidates the second account, and ends after the next funding.
"""

from __future__ import annotations

import json
from typing import Any, Final

from aegis.config.models import VenueConfig
from aegis.venue.gateway.calls import Call
from aegis.venue.gateway.wsapi import WsApiSession
from aegis.venue.limits import RateLimits
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.memory import Memory
from aegis.venue.publish.publisher import Publisher
from aegis.venue.pump import Pump
from aegis.venue.wire.hub import Hub
from aegis.venue.wire.userfeed import UserFeed
from tests.venue.desk import KEYS, START_MS, Desk, sign

TEN_MINUTES_MS: Final = 600_000
FUNDING_MS: Final = START_MS + 8 * 3_600_000
SIDES: Final = {"BUY": BUY, "SELL": SELL}
V1: Final = "/fapi/v1"
Answer = tuple[int, Any]


class Stage(Desk):
    """A venue of thirty symbols in one of the dialects; BTCUSDT has had all the attention."""

    def __init__(self, dialect: str) -> None:
        config = VenueConfig(dialect=dialect, universe=30, balances={"BNB": 1.0})
        super().__init__(config, limits=RateLimits(weight_per_minute=10_000_000))
        self.modern = dialect == "2026"
        self._names = 0
        core = self.core
        self.hub = Hub()
        self.feed = UserFeed(self.exchange.markets, core.listen_keys, self.modern)
        publisher = Publisher(core, self.hub)
        self._pump = Pump(core, Memory(core, None), publisher, self.hub, self.feed)
        self.prepare()
        for level in range(5):
            self.quote(BUY, 600_000 - level, 100_000)
            self.quote(SELL, 600_001 + level, 100_000)
        self.must(self.order(type="MARKET", quantity="0.010", newClientOrderId="taken"))
        self.must(self.order(quantity="0.020", price="59990.0", newClientOrderId="rests"))
        self.trail("trails")
        for _ in range(30):
            self.take(SELL, 600_000, 3)
            self.take(BUY, 600_001, 5)
            self.pass_time(self.now_ms + TEN_MINUTES_MS // 30)
        self.pass_time(FUNDING_MS - 1_000)
        self.pass_time(FUNDING_MS + TEN_MINUTES_MS)

    def prepare(self) -> None:
        """Called before anything happens."""

    def flush(self) -> None:
        """Publish what has happened, as a running venue does after every step."""
        self._pump.after_command(self.now_ms)

    def pass_time(self, now_ms: int) -> None:
        """Let time pass: second by second for ten minutes, or at once."""
        if now_ms - self.now_ms > TEN_MINUTES_MS + 1_000:
            self.now_ms = now_ms
        while self.now_ms < now_ms:
            self.now_ms = min(now_ms, self.now_ms + 1_000)
            self.exchange.on_second(self.now_ms)
            self._pump.tick(self.now_ms)
            self.flush()
        self.wall_ms = self.now_ms

    def must(self, answer: Answer) -> Any:
        """The body of a request that is part of the play."""
        status, body = answer
        assert status == 200, body
        return body

    def name(self) -> str:
        """A client order id of its own."""
        self._names += 1
        return f"stage-{self._names}"

    # --- asking ---

    def ask(self, method: str, path: str, **parameters: Any) -> Answer:
        """A signed request about BTCUSDT."""
        return self.call(method, path, **{"symbol": "BTCUSDT", **parameters})

    def public(self, path: str, **parameters: Any) -> Answer:
        """A request without a key."""
        return self.call("GET", path, None, signed=False, **parameters)

    def keyed(self, method: str, path: str, **parameters: Any) -> Answer:
        """A request with a key and no signature."""
        return self.call(method, path, KEYS[0], signed=False, **parameters)

    def api(self, method: str, **parameters: Any) -> Any:
        """A signed request over the WebSocket API; its whole reply."""
        full = {"apiKey": KEYS[0].api_key, "timestamp": self.wall_ms, **parameters}
        payload = "&".join(f"{name}={value}" for name, value in sorted(full.items()))
        full["signature"] = sign(KEYS[0], payload)
        text = json.dumps({"id": "coverage", "method": method, "params": full})
        answer = WsApiSession(self.core, "127.0.0.1").receive(text)
        reply = answer.run() if isinstance(answer, Call) else answer
        self.flush()
        return json.loads(reply.body)

    # --- orders of our own ---

    def rest(self, **changes: Any) -> str:
        """A new order that rests; returns its client order id."""
        name = self.name()
        order = {"quantity": "0.020", "price": "59990.0", "newClientOrderId": name}
        self.must(self.order(**{**order, **changes}))
        return name

    def trail(self, name: str | None = None) -> str:
        """A new trailing stop, as an order or as an algo order; returns its client id."""
        name = name or self.name()
        stop = {"callbackRate": "1.0", "side": "SELL", "type": "TRAILING_STOP_MARKET",
                "quantity": "0.005", "symbol": "BTCUSDT"}  # fmt: skip
        if self.modern:
            stop |= {"algoType": "CONDITIONAL", "activatePrice": "60500", "clientAlgoId": name}
            self.must(self.call("POST", f"{V1}/algoOrder", **stop))
        else:
            stop |= {"activationPrice": "60500", "newClientOrderId": name}
            self.must(self.call("POST", f"{V1}/order", **stop))
        return name
