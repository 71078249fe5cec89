"""From the parameters of a request (texts, wherever they came from) to a typed order request.

REST and the WebSocket API hand their parameters over as one mapping of texts; here they become
ticks, lots and flags, or the documented refusal. No rule that needs to know a market or an
account stands here: those are in ``checks``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aegis.venue.codes import reject
from aegis.venue.decimals import parse_scaled
from aegis.venue.errors import BadDecimalError, TooPreciseError
from aegis.venue.matching.interface import BUY, SELL, STP_EXPIRE_MAKER
from aegis.venue.orders import STP_CODES
from aegis.venue.symbols import SymbolSpec

Parameters = Mapping[str, str]

CLIENT_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
SIDES: Final = {"BUY": BUY, "SELL": SELL}
TIMES_IN_FORCE: Final = frozenset({"GTC", "IOC", "FOK", "GTX"})
CONDITIONAL_KINDS: Final = frozenset(
    {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
)
_INTEGER: Final = re.compile(r"-?\d{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PlaceRequest:
    """A new order. `price_ticks` is 0 for MARKET; `full_reply` is newOrderRespType=RESULT."""

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


@dataclass(frozen=True, slots=True)
class AmendRequest:
    """New price and new total quantity of an order."""

    symbol: str
    side: int
    qty_lots: int
    price_ticks: int
    order_id: int | None
    client_id: str | None
    reduce_only: bool


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


def parse_place(parameters: Parameters, spec: SymbolSpec) -> PlaceRequest:
    """POST /fapi/v1/order and order.place. Raises RejectError."""
    side = _side(parameters)
    kind = required(parameters, "type")
    if kind in CONDITIONAL_KINDS:
        raise reject(-4120)
    if kind not in ("LIMIT", "MARKET"):
        raise reject(-1116)
    _check_one_way(parameters)
    price = 0
    if kind == "LIMIT":
        tif = required(parameters, "timeInForce")
        if tif not in TIMES_IN_FORCE:
            raise reject(-1115)
        price = _price(parameters, spec)
    else:
        for name in ("timeInForce", "price"):
            if name in parameters:
                raise reject(-1106, name)
        # A market order never rests: it is matched as immediate-or-cancel and reported as GTC.
        tif = "GTC"
    response = optional(parameters, "newOrderRespType") or "ACK"
    if response not in ("ACK", "RESULT"):
        raise reject(-1136)
    return PlaceRequest(
        symbol=spec.symbol,
        side=side,
        kind=kind,
        tif=tif,
        qty_lots=_quantity(parameters, spec),
        price_ticks=price,
        reduce_only=flag(parameters, "reduceOnly"),
        client_id=_client_id(parameters, "newClientOrderId"),
        stp=_self_trade_prevention(parameters),
        full_reply=response == "RESULT",
    )


def parse_amend(parameters: Parameters, spec: SymbolSpec) -> AmendRequest:
    """PUT /fapi/v1/order and order.modify. Raises RejectError."""
    key = parse_key(parameters, spec)
    return AmendRequest(
        symbol=spec.symbol,
        side=_side(parameters),
        qty_lots=_quantity(parameters, spec),
        price_ticks=_price(parameters, spec),
        order_id=key.order_id,
        client_id=key.client_id,
        reduce_only=flag(parameters, "reduceOnly"),
    )


def parse_key(parameters: Parameters, spec: SymbolSpec) -> OrderKey:
    """The order a query, cancel or modify is about. Raises RejectError -1102 if none is named."""
    order_id = integer(parameters, "orderId")
    client_id = optional(parameters, "origClientOrderId")
    if order_id is None and client_id is None:
        raise reject(-1102, "orderId", "origClientOrderId", variant=1)
    return OrderKey(spec.symbol, order_id, client_id)


def _side(parameters: Parameters) -> int:
    side = SIDES.get(required(parameters, "side"))
    if side is None:
        raise reject(-1117)
    return side


def _check_one_way(parameters: Parameters) -> None:
    if (optional(parameters, "positionSide") or "BOTH") != "BOTH":
        raise reject(-4061)
    if (optional(parameters, "priceMatch") or "NONE") != "NONE":
        raise reject(-1130, "priceMatch")
    if flag(parameters, "closePosition"):
        raise reject(-1106, "closePosition")


def _price(parameters: Parameters, spec: SymbolSpec) -> int:
    points = _decimal(parameters, "price", spec.price_precision)
    if points <= 0:
        raise reject(-4001)
    if points < spec.min_price_ticks * spec.tick_points:
        raise reject(-4013)
    if points > spec.max_price_ticks * spec.tick_points:
        raise reject(-4002)
    if points % spec.tick_points:
        raise reject(-4014)
    return points // spec.tick_points


def _quantity(parameters: Parameters, spec: SymbolSpec) -> int:
    points = _decimal(parameters, "quantity", spec.quantity_precision)
    if points <= 0:
        raise reject(-4003)
    if points < spec.min_qty_lots * spec.step_points:
        raise reject(-4004)
    if points > spec.max_qty_lots * spec.step_points:
        raise reject(-4005)
    if points % spec.step_points:
        raise reject(-4023)
    return points // spec.step_points


def _decimal(parameters: Parameters, name: str, decimals: int) -> int:
    try:
        return parse_scaled(required(parameters, name), decimals)
    except TooPreciseError as error:
        raise reject(-1111) from error
    except BadDecimalError as error:
        raise reject(-1102, name) from error


def _client_id(parameters: Parameters, name: str) -> str | None:
    client_id = optional(parameters, name)
    if client_id is not None and CLIENT_ID.fullmatch(client_id) is None:
        raise reject(-4015)
    return client_id


def _self_trade_prevention(parameters: Parameters) -> int:
    """EXPIRE_MAKER where nothing is said, as on single orders since 2026."""
    name = optional(parameters, "selfTradePreventionMode")
    if name is None:
        return STP_EXPIRE_MAKER
    code = STP_CODES.get(name)
    if code is None:
        raise reject(-5039)
    return code
