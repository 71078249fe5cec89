"""Quote both sides at a fixed distance from the mid, and lean against what is held.

A strategy of your own, in the same form as the built-in ones. Name it in aegis.toml:
strategy = "./FILE"; `aegis strategy check FILE` tries it out, `aegis strategy list` shows it.

`step` is compiled into the brain's loop: no Python object, no allocation, no clock, no file. It is
called for every event and must decide by nothing but its arguments, so that a recording gives the
same orders again. Prices are in ticks, quantities in lots (`pack` converts, once for each symbol).
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from aegis.host.jit import checked_kernel
from aegis.shm.intent import POST_ONLY
from aegis.shm.tick import BOOK, QUOTE
from aegis.strategies.contract import NO_OPINION, Strategy, StrategyParameters
from aegis.strategies.errors import UnusableInstrumentError


class Parameters(StrategyParameters):
    """`[instances.X.parameters]`; a reload takes them over while it trades."""

    order_qty: float = Field(gt=0.0, le=1e9, description="size of each order, base units")
    max_inventory_qty: float = Field(gt=0.0, le=1e9, description="never hold more than this")
    half_spread_ticks: float = Field(default=20.0, ge=0.5, le=1e6)
    skew_ticks: float = Field(default=5.0, ge=0.0, le=1e6, description="for each order held")


# What `pack` makes of the parameters for one symbol. The first two are the quoter's, and required.
PARAMETERS = np.dtype(
    [
        ("refresh_tolerance_ticks", "<i8"),
        ("min_requote_ns", "<i8"),
        ("ttl_ms", "<i8"),
        ("order_lots", "<i8"),
        ("max_lots", "<i8"),
        ("half_spread_ticks", "<f8"),
        ("skew_ticks", "<f8"),
    ]
)
# The strategy's own memory for one symbol: zeros at the start.
STATE = np.dtype([("quotes_seen", "<i8")])


@checked_kernel
def write_wish(wish: Any, params: Any, side: Any, price_ticks: Any, confidence: Any) -> Any:
    """One order that should rest: every field must be written."""
    wish.side = side
    wish.level = 0
    wish.price_ticks = price_ticks
    wish.qty_lots = params.order_lots
    wish.ttl_ms = params.ttl_ms
    wish.flags = POST_ONLY
    wish.fair_price = 0.0
    wish.confidence = confidence
    wish.cause = 1


@checked_kernel
def step(event: Any, market: Any, position: Any, params: Any, state: Any, out: Any) -> Any:
    """How many wishes are in `out`: they replace all earlier ones of this symbol."""
    if event.kind != QUOTE and event.kind != BOOK:
        return NO_OPINION
    if market.valid == 0:
        return 0
    state.quotes_seen += 1
    mid = 0.5 * (market.bid_ticks + market.ask_ticks)
    fair = mid - params.skew_ticks * (position.lots / params.order_lots)
    count = 0
    if position.lots + params.order_lots <= params.max_lots:
        price = min(np.int64(math.floor(fair - params.half_spread_ticks)), market.ask_ticks - 1)
        write_wish(out[count], params, 1, price, 1.0)
        count += 1
    if position.lots - params.order_lots >= -params.max_lots:
        price = max(np.int64(math.ceil(fair + params.half_spread_ticks)), market.bid_ticks + 1)
        write_wish(out[count], params, -1, price, 1.0)
        count += 1
    return count


def pack(parameters: Parameters, instrument: Any) -> Any:
    """One PARAMETERS record; raise UnusableInstrumentError for a symbol they make no sense on."""
    step_size = float(instrument["step_size"])
    order_lots = math.floor(parameters.order_qty / step_size + 1e-6)
    if order_lots < 1 or parameters.order_qty < float(instrument["min_qty"]) * (1.0 - 1e-9):
        symbol = bytes(instrument["symbol"]).decode()
        raise UnusableInstrumentError(
            f"{symbol}: order_qty {parameters.order_qty} is below the exchange's smallest order"
        )
    record = np.zeros(1, PARAMETERS)[0]
    record["refresh_tolerance_ticks"] = math.floor(parameters.refresh_tolerance_ticks)
    record["min_requote_ns"] = parameters.min_requote_ms * 1_000_000
    record["ttl_ms"] = parameters.intent_ttl_ms
    record["order_lots"] = order_lots
    record["max_lots"] = math.floor(parameters.max_inventory_qty / step_size + 1e-6)
    record["half_spread_ticks"] = parameters.half_spread_ticks
    record["skew_ticks"] = parameters.skew_ticks
    return record


STRATEGY = Strategy(
    name="compiled",
    parameters_model=Parameters,
    parameters_dtype=PARAMETERS,
    state_dtype=STATE,
    step=step,
    pack=pack,
    source=Path(__file__),
)
