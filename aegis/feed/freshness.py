"""Acting on streams that are dead, late or silent: for one symbol if that helps, else for all.

Owned by the process, which has it look at every connection a few times a second. What is suspicious
is judged in `deadlines`, from what the intake has seen; here the books concerned are taken out of
force and their streams asked for again, or the connection is given up. Never raises.
"""

from __future__ import annotations

from collections.abc import Callable

from aegis.feed.connection import MarketConnection
from aegis.feed.cross_check import newest_differ
from aegis.feed.deadlines import Deadlines, MarkWatch, Sighting, StreamWatch
from aegis.feed.exchange_clock import ExchangeClock
from aegis.feed.intake import Intake
from aegis.feed.layout import (
    DEPTH_RECV_NS,
    LAST_MS,
    MARK_RECV_NS,
    PHASE,
    QUOTE_COUNT,
    QUOTE_RECV_NS,
    TOP_COUNT,
    TRADE_ID,
    TRADE_RECV_NS,
    WITHHELD,
)
from aegis.feed.sync import Phase
from aegis.shm.counters import Counters

__all__ = ["Freshness"]

_TOLD_TROUBLES = 3

Say = Callable[[str], None]


class Freshness:
    """`clock` is None where the market's time is not the exchange's."""

    def __init__(
        self,
        intake: Intake,
        limits: Deadlines,
        clock: ExchangeClock | None,
        counters: Counters,
        say: Say,
    ) -> None:
        self._intake = intake
        self._limits = limits
        self._clock = clock
        self._counters = counters
        self._say = say

    def look(self, connections: list[MarketConnection], now_ns: int) -> None:
        """Look at every connection, act, and count what is silent at this moment."""
        trades = marks = 0
        for connection in connections:
            if connection.watch is not None:
                trades += connection.watch.silent_now
                self._look_at_books(connection, connection.watch, now_ns)
            elif connection.mark_watch is not None:
                marks += connection.mark_watch.silent_now
                self._look_at_marks(connection, connection.mark_watch, now_ns)
        self._counters["trades_silent"] = trades
        self._counters["marks_silent"] = marks

    def _look_at_books(self, connection: MarketConnection, watch: StreamWatch, now_ns: int) -> None:
        """Act on streams that are dead, late or silent: anew for one symbol, or for all."""
        instruments = connection.shard.instruments
        sightings = [self._sighting(instrument) for instrument in instruments]
        complaint = watch.complaint(sightings, now_ns)
        # A book that is out of force already is waited for, not doubted, unless it is whole.
        troubles = {
            place: trouble
            for place, trouble in watch.troubles(sightings, now_ns).items()
            if sightings[place].in_force or self._intake.rows[instruments[place]][WITHHELD]
        }
        self._counters["streams_stale"] += len(troubles)
        troubled = [instruments[place] for place in troubles]
        hopeless = [
            instrument
            for instrument in instruments
            if self._intake.is_hopeless(instrument, now_ns, self._limits.bridge_s)
        ]
        if complaint is None and hopeless and connection.is_beyond(hopeless, now_ns):
            complaint = "no snapshot joins the stream"
        many = 2 * len(troubled) > len(instruments)
        if complaint is None and troubled and (many or connection.is_beyond(troubled, now_ns)):
            complaint = "; ".join(list(troubles.values())[:_TOLD_TROUBLES])
        if complaint is not None:
            connection.restart(complaint)
            return
        for trouble in list(troubles.values())[:_TOLD_TROUBLES]:
            self._say(f"{connection.shard.label}: {trouble}; subscribing anew")
        quiet = [instruments[place] for place in watch.quiet(sightings, now_ns)]
        for instrument in dict.fromkeys([*hopeless, *quiet, *troubled]):
            self._counters["streams_asked_again"] += 1
            connection.ask_again(instrument)
        for place in watch.silent_trades(sightings, now_ns):
            watch.spare(place, now_ns)
            self._renew(connection, connection.shard.trade_stream(watch.symbols[place]))

    def _look_at_marks(self, connection: MarketConnection, watch: MarkWatch, now_ns: int) -> None:
        """Ask again for mark prices that do not come; all of them on another connection."""
        index = self._intake.symbols.index
        rows = [self._intake.rows[index(symbol)] for symbol in watch.symbols]
        silent = watch.silent([int(row[MARK_RECV_NS]) for row in rows], now_ns)
        if len(silent) == len(rows) > 0:
            connection.restart("mark prices have stopped")
            return
        for place in silent:
            self._renew(connection, connection.shard.mark_stream(watch.symbols[place]))

    def _renew(self, connection: MarketConnection, stream: str) -> None:
        self._say(f"{connection.shard.label}: {stream} has stopped; subscribing anew")
        self._counters["streams_stale"] += 1
        self._counters["streams_asked_again"] += 1
        connection.ask_for_again(stream)

    def _sighting(self, instrument: int) -> Sighting:
        row = self._intake.rows[instrument]
        late_ns = 0
        if row[PHASE] == Phase.LIVE and row[LAST_MS] and self._clock is not None:
            late_ns = self._clock.late_ns(int(row[LAST_MS]), int(row[DEPTH_RECV_NS]))
        return Sighting(
            depth_ns=int(row[DEPTH_RECV_NS]),
            quote_ns=int(row[QUOTE_RECV_NS]),
            trade_ns=int(row[TRADE_RECV_NS]),
            tops_differ=newest_differ(
                self._intake.rows, self._intake.memory["recent_tops"], instrument
            ),
            messages=int(row[QUOTE_COUNT] + row[TOP_COUNT]),
            trades=int(row[TRADE_ID]),
            late_ns=late_ns,
            in_force=self._intake.valid[instrument],
        )
