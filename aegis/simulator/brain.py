"""A brain for trials, with feed and supervisor in one: beats, books, and intents, some of them mad.

It keeps to the contract of the intents ring: references count up within an epoch, an epoch begins
with RESYNC, and everything it hears is noted, so that the oracles can tell what it was told. Now
and then, by the plan, it emits nonsense, repeats itself, is late, or belongs to a dead epoch; those
intents must never reach the exchange.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aegis.risk.controls import OWN_FAULTS
from aegis.risk.gate_state import RUNAWAY_WINDOW_NS
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import (
    AMEND,
    CANCEL,
    CANCEL_ALL,
    INTENT,
    IOC,
    MARKET,
    PLACE,
    POST_ONLY,
    REDUCE_ONLY,
    RESYNC,
)
from aegis.shm.outcome import (
    ACCEPTED,
    AMEND_REFUSED,
    AMENDED,
    CANCELED,
    DENIED,
    EXPIRED,
    FILL,
    OUTCOME,
    POSITION,
    REJECTED,
    UNKNOWN,
)
from aegis.simulator.exchange import Exchange
from aegis.simulator.faults import Plan

__all__ = ["Brain", "Change", "Wish"]

_MS = 1_000_000
_BLANK: dict[str, Any] = dict.fromkeys(INTENT.names or (), 0)
_FIELDS = OUTCOME.names or ()
_ENDS = (CANCELED, EXPIRED, REJECTED, DENIED)
MAX_STALE_NS = 2_000 * _MS


@dataclass(slots=True)
class Change:
    """An AMEND intent as it was emitted (0: as it is), and what became of it."""

    ticks: int
    lots: int
    valid_until_ns: int
    is_answered: bool = False
    is_refused: bool = False
    # (price, quantity) as they were sent.
    sent: tuple[int, int] | None = None


@dataclass(slots=True)
class Wish:
    """A PLACE intent as it was emitted, and what was told of it."""

    epoch: int
    ref: int
    side: int
    ticks: int
    lots: int
    flags: int
    valid_until_ns: int
    is_sound: bool
    intent_id: int
    told: list[int] = field(default_factory=list)
    filled: int = 0
    ended: bool = False
    refused_by: int = 0
    # What the order has now, and the amends that were asked for, by their intent.
    now_ticks: int = 0
    now_lots: int = 0
    amends: dict[int, Change] = field(default_factory=dict)

    @property
    def is_limit(self) -> bool:
        return not self.flags & (IOC | MARKET)

    @property
    def most_lots(self) -> int:
        """How large it may be, as far as the brain has been told."""
        open_ones = (change.lots for change in self.amends.values() if not change.is_answered)
        return max(self.now_lots, *open_ones, 0)


class Brain:
    """Feed, brain and supervisor of a trial's instance."""

    def __init__(
        self,
        memory: InstanceMemory,
        plan: Plan,
        rng: random.Random,
        exchange: Exchange,
        wake: Callable[[], None],
        on_violation: Callable[[str, str], None],
        amend_rng: random.Random,
    ) -> None:
        """`amend_rng` is what amends are drawn from: all else is as if there were none."""
        self._amend_rng = amend_rng
        self.on_amend_told: Callable[[Wish, int], None] = lambda *_: None
        self.memory = memory
        self.plan = plan
        self.rng = rng
        self.exchange = exchange
        self.wake = wake
        self.on_violation = on_violation
        self.wishes: dict[tuple[int, int], Wish] = {}
        self.open: dict[int, Wish] = {}
        self.epoch = 0
        self.next_ref = 0
        self.position = 0
        self.is_told = False
        self.is_quiet = False
        self.halted = False
        self.feed_ns = 0
        self.brain_ns = 0
        self.supervisor_ns = 0
        self.epoch_since_ns = 0
        self._intent = np.zeros(1, INTENT)
        self._bids = np.ones((1, 2))
        self._asks = np.ones((1, 2))
        self._next_id = 1
        # When each intent was decided, and of those that were refused for a fault of ours.
        self._decided_ns: dict[int, int] = {}
        self._refused_ns: list[int] = []

    # Beats

    def beat(
        self, now_ns: int, *, feed: bool = True, brain: bool = True, supervisor: bool = True
    ) -> None:
        """What the other processes write meanwhile; False: it is stopped."""
        memory = self.memory
        if supervisor:
            self.supervisor_ns = now_ns
            memory.control.heartbeat_ns = now_ns
        if feed:
            self.feed_ns = now_ns
            counters = memory.counters["feed"]
            counters["loop_ts_ns"] = now_ns
            counters["last_message_ns"] = now_ns
            counters["connected"] = 1
            self._bids[0, 0] = self.exchange.bid / 10
            self._asks[0, 0] = self.exchange.ask / 10
            memory.books.write(0, 1, 0, now_ns, self._bids, self._asks)
            mark = self.exchange.mid_ticks / 10
            memory.marks.write(0, 0, now_ns, mark, mark)
        if brain:
            self.brain_ns = now_ns
            memory.counters["brain"]["loop_ts_ns"] = now_ns

    def start_epoch(self, now_ns: int) -> None:
        """A new generation of the brain asks for its positions."""
        self.epoch = self.memory.control.next_generation("brain")
        self.epoch_since_ns = now_ns
        self.next_ref = 0
        self.open.clear()
        self.is_told = False
        self._emit(now_ns, kind=RESYNC, epoch=self.epoch)
        self.wake()

    # Outcomes

    def listen(self) -> None:
        """Take what execution has told."""
        memory = self.memory
        while memory.outcomes.pending_count():
            for record in memory.outcomes.take().tolist():
                self._hear(record)

    def _hear(self, record: Any) -> None:
        told = dict(zip(_FIELDS, record, strict=True))
        ref, kind, epoch = told["order_ref"], told["kind"], told["epoch"]
        if kind == POSITION and epoch == self.epoch:
            self.is_told = True
            self.position = told["position_lots"]
            return
        if kind == DENIED and told["reason"] in OWN_FAULTS:
            self._refused_ns.append(self._decided_ns.get(told["intent_id"], 0))
        wish = self.wishes.get((epoch, ref))
        if wish is None:
            return
        if told["intent_id"] in wish.amends or kind in (AMENDED, AMEND_REFUSED):
            self._hear_of_amend(wish, told)
            return
        if kind == DENIED and told["intent_id"] != wish.intent_id:
            # It was another intent, with the same reference, that went no further.
            return
        if wish.ended and kind not in (FILL, ACCEPTED):
            self.on_violation("told", f"order {ref}: {kind} after its end ({wish.told})")
        if kind == ACCEPTED and ACCEPTED in wish.told:
            self.on_violation("told", f"order {ref} was accepted twice")
        wish.told.append(kind)
        if kind == DENIED:
            wish.refused_by = told["reason"]
        if kind == FILL:
            wish.filled += told["qty_lots"]
            self.position = told["position_lots"]
        self._note_end(wish, kind in _ENDS)

    def _note_end(self, wish: Wish, is_end: bool) -> None:
        if is_end or wish.filled >= wish.most_lots:
            wish.ended = True
            self.open.pop(wish.ref, None)

    def _hear_of_amend(self, wish: Wish, told: dict[str, Any]) -> None:
        """An AMEND is answered once, and may be denied at any time; UNKNOWN may come before."""
        kind, text = told["kind"], f"amend {told['intent_id']} of order {wish.ref}: {told['kind']}"
        if wish.ended and kind != DENIED:
            self.on_violation("told", f"{text} after the order's end ({wish.told})")
        change = wish.amends.get(told["intent_id"])
        if change is None and not (kind == AMENDED and told["intent_id"] == 0):
            self.on_violation("told", f"{text}, which nobody asked for")
        if change is not None and kind != UNKNOWN:
            if change.is_answered:
                self.on_violation("told", f"{text} after its answer")
            change.is_answered = True
            change.is_refused = kind == AMEND_REFUSED
        if kind == AMENDED:
            wish.now_ticks, wish.now_lots = told["price_ticks"], told["qty_lots"]
        self.on_amend_told(wish, kind)
        self._note_end(wish, False)

    def has_run_away(self, limit: int) -> bool:
        """Whether so many intents of one second were refused for what we ourselves did wrong."""
        times = sorted(self._refused_ns)
        return any(
            times[at + limit - 1] - times[at] <= RUNAWAY_WINDOW_NS
            for at in range(len(times) - limit + 1)
        )

    # Intents

    def think(self, now_ns: int) -> None:
        """Emit a few intents."""
        rng = self.rng
        count = int(self.plan.activity + rng.random())
        for _ in range(count):
            if self.plan.nonsense and rng.random() < self.plan.nonsense:
                self._rave(now_ns)
            elif self.open and rng.random() < 0.4:
                self.cancel(now_ns, rng.choice(list(self.open)))
            elif rng.random() < 0.02:
                self._emit(now_ns, kind=CANCEL_ALL)
            else:
                self._decide(now_ns)
        if self.plan.amends and self._amend_rng.random() < self.plan.amends:
            count += self._change(now_ns)
        if count:
            self.wake()

    def _decide(self, now_ns: int) -> None:
        """A sound order: mostly a quote near the touch, sometimes one that takes."""
        rng = self.rng
        side = 1 if rng.random() < 0.5 else -1
        dice = rng.random()
        flags = POST_ONLY
        offset = -rng.randrange(2, 60)
        if dice < 0.1:
            flags, offset = IOC, rng.randrange(0, 20)
        elif dice < 0.15:
            flags, offset = 0, rng.randrange(-20, 20)
        elif dice < 0.2:
            flags = MARKET
        if rng.random() < 0.15:
            flags |= REDUCE_ONLY
        touch = self.exchange.bid if side > 0 else self.exchange.ask
        ticks = 0 if flags & MARKET else touch + side * offset
        self.place(now_ns, side, ticks, rng.randrange(2, 40), flags)

    def place(self, now_ns: int, side: int, ticks: int, lots: int, flags: int) -> Wish:
        """Emit one PLACE with the next reference."""
        self.next_ref += 1
        valid_ns = now_ns + self.rng.choice((200, 1_000, 3_000)) * _MS
        return self._wish(now_ns, self.next_ref, side, ticks, lots, flags, valid_ns)

    def _change(self, now_ns: int) -> bool:
        """An amend of an open order: another price, another quantity, or both."""
        rng = self._amend_rng
        known = [wish for wish in self.open.values() if wish.is_limit and ACCEPTED in wish.told]
        if not known:
            return False
        wish = rng.choice(known)
        touch = self.exchange.bid if wish.side > 0 else self.exchange.ask
        # Now and then one that takes, or leaves less than is filled: the gate sees to it, or not.
        ticks = touch - wish.side * rng.randrange(-2, 60) if rng.random() < 0.7 else 0
        lots = rng.randrange(1, 40) if ticks == 0 or rng.random() < 0.5 else 0
        if wish.amends and rng.random() < 0.3:
            # Back to what it was once: what tells of that time must not be taken for news.
            ticks, lots = wish.ticks, wish.lots
        valid_ns = now_ns + rng.choice((200, 1_000, 3_000)) * _MS
        wish.amends[self._next_id] = Change(ticks, lots, valid_ns)
        self._emit(
            now_ns,
            kind=AMEND,
            order_ref=wish.ref,
            price_ticks=ticks,
            qty_lots=lots,
            valid_until_ns=valid_ns,
        )
        return True

    def cancel(self, now_ns: int, ref: int) -> None:
        """Emit one CANCEL."""
        self._emit(now_ns, kind=CANCEL, order_ref=ref)

    def _wish(
        self,
        now_ns: int,
        ref: int,
        side: int,
        ticks: int,
        lots: int,
        flags: int,
        valid_ns: int,
        *,
        is_sound: bool = True,
        **others: Any,
    ) -> Wish:
        epoch = others.get("epoch", self.epoch)
        wish = Wish(epoch, ref, side, ticks, lots, flags, valid_ns, is_sound, self._next_id)
        wish.now_ticks, wish.now_lots = ticks, lots
        if (epoch, ref) not in self.wishes:
            self.wishes[epoch, ref] = wish
            if is_sound:
                self.open[ref] = wish
        self._emit(
            now_ns,
            order_ref=ref,
            side=side,
            price_ticks=ticks,
            qty_lots=lots,
            flags=flags,
            valid_until_ns=valid_ns,
            **others,
        )
        return wish

    def _rave(self, now_ns: int) -> None:
        """Something that must not reach the exchange."""
        rng = self.rng
        self.next_ref += 1
        ref, far_ns = self.next_ref, now_ns + 2_000 * _MS
        mid = self.exchange.mid_ticks
        kind = rng.randrange(10)
        bad: dict[str, Any] = {"is_sound": False}
        if kind == 0:
            self._wish(now_ns, ref, 1, mid - 20, 10**12, POST_ONLY, far_ns, **bad)
        elif kind == 1:
            self._wish(now_ns, ref, 1, mid - 20, 5, POST_ONLY, far_ns, fair_price=np.nan, **bad)
        elif kind == 2:
            self._wish(now_ns, ref, 1, mid * 2, 5, POST_ONLY, far_ns, **bad)
        elif kind == 3:
            self._wish(now_ns, ref, 3, mid - 20, 5, POST_ONLY, far_ns, **bad)
        elif kind == 4:
            self._wish(now_ns, ref, 1, mid - 20, 5, POST_ONLY, now_ns - 1, **bad)
        elif kind == 5:
            # Execution may not have noticed yet that an epoch has ended: one that never was.
            self._wish(now_ns, ref, 1, mid - 20, 5, POST_ONLY, far_ns, epoch=9_999, **bad)
        elif kind == 6:
            self._wish(now_ns, ref, 1, mid - 20, 5, POST_ONLY, far_ns, instrument=77, **bad)
        elif kind == 7:
            self._emit(now_ns, kind=AMEND, order_ref=max(1, ref - 1))
        elif kind == 8:
            self._emit(now_ns, kind=CANCEL, order_ref=ref + 10**6)
        else:
            # An order reference that is in use already: the last one, or the oldest that execution
            # has told no end of, perhaps since it was restarted.
            used = [wish.ref for wish in self.open.values() if ACCEPTED in wish.told]
            if used:
                self._wish(now_ns, used[-(ref % 2)], -1, mid + 30, 7, POST_ONLY, far_ns, **bad)

    def _emit(self, now_ns: int, *, kind: int = PLACE, **fields: Any) -> None:
        values = {
            **_BLANK,
            "kind": kind,
            "epoch": self.epoch,
            "intent_id": self._next_id,
            "ts_decided_ns": now_ns,
            "cause_ts_recv_ns": now_ns,
            **fields,
        }
        self._decided_ns[self._next_id] = now_ns
        self._next_id += 1
        intent = self._intent
        intent[0] = tuple(values.values())
        self.memory.intents.offer(intent)
