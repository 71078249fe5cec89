"""The menu: each kind of fault, what it does, where it may strike and what it may be told.

Data only. ``schema`` checks faults against it, ``control`` shows it to people, and the rooms that
carry a kind out are found by its `room`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Room(Enum):
    """Who carries a fault out, and what it is matched against."""

    STREAM = "stream"  # messages of a connection: market streams and user events alike
    CONNECTION = "connection"  # connections, at one moment
    REQUEST = "request"  # REST and WebSocket API requests that were admitted
    ACCOUNT = "account"  # an account, at one moment
    MARKET = "market"  # a symbol, at one moment or for a while
    VENUE = "venue"  # everybody, for a while


# Their kinds happen at a moment, or every so often, not when something passes by.
MOMENTS: Final = frozenset({Room.CONNECTION, Room.ACCOUNT, Room.MARKET, Room.VENUE})
# Where a kind of each room may strike, and how its repetition is told.
PLACES: Final[dict[Room, tuple[str, ...]]] = {
    Room.STREAM: ("stream", "connection", "account", "after", "probability"),
    Room.CONNECTION: ("connection", "account"),
    Room.REQUEST: ("endpoint", "symbol", "account", "after", "probability"),
    Room.ACCOUNT: ("account",),
    Room.MARKET: ("symbol",),
    Room.VENUE: (),
}


@dataclass(frozen=True, slots=True)
class Dish:
    """One row. `needs` must be told, `takes` may be; `lasts` kinds go on until they are ended."""

    room: Room
    text: str
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    lasts: bool = False


_STREAM, _LINE, _REQUEST = Room.STREAM, Room.CONNECTION, Room.REQUEST
_ACCOUNT, _MARKET, _VENUE = Room.ACCOUNT, Room.MARKET, Room.VENUE

MENU: Final[dict[str, Dish]] = {
    # Messages of streams, market and private.
    "drop": Dish(_STREAM, "a message is not sent"),
    "delay": Dish(_STREAM, "messages come late, in their order", needs=("delay_ms",)),
    "duplicate": Dish(_STREAM, "a message is sent twice"),
    "reorder": Dish(_STREAM, "a message comes after the next one of its connection"),
    "cut": Dish(_STREAM, "the TCP connection ends inside a frame"),
    "half_open": Dish(_STREAM, "from a message on nothing is read or written, without a FIN"),
    "silent": Dish(_STREAM, "a stream stops; other streams and pings go on", lasts=True),
    "slow_drip": Dish(
        _STREAM, "one message per interval, the others queue", needs=("delay_ms",), lasts=True
    ),
    "burst": Dish(_STREAM, "messages are held, then all sent at once", needs=("delay_ms",)),
    "gap": Dish(_STREAM, "a depth event's pu is not the u before it"),
    "crossed_book": Dish(_STREAM, "a book that cannot be", takes=("shape",)),
    "garbage": Dish(_STREAM, "a field holds what no field may", takes=("field", "value")),
    "event_time": Dish(_STREAM, "E and T are moved, back if negative", needs=("shift_ms",)),
    "frozen": Dish(_STREAM, "the same prices and sizes again, with new ids", lasts=True),
    "bad_print": Dish(_STREAM, "prices are multiplied", needs=("factor",)),
    "new_field": Dish(_STREAM, "a field that no document knows"),
    "new_event": Dish(_STREAM, "an event type that no document knows, before the message"),
    "duplicate_fill": Dish(_STREAM, "the ORDER_TRADE_UPDATE of a fill is sent twice"),
    "account_update_missing": Dish(_STREAM, "an ACCOUNT_UPDATE is not sent"),
    # Connections.
    "day_close": Dish(_LINE, "the close after 24 hours, now"),
    "pong_close": Dish(_LINE, "a ping, then the end, as if no pong had come"),
    # Requests: the answer is not what happened.
    "unknown_503": Dish(
        _REQUEST, "503 'Unknown error', whatever became of it", takes=("truth", "delay_ms")
    ),
    "unavailable_503": Dish(_REQUEST, "503 'Service Unavailable.'", takes=("truth", "delay_ms")),
    "internal_503": Dish(_REQUEST, "503 'Internal error'", takes=("truth", "delay_ms")),
    "timeout_1007": Dish(_REQUEST, "408 -1007", takes=("truth", "delay_ms")),
    "unexpected_1006": Dish(_REQUEST, "503 -1006", takes=("truth", "delay_ms")),
    "engine_window": Dish(_REQUEST, "-5028 from the matching engine; nothing was done"),
    "rate_limited": Dish(_REQUEST, "429 -1003; nothing was done"),
    "banned": Dish(_REQUEST, "418: the address is banned", takes=("ban_ms",)),
    "throttled": Dish(_REQUEST, "-1008, but not for what only reduces or cancels"),
    "refused": Dish(_REQUEST, "a documented error; nothing was done", needs=("code",)),
    "blocked": Dish(_REQUEST, "a page of a firewall or proxy; nothing was done", takes=("status",)),
    "ack_lost": Dish(_REQUEST, "no answer", takes=("how", "truth", "delay_ms")),
    "slow_answer": Dish(_REQUEST, "done at once, answered late", needs=("delay_ms",)),
    "fill_before_ack": Dish(_REQUEST, "the events overtake the answer", takes=("delay_ms",)),
    "late_execution": Dish(_REQUEST, "done late, answered then", needs=("delay_ms",)),
    "duplicate_answer": Dish(_REQUEST, "the same answer twice"),
    "stale_answer": Dish(_REQUEST, "answered on the next connection of the account"),
    "stale_snapshot": Dish(_REQUEST, "depth as it was when the fault began", lasts=True),
    "fill_first": Dish(_REQUEST, "the order is filled before its cancel or change is done"),
    # Accounts.
    "key_revoked": Dish(_ACCOUNT, "the API key is gone: id null, 401; back at the end", lasts=True),
    "listen_key_expired": Dish(_ACCOUNT, "listenKeyExpired, then silence"),
    "liquidation": Dish(_ACCOUNT, "positions are liquidated now", takes=("symbol",)),
    "adl": Dish(_ACCOUNT, "a position is reduced by auto-deleveraging now", takes=("symbol",)),
    "foreign_order": Dish(
        _ACCOUNT, "an order that a person placed", takes=("symbol", "qty", "price")
    ),
    "foreign_leverage": Dish(
        _ACCOUNT, "a person changed the leverage", needs=("leverage",), takes=("symbol",)
    ),
    "position_shift": Dish(
        _ACCOUNT, "the position changes and no order says why", needs=("qty",), takes=("symbol",)
    ),
    "trade_bust": Dish(_ACCOUNT, "the newest fill is taken back", takes=("symbol",)),
    # Markets.
    "symbol_status": Dish(_MARKET, "the symbol does not trade", needs=("status",), lasts=True),
    "filter_change": Dish(
        _MARKET, "coarser filters", takes=("tick", "step", "min_notional"), lasts=True
    ),
    "price_spike": Dish(_MARKET, "a jump of the price, through the book", needs=("bps",)),
    "funding": Dish(_MARKET, "funding is paid now, at this rate", needs=("bps",)),
    # Everybody.
    "maintenance": Dish(_VENUE, "everything is answered with 503", lasts=True),
    "clock_skew": Dish(_VENUE, "the server's clock is wrong", needs=("shift_ms",), lasts=True),
}

KINDS: Final = tuple(MENU)


def keys_of(kind: str) -> tuple[str, ...]:
    """Every key that a fault of this kind may have."""
    dish = MENU[kind]
    places = PLACES[dish.room]
    often: tuple[str, ...] = () if dish.lasts else ("times",)
    if dish.room in MOMENTS and not dish.lasts:
        often = ("times", "every_ms")
    return ("kind", "name", "at_ms", "for_ms", *often, *places, *dish.needs, *dish.takes)
