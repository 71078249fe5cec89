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
from aegis.risk.latch import Latch
from aegis.risk.limits import E8, EXPOSURE, RULES, LimitsError

__all__ = [
    "BLOCK_BRAIN",
    "BLOCK_DRAINING",
    "BLOCK_NOT_READY",
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
WORDS = 32
assert NONSENSE_TIMES + NONSENSE_LIMIT <= WORDS

# Conditions that heal by themselves; any of them stops new risk.
BLOCK_NOT_READY = 1
BLOCK_DRAINING = 2
BLOCK_SUPERVISOR = 4
BLOCK_BRAIN = 8
BLOCK_PRIVATE_STREAM = 16
BLOCK_ORDER_LINK = 32
BLOCK_OUTCOME_LANE = 64

# What the batch kernel found in the shared book and in the feed's counters, for one instrument.
REFERENCE = np.dtype(
    [
        ("mid_ticks", "<f8"),
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


@kernel
def mark_position(exposure: Any, instrument: Any, unit_e8: Any, mid_ticks: Any) -> Any:
    """Value an open position at the mid (ticks); keeps the last value when there is no mid."""
    if not mid_ticks > 0.0:
        return
    worth = float(exposure[instrument].position_lots) * mid_ticks * float(unit_e8)
    exposure[instrument].unrealized_e8 = worth - float(exposure[instrument].cost_e8)


@kernel
def day_pnl_e8(words: Any, exposure: Any) -> Any:
    total = float(words[NET_REALIZED_E8]) - float(words[DAY_BASE_E8])
    for instrument in range(exposure.size):
        total += exposure[instrument].unrealized_e8
    return total


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
        self.rates: npt.NDArray[np.int64] = np.full(MAX_RATE, LONG_AGO_NS, np.int64)
        self.refs: npt.NDArray[np.uint64] = np.zeros(REF_WORDS, np.uint64)
        self.reference: npt.NDArray[Any] = np.zeros(1, REFERENCE)
        self.latch = Latch(self.words)
        self.latch.arm(now_ns)
        self.words[BLOCKS] = BLOCK_NOT_READY
        self.set_limits(limits)

    def set_limits(self, limits: Mapping[str, Any]) -> None:
        """Take the instance-wide limits; the rows of `rules` take theirs by `fill_rules`."""
        values = {}
        for name in ("max_open_orders", "max_orders_per_s", "max_stale_ms", "max_daily_loss"):
            value = limits.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise LimitsError(f"limit {name} is {value!r}; a positive finite number is right")
            if not 0 < value < float("inf"):
                raise LimitsError(f"limit {name} is {value!r}; a positive finite number is right")
            values[name] = float(value)
        rate = min(values["max_orders_per_s"], float(MAX_RATE))
        count = max(1, int(rate))
        self.words[MAX_OPEN_ORDERS] = int(values["max_open_orders"])
        self.words[MAX_STALE_NS] = int(values["max_stale_ms"] * 1_000_000)
        self.words[MAX_DAILY_LOSS_E8] = int(values["max_daily_loss"] * E8)
        if count != self.words[RATE_COUNT]:
            # As if all had just been sent: a changed rate starts with one window of rest.
            self.rates[:] = self.rates.max()
            self.words[RATE_HEAD] = 0
        self.words[RATE_COUNT] = count
        self.words[RATE_WINDOW_NS] = int(count / rate * 1e9)

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
