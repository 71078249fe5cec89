"""From parameters to a conditional order, of the algo service or of /order in 2024.

The two differ in how they call things, and in what they allow; the rules are the same.
``placement`` and ``gateway.algo_orders`` call it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aegis.venue.codes import reject
from aegis.venue.dialect import MODERN, Dialect
from aegis.venue.ledger import LONG, SHORT
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.orders import (
    CONDITIONAL_KINDS,
    LIMIT_STOPS,
    STOP_MARKET,
    TAKE_PROFIT_MARKET,
    TRAILING,
    Condition,
)
from aegis.venue.requests import (
    Parameters,
    PlaceRequest,
    client_order_id,
    decimal_points,
    flag,
    good_till_ms,
    limit_price,
    most_lots,
    optional,
    order_quantity,
    order_side,
    position_side,
    price_match,
    required,
    self_trade_prevention,
    wants_result,
)
from aegis.venue.symbols import SymbolSpec

TIMES_IN_FORCE: Final = frozenset({"GTC", "IOC", "FOK", "GTX", "GTD", "GTE_GTC"})
# What a market order may be tied to: nothing, an end, or the life of the position.
MARKET_TIMES_IN_FORCE: Final = frozenset({"GTC", "IOC", "FOK", "GTD", "GTE_GTC"})
CLOSING_KINDS: Final = frozenset({STOP_MARKET, TAKE_PROFIT_MARKET})
NARROWEST_CALLBACK_E6: Final = 1_000  # 0.1 %
PERCENT_DECIMALS: Final = 4  # 1e-4 of a percent is 1e-6


@dataclass(frozen=True, slots=True)
class Names:
    """What the parameters are called."""

    trigger: str
    activation: str
    client_id: str


OF_ORDERS: Final = Names("stopPrice", "activationPrice", "newClientOrderId")
OF_ALGO: Final = Names("triggerPrice", "activatePrice", "clientAlgoId")


def parse_algo(parameters: Parameters, spec: SymbolSpec, dialect: Dialect = MODERN) -> PlaceRequest:
    """POST /fapi/v1/algoOrder and algoOrder.place. Raises RejectError."""
    if required(parameters, "algoType") != "CONDITIONAL":
        raise reject(-1130, "algoType")
    if required(parameters, "type") not in CONDITIONAL_KINDS:
        raise reject(-1116)
    return parse_conditional(parameters, spec, dialect, OF_ALGO, dialect.default_stp_batch)


def parse_conditional(
    parameters: Parameters, spec: SymbolSpec, dialect: Dialect, names: Names, default_stp: int
) -> PlaceRequest:
    """Everything but the type, which is known to be a conditional one. Raises RejectError."""
    kind = required(parameters, "type")
    limited = kind in LIMIT_STOPS
    side = order_side(parameters)
    known = optional(parameters, "timeInForce") or "GTC"
    if known not in (TIMES_IN_FORCE if limited else MARKET_TIMES_IN_FORCE):
        raise reject(-1115)
    matched = price_match(parameters, dialect.price_matches, limited)
    price = limit_price(parameters, spec) if limited and matched == "NONE" else 0
    if not limited and "price" in parameters:
        raise reject(-1106, "price")
    condition = _condition(parameters, spec, dialect, names, kind)
    owner_side = position_side(parameters)
    quantity = 0
    if condition.closes_position:
        _check_closing(parameters, kind, side, owner_side)
    else:
        quantity = order_quantity(parameters, spec, most_lots(spec, kind))
    return PlaceRequest(
        symbol=spec.symbol,
        side=side,
        kind=kind,
        tif=known,
        qty_lots=quantity,
        price_ticks=price,
        reduce_only=flag(parameters, "reduceOnly"),
        client_id=client_order_id(parameters, names.client_id),
        stp=self_trade_prevention(parameters, default_stp),
        full_reply=wants_result(parameters),
        position_side=owner_side,
        says_reduce="reduceOnly" in parameters,
        price_match=matched,
        good_till_ms=good_till_ms(parameters, known),
        condition=condition,
    )


def _condition(
    parameters: Parameters, spec: SymbolSpec, dialect: Dialect, names: Names, kind: str
) -> Condition:
    working = optional(parameters, "workingType") or "CONTRACT_PRICE"
    if working not in ("CONTRACT_PRICE", "MARK_PRICE"):
        raise reject(-4031, working)
    by_mark = working == "MARK_PRICE"
    protected = flag(parameters, "priceProtect")
    if kind != TRAILING:
        for name in (names.activation, "callbackRate"):
            if name in parameters:
                raise reject(-1106, name)
        return Condition(
            kind=kind,
            trigger_ticks=_trigger_price(parameters, spec, names.trigger),
            by_mark=by_mark,
            protected=protected,
            closes_position=flag(parameters, "closePosition"),
        )
    if names.trigger in parameters:
        raise reject(-1106, names.trigger)
    if flag(parameters, "closePosition"):
        raise reject(-1106, "closePosition")
    return Condition(
        kind=kind,
        by_mark=by_mark,
        protected=protected,
        activation_ticks=_activation_price(parameters, spec, names.activation),
        callback_e6=_callback(parameters, dialect),
    )


def _trigger_price(parameters: Parameters, spec: SymbolSpec, name: str) -> int:
    points = decimal_points(parameters, name, spec.price_precision)
    if points <= 0:
        raise reject(-4006)
    if points < spec.min_price_ticks * spec.tick_points:
        raise reject(-4013)
    if points > spec.max_price_ticks * spec.tick_points:
        raise reject(-4007)
    if points % spec.tick_points:
        raise reject(-4014)
    return points // spec.tick_points


def _activation_price(parameters: Parameters, spec: SymbolSpec, name: str) -> int:
    """0 where none is sent: the price at which it is placed."""
    if optional(parameters, name) is None:
        return 0
    points = decimal_points(parameters, name, spec.price_precision)
    low, high = spec.min_price_ticks * spec.tick_points, spec.max_price_ticks * spec.tick_points
    if not low <= points <= high:
        raise reject(-4135)
    if points % spec.tick_points:
        raise reject(-4014)
    return points // spec.tick_points


def _callback(parameters: Parameters, dialect: Dialect) -> int:
    rate_e6 = decimal_points(parameters, "callbackRate", PERCENT_DECIMALS)
    if not NARROWEST_CALLBACK_E6 <= rate_e6 <= dialect.widest_callback_e6:
        raise reject(-1130, "callbackRate")
    return rate_e6


def _check_closing(parameters: Parameters, kind: str, side: int, owner_side: str) -> None:
    """closePosition=true: market kinds only, no quantity, no reduceOnly, no side that opens."""
    if kind not in CLOSING_KINDS:
        raise reject(-1106, "closePosition")
    if "quantity" in parameters:
        raise reject(-4137)
    if "reduceOnly" in parameters:
        raise reject(-4138)
    if (side, owner_side) in ((BUY, LONG), (SELL, SHORT)):
        raise reject(-2022)
