"""From parameters to a new order or a modification, in the dialect that the venue speaks.

``gateway.trading`` calls it for single orders, batches and tests alike. What can be refused from
the request alone is refused here; what needs the market or the account is left to ``acceptance``.
"""

from __future__ import annotations

from typing import Final

from aegis.venue.algo.requests import OF_ORDERS, parse_conditional
from aegis.venue.codes import reject
from aegis.venue.dialect import MODERN, Dialect
from aegis.venue.orders import CONDITIONAL_KINDS
from aegis.venue.requests import (
    AmendRequest,
    Parameters,
    PlaceRequest,
    client_order_id,
    flag,
    good_till_ms,
    integer,
    limit_price,
    most_lots,
    order_quantity,
    order_side,
    parse_key,
    position_side,
    price_match,
    required,
    self_trade_prevention,
    wants_result,
)
from aegis.venue.symbols import SymbolSpec

TIMES_IN_FORCE: Final = frozenset({"GTC", "IOC", "FOK", "GTX", "GTD"})
# What only conditional orders have.
FOREIGN: Final = ("stopPrice", "activationPrice", "callbackRate")


def parse_place(
    parameters: Parameters,
    spec: SymbolSpec,
    dialect: Dialect = MODERN,
    *,
    single: bool = True,
    stops_too: bool = False,
) -> PlaceRequest:
    """POST /fapi/v1/order, a row of batchOrders, order.place. Raises RejectError.

    `single` is false in batches and for the test endpoint, where the default of self-trade
    prevention is another; `stops_too` lets conditional types pass that the dialect sends elsewhere.
    """
    kind = required(parameters, "type")
    default_stp = dialect.default_stp if single else dialect.default_stp_batch
    if kind in CONDITIONAL_KINDS:
        if not (dialect.stops_are_orders or stops_too):
            raise reject(-4120)
        return parse_conditional(parameters, spec, dialect, OF_ORDERS, default_stp)
    if kind not in ("LIMIT", "MARKET"):
        raise reject(-1116)
    _refuse_foreign(parameters)
    limited = kind == "LIMIT"
    side = order_side(parameters)
    matched = price_match(parameters, dialect.price_matches, limited)
    price = 0
    if limited:
        tif = required(parameters, "timeInForce")
        if tif not in TIMES_IN_FORCE:
            raise reject(-1115)
        price = limit_price(parameters, spec) if matched == "NONE" else 0
    else:
        for name in ("timeInForce", "price"):
            if name in parameters:
                raise reject(-1106, name)
        # A market order never rests: it is matched as immediate-or-cancel and reported as GTC.
        tif = "GTC"
    return PlaceRequest(
        symbol=spec.symbol,
        side=side,
        kind=kind,
        tif=tif,
        qty_lots=order_quantity(parameters, spec, most_lots(spec, kind)),
        price_ticks=price,
        reduce_only=flag(parameters, "reduceOnly"),
        client_id=client_order_id(parameters, "newClientOrderId"),
        stp=self_trade_prevention(parameters, default_stp),
        full_reply=wants_result(parameters),
        position_side=position_side(parameters),
        says_reduce="reduceOnly" in parameters,
        price_match=matched,
        good_till_ms=good_till_ms(parameters, tif),
    )


def parse_amend(
    parameters: Parameters, spec: SymbolSpec, dialect: Dialect = MODERN
) -> AmendRequest:
    """PUT /fapi/v1/order, a row of batchOrders, order.modify. Raises RejectError."""
    key = parse_key(parameters, spec)
    matched = price_match(parameters, dialect.price_matches, True)
    return AmendRequest(
        symbol=spec.symbol,
        side=order_side(parameters),
        qty_lots=order_quantity(parameters, spec, spec.max_qty_lots),
        price_ticks=limit_price(parameters, spec) if matched == "NONE" else 0,
        order_id=key.order_id,
        client_id=key.client_id,
        reduce_only=flag(parameters, "reduceOnly"),
        price_match=matched,
        modify_id=integer(parameters, "modifyId") if dialect.modern else None,
    )


def _refuse_foreign(parameters: Parameters) -> None:
    for name in FOREIGN:
        if name in parameters:
            raise reject(-1106, name)
    if flag(parameters, "closePosition"):
        raise reject(-1106, "closePosition")
