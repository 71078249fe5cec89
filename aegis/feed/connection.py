"""One shard's connection for good: connect, subscribe, watch, lose it, replace it, connect again.

Run as a task by the process, one a shard. It keeps the promise that a book is invalid from the
moment its connection is in doubt: the intake hears of the end before anything else happens. And it
spares the books the end that is known beforehand: before the exchange cuts a connection for its age
a second one is made, hears the same for a while, and takes over without a gap.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from picows import WSHandshakeError

from aegis.feed.backoff import Backoff
from aegis.feed.deadlines import Deadlines, MarkWatch, StreamWatch
from aegis.feed.endpoints import Endpoints
from aegis.feed.gate import REFUSALS, AddressGate
from aegis.feed.handover import Handover
from aegis.feed.intake import Intake
from aegis.feed.link import Link
from aegis.feed.listener import DutyCycle
from aegis.feed.rest import pause_of
from aegis.feed.streams import Shard
from aegis.host.clock import monotonic_ns
from aegis.shm.absence import Reason

__all__ = ["MarketConnection"]

_NS = 1_000_000_000
FIRST_DELAY_S = 0.1
LIMIT_DELAY_S = 10.0
# A connection that has lived so long has proved itself: the next failure starts the backoff anew.
PROVEN_S = 30.0
# Trouble of a symbol so soon after its last is trouble of the connection.
ASKED_LATELY_S = 300.0
# How often an exchange is looked up that is not up yet, or that may not be asked now.
_ADDRESS_POLL_S = 0.05
_POLL_S = 0.02
# A takeover waits so many overlaps for books to join, then it is given up and tried again later.
_PATIENCE = 5

Say = Callable[[str], None]


class MarketConnection:
    """The connection that a shard asks for. `on_change` is called whenever its figures change.

    `lifetime_s` is the age at which it is replaced, give or take a tenth so that shards take turns;
    `overlap_s` how long the successor listens along.
    """

    def __init__(
        self,
        shard: Shard,
        intake: Intake,
        endpoints: Endpoints,
        limits: Deadlines,
        scope: DutyCycle,
        source: random.Random,
        say: Say,
        on_change: Callable[[], None],
        lifetime_s: float,
        overlap_s: float,
        gate: AddressGate,
    ) -> None:
        self.shard = shard
        self.link: Link | None = None
        self.watch: StreamWatch | None = None
        self._habits: StreamWatch | None = None
        self.mark_watch: MarkWatch | None = None
        self.opened = 0
        self.handovers = 0
        self.handovers_failed = 0
        self._intake = intake
        self._endpoints = endpoints
        self._limits = limits
        self._scope = scope
        self._source = source
        self._backoff = Backoff(FIRST_DELAY_S, LIMIT_DELAY_S, source)
        self._say = say
        self._on_change = on_change
        self._lifetime_s = lifetime_s
        self._overlap_s = overlap_s
        self._gate = gate
        self._reason = Reason.DISCONNECTED
        self._asked_ns: dict[int, int] = {}

    @property
    def is_up(self) -> bool:
        """Whether a socket is open."""
        return self.link is not None

    @property
    def subscribed(self) -> int:
        """Streams acknowledged."""
        return len(self.link.granted) if self.link is not None else 0

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        told = ""
        while True:
            began_ns = monotonic_ns()
            try:
                await self._live()
                told = ""
            except Exception as error:
                # Whatever the peer does to us must end in another attempt.
                text = f"{self.shard.label}: cannot connect: {type(error).__name__}: {error}"
                # Said once, not at every attempt.
                if text != told:
                    self._say(text)
                told = text
            if monotonic_ns() - began_ns > PROVEN_S * _NS:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_s())

    def follow(self) -> None:
        """The shard's members have changed: subscribe to them, and to no others."""
        if self.link is None:
            return
        self.link.ask(self.shard.names)
        self._watch_anew()

    def ask_for_again(self, name: str) -> None:
        """One stream has stopped that no book is made of: subscribe to it anew."""
        if self.link is not None:
            self.link.ask_again([name])

    def ask_again(self, instrument: int) -> None:
        """A member's streams are no good though they were granted: subscribe to them anew."""
        if self.link is None:
            return
        now_ns, symbol = monotonic_ns(), self.shard.members[instrument]
        self._asked_ns[instrument] = now_ns
        self._intake.on_disconnected([instrument], Reason.STALE, now_ns)
        if self.watch is not None:
            self.watch.renew(symbol, now_ns)
        self.link.ask_again(self.shard.streams_of(symbol))

    def is_beyond(self, instruments: list[int], now_ns: int) -> bool:
        """Whether only a new connection can help these members: they are all, or asked just now.

        One that was in trouble hours ago is in trouble for the first time again: the books of all
        others are not given up for it.
        """
        if len(self.shard.members) == 1:
            return True
        recent_ns = now_ns - int(ASKED_LATELY_S * _NS)
        return any(
            self._asked_ns.get(instrument, recent_ns) > recent_ns for instrument in instruments
        )

    def restart(self, why: str, reason: Reason = Reason.STALE) -> None:
        """Give the present connection up; `run` makes another."""
        if self.link is None:
            return
        self._say(f"{self.shard.label}: {why}; connecting anew")
        self._reason = reason
        self.link.close()
        # The end is told by the loop, a moment later: the books must not be trusted until then.
        self.link.ended.set()
        self._break_books()

    def tend(self, now_ns: int) -> None:
        """Check what is due: the acknowledgements, data, and that the peer still answers pings."""
        link = self.link
        if link is None or link.ended.is_set():
            return
        complaint = link.complaint(now_ns)
        silent_s = (now_ns - link.last_data_ns) / _NS
        if not complaint and not self.shard.carries_books and silent_s > self._limits.silence_s:
            complaint = f"no stream has spoken for {silent_s:.1f} s"
        if complaint:
            self.restart(complaint)

    # ---- one connection after another

    async def _live(self) -> None:
        """From connecting to the end, over any number of planned replacements."""
        while self._endpoints.stream() is None or self._gate.left_s > 0.0:
            await asyncio.sleep(_ADDRESS_POLL_S)
        link = self._make_link()
        try:
            await self._open(link)
            self.link = link
            self._reason = Reason.DISCONNECTED
            self.opened += 1
            self._on_change()
            link.ask(self.shard.names)
            await self._serve()
            if self._reason is Reason.DISCONNECTED:
                self._say(f"{self.shard.label}: connection lost")
        finally:
            self._end(link)

    async def _serve(self) -> None:
        """Until the present link ends, replacing it when it grows old."""
        while True:
            link = self.link
            assert link is not None, "served without a link"
            age_s = self._lifetime_s * self._source.uniform(0.9, 1.0)
            try:
                async with asyncio.timeout(age_s):
                    await link.ended.wait()
                return
            except TimeoutError:
                pass
            while not link.ended.is_set():
                if self._gate.left_s > 0.0:
                    # The present link is all there is until the exchange may be asked.
                    await asyncio.sleep(_ADDRESS_POLL_S)
                    continue
                if await self._replace(link):
                    break
                self.handovers_failed += 1
                self._on_change()
                await asyncio.sleep(self._backoff.next_s())

    async def _replace(self, old: Link) -> bool:
        """Make a successor and let it take over; False when it did not come to that."""
        successor = self._make_link()
        handover = Handover(self._intake.rows, self._intake.symbols.index)
        successor.listener.hold(handover)
        try:
            await self._open(successor)
            if not self.shard.carries_books:
                old.listener.copy_to(handover)
            successor.ask(self.shard.names)
            if not await self._overlap(old, successor, handover):
                raise TimeoutError("the books did not join in time")
        except Exception as error:
            # A successor that fails costs nothing: the present connection goes on.
            self._say(f"{self.shard.label}: not replaced: {type(error).__name__}: {error}")
            successor.close()
            old.listener.release()
            return False
        self._take_over(old, successor, handover)
        return True

    async def _open(self, link: Link) -> None:
        """Connect. A handshake that is refused for asking too much shuts the gate for all."""
        try:
            await link.open(self._endpoints)
        except WSHandshakeError as error:
            response = error.response
            if response is not None and response.status in REFUSALS:
                text = (response.body or b"").decode("utf-8", "replace")
                now_ms = time.time_ns() // 1_000_000
                retry_after = response.headers.get("Retry-After")
                pause_s = pause_of(response.status, retry_after, text, now_ms)
                self._gate.note(int(response.status), pause_s)
            raise

    async def _overlap(self, old: Link, successor: Link, handover: Handover) -> bool:
        """Wait until the successor has heard enough; False when it, or patience, ends before."""
        began_ns = 0
        limit_ns = monotonic_ns() + int(
            (_PATIENCE * self._overlap_s + self._limits.ack_s + self._limits.connect_s) * _NS
        )
        while monotonic_ns() < limit_ns:
            await asyncio.sleep(_POLL_S)
            now_ns = monotonic_ns()
            if old.ended.is_set() or successor.ended.is_set() or handover.is_full:
                return False
            if successor.complaint(now_ns):
                return False
            # Members may come and go meanwhile.
            successor.ask(self.shard.names)
            if len(successor.granted) < len(successor.asked):
                began_ns = 0
            elif began_ns == 0:
                began_ns = now_ns
            elif now_ns - began_ns > self._overlap_s * _NS and handover.joins():
                return True
        return False

    def _take_over(self, old: Link, successor: Link, handover: Handover) -> None:
        """Between two turns of the loop: the old link falls silent, the new one speaks."""
        intake = self._intake
        old.close()
        for payload, recv_ns in handover.fresh():
            intake.take(payload, len(payload), recv_ns)
        successor.listener.release()
        self.link = successor
        self.handovers += 1
        self._backoff.reset()
        for instrument in self.shard.instruments:
            # Wanted while only one of the two had been granted its stream.
            if not intake.valid[instrument]:
                intake.on_subscribed(instrument, monotonic_ns())
        self._watch_anew()
        self._on_change()

    def _make_link(self) -> Link:
        path = self.shard.path
        return Link(path, self._intake, self._limits, self._scope, self._on_granted)

    def _on_granted(self, link: Link, names: tuple[str, ...]) -> None:
        """Streams were acknowledged. A successor's books are the predecessor's until it leaves."""
        if link is not self.link:
            return
        now_ns = monotonic_ns()
        granted = set(names)
        for instrument in self.shard.instruments:
            if self.shard.depth_stream(self.shard.members[instrument]) in granted:
                self._intake.on_subscribed(instrument, now_ns)
        self._intake.candles.on_subscribed(
            instrument
            for instrument in self.shard.instruments
            if self.shard.trade_stream(self.shard.members[instrument]) in granted
        )
        if len(link.granted) == len(link.asked):
            self._watch_anew()
        self._on_change()

    def _watch_anew(self) -> None:
        """Watch the members that there are now; those that there were are not forgiven."""
        symbols, now_ns = tuple(self.shard.members.values()), monotonic_ns()
        if self.shard.carries_books:
            self.watch = StreamWatch(symbols, self._limits, now_ns, self.watch, self._habits)
        elif self.mark_watch is None or self.mark_watch.symbols != symbols:
            self.mark_watch = MarkWatch(symbols, self._limits, now_ns)

    def _break_books(self) -> None:
        """No book that the link fed may be trusted now."""
        self._intake.on_disconnected(self.shard.instruments, self._reason, monotonic_ns())

    def _end(self, link: Link) -> None:
        """The connection is over, whoever ended it."""
        present = self.link
        self.link = None
        self._habits = self.watch or self._habits
        self.watch = None
        self.mark_watch = None
        self._asked_ns.clear()
        link.close()
        if present is not None:
            present.close()
        self._break_books()
        self._on_change()
