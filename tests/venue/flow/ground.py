"""Agents and books for tests of the flow: any symbols and configuration, no exchange around."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aegis.config.models import FlowConfig, VenueConfig
from aegis.venue.flow.kernels import open_book, step
from aegis.venue.flow.population import make_agents
from aegis.venue.matching.interface import BUY, FIRST_CLIENT, SELL
from aegis.venue.matching.kernels import best, cancel, end_step, next_order, submit
from aegis.venue.matching.layout import FILL_COUNT, KEY, LEFT, ORDER, OWNER, REST, ROW, make_books
from aegis.venue.symbols import SymbolSpec, make_symbol
from aegis.venue.tape import Tape

CLIENT = FIRST_CLIENT


def specs_of(names: Sequence[str], universe: int = 60) -> list[SymbolSpec]:
    listed = VenueConfig(universe=universe).symbols
    return [make_symbol(name, listed[name], number) for number, name in enumerate(names)]


class Ground:
    """Some symbols' books with the agents in them; symbol 0 is the one that is asked about."""

    def __init__(
        self,
        names: Sequence[str] = ("BTCUSDT",),
        seed: int = 1,
        start_ticks: Mapping[str, int] | None = None,
        **changes: Any,
    ) -> None:
        self.specs = specs_of(names)
        self.tape = Tape()
        self.books = make_books(len(names), self.tape)
        self.agents = make_agents(self.specs, FlowConfig(**changes), seed, start_ticks)
        self.digest = hashlib.sha256()
        for number in range(len(names)):
            open_book(self.books, self.agents, number, 0)
            self._end(number, 0)

    def run(self, seconds: float, each: Callable[[int], None] | None = None) -> int:
        """Every symbol up to `seconds`, each by itself; `each` gets the time in ms after a step."""
        steps = 0
        for number in range(len(self.specs)):
            while self.agents.due_us[number] <= seconds * 1e6:
                now_ms = int(self.agents.due_us[number]) // 1000
                step(self.books, self.agents, number, now_ms)
                self._end(number, now_ms)
                steps += 1
                if each is not None:
                    each(now_ms)
        return steps

    def top(self, number: int = 0) -> tuple[int, int]:
        bid, _ = best(self.books, number, BUY)
        ask, _ = best(self.books, number, SELL)
        return int(bid), int(ask)

    def quote(self, side: int, price: int, lots: int, now_ms: int = 0, owner: int = CLIENT) -> int:
        order_id = int(next_order(self.books))
        submit(self.books, 0, order_id, owner, side, price, lots, REST, now_ms)
        self._end(0, now_ms)
        return order_id

    def take(self, side: int, price: int, lots: int, now_ms: int = 0) -> None:
        submit(self.books, 0, int(next_order(self.books)), CLIENT, side, price, lots, 0, now_ms)
        self._end(0, now_ms)

    def cancel(self, order_id: int, now_ms: int = 0) -> int:
        left = int(cancel(self.books, order_id, now_ms))
        self._end(0, now_ms)
        return left

    def resting(self, number: int, owner: int) -> dict[int, tuple[int, int, int]]:
        """Id -> (side, price, lots) of an owner's orders, as the books' slots have them."""
        slots = self.books.slots
        theirs = (
            (slots[:, ORDER] != 0) & (slots[:, OWNER] == owner) & (slots[:, ROW] >> 1 == number)
        )
        found = {}
        for slot in slots[theirs].tolist():
            side = BUY if slot[ROW] % 2 == 0 else SELL
            found[slot[ORDER]] = (side, slot[KEY] * side, slot[LEFT])
        return found

    def _end(self, number: int, now_ms: int) -> None:
        end_step(self.books, number, now_ms)
        # The order of symbols is this harness's, not the clock's: ids are left out.
        records = self.tape.records[: len(self.tape)]
        for name in ("kind", "symbol", "time_ms", "b", "c", "d"):
            self.digest.update(records[name].tobytes())
        self.tape.clear()
        self.books.state[FILL_COUNT] = 0
