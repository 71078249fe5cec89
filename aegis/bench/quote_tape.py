"""A made-up recording with quotes at an exact pace, for `aegis bench path`.

Written in the format of a raw recording (`<local ns> <json>` lines, gzip), so both the appliance
and the baseline receive it from the embedded exchange's mirror, over real sockets: a depth
snapshot, one bookTicker per quote with a moving price, and ten depth updates a second that agree
with it. Seeded: the same arguments give the same file.
"""

import gzip
import json
import random
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Pace", "write_tape"]

SYMBOL = "BTCUSDT"
START_NS = 1_700_000_000_000_000_000
TICK = 10  # a tick of 0.10 in cents
LEVELS = 20
DEPTH_EVERY_NS = 100_000_000


@dataclass(frozen=True)
class Pace:
    """Quotes a second: `steady` throughout, `burst` for `burst_ms` at the start of each period."""

    steady_per_s: int
    burst_per_s: int
    burst_ms: int
    period_ms: int

    def next_after(self, elapsed_ns: int) -> int:
        """Nanoseconds from one quote to the next."""
        within_ms = elapsed_ns // 1_000_000 % self.period_ms
        bursting = self.burst_ms > 0 and within_ms < self.burst_ms
        return 1_000_000_000 // (self.burst_per_s if bursting else self.steady_per_s)


def _json(value: object) -> str:
    """Compact, as the exchange writes it."""
    return json.dumps(value, separators=(",", ":"))


def _text(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _levels(bid: int) -> tuple[dict[int, str], dict[int, str]]:
    bids = {bid - TICK * n: "5.000" for n in range(LEVELS)}
    asks = {bid + TICK * (n + 1): "5.000" for n in range(LEVELS)}
    return bids, asks


def _changes(old: dict[int, str], new: dict[int, str]) -> list[list[str]]:
    gone = {price: "0.000" for price in old if price not in new}
    return [[_text(price), qty] for price, qty in sorted({**gone, **new}.items())]


class _Writer:
    """Keeps ids and the chain of depth updates."""

    def __init__(self, bid: int) -> None:
        self.bid = bid
        self.update = 1_000
        self.last_depth = 1_000
        self.bids, self.asks = _levels(bid)

    def snapshot(self, ms: int) -> str:
        return _json(
            {
                "lastUpdateId": self.update + 1,
                "E": ms,
                "T": ms,
                "bids": [[_text(p), q] for p, q in sorted(self.bids.items(), reverse=True)],
                "asks": [[_text(p), q] for p, q in sorted(self.asks.items())],
            }
        )

    def depth(self, ms: int) -> str:
        bids, asks = _levels(self.bid)
        first, self.update = self.last_depth + 1, self.update + 1
        data = {
            "e": "depthUpdate", "E": ms, "T": ms, "s": SYMBOL,
            "U": first, "u": self.update, "pu": self.last_depth,
            "b": _changes(self.bids, bids), "a": _changes(self.asks, asks),
        }  # fmt: skip
        self.last_depth, self.bids, self.asks = self.update, bids, asks
        return _json({"stream": f"{SYMBOL.lower()}@depth@0ms", "data": data})

    def quote(self, ms: int) -> str:
        self.update += 1
        data = {
            "e": "bookTicker", "u": self.update, "s": SYMBOL, "b": _text(self.bid), "B": "5.000",
            "a": _text(self.bid + TICK), "A": "5.000", "T": ms, "E": ms,
        }  # fmt: skip
        return _json({"stream": f"{SYMBOL.lower()}@bookTicker", "data": data})


def write_tape(path: Path, pace: Pace, seconds: float, seed: int = 7) -> int:
    """Write the recording; returns the number of quotes in it."""
    rng = random.Random(seed)
    writer = _Writer(6_000_000)
    elapsed = quotes = 0
    next_depth = 0
    snapshot_due = True
    with gzip.open(path, "wt", compresslevel=1) as tape:
        while elapsed < seconds * 1e9:
            stamp = START_NS + elapsed
            ms = stamp // 1_000_000
            if elapsed >= next_depth:
                tape.write(f"{stamp} {writer.depth(ms)}\n")
                next_depth += DEPTH_EVERY_NS
                if snapshot_due:
                    tape.write(f"{stamp} {writer.snapshot(ms)}\n")
                    snapshot_due = False
            # Every quote moves the price, so that every quote is a reason to act.
            writer.bid += TICK * rng.choice((-3, -2, -1, 1, 2, 3))
            tape.write(f"{stamp} {writer.quote(ms)}\n")
            quotes += 1
            elapsed += pace.next_after(elapsed)
    return quotes
