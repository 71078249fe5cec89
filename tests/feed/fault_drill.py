"""The drill: a real feed on real sockets, the embedded exchange, and one fault after the other.

Used by test_faults. Faults come from a shuffled deck at random moments, on random symbols, now and
then two at once, all from one seed. After everything the intake takes in, every book shown as valid
is compared with the exchange's; the drill goes on when the books are right again, and keeps how
long that took.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from aegis.feed.process import Feed
from aegis.host.clock import monotonic_ns
from aegis.venue.faults.armed import Armed
from aegis.venue.faults.schema import read_faults
from aegis.venue.serve import Venue
from tests.feed.bad_net import BadNet
from tests.feed.fault_deck import DECK, INVALID, Card
from tests.feed.venue_stand import FeedLife
from tests.feed.venue_truth import Checker, Tap

_TURN_S = 0.004
_S = 1e-9
THROTTLED_BYTES_PER_S = 2_000
DOUBLE_SHARE = 0.2


@dataclass
class Record:
    """What one injection came to; times in s since the fault struck, None for never."""

    card: Card
    detected_s: float | None = None
    recovered_s: float | None = None
    wrong: int = 0
    alone: bool = True


@dataclass
class Drill:
    """`patience_s` bounds everything that is waited for; `silence_s` is how long lasting faults
    last."""

    venue: Venue
    life: FeedLife
    net: BadNet
    seed: int
    patience_s: float
    silence_s: float
    tell: Callable[[str], object]
    records: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.feed: Feed = self.life.feed
        self.source = random.Random(self.seed)
        self.symbols = list(self.venue.core.exchange.markets)
        self.tap = Tap(self.venue, self.symbols)
        self.checker = Checker(
            self.feed.intake, self.life.memory, self.tap, random.Random(self.seed + 1)
        )

    # ---- the course of a drill

    async def run(self, cards: list[Card]) -> None:
        """Inject all of these, in this order."""
        await self.until("right books", self.is_right)
        await self.until("a clock", lambda: self.feed.clock.lead_ns is not None)
        place = 0
        while place < len(cards):
            both = cards[place : place + 1 + (self.source.random() < DOUBLE_SHARE)]
            place += len(both)
            await self.pause(self.source.uniform(0.02, 0.3))
            alone = len(both) == 1
            self.records += await asyncio.gather(*(self.inject(card, alone) for card in both))
        self.tap.ask_the_engine()

    async def inject(self, card: Card, alone: bool) -> Record:
        """Let one fault strike, and wait until all is well again.

        One that is not alone need not be noticed: the other may have swallowed it. What the net
        does is done to both.
        """
        record = Record(card, alone=alone)
        symbol = self.source.choice(self.symbols)
        before = len(self.checker.wrong)
        armed = self.arm(card.arm + card.then, symbol, card)
        away = self.spoil_net(card)
        signs = self.signs()
        begun_ns = monotonic_ns()
        until_ns = begun_ns + self.patience_s / _S
        while record.recovered_s is None:
            now_ns = monotonic_ns()
            if (
                record.detected_s is None
                and self.has_struck(armed, away)
                and self.shows(card, signs)
            ):
                record.detected_s = (now_ns - begun_ns) * _S
            unseen = record.detected_s is None and not away
            if unseen and any(self.is_lost(one) for one in armed):
                # The connection that was meant has ended; what struck it, struck nobody.
                self.venue.faults.board.remove(armed)
                armed = self.arm(card.arm + card.then, symbol, card)
            if not self.has_struck(armed, away):
                # It strikes the next message that it is meant for.
                begun_ns, signs = now_ns, self.signs()
            passed_s = (now_ns - begun_ns) * _S
            if passed_s > self.lasts_s(card):
                self.mend(card, armed)
                swallowed = not alone and not card.net
                noticed = record.detected_s is not None or not card.signs or swallowed
                if noticed and self.is_over(armed) and self.is_right():
                    record.recovered_s = passed_s
            if now_ns > until_ns:
                self.mend(card, armed)
                break
            await self.turn()
        record.wrong = len(self.checker.wrong) - before
        self.net.bury()
        struck = ", ".join(f"{one.fault.kind} {one.struck}" for one in armed) or "by the net"
        self.tell(
            f"{card.entry} {card.name} on {symbol}{'' if alone else ' with another'}: "
            f"struck {struck}, noticed {record.detected_s}, right {record.recovered_s}, "
            f"wrong {record.wrong}, turn {self.longest_turn_s:.2f}, oldest valid book so far "
            f"{max(self.checker.stalest_ns.values(), default=0) * _S:.2f}"
        )
        self.longest_turn_s = 0.0
        return record

    @staticmethod
    def has_struck(armed: list[Armed], away: bool) -> bool:
        """Whether anything has gone wrong yet; `away`: the net has been spoiled."""
        return away or any(one.struck for one in armed)

    def lasts_s(self, card: Card) -> float:
        return self.silence_s if card.lasts_s is None else card.lasts_s

    def arm(self, tables: tuple[dict[str, Any], ...], symbol: str, card: Card) -> list[Armed]:
        """Put faults on the exchange's board."""
        names = {"s": symbol.lower(), "S": symbol}
        filled = [
            {
                key: value.format(**names) if isinstance(value, str) else value
                for key, value in table.items()
            }
            for table in tables
        ]
        for table in filled:
            if table["kind"] == "delay":
                table["for_ms"] = int(self.lasts_s(card) * 1000)
                table["delay_ms"] = table["for_ms"]
            elif "@" in table.get("stream", "") and (card.lasts_s == 0.0 or card.then):
                # Of one frame: on a connection that is half open it would strike nobody.
                table["connection"] = self.present_line(table["stream"]) or "nobody"
        faults, findings = read_faults(filled, ())
        assert not findings, findings
        return self.venue.faults.board.add(faults)

    def present_line(self, stream: str) -> str:
        """The exchange's name for the connection that the feed hears the stream on; "" for none.

        Those that the net has swallowed are open at the exchange's end, and nobody is on the other.
        """
        has_books = "@markPrice" not in stream
        for connection in self.feed.connections:
            link = connection.link
            if connection.shard.carries_books is has_books and link is not None:
                near: Any = link._transport
                if near is None:
                    continue
                port = near.underlying_transport.get_extra_info("sockname")[1]
                for line in self.venue.faults.lines.open.values():
                    far: Any = line.wire
                    peer = far._transport.get_extra_info("peername")
                    if peer is not None and peer[1] == self.net.far_ports.get(port):
                        return line.name
        return ""

    def is_lost(self, armed: Armed) -> bool:
        """Whether it waits for a connection that is gone."""
        name, present = armed.fault.connection, self.present_line(armed.fault.stream)
        return "*" not in name and present != "" and name != present

    def spoil_net(self, card: Card) -> bool:
        """Do to the net what the card says; whether there was anything to do."""
        if card.net == "swallow":
            assert self.net.swallow() > 0
        elif card.net == "throttle":
            assert self.net.throttle(THROTTLED_BYTES_PER_S) > 0
        elif card.net == "misroute":
            self.net.misroutes = True
            (cut,), _ = read_faults([{"kind": "day_close", "connection": "public/*"}], ())
            self.venue.faults.board.add([cut])
        return bool(card.net)

    def mend(self, card: Card, armed: list[Armed]) -> None:
        """End what lasts."""
        if card.net == "misroute":
            self.net.misroutes = False
        self.venue.faults.board.remove(one for one in armed if one.dish.lasts)

    def is_over(self, armed: list[Armed]) -> bool:
        return not any(one.number in self.venue.faults.board.armed for one in armed)

    # ---- what can be seen

    def signs(self) -> dict[str, int]:
        return {**self.life.memory.counters["feed"].snapshot(), INVALID: self.invalidated}

    @property
    def invalidated(self) -> int:
        """Grows when any book is taken out of force, also if it is back before we look."""
        return self._gone + self.life.count("resyncs")

    # The longest that the event loop kept us waiting: what it is slow with is no fault of a feed.
    longest_turn_s: float = 0.0
    _gone: int = 0
    _was_valid: frozenset[int] = frozenset()

    def shows(self, card: Card, before: dict[str, int]) -> bool:
        now = self.signs()
        return any(now.get(name, 0) > before.get(name, 0) for name in card.signs)

    def is_right(self) -> bool:
        """Whether every book is valid and the exchange's newest, and every stream is open."""
        count = self.life.count
        if count("books_valid") < len(self.symbols):
            return False
        if count("subscribed") < count("streams_wanted"):
            return False
        now_ns = monotonic_ns()
        ages = [
            self.checker.age_ns(row, symbol, now_ns)
            for row, symbol in enumerate(self.feed.intake.symbols.symbols)
        ]
        return all(age is not None and age < 0.2 / _S for age in ages)

    async def turn(self) -> None:
        """Let the others act, then look."""
        before_ns = monotonic_ns()
        await asyncio.sleep(_TURN_S)
        self.longest_turn_s = max(self.longest_turn_s, (monotonic_ns() - before_ns) * _S)
        assert not self.life.is_over, "the feed has left"
        self.venue.check()
        valid = frozenset(n for n, is_valid in enumerate(self.feed.intake.valid) if is_valid)
        self._gone += len(self._was_valid - valid)
        self._was_valid = valid
        self.checker.look_for_stale(monotonic_ns())
        if self.source.random() < 0.02:
            self.tap.ask_the_engine()

    async def pause(self, seconds: float) -> None:
        until_ns = monotonic_ns() + seconds / _S
        while monotonic_ns() < until_ns:
            await self.turn()

    async def until(self, what: str, condition: Callable[[], bool]) -> None:
        until_ns = monotonic_ns() + self.patience_s / _S
        while not condition():
            assert monotonic_ns() < until_ns, f"waited in vain for {what}"
            await self.turn()

    # ---- what came of it

    def table(self) -> str:
        """One line a fault: how often, noticed within, right again after, wrong but valid."""
        lines = [
            f"{'':5}{'fault':36}{'times':>6}{'noticed p50/max s':>19}{'right again p50/max s':>23}"
            f"{'lasts s':>9}{'wrong':>7}"
        ]
        for card in DECK:
            mine = [one for one in self.records if one.card is card]
            alone = [one for one in mine if one.alone] or mine
            if mine:
                noticed = _spread([one.detected_s for one in alone])
                right = _spread([one.recovered_s for one in alone])
                lines.append(
                    f"{card.entry:5}{card.name:36}{len(mine):6}{noticed:>19}{right:>23}"
                    f"{self.lasts_s(card):9.1f}{sum(one.wrong for one in mine):7}"
                )
        return "\n".join(lines)

    def failures(self) -> list[str]:
        """Faults that were not noticed though they should, or from which no way led back."""
        found = []
        for one in self.records:
            if one.detected_s is None and one.card.signs and one.alone:
                found.append(f"{one.card.name}: not noticed")
            elif one.recovered_s is None:
                found.append(f"{one.card.name}: not right again in {self.patience_s} s")
        return found


def _spread(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "never"
    missing = f" ({len(values) - len(known)} never)" if len(known) < len(values) else ""
    return f"{median(known):.2f} / {max(known):.2f}{missing}"
