"""What the gate knows: its words, its rows, and the cold side that fills them.

One `Gate` per instance, owned by execution: limits go in at the start and after a reload, blocks
and the latch move with events, exposure with orders and fills. `aegis.risk.gate` reads all of it
inside kernels. A word that nobody filled is zero, and zero refuses.

Raises: LimitsError for a limit that is absent or unusable.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.risk.checks import SANE_FLOAT, worst_lots
from aegis.risk.guards import EXECUTIONS, GUARD_WORDS, LOT_E8, forget_streaks
from aegis.risk.latch import Latch
from aegis.risk.limits import E8, EXPOSURE, RULES, LimitsError, positive_limit

__all__ = [
    "BLOCK_BRAIN",
    "BLOCK_COUNTDOWN",
    "BLOCK_DRAINING",
    "BLOCK_NOT_READY",
    "BLOCK_OPERATOR",
    "BLOCK_ORDER_LINK",
    "BLOCK_OUTCOME_LANE",
    "BLOCK_PRIVATE_STREAM",
    "BLOCK_SUPERVISOR",
    "REFERENCE",
    "Gate",
    "mark_position",
]

# Words of the gate, int64. The first three are the latch's.
BLOCKS = 3
OPEN_ORDERS, MAX_OPEN_ORDERS = 4, 5
MAX_STALE_NS = 6
RATE_COUNT, RATE_WINDOW_NS, RATE_HEAD = 7, 8, 9
MAX_DAILY_LOSS_E8, DAY_BASE_E8, NET_REALIZED_E8 = 10, 11, 12
HIGHEST_REF = 13
NONSENSE_HEAD, NONSENSE_TOTAL = 14, 15
NONSENSE_TIMES = 16
NONSENSE_LIMIT = 10
NONSENSE_WINDOW_NS = 10_000_000_000
# What the account has and may lose; the peak is the best result since the latch was armed.
WALLET_E8, PEAK_E8, MAX_GROSS_E8, MAX_DRAWDOWN_E8, MIN_EQUITY_E8 = 26, 27, 28, 29, 30
# Shares and multiples, in units of 1e-9.
MAX_LEVERAGE_E9, MARGIN_RATE_E9, MARGIN_BUFFER_E9, PILOT_SHARE_E9 = 31, 32, 33, 34
IS_MARK_NEEDED, MARK_AGE_NS = 35, 36
COLLAR_WINDOW_NS, DUPLICATE_WINDOW_NS = 37, 38
EXECUTION_LIMIT, EXECUTION_WINDOW_NS = 39, 40
CANCEL_COUNT, CANCEL_WINDOW_NS, CANCEL_HEAD = 41, 42, 43
PILOT_UNTIL_NS = 44
# Refusals that a strategy brings upon itself; so many within a second and it runs away.
RUNAWAY_LIMIT, RUNAWAY_HEAD, RUNAWAY_TOTAL = 45, 46, 47
# Of the new orders that have left, some of which had to wait after they had passed.
LEFT_COUNT, LEFT_WINDOW_NS, LEFT_HEAD = 48, 49, 50
RUNAWAY_TIMES = 64
RUNAWAY_WINDOW_NS = 1_000_000_000
FEWEST_RUNAWAY, MOST_RUNAWAY = 20, 200
WORDS = 264
assert LEFT_HEAD < RUNAWAY_TIMES
assert NONSENSE_TIMES + NONSENSE_LIMIT <= WALLET_E8
assert RUNAWAY_TIMES + MOST_RUNAWAY <= WORDS

# Conditions that heal by themselves; any of them stops new risk.
BLOCK_NOT_READY = 1
BLOCK_DRAINING = 2
BLOCK_SUPERVISOR = 4
BLOCK_BRAIN = 8
BLOCK_PRIVATE_STREAM = 16
BLOCK_ORDER_LINK = 32
BLOCK_OUTCOME_LANE = 64
# The exchange's countdown may have run out: what is placed now might outlive everybody.
BLOCK_COUNTDOWN = 256
# While an operator's command is carried out; the one that holds reducing orders too.
BLOCK_OPERATOR = 128

# What the batch kernel found in shared memory and in the order table, for one instrument and side.
REFERENCE = np.dtype(
    [
        ("mid_ticks", "<f8"),
        ("mark_ticks", "<f8"),
        ("index_ticks", "<f8"),
        ("mark_recv_ns", "<i8"),
        ("own_other_ticks", "<i8"),  # our best resting order of the other side, 0 for none
        ("is_book_valid", "<i8"),
        ("is_feed_connected", "<i8"),
        ("book_recv_ns", "<i8"),
        ("feed_message_ns", "<i8"),
    ]
)

REF_WINDOW = 4096
REF_WORDS = REF_WINDOW // 64
# The file allows no more, so no limit is ever clamped below what it says.
MAX_RATE = 10_000
LONG_AGO_NS = -(1 << 60)
E9 = 1_000_000_000
MOST_WORD = float(1 << 62)
# Marks come once a second; one that is older than this, or than max_stale_ms, is none.
MARK_AGE_FLOOR_NS = 10_000_000_000
# The instance-wide limits; all of them required.
GATE_LIMITS = (
    "max_open_orders",
    "max_orders_per_s",
    "max_cancels_per_s",
    "max_stale_ms",
    "max_daily_loss",
    "max_drawdown",
    "min_equity",
    "max_gross_notional",
    "max_leverage",
    "margin_rate",
    "min_margin_buffer",
    "price_collar_window_s",
    "duplicate_window_ms",
    "max_same_side_fills",
    "same_side_fills_window_s",
    "pilot_share",
)


@kernel
def mark_position(exposure: Any, guards: Any, instrument: Any, unit_e8: Any, mid_ticks: Any) -> Any:
    """Value an open position at the mid (ticks); keeps the last value when there is no mid."""
    if not 0.0 < mid_ticks <= SANE_FLOAT:
        return
    worth = float(exposure[instrument].position_lots) * mid_ticks * float(unit_e8)
    exposure[instrument].unrealized_e8 = worth - float(exposure[instrument].cost_e8)
    guards[instrument * GUARD_WORDS + LOT_E8] = np.int64(np.ceil(mid_ticks * float(unit_e8)))


@kernel
def day_pnl_e8(words: Any, exposure: Any) -> Any:
    """The day's result: realised less fees since the day began, plus unrealised."""
    total = float(words[NET_REALIZED_E8]) - float(words[DAY_BASE_E8])
    for instrument in range(exposure.size):
        total += exposure[instrument].unrealized_e8
    return total


