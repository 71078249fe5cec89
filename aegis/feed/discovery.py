"""Finding out what the exchange lists, at the start and for ever after: the universe's questions.

Owned by the process. It asks for exchangeInfo, hands the answer to `Universe`, and says what came
of it. When the exchange cannot be asked at the start, an instance that takes all symbols goes on
with a list of well-known pairs, loudly, until the real one comes; an instance that names its
symbols waits. While the gate is shut by a 429 or a ban nothing is asked, and no attempt has failed.
Raises nothing but SymbolUnknownError: a symbol in the file that does not exist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aegis.feed.backoff import Backoff
from aegis.feed.endpoints import Endpoints
from aegis.feed.errors import FeedError, RateLimitedError, SymbolUnknownError
from aegis.feed.exchange_info import read_listing, status_of_event
from aegis.feed.rest import MarketRest
from aegis.feed.universe import FALLBACK, FALLBACK_SYMBOLS, Changes, Universe
from aegis.feed.weight import EXCHANGE_INFO_WEIGHT, WeightBudget
from aegis.shm.counters import Counters

__all__ = ["Discovery"]

_POLL_S = 0.02
# Shorter than a drain may take: a venue that hangs must not keep us from leaving.
_DEADLINE_S = 3.0
# 2 MB over a slow line; asked in the background, where nobody waits for it.
_PATIENT_DEADLINE_S = 20.0
_SHOWN = 10

Say = Callable[[str], None]


class Discovery:
    """`now_ms` is the exchange's time, by which weight is counted."""

    def __init__(
        self,
        universe: Universe,
        rest: MarketRest,
        endpoints: Endpoints,
        budget: WeightBudget,
        counters: Counters,
        backoff: Backoff,
        now_ms: Callable[[], int],
        say: Say,
    ) -> None:
        self.universe = universe
        self._rest = rest
        self._endpoints = endpoints
        self._budget = budget
        self._counters = counters
        self._backoff = backoff
        self._now_ms = now_ms
        self._say = say
        self._told = ""
        self._was_refused = self._waits_told = False
        self._overflow_told = -1
        self._refused_told: set[str] = set()

    async def begin(self, tries: int, is_stopping: Callable[[], bool]) -> Changes | None:
        """The first list, or its stand-in after so many failures; None when told to stop.

        Raises SymbolUnknownError.
        """
        failures = 0
        while not is_stopping():
            if self._endpoints.rest() is None:
                # The embedded exchange is still starting: no failure of anybody's.
                await asyncio.sleep(_POLL_S)
                continue
            changes = await self.refresh(_DEADLINE_S)
            if changes is not None:
                self._backoff.reset()
                return changes
            failures += int(not self._was_refused)
            if self.universe.takes_all and failures >= tries:
                return self._stand_in(failures)
            await self._pause(self._rest.gate.left_s or self._backoff.next_s(), is_stopping)
        return None

    async def refresh(self, deadline_s: float = _PATIENT_DEADLINE_S) -> Changes | None:
        """Ask for the list and take it over; None (and said, and counted) when that failed.

        Raises SymbolUnknownError, at the first list only.
        """
        url = self._endpoints.rest()
        if url is None:
            return None
        left_s = self._rest.gate.left_s
        self._was_refused = left_s > 0.0
        if self._was_refused:
            if not self._waits_told:
                self._say(f"the exchange wants silence: not asked for symbols for {left_s:.0f} s")
            self._waits_told = True
            return None
        self._waits_told = False
        was_told = False
        self._budget.begin(EXCHANGE_INFO_WEIGHT)
        try:
            body = await self._rest.get(f"{url}/fapi/v1/exchangeInfo", deadline_s)
            was_told = True
            listing = read_listing(body)
            before = self.universe.source
            changes = self.universe.take(listing)
        except SymbolUnknownError:
            raise
        except FeedError as error:
            self._was_refused = isinstance(error, RateLimitedError)
            self._counters["discovery_failures"] += int(not self._was_refused)
            was_told = was_told or self._was_refused
            self._complain(f"the exchange's list of symbols cannot be had: {error}")
            return None
        finally:
            self._budget.end(EXCHANGE_INFO_WEIGHT, self._now_ms(), was_told=was_told)
        if listing.weight_per_minute:
            self._budget.limit = listing.weight_per_minute
        self._told = ""
        self._tell(changes, before)
        return changes

    def notice(self, payload: bytes) -> Changes | None:
        """A frame of `!contractInfo`: what it changes at once; a refresh tells the rest."""
        found = status_of_event(payload)
        if found is None:
            return None
        changes = self.universe.set_status(*found)
        if changes is not None:
            for sentence in changes.sentences:
                self._say(f"the exchange changed {sentence}")
        self.write_counters()
        return changes

    def write_counters(self) -> None:
        """Show where the symbols come from and how many there are."""
        universe, counters = self.universe, self._counters
        counters["universe_source"] = universe.source
        counters["universe_listed"] = len(universe.symbols)
        counters["universe_trading"] = universe.trading()
        counters["universe_overflow"] = len(universe.overflow)
        counters["universe_refreshes"] = universe.refreshes

    def _stand_in(self, failures: int) -> Changes:
        changes = self.universe.fall_back()
        self._say(
            f"WARNING: after {failures} attempts the exchange's list of symbols is not to be had; "
            f"following {len(FALLBACK_SYMBOLS)} well-known pairs, and nothing can be traded, until "
            "it is"
        )
        self.write_counters()
        return changes

    def _tell(self, changes: Changes, before: int) -> None:
        universe = self.universe
        self.write_counters()
        if before == FALLBACK:
            self._say(f"the exchange's list has come: {universe.trading()} symbols trade")
        for sentence in changes.sentences[:_SHOWN] if before != FALLBACK else ():
            self._say(f"the exchange changed {sentence}")
        if changes.added:
            names = [universe.symbols[row] for row in changes.added]
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            self._say(f"listed: {', '.join(names[:_SHOWN])}{more}; {len(universe.symbols)} in all")
        if len(universe.overflow) != max(self._overflow_told, 0):
            self._overflow_told = len(universe.overflow)
            self._say(
                f"WARNING: {self._overflow_told} symbols found no row: the instance was started "
                f"with max_symbols = {universe.table.rows.size}"
            )
        for symbol in sorted(universe.refused.keys() - self._refused_told):
            what = "keeps its former sizes" if universe.index(symbol) >= 0 else "is left out"
            self._say(f"{symbol} {what}: {universe.refused[symbol]}")
        self._refused_told = set(universe.refused)

    def _complain(self, text: str) -> None:
        # Said once, not at every attempt: the exchange may be a minute late.
        if text != self._told:
            self._say(text)
        self._told = text

    async def _pause(self, seconds: float, is_stopping: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until and not is_stopping():
            await asyncio.sleep(_POLL_S)
