"""What faults do to a payload: gaps, books that cannot be, garbage, wrong times. Pure.

Each edit takes a decoded payload and changes it in place; it returns whether there was anything for
it to change, so that a fault does not count as struck where it had nothing to bite. ``diverter``
finds them by the fault's kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from aegis.venue.faults.armed import Armed
from aegis.venue.market import Market
from aegis.venue.matching.interface import BUY

Json = dict[str, Any]
Edit = Callable[[Armed, Json, Mapping[str, Market]], bool]

CROSSED_TICKS: Final = 10
EMPTIED_LEVELS: Final = 1_000
_MISSING: Final = object()

_GARBAGE: Final[dict[str, Any]] = {
    "nan": msgspec.Raw(b"NaN"),
    "infinity": msgspec.Raw(b"Infinity"),
    "1e999": msgspec.Raw(b"1e999"),
    "negative": "-1.00",
    "zero": "0",
    "text": "abc",
    "list": [],
    "null": None,
    "missing": _MISSING,
    "huge": "9" * 10_000,
}
# The field that garbage goes into unless one is named; lists are followed to their first entry.
_USUAL_FIELD: Final = {
    "bookTicker": "b", "depthUpdate": "b", "kline": "k.c", "forceOrder": "o.p",
    "24hrTicker": "c", "24hrMiniTicker": "c", "ORDER_TRADE_UPDATE": "o.L", "TRADE_LITE": "L",
    "ACCOUNT_UPDATE": "a.B",
}  # fmt: skip
_PRICE_FIELDS: Final = ("p", "b", "a", "c", "o", "h", "l", "i", "ap", "P", "L")


def gap(armed: Armed, data: Json, markets: Mapping[str, Market]) -> bool:
    """A depth event that does not follow the one before it."""
    if not isinstance(data.get("pu"), int):
        return False
    data["pu"] -= 1
    return True


def crossed_book(armed: Armed, data: Json, markets: Mapping[str, Market]) -> bool:
    """A bid above or at the best ask, or a side with nothing on it."""
    market = markets.get(str(data.get("s")))
    if market is None:
        return False
    shape, spec, top = armed.fault.shape, market.spec, market.top()
    if data.get("e") == "bookTicker":
        if shape == "crossed":
            data["b"], data["a"] = data["a"], data["b"]
        elif shape == "locked":
            data["b"] = data["a"]
        else:
            data["b"], data["B"] = spec.price_text(0), spec.qty_text(0)
        return True
    if data.get("e") != "depthUpdate" or top.ask_ticks == 0:
        return False
    if shape == "empty":
        levels = market.book.depth(BUY, EMPTIED_LEVELS)
        data["b"] = [[spec.price_text(ticks), spec.qty_text(0)] for ticks, _ in levels]
    else:
        ticks = top.ask_ticks + (CROSSED_TICKS if shape == "crossed" else 0)
        data["b"] = [*data["b"], [spec.price_text(ticks), spec.qty_text(1)]]
    return True


def garbage(armed: Armed, data: Json, markets: Mapping[str, Market]) -> bool:
    """Something in a field that no reader may take for a number."""
    path = armed.fault.field or _USUAL_FIELD.get(str(data.get("e")), "p")
    value = _GARBAGE[armed.fault.value]
    place = _place(data, path)
    if place is None and path == "b":
        place = _place(data, "a")
    if place is None:
        return False
    holder, key = place
    if value is not _MISSING:
        holder[key] = value
    else:
        del holder[key]
    return True


def event_time(armed: Armed, data: Json, markets: Mapping[str, Market]) -> bool:
    """E and T from another time, wherever they stand."""
    changed = False
    for holder in (data, data.get("o"), data.get("k")):
        if not isinstance(holder, dict):
            continue
        for key in ("E", "T"):
            if isinstance(holder.get(key), int):
                holder[key] += armed.fault.shift_ms
                changed = True
    return changed


def frozen(armed: Armed, data: Json, markets: Mapping[str, Market]) -> bool:
    """Every text as in the stream's first message since the fault began; ids and times go on."""
    key = f"{data.get('e')} {data.get('s')}"
    texts = {name: value for name, value in data.items() if isinstance(value, str)}
    data.update(armed.memory.setdefault(key, texts))
    return True


def bad_print(armed: Armed, data: Json, markets: Mapping[str, Market]) -> bool:
    """Prices far from the market, in the fields that hold prices."""
    changed = False
    for holder in (data, data.get("k"), data.get("o")):
        if not isinstance(holder, dict):
            continue
        for key in _PRICE_FIELDS:
            text = holder.get(key)
            if isinstance(text, str) and _is_price(text):
                decimals = len(text.partition(".")[2])
                holder[key] = f"{float(text) * armed.fault.factor:.{decimals}f}"
                changed = True
    return changed


def new_field(armed: Armed, data: Json, markets: Mapping[str, Market]) -> bool:
    """A field that came without notice, as `st`, `ps` and `ia` did."""
    data["zz"] = {"v": [1, "2"]}
    return True


EDITS: Final[dict[str, Edit]] = {
    "gap": gap,
    "crossed_book": crossed_book,
    "garbage": garbage,
    "event_time": event_time,
    "frozen": frozen,
    "bad_print": bad_print,
    "new_field": new_field,
}


def _is_price(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal() and float(text) > 0


def _place(data: Any, path: str) -> tuple[Any, Any] | None:
    """The container and the key of a dotted path; lists are followed to their first entry."""
    holder, key = data, path
    for number, part in enumerate(path.split(".")):
        if number:
            holder = holder[key]
        key = part
        if not isinstance(holder, dict) or key not in holder:
            return None
    place: tuple[Any, Any] = (holder, key)
    while isinstance(place[0][place[1]], list):
        inner = place[0][place[1]]
        if not inner:
            return None
        place = (inner, 0)
    return place
