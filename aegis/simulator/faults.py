"""What goes wrong in a trial, drawn from its seed: which kinds at all, and how often.

Swarm testing: every seed enables a random half of the faults, at rates drawn from the ranges that
TigerBeetle's simulator uses where they apply (loss 0-30 %, repetition 0-50 %, clogs 0-2 %,
partitions 0-3 %, disk faults 0-10 %). A seed with everything switched on finds less: most of it
ends early. The faults that must end in HALTED (a foreign order, an edited position, a ban) come in
a quarter of the seeds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["Plan", "draw_amends", "draw_plan"]

_MS = 1_000_000


@dataclass(slots=True)
class Plan:
    """Rates are probabilities of one message or one look; times in ns. All zero: a calm world."""

    latency_ns: int = 2 * _MS
    jitter_ns: int = 1 * _MS
    # The network.
    rest_lost: float = 0.0  # a request that never arrives
    reply_lost: float = 0.0  # one that was carried out and is never answered
    answer_lost: float = 0.0  # an answer of the order line that never comes
    answer_twice: float = 0.0  # one that comes again, perhaps on the next line
    event_twice: float = 0.0
    event_swapped: float = 0.0  # two events of the private stream change places
    event_lost: float = 0.0  # the stream stays silent
    clog: float = 0.0
    clog_ns: int = 0
    cut: float = 0.0  # per look (50 ms): a line ends
    half_open: float = 0.0  # of the cuts: the other side is not told
    partition: float = 0.0  # per look: nothing passes for a while
    rest_outage: float = 0.0  # per look: no HTTP request arrives for a while, all else does
    # The exchange.
    place_fault: float = 0.0
    cancel_fault: float = 0.0
    query_fault: float = 0.0
    delayed_placement: float = 0.0
    replica_lag_ns: int = 0  # queries do not see an order before
    key_expiry: float = 0.0  # per look: the listen key ends
    limited: float = 0.0  # per look: 429 for a second
    # The account.
    foreign: float = 0.0  # per look, each of these
    edit: float = 0.0
    liquidation: float = 0.0
    banned: float = 0.0
    funding: float = 0.0
    # The processes and the clock.
    crash: float = 0.0
    pause: float = 0.0
    brain_pause: float = 0.0
    brain_crash: float = 0.0
    feed_pause: float = 0.0
    supervisor_pause: float = 0.0
    absence: str = ""  # "killed" or "stopped": for longer than the exchange's countdown
    clock_step: float = 0.0
    clock_drift_ppm: int = 0
    clock_offset_ns: int = 0
    power: float = 0.0  # of the crashes: a power loss
    disk_fault: float = 0.0  # of a write, a sync, a new file
    # The brain.
    activity: float = 0.6  # intents per tick
    nonsense: float = 0.0
    fill_rate: float = 0.15  # per look and resting order near the touch
    # Amends, of half of the seeds: of the intents, and what may befall one.
    amends: float = 0.0
    amend_fault: float = 0.0
    amend_late: float = 0.0

    def calm(self) -> None:
        """Heal: nothing goes wrong from now on. The market and the clock's offset stay."""
        kept = ("activity", "clock_offset_ns", "clock_drift_ppm", "latency_ns", "jitter_ns")
        fresh = Plan()
        for name in self.__slots__:
            if name not in kept:
                setattr(self, name, getattr(fresh, name))
        self.latency_ns = min(self.latency_ns, 30 * _MS)
        self.jitter_ns = min(self.jitter_ns, 20 * _MS)


def draw_amends(plan: Plan, rng: random.Random) -> None:
    """Add a seed's amends to its plan; with a source of chance of its own, so that a seed without
    any is what it would be if there were none at all.
    """
    if rng.random() < 0.5:
        plan.amends = rng.choice((0.2, 0.5, 0.9))
        plan.amend_fault = rng.random() * 0.30 if rng.random() < 0.5 else 0.0
        plan.amend_late = rng.random() * 0.20 if rng.random() < 0.5 else 0.0


def draw_plan(rng: random.Random) -> Plan:
    """The plan of a seed."""

    def maybe(most: float, chance: float = 0.5) -> float:
        return rng.random() * most if rng.random() < chance else 0.0

    plan = Plan(
        latency_ns=rng.choice((200_000, 2 * _MS, 2 * _MS, 20 * _MS, 80 * _MS)),
        rest_lost=maybe(0.30),
        reply_lost=maybe(0.30),
        answer_lost=maybe(0.30),
        answer_twice=maybe(0.50),
        event_twice=maybe(0.50),
        event_swapped=maybe(0.30),
        event_lost=maybe(0.10, 0.25),
        clog=maybe(0.02),
        clog_ns=int(rng.expovariate(1.0) * 1_500 * _MS),
        cut=maybe(0.03),
        half_open=maybe(0.5, 0.3),
        partition=maybe(0.015),
        place_fault=maybe(0.30),
        cancel_fault=maybe(0.30),
        query_fault=maybe(0.30),
        delayed_placement=maybe(0.20),
        replica_lag_ns=int(maybe(400 * _MS)),
        key_expiry=maybe(0.02, 0.25),
        limited=maybe(0.02, 0.25),
        crash=maybe(0.02),
        pause=maybe(0.02, 0.3),
        brain_pause=maybe(0.01, 0.3),
        brain_crash=maybe(0.015, 0.3),
        feed_pause=maybe(0.02, 0.3),
        clock_step=maybe(0.01, 0.25),
        clock_drift_ppm=rng.choice((0, 0, 50, -50, 2_000)),
        clock_offset_ns=rng.choice((0, 0, 40 * _MS, -300 * _MS, 86_400_000 * _MS)),
        funding=maybe(0.05, 0.25),
        activity=rng.choice((0.3, 0.8, 1.5)),
        nonsense=maybe(0.05, 0.4),
        fill_rate=rng.choice((0.02, 0.1, 0.3)),
    )
    plan.jitter_ns = int(plan.latency_ns * rng.random() * 2)
    plan.power = maybe(0.5)
    plan.disk_fault = maybe(0.10, 0.1)
    if rng.random() < 0.25:
        halting = rng.choice(("foreign", "edit", "liquidation", "banned"))
        setattr(plan, halting, 0.01)
    plan.supervisor_pause = maybe(0.01, 0.15)
    plan.rest_outage = maybe(0.02, 0.15)
    if rng.random() < 0.08:
        plan.absence = rng.choice(("killed", "stopped"))
    return plan
