"""Vital signs: which conditions stop new risk now, and which call for cancelling what rests.

Pure: `process` samples the shared counters every few milliseconds and hands them over; the answer
is the gate's block bits and whether everything must be cancelled. A condition that ends clears
itself: none of this touches the latch. An episode cancels once, when it begins; nothing can be
placed after that, because the block stands (for market data: the gate's own check).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aegis.risk.gate_state import BLOCK_BRAIN, BLOCK_SUPERVISOR

__all__ = ["Signs", "Verdict", "Vitals"]


@dataclass(frozen=True, slots=True)
class Signs:
    """One sample, times on CLOCK_MONOTONIC in ns."""

    now_ns: int
    supervisor_ns: int
    brain_ns: int
    brain_generation: int
    feed_ns: int
    feed_connected: bool
    feed_message_ns: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """`blocks` are those of `Vitals.BITS` that stand; `cancel` names why everything must go.

    `calm`: nothing is amiss, so the exchange's countdown may be wound up.
    """

    blocks: int
    cancel: tuple[str, ...] = ()
    calm: bool = False


@dataclass(slots=True)
class Vitals:
    """Remembers which episodes have begun.

    `heartbeat_ns` is the longest silence of supervisor, brain and feed; `silence_ns` that of the
    market itself, 0 for a replayed recording, which may pause.
    """

    heartbeat_ns: int
    silence_ns: int
    generation: int = -1
    _standing: set[str] = field(default_factory=set)

    BITS = BLOCK_SUPERVISOR | BLOCK_BRAIN

    def look(self, signs: Signs) -> Verdict:
        """Judge one sample."""
        supervisor_lost = signs.now_ns - signs.supervisor_ns > self.heartbeat_ns
        brain_lost = signs.now_ns - signs.brain_ns > self.heartbeat_ns
        feed_lost = (
            not signs.feed_connected
            or signs.now_ns - signs.feed_ns > self.heartbeat_ns
            or (self.silence_ns > 0 and signs.now_ns - signs.feed_message_ns > self.silence_ns)
        )
        blocks = BLOCK_SUPERVISOR if supervisor_lost else 0
        if brain_lost:
            blocks |= BLOCK_BRAIN
        begun = []
        for name, stands in (
            ("supervisor lost", supervisor_lost),
            ("brain lost", brain_lost),
            ("market data lost", feed_lost),
        ):
            if not stands:
                self._standing.discard(name)
            elif name not in self._standing:
                self._standing.add(name)
                begun.append(name)
        if signs.brain_generation != self.generation:
            if self.generation >= 0:
                begun.append("another brain")
            self.generation = signs.brain_generation
        return Verdict(blocks, tuple(begun), calm=not self._standing)