@kernel
def row_gross_e8(exposure: Any, guards: Any, instrument: Any, buys: Any, sells: Any) -> Any:
    """The worst that one instrument's position can be worth, with `buys` and `sells` lots open.

    Where no mid was ever seen the position counts by what it cost.
    """
    held = exposure[instrument]
    lot_e8 = float(guards[instrument * GUARD_WORDS + LOT_E8])
    if lot_e8 <= 0.0:
        return abs(float(held.cost_e8))
    return worst_lots(held.position_lots, buys, sells) * lot_e8


@kernel
def book_sums(exposure: Any, guards: Any) -> Any:
    """(unrealised result, gross notional) of all instruments, 1e-8 quote."""
    unrealized = 0.0
    gross = 0.0
    for instrument in range(exposure.size):
        held = exposure[instrument]
        if held.position_lots == 0 and held.open_orders == 0:
            continue
        unrealized += held.unrealized_e8
        gross += row_gross_e8(exposure, guards, instrument, held.open_buy_lots, held.open_sell_lots)
    return unrealized, gross


class Gate:
    """The gate's arrays, and its cold side: limits in, blocks and latch. One per instance.

    `rules` and `exposure` have one row per instrument; `words`, `rates`, `refs` and `reference`
    are what the kernel takes. Execution owns it; nobody else writes.
    """

    def __init__(self, instruments: int, limits: Mapping[str, Any], now_ns: int) -> None:
        """Fill the instance-wide limits; raises LimitsError for one that is absent or unusable."""
        assert instruments > 0
        self.rules: npt.NDArray[Any] = np.zeros(instruments, RULES)
        self.exposure: npt.NDArray[Any] = np.zeros(instruments, EXPOSURE)
        self.words: npt.NDArray[np.int64] = np.zeros(WORDS, np.int64)
        # The times of the last new orders that passed, of the last cancels, of the last that left.
        self.rates: npt.NDArray[np.int64] = np.full(3 * MAX_RATE, LONG_AGO_NS, np.int64)
        self.guards: npt.NDArray[np.int64] = np.zeros(instruments * GUARD_WORDS, np.int64)
        self.refs: npt.NDArray[np.uint64] = np.zeros(REF_WORDS, np.uint64)
        self.reference: npt.NDArray[Any] = np.zeros(1, REFERENCE)
        self.latch = Latch(self.words)
        self.latch.arm(now_ns)
        self.words[BLOCKS] = BLOCK_NOT_READY
        self.words[IS_MARK_NEEDED] = 1
        self.words[RUNAWAY_TIMES : RUNAWAY_TIMES + MOST_RUNAWAY] = LONG_AGO_NS
        self.set_limits(limits)
        self.begin_pilot(now_ns, limits)

    def set_limits(self, limits: Mapping[str, Any]) -> None:
        """Take the instance-wide limits; the rows of `rules` take theirs by `fill_rules`.

        All or none: raises LimitsError before anything is changed.
        """
        values = {name: positive_limit(limits, name) for name in GATE_LIMITS}
        words = self.words
        words[MAX_OPEN_ORDERS] = int(values["max_open_orders"])
        words[MAX_STALE_NS] = int(values["max_stale_ms"] * 1e6)
        words[MARK_AGE_NS] = max(int(words[MAX_STALE_NS]), MARK_AGE_FLOOR_NS)
        for word, name, unit in (
            (MAX_DAILY_LOSS_E8, "max_daily_loss", E8),
            (MAX_DRAWDOWN_E8, "max_drawdown", E8),
            (MIN_EQUITY_E8, "min_equity", E8),
            (MAX_GROSS_E8, "max_gross_notional", E8),
            (MAX_LEVERAGE_E9, "max_leverage", E9),
            (MARGIN_RATE_E9, "margin_rate", E9),
            (MARGIN_BUFFER_E9, "min_margin_buffer", E9),
            (PILOT_SHARE_E9, "pilot_share", E9),
            (COLLAR_WINDOW_NS, "price_collar_window_s", 1e9),
            (EXECUTION_WINDOW_NS, "same_side_fills_window_s", 1e9),
            (DUPLICATE_WINDOW_NS, "duplicate_window_ms", 1e6),
        ):
            words[word] = int(min(values[name] * unit, MOST_WORD))
        words[EXECUTION_LIMIT] = min(int(values["max_same_side_fills"]), EXECUTIONS)
        count = self._set_rate(values["max_orders_per_s"], RATE_COUNT, 0)
        self._set_rate(values["max_cancels_per_s"], CANCEL_COUNT, MAX_RATE)
        self._set_rate(values["max_orders_per_s"], LEFT_COUNT, 2 * MAX_RATE)
        words[RUNAWAY_LIMIT] = min(max(count, FEWEST_RUNAWAY), MOST_RUNAWAY)

    def _set_rate(self, per_second: float, word: int, base: int) -> int:
        """Fill count, window and head of one message rate; returns the count."""
        rate = min(per_second, float(MAX_RATE))
        count = max(1, int(rate))
        if count != self.words[word]:
            # As if all had just been sent: a changed rate starts with one window of rest.
            times = self.rates[base : base + MAX_RATE]
            times[:] = times.max()
            self.words[word + 2] = 0
        self.words[word] = count
        self.words[word + 1] = int(count / rate * 1e9)
        return count

    def begin_pilot(self, started_ns: int, limits: Mapping[str, Any]) -> None:
        """PILOT counts from `started_ns` (CLOCK_MONOTONIC); without a `pilot_hours` for ever."""
        hours = limits.get("pilot_hours")
        if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 <= hours < 1e6:
            raise LimitsError(f"limit pilot_hours is {hours!r}; 0 or a positive number is right")
        self.words[PILOT_UNTIL_NS] = started_ns + int(hours * 3.6e12)

    def set_wallet(self, wallet_e8: int) -> None:
        """What the exchange says the account holds, 1e-8 quote; 0: unknown, nothing is added."""
        self.words[WALLET_E8] = wallet_e8

    def rearm(self, now_ns: int) -> None:
        """A person's `aegis arm`: ACTIVE again, and what led to the latch is counted anew.

        The day's loss is not forgiven: it comes back as long as it stands.
        """
        words = self.words
        words[NONSENSE_TOTAL] = words[RUNAWAY_TOTAL] = 0
        words[PEAK_E8] = self._pnl_e8()
        forget_streaks(self.guards)
        self.latch.arm(now_ns)

    def _pnl_e8(self) -> int:
        return round(
            float(self.words[NET_REALIZED_E8]) + float(self.exposure["unrealized_e8"].sum())
        )

    def block(self, bits: int) -> None:
        """Stop new risk for the given conditions until they are cleared."""
        self.words[BLOCKS] |= bits

    def clear(self, bits: int) -> None:
        """The given conditions are over."""
        self.words[BLOCKS] &= ~bits

    @property
    def blocks(self) -> int:
        """The conditions that stop new risk now, as bits."""
        return int(self.words[BLOCKS])

    @property
    def day_pnl_e8(self) -> float:
        """The day's result in 1e-8 quote: realised less fees, plus unrealised."""
        return float(day_pnl_e8(self.words, self.exposure))

    def start_day(self) -> None:
        """Take the present result as the day's zero."""
        self.words[DAY_BASE_E8] += round(self.day_pnl_e8)

    def start_peak(self) -> None:
        """Take the present result as the best so far (at a start)."""
        self.words[PEAK_E8] = self._pnl_e8()

    @property
    def equity_e8(self) -> float:
        """The wallet and the open result, 1e-8 quote."""
        return float(self.words[WALLET_E8]) + float(self.exposure["unrealized_e8"].sum())
