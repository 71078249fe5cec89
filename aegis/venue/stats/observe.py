"""Watch one market for a while: the venue's own agents and books, run as fast as they go.

`aegis venue stats` and the tests get their arrays here. The market is what the venue would serve
for that configuration and seed as the first of its symbols, by the same kernels; only that nobody
trades in it but its agents, and that its tape is kept instead of published.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from aegis.config.models import VenueConfig
from aegis.host.jit import kernel
from aegis.venue.errors import OptionsError
from aegis.venue.flow.kernels import open_book, step
from aegis.venue.flow.layout import Agents
from aegis.venue.flow.population import make_agents
from aegis.venue.matching.kernels import end_step
from aegis.venue.matching.layout import Books, make_books
from aegis.venue.stats.book import Tops
from aegis.venue.stats.takings import Takings, gather
from aegis.venue.symbols import SymbolSpec, make_symbol
from aegis.venue.tape import HEADROOM, STEP, TRADE, Tape

DAY_S: Final = 86_400
_SECOND_US: Final = 1_000_000
_TOP, _PRINT = 0, 1  # cursors of a harvest
_TOP_WORDS: Final = 5
_PRINT_WORDS: Final = 4
_FIRST_ROWS: Final = 65_536
# What one event of the flow can add: a sweep through a side prints a trade per quote.
_MOST_PRINTS: Final = HEADROOM


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of one symbol in one stretch of event time."""

    symbol: str
    seed: int
    seconds: float
    tops: Tops
    takings: Takings
    prints: int
    steps: int  # events of the flow
    records: int  # of the tape: trades, changes of levels, ends of steps
    wall_s: float


@kernel
def _watch(
    books: Any, agents: Any, until_us: Any, tops: Any, prints: Any, cursors: Any, counts: Any
) -> Any:
    """Run symbol 0 and keep its tops and prints; 1 at `until_us`, 0 when an array is full."""
    tape = books.tape
    while agents.due_us[0] <= until_us:
        if cursors[_TOP] == tops.shape[0] or cursors[_PRINT] + _MOST_PRINTS > prints.shape[0]:
            return 0
        now_ms = agents.due_us[0] // 1000
        step(books, agents, 0, now_ms)
        end_step(books, 0, now_ms)
        counts[0] += 1
        counts[1] += books.cursor[0]
        for record in range(books.cursor[0]):
            kind = tape[record, 0] & 0xFFFF
            if kind == TRADE:
                at = cursors[_PRINT]
                prints[at, 0] = now_ms
                for word in range(3):
                    prints[at, 1 + word] = tape[record, 3 + word]
                cursors[_PRINT] = at + 1
            elif kind == STEP:
                at = cursors[_TOP]
                same = at > 0
                for word in range(4):
                    tops[at, 1 + word] = tape[record, 4 + word]
                    same = same and tops[at, 1 + word] == tops[at - 1, 1 + word]
                tops[at, 0] = now_ms
                cursors[_TOP] = at if same else at + 1
        books.cursor[0] = 0
    return 1


class Market:
    """One symbol's market that nobody serves. `watch` runs it on, stretch after stretch."""

    def __init__(self, config: VenueConfig, symbol: str, seed: int) -> None:
        """Open its book. Raises OptionsError if the venue does not list the symbol."""
        listed = config.symbols.get(symbol)
        if listed is None:
            raise OptionsError(f"the venue does not list {symbol}; add [venue.symbols.{symbol}]")
        self.symbol = symbol
        self.seed = seed
        self.spec: SymbolSpec = make_symbol(symbol, listed)
        self.books: Books = make_books(1, Tape())
        self.agents: Agents = make_agents([self.spec], config.flow, seed)
        self._until_us = 0
        open_book(self.books, self.agents, 0, 0)
        end_step(self.books, 0, 0)
        self.books.cursor[0] = 0

    def watch(self, seconds: float) -> Observation:
        """Run it on for so many seconds of event time."""
        self._until_us += round(seconds * _SECOND_US)
        tops = np.zeros((_FIRST_ROWS, _TOP_WORDS), np.int64)
        prints = np.zeros((_FIRST_ROWS, _PRINT_WORDS), np.int64)
        cursors, counts = np.zeros(2, np.int64), np.zeros(2, np.int64)
        began_s = time.perf_counter()
        while not _watch(self.books, self.agents, self._until_us, tops, prints, cursors, counts):
            tops = _with_room(tops, int(cursors[_TOP]) + 1)
            prints = _with_room(prints, int(cursors[_PRINT]) + _MOST_PRINTS)
        return Observation(
            self.symbol,
            self.seed,
            seconds,
            Tops(*_columns(tops[: cursors[_TOP]])).two_sided(),
            gather(*_columns(prints[: cursors[_PRINT]])),
            prints=int(cursors[_PRINT]),
            steps=int(counts[0]),
            records=int(counts[1]),
            wall_s=time.perf_counter() - began_s,
        )


def _with_room(rows: Any, wanted: int) -> Any:
    """The same rows in an array of at least so many."""
    if len(rows) >= wanted:
        return rows
    larger = np.zeros((max(2 * len(rows), wanted), rows.shape[1]), np.int64)
    larger[: len(rows)] = rows
    return larger


def _columns(rows: Any) -> Iterator[Any]:
    return (np.ascontiguousarray(rows[:, column]) for column in range(rows.shape[1]))
