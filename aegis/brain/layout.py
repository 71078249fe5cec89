"""The brain's private memory: its records, and the bundles of arrays its kernels work on.

Private means not shared: plain numpy arrays, allocated once before the first duty cycle. One LANE
an instrument, 2 x MAX_LEVELS order SLOTs a lane, one CORE for the whole brain. A slot is the only
place where an order of ours is remembered::

    EMPTY --PLACE--> PENDING --ACCEPTED, FILL--> LIVE --CANCEL--> CANCELING --CANCELED--> EMPTY
                        |                          |                  |
                        |---REJECTED, DENIED,------+---FILL to the----+------------------> EMPTY
                        |   CANCELED, EXPIRED          last lot
                        '---UNKNOWN--> RESERVED (nobody may use the slot until execution knows)
"""

from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from aegis.config.intervals import INTERVALS_S, MAX_INTERVALS
from aegis.shm.candles import CANDLE
from aegis.shm.instance import InstanceMemory
from aegis.shm.intent import INTENT
from aegis.shm.outcome import OUTCOME
from aegis.shm.signal import SIGNAL
from aegis.shm.tick import INTERVAL_SHIFT, TICK, candle_code
from aegis.strategies.contract import MARKET, MAX_LEVELS, MAX_WISHES, POSITION, WISH

__all__ = [
    "ACTIVE",
    "BATCH",
    "CANCELING",
    "CANDLE_CODES",
    "CORE",
    "EMPTY",
    "HALTED",
    "LANE",
    "LIVE",
    "NONSENSICAL",
    "PENDING",
    "RAISED",
    "REDUCING",
    "RESERVED",
    "SLOT",
    "SLOTS_PER_LANE",
    "STAGE_SIZE",
    "TOO_SLOW",
    "TRUSTED",
    "Desk",
    "Wires",
    "as_records",
    "candle_plan",
    "make_desk",
    "make_wires",
    "with_attributes",
]

Array = npt.NDArray[Any]
Bundle = TypeVar("Bundle", "Desk", "Wires")

EMPTY, PENDING, LIVE, CANCELING, RESERVED = 0, 1, 2, 3, 4
# The gate's latch, as a STATE outcome tells it.
ACTIVE, REDUCING, HALTED = 1, 2, 3
# Why the strategy is not asked any more. Only a person re-arms it: by a reload or a restart.
TRUSTED, RAISED, NONSENSICAL, TOO_SLOW = 0, 1, 2, 3

SLOTS_PER_LANE: Final = 2 * MAX_LEVELS
# Ticks are handled in batches of this many; a batch is a few microseconds of work.
BATCH: Final = 64
# Intents decided but not yet taken by the lane. One event makes at most two a slot; the last
# cancellation is one for each of the 1,024 instruments that an instance may have.
STAGE_SIZE: Final = 1024
# Intervals that a CANDLE's flags can name, and 0: one of an imported file.
CANDLE_CODES: Final = len(INTERVALS_S) + 1
# Order references that ended lately: a late word about one of them is not an orphan.
FINISHED_SIZE: Final = 1024

