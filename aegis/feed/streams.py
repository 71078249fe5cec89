"""Which streams an instance listens to, at which address, and how to ask for them. Pure text.

Called by the process to plan its connections. Since 2026 the exchange serves market data at two
routes, and a stream asked for at the wrong one is acknowledged and then silent, so the plan is
made here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from aegis.feed.symbols import stream_symbol

__all__ = ["StreamPlan", "plan_streams", "subscribe_frames"]

# Names in one SUBSCRIBE: far below any frame limit, and 1,024 streams take six frames of the ten
# that the exchange allows a second.
NAMES_PER_FRAME = 200

# Route by dialect: the depth, bookTicker and trade streams, and the mark price.
_ROUTES = {"2026": ("/public/stream", "/market/stream"), "2024": ("/stream", "/stream")}
_BOOK_STREAMS = ("depth@0ms", "bookTicker", "trade")
_MARK_STREAM = "markPrice@1s"


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """One connection: the path it opens, what it subscribes, whose books depend on it.

    `instruments` are those whose depth comes over this connection, none for side information;
    `symbols` are their names.
    """

    path: str
    names: tuple[str, ...]
    instruments: tuple[int, ...] = ()
    symbols: tuple[str, ...] = ()


def plan_streams(symbols: list[str], dialect: str, *, with_marks: bool) -> list[StreamPlan]:
    """The connections for these symbols (their order is the instrument order)."""
    public, market = _ROUTES[dialect]
    lower = [stream_symbol(symbol) for symbol in symbols]
    books = tuple(f"{symbol}@{stream}" for symbol in lower for stream in _BOOK_STREAMS)
    plans = [StreamPlan(public, books, tuple(range(len(symbols))), tuple(symbols))]
    if with_marks:
        marks = tuple(f"{symbol}@{_MARK_STREAM}" for symbol in lower)
        plans.append(StreamPlan(market, marks))
    return plans


def subscribe_frames(names: tuple[str, ...], first_id: int = 1) -> dict[int, tuple[bytes, int]]:
    """SUBSCRIBE frames by id: (text, how many streams it asks for)."""
    frames: dict[int, tuple[bytes, int]] = {}
    for place in range(0, len(names), NAMES_PER_FRAME):
        part = names[place : place + NAMES_PER_FRAME]
        number = first_id + len(frames)
        request = {"method": "SUBSCRIBE", "params": part, "id": number}
        frames[number] = (msgspec.json.encode(request), len(part))
    return frames
