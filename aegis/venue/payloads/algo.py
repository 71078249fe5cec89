"""Replies and the event of the algo service, as dicts that become JSON.

Replies pad prices as all of REST does; ALGO_UPDATE writes numbers without trailing zeros, and tells
what became of the order in the book only once there is one.
"""

from __future__ import annotations

from typing import Any, Final

from aegis.venue.algo.order import AlgoOrder
from aegis.venue.decimals import trimmed_text
from aegis.venue.orders import STP_NAMES
from aegis.venue.payloads.orders import AVERAGE_DECIMALS, SIDE_NAMES, callback_text
from aegis.venue.symbols import SymbolSpec

Json = dict[str, Any]

ALGO_TYPE: Final = "CONDITIONAL"
# Of an order type that this venue, as the exchange's own API, does not take: TP and SL in one.
NO_PRICE: Final = "0.000"


def placed(spec: SymbolSpec, algo: AlgoOrder) -> Json:
    """Reply to POST /algoOrder and algoOrder.place."""
    condition = algo.condition
    trailing = condition.is_trailing
    return {
        **_shared(spec, algo),
        "activatePrice": spec.price_text(condition.activation_ticks) if trailing else "",
        "callbackRate": callback_text(condition.callback_e6) if trailing else "",
    }


def canceled(algo: AlgoOrder) -> Json:
    """Reply to DELETE /algoOrder and algoOrder.cancel; the code is a text."""
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "code": "200",
        "msg": "success",
    }


def listed(spec: SymbolSpec, algo: AlgoOrder) -> Json:
    """A row of openAlgoOrders."""
    return {
        **_shared(spec, algo),
        "actualOrderId": str(algo.child_id) if algo.child_id else "",
        "actualPrice": _average(spec, algo),
        "tpTriggerPrice": NO_PRICE,
        "tpPrice": NO_PRICE,
        "slTriggerPrice": NO_PRICE,
        "slPrice": NO_PRICE,
        "tpOrderType": "",
    }


def queried(spec: SymbolSpec, algo: AlgoOrder) -> Json:
    """GET /algoOrder, and a row of allAlgoOrders: with what became of it."""
    return {
        **listed(spec, algo),
        "actualQty": spec.qty_text(algo.child_lots),
        "actualType": algo.child_kind,
    }


def update(spec: SymbolSpec, algo: AlgoOrder, time_ms: int) -> Json:
    """ALGO_UPDATE."""
    condition = algo.condition
    details: Json = {
        "caid": algo.client_id,
        "aid": algo.algo_id,
        "at": ALGO_TYPE,
        "o": algo.kind,
        "s": algo.symbol,
        "S": SIDE_NAMES[algo.side],
        "ps": algo.position_side,
        "f": algo.tif,
        "q": _bare(spec.qty_text(algo.qty_lots)),
        "X": algo.status,
        "ai": str(algo.child_id) if algo.child_id else "",
    }
    if algo.child_id:
        details["ap"] = _bare(_average(spec, algo))
        details["aq"] = _bare(spec.qty_text(algo.child_lots))
        details["act"] = algo.child_kind
    details |= {
        "tp": _bare(spec.price_text(condition.trigger_ticks)),
        "p": _bare(spec.price_text(algo.price_ticks)),
        "V": STP_NAMES[algo.stp],
        "wt": "MARK_PRICE" if condition.by_mark else "CONTRACT_PRICE",
        "pm": algo.price_match,
        "cp": condition.closes_position,
        "pP": condition.protected,
        "R": algo.reduce_only,
        "tt": algo.triggered_ms,
        "gtd": algo.good_till_ms,
        "ia": condition.activated,
    }
    if algo.reason:
        details["rm"] = algo.reason
    return {"e": "ALGO_UPDATE", "T": time_ms, "E": time_ms, "o": details}


def _average(spec: SymbolSpec, algo: AlgoOrder) -> str:
    return trimmed_text(spec.price_e8(algo.child_cost_e8, algo.child_lots), AVERAGE_DECIMALS)


def _bare(text: str) -> str:
    """A decimal text without its trailing zeros."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def _shared(spec: SymbolSpec, algo: AlgoOrder) -> Json:
    condition = algo.condition
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "algoType": ALGO_TYPE,
        "orderType": algo.kind,
        "symbol": algo.symbol,
        "side": SIDE_NAMES[algo.side],
        "positionSide": algo.position_side,
        "timeInForce": algo.tif,
        "quantity": spec.qty_text(algo.qty_lots),
        "algoStatus": algo.status,
        "triggerPrice": spec.price_text(condition.trigger_ticks),
        "price": spec.price_text(algo.price_ticks),
        "icebergQuantity": None,
        "selfTradePreventionMode": STP_NAMES[algo.stp],
        "workingType": "MARK_PRICE" if condition.by_mark else "CONTRACT_PRICE",
        "priceMatch": algo.price_match,
        "closePosition": condition.closes_position,
        "priceProtect": condition.protected,
        "reduceOnly": algo.reduce_only,
        "createTime": algo.created_ms,
        "updateTime": algo.updated_ms,
        "triggerTime": algo.triggered_ms,
        "goodTillDate": algo.good_till_ms,
    }
