"""A brain behind the real feed, for `bench brain`: who answers its intents, and what is counted.

The embedded exchange has one core; feed and brain, as the appliance runs them, have the other. The
measuring process shares the exchange's core: it answers every intent as an execution would whose
orders all rest and never fill, and samples how far the brain is behind the ring. The brain's child
runs the appliance's own loop; after each duty cycle it looks at the interpreter's count of
allocated blocks. (The loop itself is compiled without a run-time that could allocate.)
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from aegis.bench.child import Child, ChildError, fork, processor_s
from aegis.bench.exchange import serve_exchange
from aegis.bench.feed_stand import PROFILE, ROWS, SYMBOLS, market
from aegis.bench.pair import Cores
from aegis.shm.candles import CandlePlan
from aegis.shm.histogram import BUCKETS, MAXIMUM, percentiles
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import CANCEL, PLACE, RESYNC
from aegis.shm.outcome import ACCEPTED, CANCELED, OUTCOME, POSITION

__all__ = ["BrainRound", "run_brain"]

INTERVALS_S: Final = (1, 60)
HISTORY: Final = 120
LOOK_EVERY_S: Final = 0.002
READY_WITHIN_S: Final = 90.0
DECIDES_WITHIN_S: Final = 20.0
# Before anything is counted: what is made once (the interpreter's free lists) is made by then.
SETTLED_S: Final = 3.0
_PERCENTILES: Final = (("p50", 50.0), ("p99", 99.0), ("p999", 99.9))

# Fast candles and an open gate for the one, sizes that fit every contract for the other: what is
# measured is the way from an event to an intent, not whether anybody should trade so.
PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "smc": {
        "risk_quote": 100.0, "max_notional_quote": 5_000.0, "interval_s": 1, "swing_length": 1,
        "min_confidence": 0.0, "min_reward_risk": 0.1, "entry_valid_candles": 5,
    },
    "avellaneda_stoikov": {
        "order_qty": 1e6, "max_inventory_qty": 1e7, "intensity": "live",
        "order_flow_skew_ticks": 1.0,
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BrainRound:
    """What one strategy showed at one rate; lags in records, times in microseconds."""

    strategy: str
    asked_per_s: int
    messages_per_s: int
    ticks_per_s: int
    symbols: int
    lag_records: dict[str, int]
    lost: int
    skipped: int
    event_to_intent_us: dict[str, float]
    intents: int
    hop_us: dict[str, float]
    step_ns: dict[str, int]
    signals: int
    candles: int
    collections_in_cycle: int
    blocks_grown: int
    cycles: int
    core_used: dict[str, float]

    @property
    def keeps_up(self) -> bool:
        """Whether nothing was lost or passed over."""
        return self.lost == 0 and self.skipped == 0


class Desk:
    """Answers intents: positions are flat, orders rest, cancellations succeed."""

    def __init__(self, memory: InstanceMemory) -> None:
        self.memory = memory
        self.took_us: list[Any] = []
        self.intents = 0
        self._answers = np.zeros(1_024, OUTCOME)

    def work(self) -> None:
        """Everything that has come."""
        while (intents := self.memory.intents.take()).size:
            for intent in intents[intents["kind"] == RESYNC]:
                self._tell_positions(intent)
            orders = intents[np.isin(intents["kind"], (PLACE, CANCEL))]
            self.intents += orders.size
            self.took_us.append((orders["ts_decided_ns"] - orders["cause_ts_recv_ns"]) / 1e3)
            self._answer(orders)

    def _answer(self, orders: Any) -> None:
        answers = self._answers[: orders.size]
        for name in ("order_ref", "instrument", "side", "intent_id", "price_ticks", "qty_lots"):
            answers[name] = orders[name]
        answers["epoch"] = orders["epoch"]
        answers["kind"] = np.where(orders["kind"] == PLACE, ACCEPTED, CANCELED)
        self._offer(answers)

    def _tell_positions(self, intent: Any) -> None:
        rows = np.flatnonzero(self.memory.instruments.rows["version"] > 0)
        answers = np.zeros(rows.size, OUTCOME)
        answers["kind"], answers["instrument"] = POSITION, rows
        answers["intent_id"], answers["epoch"] = intent["intent_id"], intent["epoch"]
        self._offer(answers)

    def _offer(self, answers: Any) -> None:
        sent, until_s = 0, time.perf_counter() + 5.0
        while sent < answers.size:
            sent += self.memory.outcomes.offer(answers[sent:])
            if time.perf_counter() > until_s:
                raise ChildError("the brain takes no outcomes")


def _quietly(folder: Path, name: str) -> None:
    """What a process says of its lost exchange at the end is no news to whoever reads figures."""
    log = os.open(folder / f"{name}.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(log, 2)


def _serve_feed(settings: Any, memory: InstanceMemory, tell: Callable[[object], None]) -> None:
    from aegis.feed.process import run
    from aegis.shm.wiring import Wiring

    _quietly(settings.source.parent, "feed")
    tell(1)
    run(settings, memory, Wiring.make("bench", memory))


def _serve_brain(settings: Any, memory: InstanceMemory, tell: Callable[[object], None]) -> None:
    """The loop of `brain.process.run`, with a look at the allocator after each duty cycle."""
    from aegis.brain.process import Brain
    from aegis.host.clock import monotonic_ns
    from aegis.host.gc_scope import GcScope

    _quietly(settings.source.parent, "brain")
    # It ends by the supervisor's word, so that it can tell what it has counted.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    brain, counters = Brain(settings, memory), memory.counters["brain"]
    tell(1)
    while not brain.has_instruments() and not memory.control.must_stop("brain"):
        brain.beat()
        time.sleep(0.01)
    brain.start()
    # Turns, blocks after the first of them and after the last: kept without keeping an object.
    seen = np.zeros(3, np.int64)
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.fill(0))
    with GcScope(counters.__setitem__) as scope:
        while not memory.control.must_stop("brain"):
            with scope.cycle:
                handled = brain.turn()
            seen[2] = sys.getallocatedblocks()
            if seen[0] == 0:
                seen[1] = seen[2]
            seen[0] += 1
            scope.safe_point(monotonic_ns(), handled == 0)
            brain.tend()
    turns, first, last = seen.tolist()
    tell(json.dumps({"cycles": turns, "grown": last - first}))


def _settings(strategy: str, where: Cores, folder: Path) -> Any:
    from aegis.config.load import load_config
    from aegis.config.settings import Settings

    parameters = "\n".join(f"{k} = {json.dumps(v)}" for k, v in PARAMETERS[strategy].items())
    text = PROFILE.format(core=where.parent, symbols=SYMBOLS)
    text = text.replace('"observe"', f'"{strategy}"')
    text += f"\n[instances.bench.parameters]\n{parameters}\n"
    text += f'\n[feed]\ncandles = ["1s", "1m"]\ncandle_history = {HISTORY}\n'
    profile = folder / "aegis.toml"
    profile.write_text(text)
    return Settings.of(load_config(profile), "bench", profile)


@contextmanager
def _stand(
    strategy: str, times: float, where: Cores, folder: Path
) -> Iterator[tuple[InstanceMemory, dict[str, Child]]]:
    """Memory and the three children by name; whatever happens, nothing of them is left."""
    from aegis.brain.load import compile_brain

    compile_brain(strategy)
    settings = _settings(strategy, where, folder)
    plan = CandlePlan(INTERVALS_S, HISTORY)
    memory = InstanceMemory.create(f"bench{os.getpid()}", instruments=ROWS, kept=plan)
    children: dict[str, Child] = {}
    try:
        children["exchange"] = fork(lambda tell: serve_exchange(market(times), tell), where.child)
        memory.counters["venue"]["port"] = children["exchange"].port
        memory.counters["execution"]["ready"] = 1
        memory.control.command = 1
        children["feed"] = fork(lambda tell: _serve_feed(settings, memory, tell), where.parent)
        children["brain"] = fork(lambda tell: _serve_brain(settings, memory, tell), where.parent)
        yield memory, children
    finally:
        memory.control.command = 2
        for child in reversed(children.values()):
            child.stop()
        memory.close()
        memory.unlink()


def _until(done: Callable[[], bool], desk: Desk, within_s: float) -> bool:
    until_s = time.perf_counter() + within_s
    while not done():
        if time.perf_counter() > until_s:
            return False
        time.sleep(LOOK_EVERY_S)
        desk.work()
    return True


def _within(counts: Any, before: Any) -> dict[str, int]:
    """Percentiles of what a histogram has gained since `before`."""
    gained = counts.copy()
    gained[:BUCKETS] -= before[:BUCKETS]
    gained[MAXIMUM] = counts[MAXIMUM]
    return percentiles(gained)


def run_brain(
    strategy: str, times: float, asked_per_s: int, seconds: float, where: Cores, folder: Path
) -> BrainRound:
    """One round: the exchange `times` as busy as usual, measured for so long. Raises ChildError."""
    with _stand(strategy, times, where, folder) as (memory, children):
        return _measure(strategy, asked_per_s, seconds, memory, children)


def _measure(
    strategy: str,
    asked_per_s: int,
    seconds: float,
    memory: InstanceMemory,
    children: dict[str, Child],
) -> BrainRound:
    feed, brain, desk = memory.counters["feed"], memory.counters["brain"], Desk(memory)

    def in_force() -> bool:
        books = feed["books_total"] > 0 and feed["books_valid"] == feed["books_total"]
        return books and brain["synced"] == 1 and brain["ticks_consumed"] > 0

    if not _until(in_force, desk, READY_WITHIN_S):
        found = f"{feed['books_valid']} of {feed['books_total']} books, synced {brain['synced']}"
        raise ChildError(f"{strategy}: after {READY_WITHIN_S:g} s at {asked_per_s:,}/s: {found}")
    # The histories of candles are fetched and shown meanwhile; structure takes some candles.
    _until(lambda: desk.intents > 0, desk, DECIDES_WITHIN_S)
    _until(lambda: False, desk, SETTLED_S)
    os.kill(children["brain"].pid, signal.SIGUSR1)
    hops, steps = (memory.histograms["brain"][name].counts for name in ("hop_ns", "step_ns"))
    before = hops.copy(), steps.copy()
    names = ("ticks_lost", "ticks_skipped", "signals")
    counted = {name: brain[name] for name in names}
    candles, messages, ticks = feed["candles"], feed["messages"], memory.ticks.published
    busy_s = {name: processor_s(child.pid) for name, child in children.items()}
    desk.took_us.clear()
    intents, lags, began_s = desk.intents, list[int](), time.perf_counter()

    def over() -> bool:
        lags.append(memory.ticks.published - brain["ticks_consumed"])
        return time.perf_counter() - began_s >= seconds

    _until(over, desk, seconds + 1.0)
    elapsed_s = time.perf_counter() - began_s
    busy_s = {name: processor_s(child.pid) - busy_s[name] for name, child in children.items()}
    moved = {name: brain[name] - counted[name] for name in names}
    done = BrainRound(
        strategy=strategy,
        asked_per_s=asked_per_s,
        messages_per_s=round((feed["messages"] - messages) / elapsed_s),
        ticks_per_s=round((memory.ticks.published - ticks) / elapsed_s),
        symbols=feed["books_valid"],
        lag_records={**_spread(lags), "max": max(lags)},
        lost=moved["ticks_lost"],
        skipped=moved["ticks_skipped"],
        event_to_intent_us=_spread(np.concatenate(desk.took_us or [np.zeros(0)])),
        intents=desk.intents - intents,
        hop_us={name: round(ns / 1e3, 1) for name, ns in _shown(_within(hops, before[0]))},
        step_ns=dict(_shown(_within(steps, before[1]))),
        signals=moved["signals"],
        candles=feed["candles"] - candles,
        collections_in_cycle=brain["gc_collections_in_cycle"] + feed["gc_collections_in_cycle"],
        blocks_grown=0,
        cycles=0,
        core_used={name: round(spent / elapsed_s, 3) for name, spent in busy_s.items()},
    )
    memory.control.command = 2
    said = json.loads(children["brain"].stop() or "{}")
    return replace(done, blocks_grown=said.get("grown", -1), cycles=said.get("cycles", 0))


def _shown(times: dict[str, int]) -> list[tuple[str, int]]:
    return [(name, times[name]) for name, _ in _PERCENTILES]


def _spread(values: Any) -> dict[str, Any]:
    """p50, p99 and p999 of some values, zeros of none."""
    if len(values) == 0:
        return {name: 0 for name, _ in _PERCENTILES}
    return {name: round(float(np.percentile(values, at)), 1) for name, at in _PERCENTILES}
