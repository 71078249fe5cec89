"""Every fault that market data can suffer, as the drill injects it: data only.

The ids are those of the project's fault catalogue, section A. `arm` are faults of the embedded
exchange's menu with {s} for the symbol's stream spelling; `net` names what the bad net does. A
fault whose `signs` is empty need not be noticed, only be survived. `lasts_s` of None takes the
stand's own time, which is longer than any deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Arming = dict[str, Any]
INVALID = "invalid"
DEPTH, QUOTES, TRADES = "{s}@depth@0ms", "{s}@bookTicker", "{s}@trade"
MARKS = "{s}@markPrice@1s"
HOUR_MS = 3_600_000
VALUES = ("nan", "infinity", "1e999", "negative", "text", "list", "null", "missing", "huge")


@dataclass(frozen=True)
class Card:
    """One fault. `signs`: counters of which one must grow, or INVALID: a book taken out of force.

    `then` is armed together with it, to make the feed need what the fault spoils.
    """

    entry: str
    name: str
    arm: tuple[Arming, ...] = ()
    net: str = ""
    signs: tuple[str, ...] = (INVALID,)
    lasts_s: float | None = 0.0
    then: tuple[Arming, ...] = ()


def _on(kind: str, stream: str, **more: Any) -> tuple[Arming, ...]:
    return ({"kind": kind, "stream": stream, **more},)


def _rest(kind: str, **more: Any) -> tuple[Arming, ...]:
    return ({"kind": kind, "endpoint": "GET /fapi/v1/depth", "symbol": "{S}", **more},)


_GAP = _on("gap", DEPTH)
_SILENT = [
    Card("A03", f"silent: {what}", _on("silent", stream), signs=signs, lasts_s=lasts_s)
    for what, stream, signs, lasts_s in (
        ("depth", DEPTH, (INVALID,), None),
        ("bookTicker", QUOTES, (INVALID,), None),
        # Trades pause by nature: they are judged by their longest pause, which may be seconds.
        ("trades", TRADES, ("streams_asked_again", "reconnects"), 15.0),
        ("markPrice", MARKS, ("streams_asked_again", "reconnects"), None),
        ("all of a symbol", "{s}@*", (INVALID,), None),
        ("everything", "*", (INVALID,), None),
    )
]
_CROSSED = [
    Card("A09", f"{shape} {what}", _on("crossed_book", stream, shape=shape), signs=signs)
    for shape in ("crossed", "locked", "empty")
    for what, stream, signs in (
        ("depth", DEPTH, (INVALID,)),
        ("bookTicker", QUOTES, ("decode_errors",)),
    )
]
_GARBAGE = [
    Card("A10", f"{value} in {field} of {what}", _on("garbage", stream, value=value, field=field))
    for value in VALUES
    for what, stream, field in (("depth", DEPTH, "b"), ("depth", DEPTH, "pu"))
    if (value, field) != ("infinity", "pu")
]
_OTHER_GARBAGE = [
    Card(
        "A10", f"{value} in {field} of {what}",
        _on("garbage", stream, value=value, field=field), signs=("decode_errors",),
    )
    for value, what, stream, field in (
        ("nan", "bookTicker", QUOTES, "B"), ("zero", "bookTicker", QUOTES, "b"),
        ("1e999", "trade", TRADES, "p"), ("negative", "trade", TRADES, "q"),
        ("huge", "markPrice", MARKS, "p"), ("null", "markPrice", MARKS, "i"),
    )
]  # fmt: skip

DECK: tuple[Card, ...] = (
    Card("A01", "cut inside a frame", _on("cut", "*@depth*")),
    Card("A02", "half open at the exchange", _on("half_open", DEPTH)),
    Card("A02", "half open: net swallows all", net="swallow"),
    *_SILENT,
    Card("A03", "frozen bookTicker", _on("frozen", QUOTES), lasts_s=None),
    Card("A04", "slow drip of depth", _on("slow_drip", DEPTH, delay_ms=400), lasts_s=None),
    Card("A04", "slow drip of all", net="throttle"),
    Card("A04", "depth late", _on("delay", DEPTH, delay_ms=20_000), lasts_s=None),
    Card("A05", "depth twice", _on("duplicate", DEPTH), signs=("duplicates",)),
    Card("A05", "trade twice", _on("duplicate", TRADES), signs=("duplicates",)),
    Card("A06", "depth reordered", _on("reorder", DEPTH)),
    Card("A06", "quotes reordered", _on("reorder", QUOTES), signs=("duplicates",)),
    Card("A07", "gap in depth", _GAP),
    Card("A07", "depth event lost", _on("drop", DEPTH)),
    Card("A07", "trade lost", _on("drop", TRADES), signs=("trade_gaps",)),
    Card("A08", "stale snapshot", _rest("stale_snapshot"), lasts_s=0.4, then=_GAP),
    Card("A08", "snapshot 429", _rest("rate_limited"), signs=("rate_limited",), then=_GAP),
    Card("A08", "snapshot 503", _rest("unavailable_503", times=2), then=_GAP),
    Card("A08", "snapshot is a web page", _rest("blocked", status=502), then=_GAP),
    Card("A08", "snapshot cut", _rest("ack_lost"), then=_GAP),
    Card("A08", "snapshot late", _rest("slow_answer", delay_ms=700), then=_GAP),
    *_CROSSED,
    *_GARBAGE,
    *_OTHER_GARBAGE,
    Card("A10", "field that nobody knows", _on("new_field", "{s}@*", times=5), signs=()),
    Card("A10", "event that nobody knows", _on("new_event", "{s}@*", times=5), signs=()),
    Card("A11", "bad print: bookTicker", _on("bad_print", QUOTES, factor=1.5),
         signs=("prices_refused",)),
    Card("A11", "bad print: trade", _on("bad_print", TRADES, factor=0.6),
         signs=("prices_refused",)),
    Card("A11", "bad print: markPrice", _on("bad_print", MARKS, factor=1.4),
         signs=("prices_refused",)),
    Card("A11", "price really jumps", ({"kind": "price_spike", "symbol": "{S}", "bps": 80},),
         signs=(), lasts_s=0.3),
    Card("A12", "depth an hour ahead", _on("event_time", DEPTH, shift_ms=HOUR_MS),
         signs=("times_refused",)),
    Card("A12", "depth an hour back", _on("event_time", DEPTH, shift_ms=-HOUR_MS),
         signs=("times_refused",)),
    Card("A12", "quotes an hour ahead", _on("event_time", QUOTES, shift_ms=HOUR_MS, times=3),
         signs=("times_refused",)),
    Card("A13", "burst of all", _on("burst", "*", delay_ms=900, for_ms=900), signs=(), lasts_s=0.9),
    Card("A13", "burst of depth", _on("burst", DEPTH, delay_ms=900), signs=(), lasts_s=0.9),
    Card("A14", "closed after 24 hours", ({"kind": "day_close", "connection": "public/*"},)),
    Card("A14", "closed for a missed pong", ({"kind": "pong_close", "connection": "public/*"},)),
    Card("A15", "wrong route: acknowledged, silent", net="misroute", lasts_s=None),
    Card("A16", "symbol settles",
         ({"kind": "symbol_status", "symbol": "{S}", "status": "SETTLING"},), lasts_s=0.8),
    Card("A16", "trading halted",
         ({"kind": "symbol_status", "symbol": "{S}", "status": "TRADING_HALT"},), lasts_s=0.8),
    Card("A17", "tick size changed", ({"kind": "filter_change", "symbol": "{S}", "tick": 1.0},),
         signs=("universe_refreshes",), lasts_s=0.8),
)  # fmt: skip
