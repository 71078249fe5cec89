"""User data stream events as JSON bytes, in the dialect that the venue speaks.

``userfeed`` calls it with the exchange's events in their order; a fill becomes TRADE_LITE (since
2024-09), then ORDER_TRADE_UPDATE, and the account change follows as its own event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from aegis.venue.decimals import money_text, trimmed_text
from aegis.venue.events import (
    AccountEvent,
    AlgoEvent,
    AssetModeEvent,
    CallNote,
    LeverageEvent,
    MarginCallEvent,
    OrderEvent,
    PositionNote,
    TriggerRejectEvent,
    UserEvent,
)
from aegis.venue.market import Market
from aegis.venue.orders import STP_NAMES
from aegis.venue.payloads import algo as algo_payload
from aegis.venue.payloads.orders import (
    SIDE_NAMES,
    average_price,
    callback_text,
    price_or_zero,
    trigger_price,
    working_type,
)
from aegis.venue.symbols import SymbolSpec

Json = dict[str, Any]
Named = tuple[str, bytes]
ENTRY_DECIMALS: Final = 5


def encode(event: UserEvent, markets: Mapping[str, Market], modern: bool = True) -> list[Named]:
    """The (event name, JSON) pairs that one event of the exchange becomes."""
    if isinstance(event, OrderEvent):
        spec = markets[event.order.symbol].spec
        update = _named(_order_trade_update(spec, event, modern))
        if event.trade_id and modern:
            return [_named(_trade_lite(spec, event)), update]
        return [update]
    if isinstance(event, AccountEvent):
        return [_named(_account_update(markets, event, modern))]
    if isinstance(event, AlgoEvent):
        spec = markets[event.algo.symbol].spec
        return [_named(algo_payload.update(spec, event.algo, event.time_ms))]
    if isinstance(event, TriggerRejectEvent):
        return [_named(_trigger_reject(event))]
    if isinstance(event, MarginCallEvent):
        return [_named(_margin_call(markets, event))]
    return [_named(_config_update(event))]


def listen_key_expired(listen_key: str, time_ms: int) -> bytes:
    """Told to the sockets of a key when its 60 minutes are over."""
    return msgspec.json.encode({"e": "listenKeyExpired", "E": time_ms, "listenKey": listen_key})


def _named(payload: Json) -> Named:
    return payload["e"], msgspec.json.encode(payload)


def _trade_lite(spec: SymbolSpec, event: OrderEvent) -> Json:
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


def _order_trade_update(spec: SymbolSpec, event: OrderEvent, modern: bool) -> Json:
    order, condition = event.order, event.order.condition
    details: Json = {
        "s": order.symbol,
        "c": order.client_id,
        "S": SIDE_NAMES[order.side],
        "o": "LIQUIDATION" if order.force else order.kind,
        "f": order.tif,
        "q": spec.qty_text(order.qty_lots),
        "p": price_or_zero(spec, order),
        "ap": average_price(spec, order),
        "sp": trigger_price(spec, order),
        "x": event.execution,
        "X": order.status,
        "i": order.order_id,
    }
    if modern and event.execution == "AMENDMENT":
        details["M"] = str(order.modify_id)
    details["l"] = spec.qty_text(event.last_lots)
    details["z"] = spec.qty_text(order.filled_lots)
    details["L"] = spec.price_text(event.last_ticks) if event.last_ticks else "0"
    if event.trade_id:
        details["N"] = event.fee_asset
        details["n"] = money_text(event.fee_e8)
    details |= {
        "T": event.time_ms,
        "t": event.trade_id,
        "b": money_text(event.open_bids_e8),
        "a": money_text(event.open_asks_e8),
        "m": event.maker,
        "R": order.reduce_only,
        "wt": working_type(order),
        "ot": "LIQUIDATION" if order.force else order.origin_kind,
        "ps": order.position_side,
        "cp": condition is not None and condition.closes_position,
    }
    if condition is not None and condition.is_trailing:
        details["AP"] = spec.price_text(condition.activation_ticks)
        details["cr"] = callback_text(condition.callback_e6)
    details |= {
        "pP": condition is not None and condition.protected,
        "si": 0,
        "ss": 0,
        "rp": money_text(event.realized_e8),
        "V": STP_NAMES[order.stp],
        "pm": order.price_match,
        "gtd": order.good_till_ms,
    }
    if modern:
        # Since 2025-10-23.
        details["er"] = str(event.reason)
    return {"e": "ORDER_TRADE_UPDATE", "E": event.time_ms, "T": event.time_ms, "o": details}


def _account_update(markets: Mapping[str, Market], event: AccountEvent, modern: bool) -> Json:
    changes: Json = {
        "m": event.cause,
        "B": [
            {
                "a": note.asset,
                "wb": money_text(note.wallet_e8),
                "cw": money_text(note.cross_wallet_e8),
                "bc": money_text(note.change_e8) if note.change_e8 else "0",
            }
            for note in event.balances
        ],
        "P": [_position(markets[note.symbol].spec, note) for note in event.positions],
    }
    if modern and event.symbol:
        changes["S"] = event.symbol
    return {"e": "ACCOUNT_UPDATE", "E": event.time_ms, "T": event.time_ms, "a": changes}


def _position(spec: SymbolSpec, note: PositionNote) -> Json:
    # The price that also makes good what was paid for the position: dearer of a long one, cheaper
    # of a short one, whose cost is negative.
    break_even_e8 = spec.price_e8(note.cost_e8 + note.charges_e8, note.lots)
    return {
        "s": note.symbol,
        "pa": spec.qty_text(note.lots),
        "ep": trimmed_text(spec.price_e8(note.cost_e8, note.lots), ENTRY_DECIMALS),
        "bep": trimmed_text(break_even_e8, ENTRY_DECIMALS),
        "cr": money_text(note.realized_e8),
        "up": money_text(note.unrealized_e8),
        "mt": "isolated" if note.isolated else "cross",
        "iw": money_text(note.isolated_wallet_e8) if note.isolated_wallet_e8 else "0",
        "ps": note.side,
    }


def _trigger_reject(event: TriggerRejectEvent) -> Json:
    return {
        "e": "CONDITIONAL_ORDER_TRIGGER_REJECT",
        "E": event.time_ms,
        "T": event.time_ms,
        "or": {"s": event.symbol, "i": event.order_id, "r": event.text},
    }


def _margin_call(markets: Mapping[str, Market], event: MarginCallEvent) -> Json:
    payload: Json = {"e": "MARGIN_CALL", "E": event.time_ms}
    if event.cross_wallet_e8 is not None:
        payload["cw"] = money_text(event.cross_wallet_e8)
    payload["p"] = [_call(markets[note.symbol].spec, note) for note in event.positions]
    return payload


def _call(spec: SymbolSpec, note: CallNote) -> Json:
    return {
        "s": note.symbol,
        "ps": note.side,
        "pa": spec.qty_text(note.lots),
        "mt": "ISOLATED" if note.isolated else "CROSSED",
        "iw": money_text(note.isolated_wallet_e8) if note.isolated_wallet_e8 else "0",
        "mp": money_text(note.mark_e8),
        "up": money_text(note.unrealized_e8),
        "mm": money_text(note.maintenance_e8),
    }


def _config_update(event: LeverageEvent | AssetModeEvent) -> Json:
    payload: Json = {"e": "ACCOUNT_CONFIG_UPDATE", "E": event.time_ms, "T": event.time_ms}
    if isinstance(event, LeverageEvent):
        payload["ac"] = {"s": event.symbol, "l": event.leverage}
    else:
        payload["ai"] = {"j": event.multi_assets}
    return payload
