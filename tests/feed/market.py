"""A small seeded exchange book that speaks the wire's JSON, with the truth kept beside it.

Used by the feed's tests as the source of depth events, quotes, trades and snapshots. It is slow and
obvious on purpose: plain dicts of integer ticks, rebuilt into text for every message.
"""

from __future__ import annotations

import json
import random
from typing import Any

TICK_DECIMALS = 2
TICKS_PER_UNIT = 10**TICK_DECIMALS
Book = tuple[dict[int, int], dict[int, int]]


def price_text(ticks: int) -> str:
    return f"{ticks // TICKS_PER_UNIT}.{ticks % TICKS_PER_UNIT:0{TICK_DECIMALS}d}"


def quantity_text(lots: int) -> str:
    return f"{lots // 1000}.{lots % 1000:03d}"


class Market:
    """One symbol. `truth[u]` is the book (bid and ask lots by ticks) after update id u."""

    def __init__(self, seed: int, symbol: str = "BTCUSDT", levels: int = 30) -> None:
        self.random = random.Random(seed)
        self.symbol = symbol
        self.time_ms = 1_700_000_000_000
        self.update_id = 5_000_000_000_000 + seed % 1000
        self.trade_id = 1000
        self.middle = 6_000_000
        self.bids = {self.middle - 1 - n: 1 + n for n in range(levels)}
        self.asks = {self.middle + 1 + n: 1 + n for n in range(levels)}
        self.previous_id = self.update_id
        self.truth: dict[int, Book] = {}
        self._keep()

    def _keep(self) -> None:
        self.truth[self.update_id] = (dict(self.bids), dict(self.asks))

    def step(self) -> dict[str, Any]:
        """Change a few levels; returns the depthUpdate payload that tells of it."""
        source = self.random
        self.time_ms += source.randint(0, 20)
        changed: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for _ in range(source.randint(1, 6)):
            which = source.randrange(2)
            side, sign = (self.bids, -1) if which == 0 else (self.asks, 1)
            ticks = self.middle + sign * source.randint(1, 60)
            if ticks in side and len(side) > 5 and source.random() < 0.4:
                del side[ticks]
                changed[which][ticks] = 0
            else:
                side[ticks] = changed[which][ticks] = source.randint(1, 5000)
        if source.random() < 0.3:
            # Removing a level that is not there is normal.
            changed[0].setdefault(self.middle - 500, 0)
        first = self.update_id + source.randint(1, 5)
        self.update_id = first + source.randint(0, 5)
        event = {
            "e": "depthUpdate", "E": self.time_ms + 1, "T": self.time_ms, "s": self.symbol,
            "U": first, "u": self.update_id, "pu": self.previous_id,
            "b": self._levels(changed[0]), "a": self._levels(changed[1]),
        }  # fmt: skip
        self.previous_id = self.update_id
        self._keep()
        return event

    def _levels(self, side: dict[int, int]) -> list[list[str]]:
        return [[price_text(ticks), quantity_text(side[ticks])] for ticks in sorted(side)]

    def quote(self) -> dict[str, Any]:
        """The bookTicker payload of the book as it is now."""
        bid, ask = max(self.bids), min(self.asks)
        return {
            "e": "bookTicker", "u": self.update_id, "s": self.symbol,
            "b": price_text(bid), "B": quantity_text(self.bids[bid]),
            "a": price_text(ask), "A": quantity_text(self.asks[ask]),
            "T": self.time_ms, "E": self.time_ms + 1,
        }  # fmt: skip

    def trade(self) -> dict[str, Any]:
        """A trade payload at the best ask."""
        self.trade_id += 1
        return {
            "e": "trade", "E": self.time_ms + 1, "T": self.time_ms, "s": self.symbol,
            "t": self.trade_id, "p": price_text(min(self.asks)), "q": "0.010",
            "X": "MARKET", "m": False,
        }  # fmt: skip

    def mark(self) -> dict[str, Any]:
        """A markPriceUpdate payload, with a negative funding rate now and then."""
        rate = self.random.randint(-20_000, 20_000)
        return {
            "e": "markPriceUpdate", "E": self.time_ms, "s": self.symbol,
            "p": f"{price_text(self.middle)}000000", "P": f"{price_text(self.middle)}000000",
            "i": f"{price_text(self.middle + 3)}000000",
            "r": f"{'-' if rate < 0 else ''}0.{abs(rate):08d}",
            "T": self.time_ms + 3_600_000,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        """GET /fapi/v1/depth: best first on both sides."""
        return {
            "lastUpdateId": self.update_id, "E": self.time_ms, "T": self.time_ms,
            "bids": self._levels(self.bids)[::-1], "asks": self._levels(self.asks),
        }  # fmt: skip


def frame(payload: dict[str, Any], stream: str | None = None) -> bytes:
    """The combined-stream frame of a payload, spelled as the exchange spells it."""
    names = {"depthUpdate": "depth@0ms", "bookTicker": "bookTicker", "trade": "trade"}
    names["markPriceUpdate"] = "markPrice@1s"
    name = stream or f"{payload['s'].lower()}@{names[payload['e']]}"
    return json.dumps({"stream": name, "data": payload}, separators=(",", ":")).encode()


def compact(payload: dict[str, Any]) -> bytes:
    """JSON without blanks."""
    return json.dumps(payload, separators=(",", ":")).encode()
