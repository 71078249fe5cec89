"""When silence means failure: the judgement of streams that should speak, without a clock.

Called by the process a few times a second with what the intake has seen. A socket that answers
pings proves nothing about its streams, and a quiet market is no fault, so a stream is judged
against a second, independent one: if bookTicker moves on while depth stays silent, depth is dead;
if the book's top differs from the last bookTicker and stays so, bookTicker is; if trades go on
while both are silent, both are. A symbol of which nothing comes at all is judged by its own habit,
and events that come by later and later by the exchange's clock. Only when nothing at all arrives
does the wall clock alone decide.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Deadlines", "MarkWatch", "Sighting", "StreamWatch"]

_NS = 1_000_000_000
# A stream has stopped when it is silent for so many of its usual pauses and longer than so many
# times the longest of them. Poisson arrivals do that once in 5e8 pauses; markets come in bursts,
# which is why the longest pause counts too.
_USUAL_PAUSES, _LONGEST_PAUSES = 20, 3
_ENOUGH_MESSAGES = 20
# Trades that are numbered on by no more than this after a silence had paused; else they were lost.
_FEW_TRADES = 10
# Mark prices come every second.
_MARK_SILENCE_S = 2.5
# A pause longer than this that many symbols of a connection share, or in which we did not look, is
# nobody's habit.
_STALL_NS, _MANY = 500_000_000, 4


@dataclass(frozen=True, slots=True)
class Deadlines:
    """All in seconds. A recording may stand still while its conductor waits: see `for_mirror`."""

    connect_s: float = 10.0
    ack_s: float = 5.0
    first_message_s: float = 15.0
    quiet_s: float = 60.0
    silence_s: float = 30.0
    frozen_s: float = 3.0
    grace_s: float = 1.0
    lag_s: float = 2.0
    bridge_s: float = 10.0
    ping_s: float = 1.5
    pong_s: float = 2.5
    rest_s: float = 10.0

    @property
    def stale_s(self) -> float:
        """No book stays valid for longer than this after what feeds it has died or fallen back."""
        looks_s = 0.6
        silent_s = max(self.frozen_s, self.lag_s) + self.grace_s
        return max(silent_s, self.ping_s + self.pong_s) + looks_s

    @classmethod
    def for_mirror(cls) -> Deadlines:
        """Deadlines for a venue that plays a recording in step with us, as slowly as need be."""
        return cls(
            first_message_s=3600.0, quiet_s=3600.0, silence_s=3600.0, frozen_s=120.0,
            ping_s=5.0, pong_s=5.0, rest_s=600.0,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one instrument's streams have shown so far; times in ns, 0 for never.

    `messages` counts those of its book, `trades` are trade numbers; `late_ns` is how late the
    newest event of its book came by the exchange's clock, 0 where that is not known; `in_force` is
    whether its book is valid.
    """

    depth_ns: int
    quote_ns: int
    trade_ns: int
    tops_differ: bool
    messages: int = 0
    trades: int = 0
    late_ns: int = 0
    in_force: bool = False

    @property
    def book_ns(self) -> int:
        """The last sign of life of the streams that tell of the book."""
        return max(self.depth_ns, self.quote_ns)

    @property
    def newest_ns(self) -> int:
        """The last sign of life of any of its streams."""
        return max(self.depth_ns, self.quote_ns, self.trade_ns)


class _Suspicion:
    """Since when one stream of an instrument has looked dead, by evidence that may go away."""

    __slots__ = ("seen_ns", "since_ns")

    def __init__(self) -> None:
        self.since_ns = 0
        self.seen_ns = -1

    def lasts_ns(self, is_suspect: bool, seen_ns: int, now_ns: int) -> int:
        """How long the evidence has stood without a message of the suspect stream."""
        if not is_suspect:
            self.since_ns = 0
            return 0
        if self.since_ns == 0 or seen_ns != self.seen_ns:
            self.since_ns = now_ns
            self.seen_ns = seen_ns
        return now_ns - self.since_ns


