"""The brain's loop, compiled: outcomes, ticks, the strategy's step, intents, and the wait.

One call runs for a bounded time (the caller returns to Python for heartbeats, signals, reloads and
the collector's safe points). Each round takes a batch of outcomes and a batch of ticks and handles
them one record at a time, so that the size of the batches cannot change a decision. The counters
`outcomes_consumed` and `ticks_consumed` are stored after the intents of their batch have been
offered: whoever sees them knows that nothing more will come of those records.

The strategy's step is not an argument: `load_duty_cycle` compiles the loop once per strategy with
`step` bound as a global, which inlines it and lets Numba keep the machine code on disk. For a plain
Python class `plain_duty_cycle` binds its methods to the same loop and leaves it uncompiled.
"""

import hashlib
import types
from pathlib import Path
from typing import Any, Final

import numpy as np

from aegis.brain.candles import (
    hear_candle,
    miss_candles,
    next_lane,
    next_stretch,
    show_candle,
)
from aegis.brain.intents import flush, stage_intent
from aegis.brain.layout import BATCH
from aegis.brain.market import DECIDE, WITHDRAW, apply_tick, receive_tick, tick_from_book
from aegis.brain.outcomes import learn, request_resync, show_timer
from aegis.brain.progress import mark_step, publish_progress
from aegis.brain.quoter import settle, take_wishes
from aegis.brain.signals import announce
from aegis.host.clock import kernel_monotonic_ns
from aegis.host.jit import kernel
from aegis.shm.atomics import load_acquire, load_relaxed
from aegis.shm.broadcast import poll
from aegis.shm.gated import take
from aegis.shm.histogram import record
from aegis.shm.intent import CANCEL_ALL
from aegis.shm.ring_header import HEAD, TAIL
from aegis.shm.tick import CANDLE
from aegis.shm.wait import wait_any
from aegis.strategies.contract import NO_OPINION, Strategy, unbound_step

__all__ = ["READER_SLOT", "load_duty_cycle", "plain_duty_cycle", "withdraw_all"]

# The brain's sleeping flag in the ticks and outcomes rings.
READER_SLOT = 0
# While the lane to execution is full there is something to retry: do not sleep for long.
_RETRY_NS = 200_000

# Bound anew for each strategy, in this order: `ask` calls the step, the other three call `ask`.
step: Any = unbound_step
_BOUND: Final = ("ask", "ring_timers", "show_history", "duty_cycle")


@kernel
def take_tick(desk: Any, wires: Any, tick: Any, sequence: Any) -> Any:
    """Take in one tick; DECIDE, WITHDRAW or DROP, as `receive_tick` says. Candles go in order."""
    core = desk.core[0]
    verdict = receive_tick(
        core, desk.lanes, desk.markets, desk.stage, wires.instruments, tick, sequence
    )
    if verdict == DECIDE and tick.kind == CANDLE:
        index = np.int64(tick.instrument)
        told_ns = desk.told_ns[index]
        return hear_candle(core, desk.lanes[index], told_ns, wires.candle_plan, tick)
    return verdict


@kernel
def resync_markets(desk: Any, wires: Any) -> Any:
    """Records were missed: take the tops from the shared books.

    What the lanes wish stands until their next event, a moment away; a market whose book is not
    valid has no top until then, and its next event withdraws the orders.
    """
    core, event = desk.core[0], desk.event[0]
    for index in range(desk.lanes.size):
        market = desk.markets[index]
        market.valid = 0
        # A STATUS may be among what was missed: the book's own flag says what it said.
        market.book_usable = 0
        if tick_from_book(
            event, index, wires.book_words, wires.book_levels, desk.book_head, desk.book_levels
        ):
            market.book_usable = 1
            apply_tick(core, event, market)


@kernel
def lapped(desk: Any, wires: Any, lost: Any) -> Any:
    """The feed lapped us: count it and go on from the books."""
    core = desk.core[0]
    core.ticks_lost += lost
    core.laps += 1
    resync_markets(desk, wires)
    miss_candles(core, desk.lanes)