SLOT = np.dtype(
    [
        ("state", "<i8"),
        ("order_ref", "<i8"),
        ("place_intent_id", "<i8"),
        ("cancel_intent_id", "<i8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("filled_lots", "<i8"),
        ("flags", "<i8"),  # of the last PLACE; kept when the slot empties
        ("placed_ts_ns", "<i8"),  # event clock of the last PLACE; kept when the slot empties
        ("changed_ts_ns", "<i8"),  # event clock of the last PLACE or CANCEL
        ("refusals", "<i8"),  # placements refused in a row
        ("cancel_refusals", "<i8"),
        ("want_price_ticks", "<i8"),
        ("want_qty_lots", "<i8"),  # 0: nothing is wished here
        ("want_ttl_ms", "<i8"),
        ("want_fair_price", "<f8"),
        ("want_confidence", "<f8"),
        ("want_stop_price", "<f8"),
        ("want_target_price", "<f8"),
        ("want_flags", "<i8"),
        ("want_cause", "<i8"),
    ]
)

LANE = np.dtype(
    [
        ("instrument", "<i8"),
        ("synced", "<i8"),  # 1 after the POSITION that answers our RESYNC
        ("tradable", "<i8"),  # 1 while the exchange trades it and the parameters fit it
        ("levels", "<i8"),  # slots below this level may hold something
        ("held_lots", "<i8"),  # the position, as the slots' limits see it
        ("stale_wishes", "<i8"),  # 1: the position has moved since the wishes were made
        ("refresh_tolerance_ticks", "<i8"),  # the strategy's policy, from its packed parameters
        ("min_requote_ns", "<i8"),
        ("update_id", "<i8"),  # of the last top of book that was acted upon
        ("history_due", "<i8"),  # 1: closed candles are to be shown from the history first
        ("history_since_ns", "<i8"),  # event clock when that was first looked at; 0: not yet
    ]
)

CORE = np.dtype(
    [
        ("epoch", "<i8"),
        ("strategy", "<i8"),
        ("config_version", "<i8"),
        ("next_order", "<i8"),
        ("next_intent", "<i8"),
        ("intents_hash", "<u8"),
        ("clock_ns", "<i8"),  # the event clock: newest credible ts_event_ns
        ("clock_doubt_ns", "<i8"),  # a time that jumped; believed when a second event agrees
        ("now_ns", "<i8"),  # CLOCK_MONOTONIC, read at most once an event; 0 when not read
        ("cause_seq", "<i8"),
        ("cause_ts_recv_ns", "<i8"),
        ("live_from_seq", "<i8"),  # older ticks only warm the strategy up
        ("latch", "<i8"),
        ("resync_due", "<i8"),
        ("resync_intent_id", "<i8"),
        ("resync_ts_ns", "<i8"),  # event clock of the last RESYNC
        ("draining", "<i8"),
        ("staged", "<i8"),
        ("leftover", "<i8"),  # staged intents that a full lane has refused so far
        ("stale_instruments", "<i8"),  # 1: a row changed; Python packs the parameters again
        ("intents", "<i8"),
        ("refused_full", "<i8"),
        ("places", "<i8"),
        ("cancels", "<i8"),
        ("resyncs", "<i8"),
        ("orphans", "<i8"),
        ("step_errors", "<i8"),
        ("strategy_latch", "<i8"),
        ("strategy_errors", "<i8"),
        ("signals", "<i8"),  # published so far
        ("blamed", "<i8"),  # strategy errors since `blamed_since_ns` (event clock)
        ("blamed_since_ns", "<i8"),
        ("timer_ns", "<i8"),  # the strategy wants EVENT_TIMER so often; 0: never
        ("timer_due_ns", "<i8"),  # event clock of the next one; 0 before the first event
        ("quotes_seen", "<i8"),
        ("ticks_consumed", "<i8"),
        ("ticks_lost", "<i8"),
        ("laps", "<i8"),
        ("catch_up_records", "<i8"),  # further behind than this: go on from the books; 0: never
        ("ticks_skipped", "<i8"),
        ("catch_ups", "<i8"),
        ("history_due", "<i8"),  # lanes that may be due; 0: none is
        ("history_lane", "<i8"),  # where the next look begins
        ("history_look_ns", "<i8"),  # CLOCK_MONOTONIC before which nobody looks again
        ("candles_shown", "<i8"),  # from the history
        ("outcomes_consumed", "<i8"),
        ("wakeups", "<i8"),
        ("max_cycle_ns", "<i8"),
    ]
)


class Desk(NamedTuple):
    """The brain's own arrays: core[1], lanes[n], slots[n * SLOTS_PER_LANE] (buy and
    sell of level 0, then of level 1, ...), and so on.

    A strategy's parameters and states are apart, so that these kernels are compiled once for all
    strategies.
    """

    core: Array
    lanes: Array
    slots: Array
    markets: Array
    positions: Array
    finished: Array
    stage: Array
    signals: Array
    wishes: Array
    ticks: Array
    outcomes: Array
    event: Array
    cursor: Array
    candles: Array  # CANDLE[BATCH], scratch
    told_ns: Array  # i64[n, CANDLE_CODES]: opening of the newest candle shown, 0 before the first
    book_head: Array
    book_levels: Array


class Wires(NamedTuple):
    """The shared arrays that the duty cycle reads and writes."""

    tick_header: Array
    tick_records: Array
    outcome_header: Array
    outcome_records: Array
    intent_header: Array
    intent_records: Array
    signal_header: Array
    signal_records: Array
    instruments: Array
    book_words: Array
    book_levels: Array
    candle_words: Array
    candle_values: Array
    candle_plan: Array  # i64: candles kept of each interval, intervals, then their codes
    counters: Array
    hop_counts: Array
    step_counts: Array


def make_desk(instruments: int, epoch: int, strategy_number: int = 1) -> Desk:
    """Allocate everything for so many instruments; nothing is allocated after this."""
    assert instruments > 0, "an instance trades at least one instrument"
    assert 0 < epoch < 2**31, f"epoch {epoch} must fit the upper half of an order reference"
    desk = Desk(
        core=np.zeros(1, CORE),
        lanes=np.zeros(instruments, LANE),
        slots=np.zeros(instruments * SLOTS_PER_LANE, SLOT),
        markets=np.zeros(instruments, MARKET),
        positions=np.zeros(instruments, POSITION),
        finished=np.zeros(FINISHED_SIZE, np.int64),
        stage=np.zeros(STAGE_SIZE, INTENT),
        signals=np.zeros(MAX_WISHES, SIGNAL),
        wishes=np.zeros(MAX_WISHES, WISH),
        ticks=np.zeros(BATCH, TICK),
        outcomes=np.zeros(BATCH, OUTCOME),
        event=np.zeros(1, TICK),
        cursor=np.zeros(1, np.uint64),
        candles=np.zeros(BATCH, CANDLE),
        told_ns=np.zeros((instruments, CANDLE_CODES), np.int64),
        book_head=np.zeros(8, np.uint64),
        book_levels=np.zeros((40, 2)),
    )
    desk.lanes["instrument"] = np.arange(instruments)
    core = desk.core[0]
    core["epoch"] = epoch
    core["strategy"] = strategy_number
    core["latch"] = ACTIVE
    core["resync_due"] = 1
    return desk


def make_wires(memory: InstanceMemory) -> Wires:
    """Pick the shared arrays out of an instance's memory."""
    counters = memory.counters["brain"]
    histograms = memory.histograms["brain"]
    return Wires(
        tick_header=memory.ticks.header,
        tick_records=memory.ticks.records,
        outcome_header=memory.outcomes.header,
        outcome_records=memory.outcomes.records,
        intent_header=memory.intents.header,
        intent_records=memory.intents.records,
        signal_header=memory.signals.header,
        signal_records=memory.signals.records,
        instruments=memory.instruments.rows,
        book_words=memory.books.words,
        book_levels=memory.books.levels,
        candle_words=memory.candles.words,
        candle_values=memory.candles.values,
        candle_plan=candle_plan(memory.candles.history, memory.candles.intervals_s),
        counters=counters.words,
        hop_counts=histograms["hop_ns"].counts,
        step_counts=histograms["step_ns"].counts,
    )


def candle_plan(history: int, intervals_s: tuple[int, ...]) -> Array:
    """What kernels must know of the candles region, of the same size whatever is kept."""
    plan = np.zeros(2 + MAX_INTERVALS, np.int64)
    codes = [candle_code(length_s) >> INTERVAL_SHIFT for length_s in intervals_s]
    plan[: 2 + len(codes)] = history, len(codes), *codes
    return plan


def with_attributes(bundle: Bundle) -> Bundle:
    """The same memory, its records with their fields as attributes, as kernels see them."""
    return type(bundle)(*(as_records(array) for array in bundle))


def as_records(array: Array) -> Array:
    """A view whose elements are np.record; arrays of plain numbers stay as they are."""
    if array.dtype.names is None:
        return array
    return array.view(np.dtype((np.record, array.dtype)))
