"""What the venue writes down about itself: marks each second, positions every five minutes.

Called once per second of event time, after the exchange's rules of that second have run; the
statistics handlers read what it keeps. It looks at accounts and marks and changes neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from aegis.venue.clearing import Clearing
from aegis.venue.history.history import History
from aegis.venue.history.samples import SAMPLE_MS, Holders, Sample, Samples
from aegis.venue.marks import INDEX, MARK, PREMIUM, Marks

# The exchange calls the fifth of its traders with the largest balances the top traders; of our few
# at least two, so that there can be a long and a short one.
TOP_SHARE: Final = 5
FEWEST_TOP: Final = 2


class Observation:
    """The venue's own statistics, as far back as their rings reach."""

    def __init__(self, clearing: Clearing, marks: Marks, history: History) -> None:
        count = len(clearing.markets)
        self.samples = Samples(count)
        self._clearing = clearing
        self._marks = marks
        self._history = history
        self._middles = np.zeros(count, np.int64)
        self._no_premium = np.zeros(count, np.int64)
        self._sampled_ms = 0

    def on_second(self, now_ms: int) -> None:
        """Note the marks of this second; sample positions when five minutes are full."""
        words = self._marks.gauges.words
        if self._marks.is_measured:
            marks, indices, premiums = words[:, MARK], words[:, INDEX], words[:, PREMIUM]
        else:
            for number, market in enumerate(self._clearing.markets.values()):
                self._middles[number] = market.mark_e8()
            marks = indices = self._middles
            premiums = self._no_premium
        self._history.note_marks(now_ms, marks, indices, premiums)
        due_ms = now_ms - now_ms % SAMPLE_MS
        if due_ms > self._sampled_ms:
            self._sample(due_ms, now_ms)

    def _sample(self, due_ms: int, now_ms: int) -> None:
        self._sampled_ms = due_ms
        positions = positions_of(self._clearing)
        for number, (symbol, market) in enumerate(self._clearing.markets.items()):
            reading = self._marks.reading(number, market.mark_e8(), now_ms)
            holders = holders_of(positions.get(symbol, ()))
            self.samples.add(
                number,
                Sample(due_ms, reading.mark_e8, reading.index_e8, market.last_ticks, holders),
            )


def positions_of(clearing: Clearing) -> dict[str, list[tuple[int, int]]]:
    """(balance in 1e-8, signed lots) of every open position, by symbol."""
    ledger = clearing.ledger
    ledger.bring_in()
    found: dict[str, list[tuple[int, int]]] = {}
    for account in ledger.accounts.values():
        for (symbol, _), position in account.positions.items():
            if position.lots:
                found.setdefault(symbol, []).append((account.wallet_e8, position.lots))
    return found


def open_interest_lots(clearing: Clearing, symbol: str) -> int:
    """The lots of all long positions, which are those of all short ones."""
    clearing.ledger.bring_in()
    return sum(
        position.lots
        for account in clearing.ledger.accounts.values()
        for (name, _), position in account.positions.items()
        if name == symbol and position.lots > 0
    )


def holders_of(positions: Iterable[tuple[int, int]]) -> Holders:
    """Count (balance, signed lots) by side; the top are those of the largest balances."""
    ranked = sorted(positions, key=lambda one: (one[0], abs(one[1])), reverse=True)
    top = ranked[: max(FEWEST_TOP, len(ranked) // TOP_SHARE)]
    return Holders(*_sides(ranked), *_sides(top))


def _sides(positions: list[tuple[int, int]]) -> tuple[int, int, int, int]:
    """Accounts long and short, lots long and short."""
    longs = [lots for _, lots in positions if lots > 0]
    shorts = [-lots for _, lots in positions if lots < 0]
    return len(longs), len(shorts), sum(longs), sum(shorts)
