"""Plays recordings at their pace, in lockstep with the trader where there is one to wait for.

Several recordings, one per symbol, play side by side in the order of their times.

Theory of operation. Recorded time is cut into slices. For each slice: (1) every recorded message is
sent to the subscribers; (2) the conductor waits until the trader has digested all of it and every
order request the trader sent has arrived here; (3) the requests that arrived are carried out, in
order of arrival, and their answers and all user events of the slice go out; (4) it waits until
these are digested, and repeats (3) and (4) until nothing moves. Then comes the next slice, not
before its time. So what the trader decides depends on the recording and its own seed alone, not on
how fast the machine happens to be.

What "digested" means is a `Pace`'s business: under a supervisor it reads the counters of the
other processes (``process``), in tests those of a client; without one nothing is waited for.
Every wait is bounded: a barrier that runs out of time is counted and passed, and one that fails
time after time is given up for the rest of the run, aloud.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import Final, Protocol

from aegis.venue.core import Core
from aegis.venue.mirror.recording import Line
from aegis.venue.mirror.reel import Cue, Reel, slices
from aegis.venue.pump import Pump
from aegis.venue.reaction import Reaction
from aegis.venue.tape import HEADROOM, TAPE_RECORDS
from aegis.venue.wire.dispatch import Dispatcher
from aegis.venue.wire.hub import Hub

log = logging.getLogger(__name__)

BARRIER_TIMEOUT_S: Final = 2.0
GIVE_UP_AFTER: Final = 3
MAX_ROUNDS: Final = 64
EAGER_TURNS: Final = 20  # turns that only yield before the wait begins to sleep
NAP_S: Final = 20e-6
BACKLOG_BYTES: Final = 1024 * 1024
BACKLOG_TIMEOUT_S: Final = 5.0
FREE_SLICES: Final = 20
LINES_PER_TURN: Final = 64  # how many lines may go out before the sockets have their turn
IDLE_S: Final = 0.01
AHEAD_S: Final = 0.001
MS_NS: Final = 1_000_000
SECOND_MS: Final = 1_000


class Pace(Protocol):
    """What the conductor may ask of those it plays for. Cheap: asked many times per slice."""

    def trader_ready(self) -> bool:
        """Everything is connected, reconciled and idle: the recording may begin."""

    def market_digested(self) -> bool:
        """All market messages were processed, and every order request has arrived here."""

    def private_digested(self) -> bool:
        """The same, and all answers and user events were processed as well."""

    def books_joined(self, count: int) -> bool:
        """So many books are in force."""

    def released(self) -> bool:
        """Nobody is to be waited for any more: the trader is leaving."""

    def rebase(self) -> None:
        """A barrier ran out of time: take what the counters say now as agreed."""


class Conductor:
    """All recordings of a venue, each with the market that it drives."""

    def __init__(
        self,
        core: Core,
        reels: Sequence[Reel],
        hub: Hub,
        pump: Pump,
        dispatcher: Dispatcher,
        *,
        speed: float,
        slice_ms: int,
        skip_lines: int = 0,
        pace: Pace | None = None,
    ) -> None:
        assert reels, "a conductor needs a recording"
        self._core = core
        self._reels = {reel.symbol: reel for reel in reels}
        self._hub = hub
        self._pump = pump
        self._dispatcher = dispatcher
        self._reaction = Reaction(core.exchange, core.books)
        self._speed = speed
        self._slice_ns = slice_ms * MS_NS
        self._pace = pace
        self._failures: dict[str, int] = {}
        self._awaits_bridge: dict[str, Reel] = {}
        self._bridged = 0
        self._next_turn_line = 0
        self._began_s = 0.0
        self._began_ns = 0
        self._second = 0
        self.skip_lines = skip_lines
        self.lines_done = skip_lines
        self.first_ns = min(reel.recording.summary.first_ns for reel in reels)
        self.now_ns = self.first_ns
        self.timeouts = 0
        self.slices = 0
        self.done = False
        self.on_slice: Callable[[int], None] | None = None  # told how many lines are played
        self.on_time: Callable[[int], None] | None = None  # told the recording's time, in ms
        first_pass, self._skip = 0, skip_lines
        if len(reels) == 1:
            first_pass, self._skip = reels[0].locate(skip_lines)
        self._cues: Iterator[Cue] = merge(
            *(reel.cues(first_pass) for reel in reels), key=lambda cue: cue.line.time_ns
        )

    @property
    def event_ms(self) -> int:
        """The recording's time: the market's own clock."""
        return self.now_ns // MS_NS

    def holds_depth(self, symbol: str) -> bool:
        """Depth requests wait until the recorded snapshot has had its turn."""
        reel = self._reels.get(symbol)
        return not self.done and reel is not None and reel.awaits_snapshot

    def fast_forward(self) -> None:
        """Rebuild the market up to `skip_lines` without sending anything, after a restart."""
        for cue in islice(self._cues, self._skip):
            for line in self._lines_of(cue):
                self._play(cue.reel, line)
        if self._skip:
            self._pump.public(self.event_ms)

    async def run(self) -> None:
        """Play to the end. Raises RecordingError where the file is broken."""
        await self._wait_for_trader()
        pace = self._pace
        self._core.checks_engine_window = pace is None
        self._dispatcher.queueing = pace is not None
        self._hub.track()
        if pace is not None:
            pace.rebase()
        loop = asyncio.get_running_loop()
        self._began_s = loop.time()
        self._began_ns = 0
        try:
            # Where nothing is waited for, a slice is only what is written in one go.
            width_ns = self._slice_ns * (1 if pace is not None or self._speed > 0 else FREE_SLICES)
            for group in slices(self._cues, width_ns, self.first_ns):
                if pace is not None and pace.released():
                    log.warning("the trader left at line %d; the mirror stops", self.lines_done)
                    break
                await self._slice(group)
                if self.on_slice is not None:
                    self.on_slice(self.lines_done)
            else:
                self.done = True
        finally:
            # Whatever ends the recording, the exchange itself goes on.
            self._dispatcher.queueing = False
            self._core.checks_engine_window = True
            self._dispatcher.release_held()
            self._dispatcher.run_inbox()
            self._pump.private()
            self._hub.flush()

    async def _wait_for_trader(self) -> None:
        summaries = [reel.recording.summary for reel in self._reels.values()]
        streams = frozenset[str]().union(*(summary.streams for summary in summaries))
        pace = self._pace
        while not (
            all(self._hub.wants(stream) for stream in streams)
            if pace is not None
            else any(self._hub.wants(stream) for stream in streams)
        ) or not (pace is None or pace.trader_ready()):
            await asyncio.sleep(IDLE_S)

    async def _slice(self, group: list[Cue]) -> None:
        first = group[0]
        await self._keep_time(first.line.time_ns)
        self.slices += 1
        if self.on_time is not None:
            self.on_time(first.line.time_ns // MS_NS)
        if not first.line.stream and first.chains is None:
            await self._snapshot(first)
            return
        for cue in group:
            for line in self._lines_of(cue):
                self._hub.publish_recorded(line.stream, line.enveloped, line.message)
                self._play(cue.reel, line)
            self.lines_done += 1
            if cue.reel.symbol in self._awaits_bridge and cue.reel.player.bridged:
                # The first event past the snapshot: the client's book becomes valid here, and
                # must be before the next message, whichever of the two reached the client first.
                del self._awaits_bridge[cue.reel.symbol]
                self._bridged += 1
                await self._barrier_of_books()
        self._pump.public(self.event_ms)
        self._pump.tick(self.event_ms)
        self._hub.flush()
        await self._settle()

    async def _barrier_of_books(self) -> None:
        pace, count = self._pace, self._bridged
        assert pace is not None, "a bridge is awaited only for somebody"
        self._hub.flush()
        await self._barrier("books", lambda: pace.books_joined(count))

    async def _snapshot(self, cue: Cue) -> None:
        pace, held, symbol = self._pace, self._dispatcher, cue.reel.symbol
        if pace is not None:
            await self._barrier("market", pace.market_digested)
            await self._barrier("snapshot request", lambda: held.held_count(symbol) > 0)
        self._play(cue.reel, cue.line)
        self.lines_done += 1
        held.release_held(symbol)
        if pace is not None:
            self._awaits_bridge[symbol] = cue.reel
        await asyncio.sleep(0)

    @staticmethod
    def _lines_of(cue: Cue) -> list[Line]:
        """What a cue sends: its line; the events of a jump; nothing, where a pass leaves it out."""
        if cue.chains is not None:
            return cue.reel.rejoin(cue)
        return [cue.line] if cue.line.message else []

    def _play(self, reel: Reel, line: Line) -> None:
        """Apply a line to its market, and let the exchange do what follows from it."""
        if len(self._core.tape) > TAPE_RECORDS - HEADROOM or not line.stream:
            self._pump.public(self.event_ms)
        self.now_ns = max(self.now_ns, line.time_ns)
        second = self.event_ms // SECOND_MS
        if second > self._second > 0:
            self._core.exchange.on_second(second * SECOND_MS)
        self._second = second
        reel.player.play(line, self.event_ms)
        self._reaction.look_at_prints(self.event_ms)

    async def _settle(self) -> None:
        """Steps (2) to (4) of a slice."""
        pace = self._pace
        if pace is None:
            self._pump.commit()
            self._pump.private()
            if self.lines_done >= self._next_turn_line:
                self._next_turn_line = self.lines_done + LINES_PER_TURN
                await self._let_readers_catch_up()
            return
        await self._barrier("market", pace.market_digested)
        for _ in range(MAX_ROUNDS):
            self._pump.commit()
            commands = self._dispatcher.run_inbox()
            events = self._pump.private()
            if not commands and not events:
                return
            await self._barrier("private", pace.private_digested)
        log.warning("slice at line %d did not come to rest", self.lines_done)

    async def _barrier(self, name: str, reached: Callable[[], bool]) -> None:
        """Wait for a condition, within bounds, serving the sockets meanwhile."""
        pace = self._pace
        assert pace is not None, "barriers need somebody to wait for"
        failures = self._failures.get(name, 0)
        if failures >= GIVE_UP_AFTER or reached():
            self._failures[name] = failures if failures >= GIVE_UP_AFTER else 0
            return
        deadline_s = time.monotonic() + BARRIER_TIMEOUT_S
        turns = 0
        while not reached():
            if pace.released():
                return
            if time.monotonic() > deadline_s:
                self._missed(name, failures + 1)
                pace.rebase()
                return
            turns += 1
            # The processes waited for may share this core: let them run.
            if turns > EAGER_TURNS:
                time.sleep(NAP_S)
            else:
                os.sched_yield()
            await asyncio.sleep(0)
        self._failures[name] = 0

    def _missed(self, name: str, failures: int) -> None:
        self.timeouts += 1
        self._failures[name] = failures
        log.warning("barrier %r ran out of time at line %d", name, self.lines_done)
        if failures == GIVE_UP_AFTER:
            log.error(
                "barrier %r failed %d times in a row and is given up: this run is not reproducible",
                name,
                failures,
            )

    async def _keep_time(self, time_ns: int) -> None:
        """Not before its time: recorded time divided by the speed; speed 0 waits for nothing."""
        if self._began_ns == 0:
            self._began_ns = time_ns
        if self._speed <= 0:
            return
        loop = asyncio.get_running_loop()
        due_s = self._began_s + (time_ns - self._began_ns) / 1e9 / self._speed
        early_s = due_s - loop.time()
        if early_s > AHEAD_S:
            await asyncio.sleep(early_s)

    async def _let_readers_catch_up(self) -> None:
        """Let the sockets have their turn, and wait for slow readers instead of cutting them."""
        await asyncio.sleep(0)
        if self._hub.backlog() <= BACKLOG_BYTES:
            return
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + BACKLOG_TIMEOUT_S
        while self._hub.backlog() > BACKLOG_BYTES // 4 and loop.time() < deadline_s:
            await asyncio.sleep(0.001)
