"""What may be asked of an order, as typed requests, and how parameters (texts) are read.

REST and the WebSocket API hand their parameters over as one mapping of texts. The readers here turn
one parameter into a value or the documented refusal; ``placement`` and ``algo.requests`` put whole
orders together. No rule that needs to know a market or an account stands here: those are in
``checks``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aegis.venue.codes import reject
from aegis.venue.decimals import parse_scaled
from aegis.venue.errors import BadDecimalError, TooPreciseError
from aegis.venue.ledger import BOTH, LONG, SHORT
from aegis.venue.matching.interface import BUY, SELL
from aegis.venue.orders import LIMIT_STOPS, STP_CODES, Condition
from aegis.venue.symbols import SymbolSpec

Parameters = Mapping[str, str]

CLIENT_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
SIDES: Final = {"BUY": BUY, "SELL": SELL}
POSITION_SIDES: Final = frozenset({BOTH, LONG, SHORT})
LIMITED_KINDS: Final = frozenset({"LIMIT", *LIMIT_STOPS})
_INTEGER: Final = re.compile(r"-?\d{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PlaceRequest:
    """A new order. `price_ticks` is 0 for MARKET and where `price_match` finds the price.

    `condition` makes it a conditional order: then `kind` is what it is placed as, and `qty_lots` 0
    closes the position. `full_reply` is newOrderRespType=RESULT, `says_reduce` that reduceOnly was
    sent, with whatever value.
    """

    symbol: str
    side: int
    kind: str
    tif: str
    qty_lots: int
    price_ticks: int
    reduce_only: bool
    client_id: str | None
    stp: int
    full_reply: bool
    position_side: str = BOTH
    says_reduce: bool = False
    price_match: str = "NONE"
    good_till_ms: int = 0
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class AmendRequest:
    """New price and new total quantity of an order; `price_ticks` 0 where a match finds it."""

    symbol: str
    side: int
    qty_lots: int
    price_ticks: int
    order_id: int | None
    client_id: str | None
    reduce_only: bool
    price_match: str = "NONE"
    modify_id: int | None = None


@dataclass(frozen=True, slots=True)
class OrderKey:
    """Which order is meant: by exchange id, else by client id."""

    symbol: str
    order_id: int | None
    client_id: str | None


def required(parameters: Parameters, name: str) -> str:
    """The text of a mandatory parameter. Raises RejectError -1102 or -1105."""
    value = optional(parameters, name)
    if value is None:
        raise reject(-1102, name)
    return value


def optional(parameters: Parameters, name: str) -> str | None:
    """The text of a parameter, None if it was not sent. Raises RejectError -1105 if it is empty."""
    value = parameters.get(name)
    if value == "":
        raise reject(-1105, name)
    return value


def integer(parameters: Parameters, name: str) -> int | None:
    """A whole number of 64 bits, None if it was not sent. Raises RejectError -1102 for others."""
    text = optional(parameters, name)
    if text is None:
        return None
    if _INTEGER.fullmatch(text) is None:
        raise reject(-1102, name)
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise reject(-1102, name)
    return value


def bounded(parameters: Parameters, name: str, default: int, low: int, high: int) -> int:
    """A whole number within bounds. Raises RejectError -1102 or -1130."""
    value = integer(parameters, name)
    if value is None:
        return default
    if not low <= value <= high:
        raise reject(-1130, name)
    return value


def flag(parameters: Parameters, name: str) -> bool:
    """A "true"/"false" text in any case, false if not sent. Raises RejectError -1130."""
    text = optional(parameters, name)
    if text is None:
        return False
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise reject(-1130, name)
    return lowered == "true"


def decimal_points(parameters: Parameters, name: str, decimals: int) -> int:
    """A mandatory decimal times 10**decimals. Raises RejectError -1102, -1105 or -1111."""
    try:
        return parse_scaled(required(parameters, name), decimals)
    except TooPreciseError as error:
        raise reject(-1111) from error
    except BadDecimalError as error:
        raise reject(-1102, name) from error


def order_side(parameters: Parameters) -> int:
    """Raises RejectError -1102 or -1117."""
    side = SIDES.get(required(parameters, "side"))
    if side is None:
        raise reject(-1117)
    return side


def position_side(parameters: Parameters) -> str:
    """BOTH where nothing is said. Raises RejectError -4060."""
    name = optional(parameters, "positionSide") or BOTH
    if name not in POSITION_SIDES:
        raise reject(-4060)
    return name


def limit_price(parameters: Parameters, spec: SymbolSpec) -> int:
    """PRICE_FILTER, in ticks. Raises RejectError -1102, -1111, -4001, -4002, -4013 or -4014."""
    points = decimal_points(parameters, "price", spec.price_precision)
    if points <= 0:
        raise reject(-4001)
    if points < spec.min_price_ticks * spec.tick_points:
        raise reject(-4013)
    if points > spec.max_price_ticks * spec.tick_points:
        raise reject(-4002)
    if points % (spec.tick_points * spec.price_filter_ticks):
        raise reject(-4014)
    return points // spec.tick_points


def order_quantity(parameters: Parameters, spec: SymbolSpec, most_lots: int) -> int:
    """LOT_SIZE or MARKET_LOT_SIZE, in lots. Raises RejectError -1102, -1111, -4003..-4005, -4023.

    `most_lots` is the filter's maxQty.
    """
    points = decimal_points(parameters, "quantity", spec.quantity_precision)
    if points <= 0:
        raise reject(-4003)
    if points < spec.min_qty_lots * spec.step_points:
        raise reject(-4004)
    if points > most_lots * spec.step_points:
        raise reject(-4005)
    if points % (spec.step_points * spec.lot_filter_lots):
        raise reject(-4023)
    return points // spec.step_points


def client_order_id(parameters: Parameters, name: str) -> str | None:
    """None where none was sent. Raises RejectError -1105 or -4015."""
    client_id = optional(parameters, name)
    if client_id is not None and CLIENT_ID.fullmatch(client_id) is None:
        raise reject(-4015)
    return client_id


def self_trade_prevention(parameters: Parameters, default: int) -> int:
    """Raises RejectError -5039."""
    name = optional(parameters, "selfTradePreventionMode")
    if name is None:
        return default
    code = STP_CODES.get(name)
    if code is None:
        raise reject(-5039)
    return code


def price_match(parameters: Parameters, known: frozenset[str], limited: bool) -> str:
    """NONE where nothing is said. Raises RejectError -5037, -5038, or -1106 beside a price.

    `limited` says whether the order has a limit price.
    """
    name = optional(parameters, "priceMatch") or "NONE"
    if name == "NONE":
        return name
    if name not in known:
        raise reject(-5037)
    if not limited:
        raise reject(-5038)
    if "price" in parameters:
        raise reject(-1106, "price")
    return name


def most_lots(spec: SymbolSpec, kind: str) -> int:
    """The largest quantity of an order of that kind: LOT_SIZE, or MARKET_LOT_SIZE."""
    if kind in LIMITED_KINDS:
        return spec.max_qty_lots
    return spec.market_max_lots or spec.max_qty_lots


def good_till_ms(parameters: Parameters, tif: str) -> int:
    """goodTillDate, whose milliseconds are ignored; 0 unless timeInForce is GTD.

    Raises RejectError -1102 or -1106.
    """
    value = integer(parameters, "goodTillDate")
    if tif == "GTD":
        if value is None:
            raise reject(-1102, "goodTillDate")
        return value - value % 1_000
    if value:
        raise reject(-1106, "goodTillDate")
    return 0


def wants_result(parameters: Parameters) -> bool:
    """newOrderRespType=RESULT. Raises RejectError -1136."""
    response = optional(parameters, "newOrderRespType") or "ACK"
    if response not in ("ACK", "RESULT"):
        raise reject(-1136)
    return response == "RESULT"


def parse_key(parameters: Parameters, spec: SymbolSpec) -> OrderKey:
    """The order a query, cancel or modify is about. Raises RejectError -1102 if none is named."""
    order_id = integer(parameters, "orderId")
    client_id = optional(parameters, "origClientOrderId")
    if order_id is None and client_id is None:
        raise reject(-1102, "orderId", "origClientOrderId", variant=1)
    return OrderKey(spec.symbol, order_id, client_id)