@kernel
def catch_up(desk: Any, wires: Any) -> Any:
    """When we are too far behind, pass over what is old news and go on from the books.

    Deciding on quotes that were replaced thousands of records ago is worse than not having seen
    them. What is passed over is counted; nothing of it is lost silently.
    """
    core = desk.core[0]
    published = load_acquire(wires.tick_header, TAIL)
    behind = np.int64(published - desk.cursor[0])
    # While the history is read again to warm up, it is meant to be behind.
    is_live = np.int64(desk.cursor[0]) >= core.live_from_seq
    if core.catch_up_records > 0 and is_live and behind > core.catch_up_records:
        desk.cursor[0] = published
        core.ticks_skipped += behind
        core.catch_ups += 1
        resync_markets(desk, wires)
        miss_candles(core, desk.lanes)


@kernel
def rest(
    core: Any, cursor: Any, wires: Any, wait_kind: Any, begun_ns: Any, deadline_ns: Any
) -> Any:
    """Nothing to do: wait for either ring, at most to the deadline; returns the time after it."""
    if core.staged > 0:
        deadline_ns = min(deadline_ns, begun_ns + _RETRY_NS)
    seen = load_relaxed(wires.outcome_header, HEAD)
    core.wakeups += wait_any(
        wait_kind, wires.tick_header, cursor, wires.outcome_header, seen, READER_SLOT, deadline_ns
    )
    return kernel_monotonic_ns()


def ask(desk: Any, wires: Any, params: Any, states: Any, event: Any, lane: Any) -> Any:
    """What the strategy wishes on an event of a lane; nothing at all once it is latched.

    While it works the row stands in a counter, so that whoever finds the brain hanging can say on
    whose account.
    """
    if desk.core[0].strategy_latch != 0:
        return np.int64(0)
    mark_step(wires.counters, lane + 1)
    wished = step(
        event, desk.markets[lane], desk.positions[lane], params[lane], states[lane], desk.wishes
    )
    mark_step(wires.counters, 0)
    announce(
        desk.core[0], desk.lanes[lane], desk.slots, event, desk.wishes, np.int64(wished),
        desk.signals, wires.signal_header, wires.signal_records,
    )  # fmt: skip
    return np.int64(wished)


def ring_timers(desk: Any, wires: Any, params: Any, states: Any) -> None:
    """The event clock has passed a multiple of the strategy's timer: every lane hears of it, once.

    The first event only sets the clock; of several multiples passed at once the last one is told.
    """
    core, event = desk.core[0], desk.event[0]
    first = core.timer_due_ns == 0
    due_ns = core.clock_ns // core.timer_ns * core.timer_ns
    core.timer_due_ns = due_ns + core.timer_ns
    if first:
        return
    for lane in range(desk.lanes.size):
        market = desk.markets[lane]
        if market.instrument_version != 0:
            show_timer(event, lane, due_ns, core.cause_ts_recv_ns)
            wished = ask(desk, wires, params, states, event, lane)
            settle(core, desk.lanes[lane], desk.slots, market, desk.stage, desk.wishes, wished)


def show_history(desk: Any, wires: Any, params: Any, states: Any, now_ns: Any) -> Any:
    """Show one lane what it has not seen of the history, at most a batch of it; how much.

    The strategy learns from it; what it wishes of a candle long over is not acted upon.
    """
    event, words, lane = desk.event[0], wires.candle_words, np.int64(-1)
    if desk.core[0].history_due != 0:
        lane = next_lane(desk, wires.candle_plan, words, now_ns)
    if lane < 0:
        return np.int64(0)
    count = next_stretch(desk, wires.candle_plan, words, wires.candle_values, lane)
    for number in range(count):
        show_candle(desk, event, lane, number)
        ask(desk, wires, params, states, event, lane)
    return np.int64(count)


