"""Runs the synthetic markets: on and on in machine code, back here when Python has something to do.

``serve`` asks it to catch up with the clock, also right before a client's command, so that what
was due before the command happens before it; a test asks it for the next seconds. Event times and
their order depend on the seed and on the clients' commands alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from aegis.venue.core import Core
from aegis.venue.flow.kernels import open_book
from aegis.venue.flow.layout import BOOK_DUE_US, TRADE_DUE_US, Agents
from aegis.venue.flow_clock import (
    CAUGHT_UP,
    CLOCK_WORDS,
    NEWEST_MS,
    ORIGIN_MS,
    SECOND,
    SECOND_LENGTH_US,
    SECOND_US,
    STEPS,
    UNTIL_US,
    arrange,
    run,
)
from aegis.venue.matching.kernels import end_step
from aegis.venue.reaction import Reaction
from aegis.venue.tape import HEADROOM

SECOND_MS: Final = 1_000
# When a halted symbol's next event is due: beyond all times.
NEVER_US: Final = 2**62
# An exchange that was stopped does not replay what it missed, when that is more than so much.
BEHIND_S: Final = 1.0


def whole_second(wall_ms: int) -> int:
    """The origin for a market that opens at `wall_ms`: seconds of event time are whole ones."""
    return wall_ms - wall_ms % SECOND_MS


class FlowDriver:
    """The flow of all symbols on one clock, `origin_ms` (a whole second) being its zero.

    `after_step(now_ms)` is called with what there is on the tape: whenever a client was concerned,
    a second was over or the tape got full, and at the end of `run_until`. `newest_ms` is the time
    of the newest event of the exchange; nothing is stamped before it.
    """

    def __init__(
        self,
        core: Core,
        agents: Agents,
        origin_ms: int,
        after_step: Callable[[int], None],
        newest_ms: Callable[[], int] = int,
    ) -> None:
        assert origin_ms % SECOND_MS == 0, f"origin {origin_ms} is no whole second"
        self._exchange = core.exchange
        self._books = core.books
        self._agents = agents
        self._after_step = after_step
        self._newest_ms = newest_ms
        self._reaction = Reaction(core.exchange, core.books)
        self._heap = np.arange(len(core.exchange.markets), dtype=np.int64)
        self._halted: dict[int, int] = {}  # symbol -> when its next event was due
        self._clock = np.zeros(CLOCK_WORDS, np.int64)
        self._clock[ORIGIN_MS] = origin_ms
        self._clock[SECOND_US] = SECOND_LENGTH_US

    @property
    def origin_ms(self) -> int:
        return int(self._clock[ORIGIN_MS])

    @property
    def reached_ms(self) -> int:
        """Up to when everything that was due has been done."""
        return self.origin_ms + int(self._clock[UNTIL_US]) // 1000

    @property
    def next_s(self) -> float:
        """When the next event is due, in seconds since the origin."""
        return float(self._agents.due_us[self._heap[0]]) / 1e6

    @property
    def steps(self) -> int:
        """How many events there were."""
        return int(self._clock[STEPS])

    def fair_prices(self) -> dict[str, int]:
        """What each symbol is worth to those who know, in ticks."""
        fair_ticks = self._agents.fair_ticks.tolist()
        return {symbol: int(fair_ticks[one]) for one, symbol in enumerate(self._exchange.markets)}

    def open_markets(self) -> None:
        """Fill every book."""
        books, origin_ms = self._books, self.origin_ms
        for number in range(len(self._heap)):
            open_book(books, self._agents, number, origin_ms)
            end_step(books, number, origin_ms)
            if books.cursor[0] > len(books.tape) - HEADROOM:
                self._after_step(origin_ms)
        arrange(self._heap, self._agents.due_us)
        self._after_step(origin_ms)
        # Nothing is due yet; but the kernel is loaded, before anybody waits for it.
        self.run_until(0.0)

    def run_until(self, until_s: float) -> int:
        """Do everything due up to `until_s`; returns the number of steps."""
        clock = self._clock
        before = self.steps
        clock[UNTIL_US] = math.floor(until_s * 1e6)
        reason = SECOND
        while reason != CAUGHT_UP:
            clock[NEWEST_MS] = max(int(clock[NEWEST_MS]), self._newest_ms())
            reason = run(self._books, self._agents, self._heap, clock)
            if self._books.cursor[0]:
                # Before the second as well: its marks are not those of what came before it.
                now_ms = int(clock[NEWEST_MS])
                self._reaction.settle()
                self._reaction.look_at_prints(now_ms)
                self._after_step(now_ms)
            if reason == SECOND:
                self._second()
        return self.steps - before

    def halt(self, number: int, halted: bool) -> None:
        """Stop the flow of one symbol, or let it go on from where it stood. Its orders stay."""
        due_us = self._agents.due_us
        if halted == (number in self._halted):
            return
        if halted:
            self._halted[number] = int(due_us[number])
            due_us[number] = NEVER_US
        else:
            missed_us = max(0, int(self._clock[UNTIL_US]) - self._halted[number])
            due_us[number] = self._halted.pop(number) + missed_us
            self._agents.counts[number, (BOOK_DUE_US, TRADE_DUE_US)] += missed_us
        arrange(self._heap, due_us)

    def shift(self, seconds: int) -> None:
        """Move the origin: what was due in so many seconds of the clock is due that much later."""
        self._clock[ORIGIN_MS] += seconds * SECOND_MS

    def _second(self) -> None:
        """A whole second of event time is over: what is due by the clock, not by an order."""
        clock = self._clock
        second_ms = int(clock[ORIGIN_MS]) + int(clock[SECOND_US]) // 1000
        clock[SECOND_US] += SECOND_LENGTH_US
        now_ms = max(second_ms, int(clock[NEWEST_MS]))
        clock[NEWEST_MS] = now_ms
        self._exchange.on_second(now_ms)
        self._reaction.look_at_prints(now_ms)
        self._after_step(now_ms)


class FlowPace:
    """Keeps a driver in step with a clock that counts seconds, `speed` times as fast."""

    def __init__(self, driver: FlowDriver, now_s: float, speed: float) -> None:
        """`now_s`: the clock at present, the driver's origin being at most a second before it."""
        self._driver = driver
        self._speed = speed
        # The market opens at the clock's time, so at `now_s` the time since the origin has passed.
        self._began_s = now_s - (now_s - driver.origin_ms / 1e3) / speed
        self._reached_s = 0.0

    def now_ms(self, now_s: float) -> int:
        """The event time at the clock's `now_s`."""
        return self._driver.origin_ms + int((now_s - self._began_s) * self._speed * 1e3)

    def reach(self, now_s: float) -> float:
        """Until when the driver has to run, in its seconds, for the clock's `now_s`.

        When the process was stopped, or the clock was set, time goes on from where it stands: what
        was missed does not happen, what lies ahead does not wait.
        """
        most_s = BEHIND_S * self._speed
        elapsed_s = (now_s - self._began_s) * self._speed
        gap_s = elapsed_s - self._driver.next_s
        if gap_s <= most_s:
            gap_s = min(0.0, elapsed_s - self._reached_s + most_s)
        seconds = math.trunc(gap_s)
        if seconds:
            self._driver.shift(seconds)
            self._began_s += seconds / self._speed
            elapsed_s -= seconds
        self._reached_s = max(self._reached_s, elapsed_s)
        return elapsed_s
