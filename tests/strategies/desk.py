"""One instrument's records and the market maker's step on them, for its tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from aegis.shm.instruments import INSTRUMENT
from aegis.shm.tick import QUOTE, TICK
from aegis.strategies.avellaneda_stoikov.strategy import STRATEGY, pack, step
from aegis.strategies.contract import MARKET, MAX_WISHES, POSITION, WISH
from aegis.strategies.registry import read_parameters

__all__ = ["GIVEN", "SECOND", "START_NS", "Desk", "instrument", "prices"]

SECOND = 1_000_000_000
START_NS = 1_723_161_240 * SECOND  # a multiple of the session's sixty seconds
GIVEN: dict[str, Any] = {
    "order_qty": 0.01,
    "max_inventory_qty": 0.05,
    "risk_aversion": 0.002,
    "intensity_a": 1.3,
    "intensity_k": 0.025,
    "volatility_warmup_s": 0.0,
    "fair_price": "mid",
}


def instrument(**fields: Any) -> Any:
    row = np.zeros(1, INSTRUMENT)
    row["symbol"], row["tick_size"], row["step_size"], row["min_qty"] = b"TEST", 0.1, 0.001, 0.001
    for name, value in fields.items():
        row[name] = value
    return row[0]


class Desk:
    """One instrument's records and the step on them."""

    def __init__(self, **changes: Any) -> None:
        self.params = np.zeros(1, STRATEGY.parameters_dtype)
        self.params[0] = pack(read_parameters(STRATEGY.name, {**GIVEN, **changes}), instrument())
        self.state = np.zeros(1, STRATEGY.state_dtype)
        self.market = np.zeros(1, MARKET)
        self.market["tick_size"], self.market["step_size"], self.market["valid"] = 0.1, 0.001, 1
        self.position = np.zeros(1, POSITION)
        self.wishes = np.zeros(MAX_WISHES, WISH)

    def quote(
        self,
        bid: int,
        at_s: float,
        *,
        ask: int | None = None,
        quantities: tuple[float, float] = (1.0, 1.0),
        kind: int = QUOTE,
    ) -> list[Any]:
        market = self.market[0]
        market["bid_ticks"], market["ask_ticks"] = bid, bid + 1 if ask is None else ask
        market["bid_qty"], market["ask_qty"] = quantities
        event = np.zeros(1, TICK)
        event["kind"], event["ts_event_ns"] = kind, START_NS + round(at_s * SECOND)
        count = step(event[0], market, self.position[0], self.params[0], self.state[0], self.wishes)
        self.count = count
        return [] if count < 0 else list(self.wishes[:count].copy())

    def warm(self, sigma: float = 40.0, bid: int = 600_000) -> Desk:
        """Let the volatility be exactly `sigma` ticks per square root of a second."""
        self.quote(bid, 0.0)
        self.state["squares"], self.state["seconds"] = sigma**2 * 100.0, 100.0
        self.state["observed_ns"] = 100 * SECOND
        return self


def prices(wishes: list[Any], side: int) -> list[int]:
    return [int(wish["price_ticks"]) for wish in wishes if wish["side"] == side]