def duty_cycle(
    desk: Any, wires: Any, params: Any, states: Any, wait_kind: Any, deadline_ns: Any
) -> Any:
    """Work until `deadline_ns` (CLOCK_MONOTONIC) or until a row changed; returns records handled.

    params, states: one record of the strategy's types for each lane.
    """
    core, event = desk.core[0], desk.event[0]
    lanes, slots, stage, wishes = desk.lanes, desk.slots, desk.stage, desk.wishes
    markets, positions = desk.markets, desk.positions
    handled = 0
    while True:
        begun_ns = kernel_monotonic_ns()
        if core.resync_due != 0:
            request_resync(core, lanes, stage)
        known = take(wires.outcome_header, wires.outcome_records, desk.outcomes, BATCH)
        for item in range(known):
            outcome = desk.outcomes[item]
            if learn(core, lanes, slots, positions, desk.finished, stage, event, outcome):
                lane = np.int64(event.instrument)
                wished = ask(desk, wires, params, states, event, lane)
                if wished >= 0:
                    take_wishes(core, lanes[lane], slots, wishes, wished)
        if core.staged > 0:
            flush(core, stage, wires.intent_header, wires.intent_records)
        core.outcomes_consumed += known
        catch_up(desk, wires)
        shown = show_history(desk, wires, params, states, begun_ns)
        first = np.int64(desk.cursor[0])
        got = poll(wires.tick_header, wires.tick_records, desk.cursor, desk.ticks, BATCH)
        if got < 0:
            lapped(desk, wires, -got)
        elif first + got > core.live_from_seq and got > 0:
            record(wires.hop_counts, begun_ns - desk.ticks[got - 1].ts_recv_ns)
        for item in range(got):
            tick = desk.ticks[item]
            verdict = take_tick(desk, wires, tick, first + item)
            if core.timer_ns > 0 and core.clock_ns >= core.timer_due_ns:
                ring_timers(desk, wires, params, states)
            # One lane as a rule; all of them when a record takes every market away.
            begin, end = np.int64(0), np.int64(0)
            wished = np.int64(NO_OPINION)
            if verdict == DECIDE:
                begin = np.int64(tick.instrument)
                end = begin + np.int64(1)
                wished = ask(desk, wires, params, states, tick, begin)
                if wished < 0 and tick.kind == CANDLE:
                    # Whoever does not trade by candles does not act at their times either.
                    end = begin
            elif verdict == WITHDRAW:
                end = np.int64(lanes.size)
            for index in range(begin, end):
                settle(core, lanes[index], slots, markets[index], stage, wishes, wished)
            if core.staged > 0:
                flush(core, stage, wires.intent_header, wires.intent_records)
        now_ns = kernel_monotonic_ns()
        if known == 0 and got == 0 and shown == 0:
            now_ns = rest(core, desk.cursor[0], wires, wait_kind, begun_ns, deadline_ns)
        else:
            handled += known + max(got, 0) + shown
            if got > 0:
                record(wires.step_counts, (now_ns - begun_ns) // (got + known))
            core.max_cycle_ns = max(core.max_cycle_ns, now_ns - begun_ns)
            publish_progress(core, desk.cursor[0], wires.counters)
        if now_ns >= deadline_ns or core.stale_instruments != 0:
            publish_progress(core, desk.cursor[0], wires.counters)
            return handled


@kernel
def withdraw_all(desk: Any, wires: Any) -> Any:
    """The end of a run: place nothing more, ask for the cancellation of everything; 1 when sent."""
    core = desk.core[0]
    core.draining = 1
    core.now_ns = 0
    for index in range(desk.lanes.size):
        # A lane whose row was never filled has no symbol to cancel on.
        if desk.markets[index].instrument_version != 0:
            stage_intent(core, desk.lanes[index], desk.stage, CANCEL_ALL, 0, 0, 0, 0, 0, 0)
    flush(core, desk.stage, wires.intent_header, wires.intent_records)
    return 1 if core.staged == 0 else 0


def load_duty_cycle(strategy: Strategy) -> Any:
    """The duty cycle with this strategy's step compiled in.

    Numba keys its cache by file, qualified name and line, and does not look into what a global
    refers to. The names therefore carry the strategy's name and a hash of its sources: a changed
    strategy never meets the machine code of the old one.
    """
    suffix = f"{strategy.name}_{source_hash(strategy.source)}"
    bound = {**globals(), "step": strategy.step}
    for name in _BOUND:
        function = _rebound(name, bound)
        function.__qualname__ = f"{name}_{suffix}"
        bound[name] = kernel(function)
    return bound["duty_cycle"]


def plain_duty_cycle(plain_step: Any) -> Any:
    """The same loop in plain Python, for a step that cannot be compiled.

    It takes bundles whose records have their fields as attributes (`layout.with_attributes`).
    """
    bound = {**globals(), "step": plain_step}
    for name in _BOUND:
        bound[name] = _rebound(name, bound)
    return bound["duty_cycle"]


def _rebound(name: str, names: dict[str, Any]) -> Any:
    """A copy of a function of this module that looks its globals up in `names`."""
    template = globals()[name]
    function = types.FunctionType(template.__code__, names, name)
    function.__module__ = __name__
    function.__doc__ = template.__doc__
    return function


def source_hash(folder: Path) -> str:
    """16 hex digits over every Python file of a strategy's folder (or over one file)."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [folder]:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
