"""Which streams go over which connection, at which address, and how to ask for them. Pure.

Called by the process to plan its connections and to change the plan while it runs. Since 2026 the
exchange serves market data at two routes, and a stream asked for at the wrong one is acknowledged
and then silent, so the plan is made here and nowhere else. A shard is the share of one connection:
small enough that its loss hurts few books, and far within the 1,024 streams that the exchange
allows. An instrument stays on its shard as long as it has streams.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from aegis.feed.symbols import stream_symbol

__all__ = [
    "CONTRACT_STREAM",
    "LIQUIDATION_STREAM",
    "MAX_STREAMS",
    "Shard",
    "ShardPlan",
    "control_frames",
]

# Names in one SUBSCRIBE: far below any frame limit, and 1,024 streams take six frames of the ten
# that the exchange allows a second.
NAMES_PER_FRAME = 200
MAX_STREAMS = 1_024
CONTRACT_STREAM = "!contractInfo"
LIQUIDATION_STREAM = "!forceOrder@arr"

# Route by dialect: the depth, bookTicker and trade streams, and the mark price.
_ROUTES = {"2026": ("/public/stream", "/market/stream"), "2024": ("/stream", "/stream")}
_BOOK_STREAMS = ("depth@0ms", "bookTicker", "trade")
_MARKET_STREAMS = ("markPrice@1s",)
# Side information is light: a connection carries it for so many times the symbols.
_MARKET_SHARE = 4


@dataclass(slots=True, eq=False)
class Shard:
    """One connection's share: the path it opens and whose streams it carries.

    `members` are symbols by instrument; `others` streams that belong to no symbol. With
    `carries_books` the members' books depend on this connection.
    """

    number: int
    path: str
    suffixes: tuple[str, ...]
    carries_books: bool
    others: tuple[str, ...] = ()
    members: dict[int, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.path}#{self.number}"

    @property
    def instruments(self) -> list[int]:
        """Those whose books are fed by it, none for side information."""
        return list(self.members) if self.carries_books else []

    @property
    def names(self) -> list[str]:
        """Every stream it should be subscribed to."""
        own = [name for symbol in self.members.values() for name in self.streams_of(symbol)]
        return [*self.others, *own]

    def streams_of(self, symbol: str) -> list[str]:
        """The streams of one member."""
        return [f"{stream_symbol(symbol)}@{suffix}" for suffix in self.suffixes]

    def trade_stream(self, symbol: str) -> str:
        """The member's stream of trades."""
        return f"{stream_symbol(symbol)}@{_BOOK_STREAMS[2]}"

    def mark_stream(self, symbol: str) -> str:
        """The member's stream of mark prices."""
        return f"{stream_symbol(symbol)}@{_MARKET_STREAMS[0]}"

    def depth_stream(self, symbol: str) -> str:
        """The member's stream that its book is made of."""
        return f"{stream_symbol(symbol)}@{_BOOK_STREAMS[0]}"


class ShardPlan:
    """All shards of a feed. `per_connection` bounds the symbols whose books share a connection."""

    def __init__(self, dialect: str, per_connection: int, *, with_marks: bool) -> None:
        self.shards: list[Shard] = []
        self._public, self._market = _ROUTES[dialect]
        self._with_marks = with_marks
        self._limits = {
            True: min(per_connection, MAX_STREAMS // len(_BOOK_STREAMS)),
            False: min(_MARKET_SHARE * per_connection, MAX_STREAMS // len(_MARKET_STREAMS) - 2),
        }
        self._made = 0

    def add(self, members: Iterable[tuple[int, str]]) -> list[Shard]:
        """Place (instrument, symbol) pairs on the emptiest shards; returns the shards touched.

        As many shards are made first as all need, and the pairs are dealt out in turn: neighbours
        in the exchange's list, the busiest of which come first, end up on different connections.
        """
        wanted = list(members)
        touched = self._place(wanted, carries_books=True)
        if self._with_marks:
            touched += self._place(wanted, carries_books=False)
        return touched

    def remove(self, instruments: Iterable[int]) -> list[Shard]:
        """Take instruments off their shards; returns the shards touched, the empty ones too."""
        gone = set(instruments)
        touched = [shard for shard in self.shards if gone & set(shard.members)]
        for shard in touched:
            for instrument in gone:
                shard.members.pop(instrument, None)
        return touched

    def drop(self, shard: Shard) -> None:
        """Forget a shard that nobody needs."""
        self.shards.remove(shard)

    def _place(self, wanted: list[tuple[int, str]], *, carries_books: bool) -> list[Shard]:
        limit = self._limits[carries_books]
        own = [shard for shard in self.shards if shard.carries_books is carries_books]
        held = sum(len(shard.members) for shard in own)
        while len(own) * limit < held + len(wanted):
            own.append(self._make(carries_books, first=not own))
        touched: list[Shard] = []
        for instrument, symbol in wanted:
            shard = min(own, key=lambda candidate: len(candidate.members))
            shard.members[instrument] = symbol
            if shard not in touched:
                touched.append(shard)
        return touched

    def _make(self, carries_books: bool, first: bool) -> Shard:
        self._made += 1
        if carries_books:
            shard = Shard(self._made, self._public, _BOOK_STREAMS, carries_books=True)
        else:
            others = (CONTRACT_STREAM, LIQUIDATION_STREAM) if first else ()
            shard = Shard(self._made, self._market, _MARKET_STREAMS, False, others)
        self.shards.append(shard)
        return shard


def control_frames(
    method: str, names: Iterable[str], first_id: int
) -> dict[int, tuple[bytes, tuple[str, ...]]]:
    """SUBSCRIBE or UNSUBSCRIBE frames by id: (text, the streams that it names)."""
    everything = list(names)
    frames: dict[int, tuple[bytes, tuple[str, ...]]] = {}
    for place in range(0, len(everything), NAMES_PER_FRAME):
        part = tuple(everything[place : place + NAMES_PER_FRAME])
        number = first_id + len(frames)
        request = {"method": method, "params": part, "id": number}
        frames[number] = (msgspec.json.encode(request), part)
    return frames
