"""A stand-in for supervisor, feed and brain: it beats, shows the market, and publishes intents.

What it wants follows from the round's seed alone: orders on both sides, more on one of them so that
the position limit is reached, most of them resting at the touch, some crossing, and cancels. Every
placement is remembered, so that the orders the exchange has can be held against what was wanted.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from typing import Any, NamedTuple

import numpy as np

from aegis.host.clock import monotonic_ns
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import CANCEL, INTENT, IOC, MARKET, PLACE, POST_ONLY, RESYNC
from aegis.shm.outcome import DENIED, POSITION
from aegis.shm.wake import wake
from tests.execution.rounds.exchange import Account

_LOOK_NS = 30_000_000
_BEAT_NS = 2_000_000
WORTH_NS = 400_000_000
_MOST_LOTS = 12
_FLAGS = (POST_ONLY, POST_ONLY, POST_ONLY, 0, IOC, MARKET)


class Wanted(NamedTuple):
    """A placement as it was published."""

    side: int
    qty_lots: int
    price_ticks: int
    flags: int


class Brain:
    """Acts when `turn` is called, many times a second. `rate_per_s` counts placements."""

    def __init__(
        self, memory: InstanceMemory, account: Account, source: random.Random, rate_per_s: float
    ) -> None:
        self._memory = memory
        self._account = account
        self.source = source
        self.pause_ns = int(1e9 / rate_per_s)
        self._bias = source.choice((0.2, 0.5, 0.8))
        self._recent: deque[int] = deque(maxlen=40)
        self._record = np.zeros(1, INTENT)
        self._next_ref = 0
        self._next_intent = 0
        self._due_ns = self._look_ns = self._beat_ns = 0
        self.top: tuple[int, int] = (0, 0)
        # By the brain's epoch and order reference.
        self.wanted: dict[tuple[int, int], Wanted] = {}
        # Intent of the RESYNC -> position that answered it, in lots; 0 is execution's own start.
        self.positions: dict[int, int] = {}
        # By the number of the control; 0 is a command that has nothing to act on any more.
        self.denied: Counter[int] = Counter()
        self.epoch = memory.control.next_generation("brain")
        self.is_trading = False
        supervisor = memory.counters["supervisor"]
        supervisor["pid"], supervisor["start_time_ticks"] = 1, 1

    def turn(self) -> None:
        """Whatever is due now."""
        now_ns = monotonic_ns()
        if now_ns >= self._beat_ns:
            self._beat_ns = now_ns + _BEAT_NS
            self._beat(now_ns)
        while self.is_trading and now_ns >= self._due_ns:
            self._due_ns = max(self._due_ns + self.pause_ns, now_ns - 5 * self.pause_ns)
            self.act(now_ns)

    def reborn(self) -> None:
        """Another generation of the brain: its references begin anew, under a new epoch."""
        self.epoch = self._memory.control.next_generation("brain")
        self._recent.clear()
        self._next_ref = 0
        self.resync()

    def resync(self) -> int:
        """Ask for the positions once nothing rests; the intent's number, see `positions`."""
        self._publish(RESYNC, 0, Wanted(0, 0, 0, 0), monotonic_ns())
        return self._next_intent

    def _beat(self, now_ns: int) -> None:
        memory = self._memory
        if now_ns >= self._look_ns or not self.top[0]:
            self.top = self._account.top() or self.top
            now_ns = monotonic_ns()
            self._look_ns = now_ns + _LOOK_NS
        memory.control.heartbeat_ns = now_ns
        memory.counters["brain"]["loop_ts_ns"] = now_ns
        feed = memory.counters["feed"]
        feed["loop_ts_ns"] = feed["last_message_ns"] = now_ns
        feed["connected"] = 1
        bid, ask = self.top
        if bid:
            memory.books.write(0, 1, 0, now_ns, *(np.array([[at / 10, 1.0]]) for at in self.top))
            mid = (bid + ask) / 20
            memory.marks.write(0, 0, now_ns, mid, mid)
        while (told := memory.outcomes.take()).size:
            self.hear(told)

    def hear(self, told: np.ndarray[Any, Any]) -> None:
        """Outcomes, as OUTCOME records."""
        self.denied.update(told["reason"][told["kind"] == DENIED].tolist())
        for outcome in told[told["kind"] == POSITION]:
            self.positions[int(outcome["intent_id"])] = int(outcome["position_lots"])

    def act(self, now_ns: int) -> None:
        """One placement or one cancel."""
        source = self.source
        if self._recent and source.random() < 0.4:
            self.cancel(source.choice(self._recent), now_ns)
            return
        self._recent.append(self.place(1 if source.random() < self._bias else -1, now_ns))

    def cancel(self, ref: int, now_ns: int) -> None:
        self._publish(CANCEL, ref, self.wanted[self.epoch, ref], now_ns)

    def place(self, side: int, now_ns: int) -> int:
        """Publish a placement, of any kind; its reference."""
        return self.publish(self.want(side), now_ns)[0]

    def want(self, side: int) -> Wanted:
        """A placement of any kind."""
        source = self.source
        flags = source.choice(_FLAGS)
        touch = self.top[0] if side > 0 else self.top[1]
        reach = source.choice((0, 0, 1, 5, 200)) if flags == POST_ONLY else source.randint(-30, 30)
        price = 0 if flags == MARKET else touch - side * reach
        return Wanted(side, source.randint(2, _MOST_LOTS), price, flags)

    def publish(self, wanted: Wanted, now_ns: int) -> tuple[int, bool]:
        """Publish this placement; its reference, and whether the lane had room for it."""
        self._next_ref += 1
        self.wanted[self.epoch, self._next_ref] = wanted
        return self._next_ref, self._publish(PLACE, self._next_ref, wanted, now_ns)

    def _publish(self, kind: int, ref: int, wanted: Wanted, now_ns: int) -> bool:
        self._next_intent += 1
        record = self._record
        record["kind"], record["order_ref"] = kind, ref
        record["intent_id"], record["epoch"] = self._next_intent, self.epoch
        record["side"], record["qty_lots"] = wanted.side, wanted.qty_lots
        record["price_ticks"], record["flags"] = wanted.price_ticks, wanted.flags
        record["valid_until_ns"] = now_ns + WORTH_NS
        record["ts_decided_ns"] = record["cause_ts_recv_ns"] = now_ns
        # A full lane is a refusal: the intent is not wanted any more.
        is_taken = bool(self._memory.intents.offer(record) == 1)
        if is_taken:
            wake(self._memory.intents.header)
        return is_taken
