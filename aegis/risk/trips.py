"""What moves the latch by itself: nonsense, a runaway, losses, executions that only repeat.

Kernels that the gate, the fills and execution's turn call. Each counts in the gate's words or in an
instrument's guard row and raises the latch, never lowers it: the same rule as `Latch.trip`.
"""

from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.risk.checks import daily_loss, drawdown, equity_floor, repeated_execution
from aegis.risk.controls import OWN_FAULTS, Control
from aegis.risk.gate_state import (
    DAY_BASE_E8,
    EXECUTION_LIMIT,
    EXECUTION_WINDOW_NS,
    MAX_DAILY_LOSS_E8,
    MAX_DRAWDOWN_E8,
    MIN_EQUITY_E8,
    MOST_RUNAWAY,
    NET_REALIZED_E8,
    NONSENSE_HEAD,
    NONSENSE_LIMIT,
    NONSENSE_TIMES,
    NONSENSE_TOTAL,
    NONSENSE_WINDOW_NS,
    PEAK_E8,
    RUNAWAY_HEAD,
    RUNAWAY_LIMIT,
    RUNAWAY_TIMES,
    RUNAWAY_TOTAL,
    RUNAWAY_WINDOW_NS,
    WALLET_E8,
    book_sums,
)
from aegis.risk.guards import note_execution
from aegis.risk.latch import LATCH_REASON, LATCH_SINCE_NS, LATCH_STATE, LatchState

__all__ = ["count_execution", "count_nonsense", "count_refusal", "judge_losses", "watch_losses"]

ACTIVE, REDUCING, HALTED = (int(state) for state in LatchState)
_PASS = int(Control.PASS)
_NONSENSE_BURST = int(Control.NONSENSE_BURST)
_MAX_MSG_RATE = int(Control.MAX_MSG_RATE)
_REPEATED_EXECUTION = int(Control.REPEATED_EXECUTION)
_DAILY_LOSS = int(Control.DAILY_LOSS)
_DRAWDOWN = int(Control.DRAWDOWN)
_EQUITY_FLOOR = int(Control.EQUITY_FLOOR)

_IS_OWN_FAULT = np.zeros(64, np.bool_)
_IS_OWN_FAULT[[int(control) for control in OWN_FAULTS]] = True


@kernel("void(i8[::1],i8,i8,i8)")
def trip(words: Any, state: Any, reason: Any, now_ns: Any) -> Any:
    """Raise the latch from inside a kernel."""
    if words[LATCH_STATE] >= ACTIVE and state > words[LATCH_STATE]:
        words[LATCH_REASON] = reason
        words[LATCH_SINCE_NS] = now_ns
        words[LATCH_STATE] = state


@kernel("void(i8[::1],i8)")
def count_nonsense(words: Any, now_ns: Any) -> Any:
    """NONSENSE_BURST: ten refusals of nonsense within ten seconds halt the instance."""
    words[NONSENSE_TIMES + words[NONSENSE_HEAD]] = now_ns
    words[NONSENSE_HEAD] = (words[NONSENSE_HEAD] + 1) % NONSENSE_LIMIT
    words[NONSENSE_TOTAL] += 1
    oldest_ns = words[NONSENSE_TIMES + words[NONSENSE_HEAD]]
    if words[NONSENSE_TOTAL] >= NONSENSE_LIMIT and now_ns - oldest_ns <= NONSENSE_WINDOW_NS:
        trip(words, HALTED, _NONSENSE_BURST, now_ns)


@kernel("void(i8[::1],i8,i8,i8)")
def count_refusal(words: Any, control: Any, rate_now_ns: Any, now_ns: Any) -> Any:
    """MAX_MSG_RATE, second half: a strategy that is refused on and on runs away and is halted.

    Only refusals that the strategy brings upon itself count: a dead feed is not its fault.
    """
    limit = words[RUNAWAY_LIMIT]
    if not 0 <= control < _IS_OWN_FAULT.size or not _IS_OWN_FAULT[control]:
        return
    if not 0 < limit <= MOST_RUNAWAY:
        return
    words[RUNAWAY_TIMES + words[RUNAWAY_HEAD] % limit] = rate_now_ns
    words[RUNAWAY_HEAD] = (words[RUNAWAY_HEAD] + 1) % limit
    words[RUNAWAY_TOTAL] += 1
    oldest_ns = words[RUNAWAY_TIMES + words[RUNAWAY_HEAD]]
    age_ns = float(rate_now_ns) - float(oldest_ns)
    if words[RUNAWAY_TOTAL] >= limit and age_ns <= float(RUNAWAY_WINDOW_NS):
        trip(words, HALTED, _MAX_MSG_RATE, now_ns)


@kernel("i8(i8[::1],f8,i8)")
def judge_losses(words: Any, unrealized_e8: Any, now_ns: Any) -> Any:
    """DAILY_LOSS, DRAWDOWN and EQUITY_FLOOR; what fails also latches REDUCING."""
    total_e8 = float(words[NET_REALIZED_E8]) + unrealized_e8
    if total_e8 > float(words[PEAK_E8]):
        words[PEAK_E8] = np.int64(total_e8)
    answer = _PASS
    if not daily_loss(total_e8 - float(words[DAY_BASE_E8]), float(words[MAX_DAILY_LOSS_E8])):
        answer = _DAILY_LOSS
    elif not drawdown(total_e8, float(words[PEAK_E8]), float(words[MAX_DRAWDOWN_E8])):
        answer = _DRAWDOWN
    elif not equity_floor(float(words[WALLET_E8]) + unrealized_e8, float(words[MIN_EQUITY_E8])):
        answer = _EQUITY_FLOOR
    if answer != _PASS:
        trip(words, REDUCING, answer, now_ns)
    return answer


@kernel
def watch_losses(words: Any, exposure: Any, guards: Any, now_ns: Any) -> Any:
    """The same between orders: a position loses money while its strategy is silent."""
    unrealized_e8, _ = book_sums(exposure, guards)
    return judge_losses(words, unrealized_e8, now_ns)


@kernel("void(i8[::1],i8[::1],i8,i8,b1,i8,i8)")
def count_execution(
    words: Any,
    guards: Any,
    instrument: Any,
    side: Any,
    ends_streak: Any,
    at_ns: Any,
    now_ns: Any,
) -> Any:
    """REPEATED_EXECUTION: so many orders of one side filled, never a profit, never flat: halted.

    `at_ns` is the execution's time on the clock of the message rate.
    """
    limit = words[EXECUTION_LIMIT]
    nth_last_ns = note_execution(guards, instrument, side, ends_streak, at_ns, limit)
    if not repeated_execution(at_ns, nth_last_ns, words[EXECUTION_WINDOW_NS]):
        trip(words, HALTED, _REPEATED_EXECUTION, now_ns)
