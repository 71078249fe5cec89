"""User data stream events as JSON bytes.

``userfeed`` calls it with the exchange's events in their order; a fill becomes TRADE_LITE, then
ORDER_TRADE_UPDATE, and the account change follows as its own event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from aegis.venue.decimals import money_text, trimmed_text
from aegis.venue.events import AccountEvent, LeverageEvent, OrderEvent, UserEvent
from aegis.venue.market import Market
from aegis.venue.orders import STP_NAMES
from aegis.venue.payloads.orders import SIDE_NAMES, average_price, price_or_zero
from aegis.venue.symbols import SymbolSpec

Named = tuple[str, bytes]
ENTRY_DECIMALS = 5


def encode(event: UserEvent, markets: Mapping[str, Market]) -> list[Named]:
    """The (event name, JSON) pairs that one event of the exchange becomes."""
    if isinstance(event, OrderEvent):
        spec = markets[event.order.symbol].spec
        update = _named(_order_trade_update(spec, event))
        return [_named(_trade_lite(spec, event)), update] if event.trade_id else [update]
    if isinstance(event, AccountEvent):
        return [_named(_account_update(markets[event.symbol].spec, event))]
    assert isinstance(event, LeverageEvent)
    return [_named(_leverage_update(event))]


def listen_key_expired(listen_key: str, time_ms: int) -> bytes:
    """Told to the sockets of a key when its 60 minutes are over."""
    return msgspec.json.encode({"e": "listenKeyExpired", "E": time_ms, "listenKey": listen_key})


def _named(payload: dict[str, Any]) -> Named:
    return payload["e"], msgspec.json.encode(payload)


def _trade_lite(spec: SymbolSpec, event: OrderEvent) -> dict[str, Any]:
    order = event.order
    return {
        "e": "TRADE_LITE",
        "E": event.time_ms,
        "T": event.time_ms,
        "s": order.symbol,
        "q": spec.qty_text(order.qty_lots),
        "p": price_or_zero(spec, order),
        "m": event.maker,
        "c": order.client_id,
        "S": SIDE_NAMES[order.side],
        "L": spec.price_text(event.last_ticks),
        "l": spec.qty_text(event.last_lots),
        "t": event.trade_id,
        "i": order.order_id,
    }


def _order_trade_update(spec: SymbolSpec, event: OrderEvent) -> dict[str, Any]:
    order = event.order
    details: dict[str, Any] = {
        "s": order.symbol,
        "c": order.client_id,
        "S": SIDE_NAMES[order.side],
        "o": order.kind,
        "f": order.tif,
        "q": spec.qty_text(order.qty_lots),
        "p": price_or_zero(spec, order),
        "ap": average_price(spec, order),
        "sp": "0",
        "x": event.execution,
        "X": order.status,
        "i": order.order_id,
    }
    if event.execution == "AMENDMENT":
        details["M"] = str(order.amendments)
    details["l"] = spec.qty_text(event.last_lots)
    details["z"] = spec.qty_text(order.filled_lots)
    details["L"] = spec.price_text(event.last_ticks) if event.last_ticks else "0"
    if event.trade_id:
        details["N"] = spec.quote
        details["n"] = money_text(event.fee_e8)
    details |= {
        "T": event.time_ms,
        "t": event.trade_id,
        "b": money_text(event.open_bids_e8),
        "a": money_text(event.open_asks_e8),
        "m": event.maker,
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": order.kind,
        "ps": "BOTH",
        "cp": False,
        "pP": False,
        "si": 0,
        "ss": 0,
        "rp": money_text(event.realized_e8),
        "V": STP_NAMES[order.stp],
        "pm": "NONE",
        "gtd": 0,
        "er": str(event.reason),
    }
    return {"e": "ORDER_TRADE_UPDATE", "E": event.time_ms, "T": event.time_ms, "o": details}


def _account_update(spec: SymbolSpec, event: AccountEvent) -> dict[str, Any]:
    wallet = money_text(event.wallet_e8)
    entry = trimmed_text(spec.price_e8(event.cost_e8, event.lots), ENTRY_DECIMALS)
    position = {
        "s": event.symbol,
        "pa": spec.qty_text(event.lots),
        "ep": entry,
        "bep": entry,
        "cr": money_text(event.realized_e8),
        "up": money_text(event.unrealized_e8),
        "mt": "isolated" if event.isolated else "cross",
        "iw": "0",
        "ps": "BOTH",
    }
    balance = {"a": spec.quote, "wb": wallet, "cw": wallet, "bc": "0"}
    changes = {"m": event.cause, "B": [balance], "P": [position]}
    return {"e": "ACCOUNT_UPDATE", "E": event.time_ms, "T": event.time_ms, "a": changes}


def _leverage_update(event: LeverageEvent) -> dict[str, Any]:
    return {
        "e": "ACCOUNT_CONFIG_UPDATE",
        "E": event.time_ms,
        "T": event.time_ms,
        "ac": {"s": event.symbol, "l": event.leverage},
    }