class _Pulse:
    """How often a stream speaks by habit, and whether it has stopped.

    What came before it was asked for, at `opened_ns`, is no part of the habit: the silence that
    made us ask would be the longest pause of all, and the next one would be waited out in peace.
    How long a silence may last is known from `before` until enough has come to learn it anew. One
    that lasted longer was trouble, whether somebody acted on it or not (a book out of force is not
    doubted), and trouble is no habit; unless the messages are numbered (`is_numbered`), and their
    numbers tell that nothing was missed.
    """

    __slots__ = (
        "asked_ns", "began_ns", "first", "floor_ns", "is_numbered", "last", "limit_ns",
        "longest_ns", "newest_ns", "opened_ns", "stalled_ns", "was_asked",
    )  # fmt: skip

    def __init__(
        self,
        floor_ns: int,
        opened_ns: int = 0,
        before: _Pulse | None = None,
        *,
        is_numbered: bool = False,
    ) -> None:
        self.floor_ns = floor_ns
        self.is_numbered = is_numbered
        self.stalled_ns = 0
        self.opened_ns = self.asked_ns = opened_ns
        self.limit_ns: int = 0 if before is None else before.limit_ns
        self.was_asked = False
        self.began_ns = 0
        self.first = self.last = 0
        self.newest_ns = 0
        self.longest_ns = 0

    def silent_ns(self, newest_ns: int, messages: int, now_ns: int, stalled_ns: int = 0) -> int:
        """For how long it has been silent, if that is longer than it ever should be; else 0.

        `messages` is a count that goes up with them; one that falls has begun anew. `stalled_ns` is
        for how long in all nobody could speak, or be heard.
        """
        if newest_ns <= self.opened_ns:
            return self._too_long_ns(now_ns - self.asked_ns)
        if self.was_asked:
            self.was_asked = False
            if 0 <= messages - self.last <= _FEW_TRADES:
                self.longest_ns = max(self.longest_ns, newest_ns - self.opened_ns)
        if self.newest_ns == 0 or messages < self.first:
            self.began_ns, self.first, self.newest_ns = newest_ns, messages, newest_ns
            self.last, self.stalled_ns = messages, stalled_ns
            return 0
        if newest_ns > self.newest_ns:
            pause_ns = newest_ns - self.newest_ns - (stalled_ns - self.stalled_ns)
            is_proved = self.is_numbered and 0 <= messages - self.last <= _FEW_TRADES
            if is_proved or not self._too_long_ns(pause_ns):
                self.longest_ns = max(self.longest_ns, pause_ns)
            self.newest_ns, self.stalled_ns = newest_ns, stalled_ns
        count = messages - self.first
        self.last = messages
        if count >= _ENOUGH_MESSAGES:
            usual_ns = _USUAL_PAUSES * (newest_ns - self.began_ns) // count
            self.limit_ns = max(usual_ns, _LONGEST_PAUSES * self.longest_ns, self.floor_ns)
        return self._too_long_ns(now_ns - newest_ns)

    def _too_long_ns(self, silent_ns: int) -> int:
        return silent_ns if 0 < self.limit_ns < silent_ns else 0

    def ask_again(self, now_ns: int) -> None:
        """The silent stream, whose messages are numbered, is asked for again, ever more patiently.

        The next number tells whether it had died or had nothing to say, which is its habit then.
        """
        self.was_asked = True
        self.opened_ns = max(self.newest_ns, self.opened_ns)
        self.asked_ns = now_ns
        self.newest_ns = 0
        self.limit_ns *= 2


class _Stalls:
    """For how long in all nobody on a connection could speak, or we did not look.

    The exchange or the network paused, or this process: learned as a habit it would let the next
    silence of a single symbol last three times as long, for as long as the connection lives.
    """

    __slots__ = ("_heard", "_looked_ns", "_newest_ns", "total_ns")

    def __init__(self) -> None:
        self.total_ns = 0
        self._heard: dict[str, int] = {}
        self._newest_ns = self._looked_ns = 0

    def look(self, heard: dict[str, int], now_ns: int) -> None:
        """Called at every look with when each symbol last spoke."""
        newest_ns = max(heard.values(), default=0)
        pause_ns = newest_ns - self._newest_ns if self._newest_ns else 0
        if pause_ns > _STALL_NS:
            known = [symbol for symbol, then_ns in self._heard.items() if then_ns]
            spoke = sum(heard.get(symbol, 0) > self._heard[symbol] for symbol in known)
            is_shared = spoke >= _MANY and 2 * spoke >= len(known)
            if is_shared or now_ns - self._looked_ns > _STALL_NS:
                self.total_ns += pause_ns - _STALL_NS
        self._newest_ns = max(newest_ns, self._newest_ns)
        self._heard, self._looked_ns = heard, now_ns


