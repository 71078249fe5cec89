"""I7 and I8: what must be noticed in time, and what must be gone in time.

I7: the exchange's own countdown runs whenever an order of ours that may add risk rests there (any
but one that the exchange holds to reducing), and once nobody winds it up any more none of those
rests for longer than it takes. I8: a feed, brain or supervisor that is silent for longer than its
time has stopped new risk and taken the resting orders with it; and execution's own sign of progress
moves while it runs, so that somebody else can tell.
Judged every 50 ms of a trial.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from aegis.execution import order_states as states
from aegis.execution.session import TradingSession
from aegis.risk.gate_state import BLOCK_BRAIN, BLOCK_SUPERVISOR
from aegis.shm.instance import InstanceMemory
from aegis.simulator.brain import MAX_STALE_NS, Brain
from aegis.simulator.exchange import Exchange
from aegis.simulator.front import Front
from aegis.simulator.network import Network

__all__ = ["NOTICE_NS", "Deadlines"]

_MS = 1_000_000
# A turn takes 100 ms of a trial, and the trial looks every 50 ms.
NOTICE_NS = 250 * _MS


class Deadlines:
    """The judge of one trial's times."""

    def __init__(
        self,
        memory: InstanceMemory,
        exchange: Exchange,
        front: Front,
        network: Network,
        brain: Brain,
        heartbeat_ns: int,
        countdown_ns: int,
        ways_out: Collection[str],
    ) -> None:
        """`ways_out` are the reduce-only orders: these always pass, and I7 is not of them."""
        self._counters = memory.counters["execution"]
        self._exchange = exchange
        self._front = front
        self._network = network
        self._brain = brain
        self._heartbeat_ns = heartbeat_ns
        self._countdown_ns = countdown_ns
        self._ways_out = ways_out
        self._loops = -1
        self._moved_ns = 0
        # Since when the process has been running without a break, and since when it has not.
        self._running_ns: int | None = None
        self._still_ns: int | None = None

    def finding(
        self, now_ns: int, session: TradingSession | None, *, runs: bool, ran_ns: int
    ) -> tuple[str, str] | None:
        """(oracle, what is wrong) now, None for nothing; `runs`: execution lives and goes on.

        `ran_ns` is its last step: it may have run between two stops, unseen by this look.
        """
        if runs:
            self._still_ns = None
            self._running_ns = now_ns if self._running_ns is None else self._running_ns
        else:
            self._running_ns = None
            self._still_ns = max(now_ns if self._still_ns is None else self._still_ns, ran_ns)
        wrong = self._own_progress(now_ns)
        if not wrong and self._has_run_for(now_ns, NOTICE_NS) and session is not None:
            wrong = self._others_progress(now_ns, session) if session.is_started else ""
        if wrong:
            return "I8", wrong
        wrong = self._resting(now_ns)
        return ("I7", wrong) if wrong else None

    def _has_run_for(self, now_ns: int, span_ns: int) -> bool:
        return self._running_ns is not None and now_ns - self._running_ns > span_ns

    def _own_progress(self, now_ns: int) -> str:
        loops = self._counters["loop_seq"]
        if loops != self._loops:
            self._loops, self._moved_ns = loops, now_ns
        elif self._has_run_for(now_ns, NOTICE_NS) and now_ns - self._moved_ns > NOTICE_NS:
            return f"execution runs, without a sign for {(now_ns - self._moved_ns) / 1e6:.0f} ms"
        return ""

    def _others_progress(self, now_ns: int, session: TradingSession) -> str:
        brain, longest_ns = self._brain, self._heartbeat_ns + NOTICE_NS
        for name, silent_ns, block in (
            ("supervisor", now_ns - brain.supervisor_ns, BLOCK_SUPERVISOR),
            ("brain", now_ns - brain.brain_ns, BLOCK_BRAIN),
            ("feed", now_ns - brain.feed_ns + self._heartbeat_ns - MAX_STALE_NS, 0),
        ):
            if silent_ns <= longest_ns:
                continue
            if session.is_calm or session.gate.blocks & block != block:
                return f"the {name} is silent for {silent_ns / 1e6:.0f} ms, and nobody notices"
            rows = session.core.tables.rows
            # What reduces may be placed later on; what had been sent by then must go.
            begun_ns = now_ns - silent_ns + longest_ns - NOTICE_NS
            rests = (rows["state"] > states.FREE) & (rows["state"] < states.TERMINAL)
            rests &= rows["state"] != states.CLOSING
            rests &= (rows["cancel_wanted"] == 0) & (rows["sent_ns"] <= begun_ns)
            if rests.any():
                slot = int(np.flatnonzero(rests)[0])
                return f"the {name} is silent, and {session.core.view(slot)} is left to rest"
        return ""

    def _resting(self, now_ns: int) -> str:
        own = [
            order
            for order in self._exchange.open.values()
            if order.client_id.startswith("at-") and order.client_id not in self._ways_out
        ]
        if not own:
            return ""
        due_ns = self._front.countdown_ns
        if due_ns is None:
            return f"{own[0].client_id} rests, and no countdown runs"
        if due_ns > now_ns + self._countdown_ns:
            return f"the countdown runs for another {(due_ns - now_ns) / 1e9:.1f} s"
        still_ns = now_ns - self._still_ns if self._still_ns is not None else 0
        if still_ns > self._countdown_ns + self._network.longest_trip_ns + NOTICE_NS:
            return f"{own[0].client_id} rests {still_ns / 1e9:.1f} s after the end of execution"
        return ""
