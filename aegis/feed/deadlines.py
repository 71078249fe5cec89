"""When silence means failure: the judgement of streams that should speak, without a clock.

Called by the process a few times a second with what the intake has seen. A socket that answers
pings proves nothing about its streams, and a quiet market is no fault, so a stream is judged
against a second, independent one: if bookTicker moves on while depth stays silent, depth is dead;
if the book's top differs from the last bookTicker and stays so, bookTicker is. Only when nothing
at all arrives does the clock alone decide.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Deadlines", "Sighting", "StreamWatch"]

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Deadlines:
    """All in seconds. A recording may stand still while its conductor waits: see `for_mirror`."""

    connect_s: float = 10.0
    ack_s: float = 5.0
    first_message_s: float = 15.0
    quiet_s: float = 60.0
    silence_s: float = 30.0
    frozen_s: float = 5.0
    grace_s: float = 1.0
    bridge_s: float = 10.0
    ping_s: float = 5.0
    pong_s: float = 5.0
    rest_s: float = 10.0

    @classmethod
    def for_mirror(cls) -> Deadlines:
        """Deadlines for a venue that plays a recording in step with us, as slowly as need be."""
        return cls(
            first_message_s=3600.0, quiet_s=3600.0, silence_s=3600.0, frozen_s=120.0, rest_s=600.0
        )


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one instrument's streams have shown so far; times in ns, 0 for never."""

    depth_ns: int
    quote_ns: int
    trade_ns: int
    tops_differ: bool

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


class StreamWatch:
    """The watch over one connection that carries the books of these symbols."""

    def __init__(self, symbols: tuple[str, ...], limits: Deadlines, opened_ns: int) -> None:
        self.symbols = symbols
        self.limits = limits
        self.opened_ns = opened_ns
        self._depth = [_Suspicion() for _ in symbols]
        self._quote = [_Suspicion() for _ in symbols]
        # When each symbol's first words are due, and how long they are waited for: doubled every
        # time, because a symbol that nobody trades is quiet too.
        self._quiet_ns = [int(limits.quiet_s * _NS) for _ in symbols]
        self._due_ns = [opened_ns + int(limits.quiet_s * _NS) for _ in symbols]

    def quiet(self, sightings: list[Sighting], now_ns: int) -> list[int]:
        """Places whose depth or bookTicker has never spoken and is due: to be asked for again."""
        found = []
        for place, seen in enumerate(sightings):
            if (seen.depth_ns and seen.quote_ns) or now_ns < self._due_ns[place]:
                continue
            self._quiet_ns[place] *= 2
            self._due_ns[place] = now_ns + self._quiet_ns[place]
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
        frozen_ns, grace_ns = int(self.limits.frozen_s * _NS), int(self.limits.grace_s * _NS)
        for place, seen in enumerate(sightings):
            # Quotes are still coming long after the last depth event. The first of them after a
            # quiet while may precede its depth event by a moment: that is the grace.
            depth_ns = max(seen.depth_ns, self.opened_ns)
            lead = seen.quote_ns - depth_ns > frozen_ns
            if self._depth[place].lasts_ns(lead, seen.depth_ns, now_ns) > grace_ns:
                return f"{self.symbols[place]}: depth frozen while bookTicker runs"
            differ = seen.tops_differ
            if self._quote[place].lasts_ns(differ, seen.quote_ns, now_ns) > frozen_ns:
                return f"{self.symbols[place]}: bookTicker frozen while depth runs"
        return None
