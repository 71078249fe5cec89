"""Fetching candles from the exchange's history: at the start, and where ours are incomplete.

Owned by the process, which calls `send` between messages. What is missing is the intake's business
(`candle_desk`), how much may be asked for the budget's: the one that snapshots are asked from, and
they go first. A history is done when the exchange has answered for it, also when that was little.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aegis.feed.backoff import Backoff
from aegis.feed.candle_desk import Stretch
from aegis.feed.endpoints import Endpoints
from aegis.feed.errors import FeedError, InvalidSymbolError, RateLimitedError, WireError
from aegis.feed.intake import Intake
from aegis.feed.klines import Question, ask, candles_of, decode_klines
from aegis.feed.rest import MarketRest
from aegis.feed.weight import WeightBudget, snapshot_choice
from aegis.host.clock import monotonic_ns
from aegis.shm.counters import Counters

__all__ = ["CandleHistory"]

_NS = 1_000_000_000
_FIRST_DELAY_S, _LAST_DELAY_S = 1.0, 60.0
# An answer that does not have a candle yet may have it a moment later; after so many, it never had.
_TRIES = 4
_AT_ONCE = 4
_LOOK_NS = 100_000_000

Say = Callable[[str], None]


@dataclass(slots=True)
class _Ring:
    """One instrument and interval: what is under way for it, and when it may be asked for again."""

    backoff: Backoff
    under_way: bool = False
    is_done: bool = False
    not_before_ns: int = 0
    tries: int = 0


class CandleHistory:
    """`now_ms` is the exchange's time, by which weight is counted."""

    def __init__(
        self,
        intake: Intake,
        rest: MarketRest,
        endpoints: Endpoints,
        budget: WeightBudget,
        counters: Counters,
        now_ms: Callable[[], int],
        say: Say,
        source: random.Random,
    ) -> None:
        self._intake = intake
        self._desk = intake.candles
        self._rest = rest
        self._endpoints = endpoints
        self._budget = budget
        self._counters = counters
        self._now_ms = now_ms
        self._say = say
        self._source = source
        self._rings: dict[tuple[int, int], _Ring] = {}
        self._wanted: deque[Stretch] = deque()
        self._new: list[int] = []
        self._look_ns = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, instruments: Iterable[int]) -> None:
        """Fetch the last candles of these instruments, of every interval."""
        self._new += [one for one in instruments if self._desk.intervals_s]
        self._write_counters()

    def drop(self, instruments: Iterable[int]) -> None:
        """These instruments are not followed any more."""
        gone = set(instruments)
        self._new = [one for one in self._new if one not in gone]
        self._wanted = deque(one for one in self._wanted if one.instrument not in gone)
        for key in [key for key in self._rings if key[0] in gone]:
            del self._rings[key]
        self._write_counters()

    def send(self, now_ns: int) -> None:
        """Ask for what is due, as far as the weight of this minute reaches."""
        if now_ns < self._look_ns or self._desk.exchange_ms == 0:
            return
        self._look_ns = now_ns + _LOOK_NS
        self._begin_new()
        self._find_broken(now_ns)
        may_ask = self._rest.gate.left_s == 0.0
        for _ in range(len(self._wanted)):
            if not may_ask or len(self._tasks) >= _AT_ONCE:
                break
            stretch = self._wanted.popleft()
            ring = self._rings.get(stretch[:2])
            if ring is None:
                continue
            question = self._question(stretch)
            has_to_wait = ring.under_way or now_ns < ring.not_before_ns
            if has_to_wait or not self._has_room(question.weight):
                self._wanted.append(stretch)
                continue
            self._start(ring, stretch, question)

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- what to ask for

    def _begin_new(self) -> None:
        for instrument in self._new:
            for place in range(len(self._desk.intervals_s)):
                stretch = self._desk.recent(instrument, place)
                assert stretch is not None, "asked before the time was known"
                backoff = Backoff(_FIRST_DELAY_S, _LAST_DELAY_S, self._source)
                self._rings[instrument, place] = _Ring(backoff)
                self._desk.tell_known(instrument, place, known=False)
                self._put(stretch)
        if self._new:
            self._new = []
            self._write_counters()

    def _put(self, stretch: Stretch) -> None:
        """Cut a stretch into what one answer holds, the newest part first."""
        width_ms = self._desk.intervals_s[stretch.place] * 1000
        most_ms = (candles_of(self._desk.intervals_s[stretch.place]) - 1) * width_ms
        to_ms = stretch.to_ms
        while to_ms >= stretch.from_ms:
            from_ms = max(stretch.from_ms, to_ms - most_ms)
            self._wanted.append(stretch._replace(from_ms=from_ms, to_ms=to_ms))
            to_ms = from_ms - width_ms

    def _find_broken(self, now_ns: int) -> None:
        """Queue incomplete candles, one stretch a ring at a time."""
        queued = {stretch[:2] for stretch in self._wanted}
        for stretch in self._desk.broken():
            ring = self._rings.get(stretch[:2])
            if ring is None or ring.under_way or stretch[:2] in queued:
                continue
            if ring.is_done and now_ns >= ring.not_before_ns:
                width_ms = self._desk.intervals_s[stretch.place] * 1000
                most = candles_of(self._desk.intervals_s[stretch.place])
                last_ms = min(stretch.to_ms, stretch.from_ms + (most - 1) * width_ms)
                self._wanted.append(stretch._replace(to_ms=last_ms))

    def _question(self, stretch: Stretch) -> Question:
        symbol = self._intake.symbols.symbols[stretch.instrument]
        interval_s = self._desk.intervals_s[stretch.place]
        return ask(symbol, interval_s, stretch.from_ms, stretch.to_ms)

    def _has_room(self, weight: int) -> bool:
        """Whether the weight is there when every book that waits has had its snapshot."""
        symbols = max(sum(self._intake.wanted), 1)
        _, each = snapshot_choice(symbols, self._budget.per_minute)
        books = self._intake.snapshots.waiting * each
        return self._budget.room(1, self._now_ms()) >= weight + books

    # ---- asking

    def _start(self, ring: _Ring, stretch: Stretch, question: Question) -> None:
        ring.under_way = True
        self._budget.begin(question.weight)
        task = asyncio.get_running_loop().create_task(self._fetch(ring, stretch, question))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fetch(self, ring: _Ring, stretch: Stretch, question: Question) -> None:
        interval_s = self._desk.intervals_s[stretch.place]
        was_told = False
        try:
            url = self._endpoints.rest()
            if url is None:
                raise FeedError("the exchange has no address")
            body = await self._rest.get(f"{url}{question.path}", None, **question.parameters)
            was_told = True
            rows = decode_klines(body, question.base_s, interval_s)
        except FeedError as error:
            was_told = was_told or isinstance(error, RateLimitedError | InvalidSymbolError)
            self._failed(ring, stretch, error)
            return
        finally:
            ring.under_way = False
            self._budget.end(question.weight, self._now_ms(), was_told=was_told)
        if self._rings.get(stretch[:2]) is not ring:
            return
        self._intake.flush()
        rows = rows[(rows["open_ms"] >= stretch.from_ms) & (rows["open_ms"] <= stretch.to_ms)]
        self._desk.take(stretch, rows, monotonic_ns())
        missing = self._desk.unrepaired(stretch)
        if missing and ring.tries < _TRIES:
            self._retry(ring, stretch)
        else:
            if missing:
                symbol = self._intake.symbols.symbols[stretch.instrument]
                self._say(
                    f"candles of {symbol}, {interval_s} s: the exchange does not have {missing}"
                )
            self._settle(ring, stretch)
        self.send(monotonic_ns())

    def _failed(self, ring: _Ring, stretch: Stretch, error: FeedError) -> None:
        symbol = self._intake.symbols.symbols[stretch.instrument]
        if ring.tries == 0:
            self._say(f"candles of {symbol}: {error}")
        if isinstance(error, InvalidSymbolError | WireError):
            # Asking again cannot help.
            self._settle(ring, stretch)
        elif self._rings.get(stretch[:2]) is ring:
            self._retry(ring, stretch)

    def _retry(self, ring: _Ring, stretch: Stretch) -> None:
        ring.tries += 1
        ring.not_before_ns = monotonic_ns() + int(ring.backoff.next_s() * _NS)
        self._wanted.append(stretch)

    def _settle(self, ring: _Ring, stretch: Stretch) -> None:
        ring.tries = 0
        ring.backoff.reset()
        ring.is_done = True
        waits = any(other[:2] == stretch[:2] for other in self._wanted)
        self._desk.tell_known(stretch.instrument, stretch.place, known=not waits)
        self._write_counters()

    def _write_counters(self) -> None:
        per_instrument = len(self._desk.intervals_s)
        self._counters["history_done"] = sum(ring.is_done for ring in self._rings.values())
        self._counters["history_total"] = len(self._rings) + len(self._new) * per_instrument