class _Member:
    """What is remembered of one symbol: since when its streams are open, and what is suspicious.

    `due_ns` is when its first words are due, `quiet_ns` how long they are waited for: doubled every
    time, because a symbol that nobody trades is quiet too.
    """

    __slots__ = (
        "both", "depth", "due_ns", "late", "opened_ns", "pulse", "quiet_ns", "quote", "trades",
    )  # fmt: skip

    def __init__(self, limits: Deadlines, opened_ns: int, before: _Member | None = None) -> None:
        frozen_ns = int(limits.frozen_s * _NS)
        self.opened_ns = opened_ns
        self.depth, self.quote = _Suspicion(), _Suspicion()
        self.both, self.late = _Suspicion(), _Suspicion()
        self.pulse: _Pulse = _Pulse(frozen_ns, opened_ns, before.pulse if before else None)
        former = before.trades if before else None
        self.trades: _Pulse = _Pulse(frozen_ns, opened_ns, former, is_numbered=True)
        self.quiet_ns = int(limits.quiet_s * _NS)
        self.due_ns = opened_ns + self.quiet_ns


class StreamWatch:
    """The watch over one connection that carries the books of these symbols.

    `before` is the watch that it takes over from: symbols in both are judged on as they were, so
    that no change of members or of sockets gives a dead stream another deadline. `habits` is the
    watch of a connection that was lost: nothing is judged by what it saw, but how long a silence
    of each symbol may last is known from it.
    """

    def __init__(
        self,
        symbols: tuple[str, ...],
        limits: Deadlines,
        opened_ns: int,
        before: StreamWatch | None = None,
        habits: StreamWatch | None = None,
    ) -> None:
        self.symbols = symbols
        self.limits = limits
        self.opened_ns: int = opened_ns if before is None else before.opened_ns
        self._frozen_ns = int(limits.frozen_s * _NS)
        known = {} if before is None else before._by_symbol()
        lost = {} if habits is None else habits._by_symbol()
        self._members: list[_Member] = [
            known.get(symbol) or _Member(limits, opened_ns, lost.get(symbol)) for symbol in symbols
        ]
        self._stalls: _Stalls = _Stalls() if before is None else before._stalls

    def _by_symbol(self) -> dict[str, _Member]:
        return dict(zip(self.symbols, self._members, strict=True))

    def renew(self, symbol: str, now_ns: int) -> None:
        """The symbol's streams are asked for anew: it begins again, as patient as it was."""
        for place, name in enumerate(self.symbols):
            if name == symbol:
                quiet_ns = self._members[place].quiet_ns
                self._members[place] = _Member(self.limits, now_ns, self._members[place])
                self._members[place].quiet_ns = quiet_ns
                self._members[place].due_ns = now_ns + quiet_ns

    def quiet(self, sightings: list[Sighting], now_ns: int) -> list[int]:
        """Places whose depth or bookTicker is due and has never spoken: to be asked for again.

        Or not since it was asked for the last time, where the book waits for it.
        """
        found = []
        for place, (seen, member) in enumerate(zip(sightings, self._members, strict=True)):
            oldest_ns = min(seen.depth_ns, seen.quote_ns)
            has_spoken = oldest_ns > (0 if seen.in_force else member.opened_ns)
            if has_spoken or now_ns < member.due_ns:
                continue
            member.quiet_ns *= 2
            member.due_ns = now_ns + member.quiet_ns
            found.append(place)
        return found

    def complaint(self, sightings: list[Sighting], now_ns: int) -> str | None:
        """Why the connection should be made anew, in words; None while it may be trusted."""
        newest_ns = max((seen.newest_ns for seen in sightings), default=now_ns)
        if newest_ns == 0:
            waited_s = (now_ns - self.opened_ns) / _NS
            if waited_s > self.limits.first_message_s:
                return f"subscribed, but nothing came for {waited_s:.1f} s"
        elif now_ns - newest_ns > self.limits.silence_s * _NS:
            return f"all streams silent for {(now_ns - newest_ns) / _NS:.1f} s"
        return None

    def troubles(self, sightings: list[Sighting], now_ns: int) -> dict[int, str]:
        """Places whose book cannot be trusted though the connection lives, and why, in words."""
        self._stalls.look({self.symbols[at]: seen.newest_ns for at, seen in enumerate(sightings)},
                          now_ns)  # fmt: skip
        found = {}
        for place, seen in enumerate(sightings):
            trouble = self._trouble(place, seen, now_ns)
            if trouble:
                found[place] = f"{self.symbols[place]}: {trouble}"
        return found

    def silent_trades(self, sightings: list[Sighting], now_ns: int) -> list[int]:
        """Places whose trades have stopped against all habit while the book goes on."""
        return [
            place
            for place, seen in enumerate(sightings)
            if self._members[place].trades.silent_ns(
                seen.trade_ns, seen.trades, now_ns, self._stalls.total_ns
            )
            and now_ns - seen.book_ns < self._frozen_ns
        ]

    @property
    def silent_now(self) -> int:
        """How many symbols' trades were asked for again and have not come since."""
        return sum(member.trades.was_asked for member in self._members)

    def spare(self, place: int, now_ns: int) -> None:
        """Trades that were silent at this place are asked for again."""
        self._members[place].trades.ask_again(now_ns)

    def _trouble(self, place: int, seen: Sighting, now_ns: int) -> str:
        limits, frozen_ns, member = self.limits, self._frozen_ns, self._members[place]
        grace_ns = int(limits.grace_s * _NS)
        # Quotes are still coming long after the last depth event. The first of them after a quiet
        # while may precede its depth event by a moment: that is the grace.
        lead = seen.quote_ns - max(seen.depth_ns, member.opened_ns) > frozen_ns
        if member.depth.lasts_ns(lead, seen.depth_ns, now_ns) > grace_ns:
            return "depth frozen while bookTicker runs"
        if member.quote.lasts_ns(seen.tops_differ, seen.quote_ns, now_ns) > frozen_ns:
            return "bookTicker frozen while depth runs"
        # A trade takes from the book, so the book's streams must tell of it.
        lead = seen.trade_ns - max(seen.book_ns, member.opened_ns) > frozen_ns
        if member.both.lasts_ns(lead, seen.book_ns, now_ns) > grace_ns:
            return "depth and bookTicker frozen while trades run"
        if member.late.lasts_ns(seen.late_ns > limits.lag_s * _NS, 0, now_ns) > grace_ns:
            return f"events come {seen.late_ns / _NS:.1f} s late"
        silent_ns = member.pulse.silent_ns(
            seen.book_ns, seen.messages, now_ns, self._stalls.total_ns
        )
        return f"silent for {silent_ns / _NS:.1f} s, against all habit" if silent_ns else ""


class MarkWatch:
    """The watch over one connection that carries mark prices, which come every second."""

    def __init__(self, symbols: tuple[str, ...], limits: Deadlines, opened_ns: int) -> None:
        self.symbols = symbols
        self.silence_ns = int(max(limits.frozen_s, _MARK_SILENCE_S) * _NS)
        self._since_ns = [opened_ns] * len(symbols)
        self._patience_ns = [self.silence_ns] * len(symbols)

    @property
    def silent_now(self) -> int:
        """How many symbols' mark prices were asked for again and have not come since."""
        return sum(patience_ns > self.silence_ns for patience_ns in self._patience_ns)

    def silent(self, seen_ns: list[int], now_ns: int) -> list[int]:
        """Places that are due: to be asked for again, each time after twice as long."""
        found = []
        for place, newest_ns in enumerate(seen_ns):
            if newest_ns > self._since_ns[place]:
                self._since_ns[place] = newest_ns
                self._patience_ns[place] = self.silence_ns
            elif now_ns - self._since_ns[place] > self._patience_ns[place]:
                self._since_ns[place] = now_ns
                self._patience_ns[place] *= 2
                found.append(place)
        return found
