"""One side of the recorded book: sorted price levels and what is displayed at each.

``mirror.book`` keeps one per side and applies absolute quantities to it, as any client of the
exchange would. Keys grow with attractiveness (bids: price, asks: -price), so the best is the last.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator


class Levels:
    """Displayed lots by price, of the side whose sign (+1 bids, -1 asks) is given."""

    __slots__ = ("_keys", "_lots", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self._keys: list[int] = []
        self._lots: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, ticks: int) -> int:
        """Lots displayed at a price, 0 if none."""
        return self._lots.get(ticks, 0)

    def apply(self, changes: Iterable[tuple[int, int]]) -> None:
        """Apply absolute quantities; 0 deletes, also what is not there."""
        lots_at, keys, sign = self._lots, self._keys, self.sign
        for ticks, lots in changes:
            if lots > 0:
                if ticks not in lots_at:
                    insort(keys, ticks * sign)
                lots_at[ticks] = lots
            elif lots_at.pop(ticks, 0):
                key = ticks * sign
                del keys[-1 if keys[-1] == key else bisect_left(keys, key)]

    def replace(self, levels: Iterable[tuple[int, int]]) -> None:
        """Become exactly these levels."""
        self._lots = {ticks: lots for ticks, lots in levels if lots > 0}
        self._keys = sorted(ticks * self.sign for ticks in self._lots)

    def best(self) -> int:
        """The best price, 0 if the side is empty."""
        return self._keys[-1] * self.sign if self._keys else 0

    def walk(self) -> Iterator[tuple[int, int]]:
        """(price, lots), best first."""
        for key in reversed(self._keys):
            ticks = key * self.sign
            yield ticks, self._lots[ticks]

    def top(self, limit: int) -> list[tuple[int, int]]:
        """The best `limit` levels, best first."""
        keys = self._keys[-limit:]
        keys.reverse()
        return [(key * self.sign, self._lots[key * self.sign]) for key in keys]
