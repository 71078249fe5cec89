"""What a strategy is: the records it reads, the records it writes, and one compiled function.

A built-in strategy is a folder with `parameters.py` (a pydantic model, hot-reloadable) and
`strategy.py`, whose `STRATEGY` bundles that model, two record types and the kernel ::

    step(event, market, position, params, state, out) -> n

* `event`: a TICK record. Market events come as the feed wrote them; fills, position reports and
  the strategy's timer come in the same shape with the kinds EVENT_FILL, EVENT_POSITION and
  EVENT_TIMER below.
* `market`: MARKET, the instrument's top of book as of this event, and its tick and step sizes.
* `position`: POSITION, what execution last reported.
* `params`: what `pack` made of the parameters for this instrument; `state`: the strategy's own
  memory for it, zeros at the start.
* `out`: WISH[MAX_WISHES]. `n >= 0` wishes replace everything wished before for this instrument
  (a slot that is not named is cancelled); NO_OPINION leaves the wishes as they are.

Closed candles come as CANDLE events, once each and in the order of time for each interval. What was
told before comes again only with INCOMPLETE (trades of it are missing) or CORRECTED (and this is
what the exchange says). Before the first one, and after anything was missed, the brain shows what
the history has, flagged HISTORY: to be learned from, its wishes are not acted upon.

The brain calls it once for each event and turns wishes into orders (`brain.quoter`). The decision
must depend on nothing but these six: no clock, no `ts_recv_ns`, no shared book newer than the
event. That is what makes the same tape give the same intents live, in replay and in a backtest,
however the events were batched. The wishes made on a fill are acted upon at the instrument's next
market event, because two sockets may report fills in any order.

A strategy of the user's own has the same form in a file or folder of theirs (`own`), or is a plain
Python class (`plain`). What any strategy emits is not trusted: a wish that is no order (not finite,
no such side or slot, more than there are slots) is refused and counted, and a strategy that raises,
hangs or is refused too often is latched: not asked again, its orders withdrawn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from aegis.strategies.errors import BrokenStrategyError

__all__ = [
    "EVENT_FILL",
    "EVENT_POSITION",
    "EVENT_TIMER",
    "MARKET",
    "MAX_LEVELS",
    "MAX_WISHES",
    "MOST_TIMER_MS",
    "NO_OPINION",
    "POLICY_FIELDS",
    "POSITION",
    "WISH",
    "Strategy",
    "StrategyParameters",
    "unbound_step",
]

NO_OPINION: Final = -1
MOST_TIMER_MS: Final = 86_400_000
MAX_LEVELS: Final = 8
MAX_WISHES: Final = 2 * MAX_LEVELS

# FILL: a price, b quantity, c side of our order (+1 bought), d position after, all in lots and
# ticks. POSITION: d position, a entry price.
EVENT_FILL: Final = 64
EVENT_POSITION: Final = 65
# TIMER: nothing but ts_event_ns, the multiple of the strategy's `timer_ms` that the events' clock
# has passed. A silent market has no clock, so it has no timer either.
EVENT_TIMER: Final = 66

MARKET = np.dtype(
    [
        ("valid", "<i8"),  # 1: the top below is current and may be quoted from
        ("bid_ticks", "<i8"),
        ("ask_ticks", "<i8"),
        ("bid_qty", "<f8"),
        ("ask_qty", "<f8"),
        ("update_id", "<i8"),
        ("ts_event_ns", "<i8"),
        ("trade_ticks", "<i8"),
        ("trade_qty", "<f8"),
        ("trade_side", "<i8"),  # +1: the taker bought
        ("tick_size", "<f8"),
        ("step_size", "<f8"),
        ("instrument_version", "<i8"),
        ("book_usable", "<i8"),  # 0 between STATUS "book invalid" and "book valid"
    ]
)

POSITION = np.dtype([("lots", "<i8"), ("entry_price", "<f8"), ("known", "<i8")])

WISH = np.dtype(
    [
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("ttl_ms", "<i8"),
        ("fair_price", "<f8"),
        ("confidence", "<f8"),
        ("stop_price", "<f8"),  # where the strategy gives up, for the signal; 0: none
        ("target_price", "<f8"),  # where it wants to be; 0: none
        ("side", "<i2"),  # +1 buy, -1 sell
        ("level", "<u2"),  # 0 .. MAX_LEVELS - 1
        ("flags", "<u2"),  # as in an intent: POST_ONLY, REDUCE_ONLY, ...
        ("cause", "<u2"),  # the strategy's own number for why
    ]
)

# Every packed parameter record has these: the quoter works by them.
POLICY_FIELDS: Final = ("refresh_tolerance_ticks", "min_requote_ns")


class StrategyParameters(BaseModel):
    """What all strategies let the user set. Strict, finite, no unknown key."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    # Why `symbols = "all"` makes no sense with these parameters; empty when it does.
    one_symbol_reason: ClassVar[str] = ""
    # The parameter that holds the length in seconds of the candles that the strategy lives on:
    # they must be among those that the feed builds. Empty: it needs none.
    interval_parameter: ClassVar[str] = ""
    # Others of its kind; 0 in one of them means that it is not used.
    further_interval_parameters: ClassVar[tuple[str, ...]] = ()

    refresh_tolerance_ticks: float = Field(
        default=5.0, ge=0.0, le=1e6, description="leave an order alone that is this close"
    )
    min_requote_ms: int = Field(
        default=250,
        ge=1,
        le=600_000,
        description="shortest time between two orders of one slot; a stop waits for none",
    )
    intent_ttl_ms: int = Field(
        default=2_000, ge=10, le=60_000, description="after that the gate refuses the intent"
    )


@dataclass(frozen=True)
class Strategy:
    """One strategy, ready to be compiled into a duty cycle.

    `pack(parameters, instrument_row)` gives one record of `parameters_dtype` and raises
    UnusableInstrumentError. `source` is the folder (or file) whose content keys the compiled code.
    With `timer_ms` the step sees EVENT_TIMER so often, of event time. `plain` is the Python object
    behind a step that is not compiled.
    """

    name: str
    parameters_model: type[StrategyParameters]
    parameters_dtype: np.dtype[Any]
    state_dtype: np.dtype[Any]
    step: Any = field(repr=False)
    pack: Callable[[Any, Any], Any] = field(repr=False)
    source: Path
    timer_ms: int = 0
    plain: Any = field(default=None, repr=False)

    def check(self) -> None:
        """Raise BrokenStrategyError unless the record types keep the contract."""
        names = self.parameters_dtype.names or ()
        for policy in POLICY_FIELDS:
            if policy not in names or self.parameters_dtype[policy] != np.int64:
                raise BrokenStrategyError(
                    f"strategy {self.name}: parameters_dtype has no int64 field {policy!r}; "
                    "the quoter needs it"
                )
        if not self.state_dtype.names:
            raise BrokenStrategyError(f"strategy {self.name}: state_dtype must be a record type")
        if not 0 <= self.timer_ms <= MOST_TIMER_MS:
            raise BrokenStrategyError(
                f"strategy {self.name}: timer_ms = {self.timer_ms!r}; wanted 0 (none) to "
                f"{MOST_TIMER_MS}"
            )


def unbound_step(event: Any, market: Any, position: Any, params: Any, state: Any, out: Any) -> Any:
    """Stand-in for a strategy's step: the duty cycle is compiled once per strategy in its place."""
    return NO_OPINION
