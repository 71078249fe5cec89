"""A venue without sockets, for tests of rules: fixed clock, one client, signed requests by hand."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import urllib.parse
from dataclasses import replace
from typing import Any

from aegis.config.models import VenueConfig
from aegis.venue.build import VenueOptions, build
from aegis.venue.credentials import Credentials, mint
from aegis.venue.gateway.calls import Call, Reply
from aegis.venue.gateway.rest import RestRequest, admit
from aegis.venue.market import Market
from aegis.venue.matching.interface import FIRST_CLIENT, OWNER_MAKERS, OWNER_TAKERS
from aegis.venue.matching.kernels import end_steps

CLIENT = FIRST_CLIENT
OTHER = FIRST_CLIENT + 1
START_MS = 1_800_000_000_000
KEYS = (mint(), mint())


class Desk:
    """The core of a venue and the means to ask it things."""

    def __init__(self, config: VenueConfig | None = None, **changes: Any) -> None:
        self.now_ms = START_MS
        self.wall_ms = START_MS
        options = replace(VenueOptions(keys=KEYS, **changes), config=config or VenueConfig())
        self.built = build(options, lambda: self.wall_ms, lambda: self.now_ms)
        self.core = self.built.core
        self.exchange = self.core.exchange
        self._ids = itertools.count(1)

    @property
    def btc(self) -> Market:
        return self.exchange.markets["BTCUSDT"]

    # --- the market's own participants ---

    def quote(self, side: int, price: int, lots: int) -> int:
        order_id, _ = self.exchange.market_order_flow(
            self.btc, OWNER_MAKERS, side, price, lots, True, self.now_ms
        )
        self.flush()
        return order_id

    def take(self, side: int, price: int, lots: int) -> int:
        _, matched = self.exchange.market_order_flow(
            self.btc, OWNER_TAKERS, side, price, lots, False, self.now_ms
        )
        self.flush()
        return lots - matched.left_lots

    def book(self, bid: int = 600_000, ask: int = 600_001, lots: int = 1_000) -> None:
        """A plain market: one level a side."""
        self.quote(1, bid, lots)
        self.quote(-1, ask, lots)

    def flush(self) -> None:
        """What the pump does after a step, without a hub: the history reads the tape."""
        core = self.core
        end_steps(core.books, self.now_ms)
        core.history.consume(core.tape)
        core.history.close_due(self.now_ms)
        core.tape.clear()

    # --- REST ---

    def call(
        self,
        method: str,
        path: str,
        key: Credentials | None = KEYS[0],
        signed: bool = True,
        **parameters: Any,
    ) -> tuple[int, Any]:
        """Send a request; returns status and decoded body."""
        reply = self.reply(method, path, key, signed, **parameters)
        return reply.status, json.loads(reply.body)

    def reply(
        self,
        method: str,
        path: str,
        key: Credentials | None = KEYS[0],
        signed: bool = True,
        **parameters: Any,
    ) -> Reply:
        if signed:
            parameters = {"timestamp": self.wall_ms, **parameters}
        query = urllib.parse.urlencode(parameters)
        if signed and key is not None:
            query += f"&signature={sign(key, query)}"
        api_key = None if key is None else key.api_key
        answer = admit(self.core, RestRequest(method, path, query, "", api_key, "127.0.0.1"))
        if not isinstance(answer, Call):
            return answer
        done = answer.run()
        self.flush()
        return done

    def order(self, key: Credentials = KEYS[0], **parameters: Any) -> tuple[int, Any]:
        """POST /fapi/v1/order on BTCUSDT; a LIMIT GTC unless told otherwise."""
        defaults: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT"}
        merged = {**defaults, **parameters}
        if merged["type"] == "LIMIT":
            merged = {"timeInForce": "GTC", **merged}
        return self.call("POST", "/fapi/v1/order", key, **merged)

    def assert_balanced(self) -> None:
        """Nothing was made or lost."""
        assert self.exchange.ledger.imbalance_e8() == 0
        assert self.exchange.ledger.imbalance_lots() == {}


def sign(key: Credentials, payload: str) -> str:
    return hmac_of(key.hmac_secret, payload)


def hmac_of(secret: str, payload: str) -> str:
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
