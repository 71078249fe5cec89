"""A strategy as a plain Python class: slower than a compiled step, and as well guarded.

`PlainStrategy` is what a user derives from; `PlainHost` is the step around it. The brain runs the
same loop uncompiled, so wishes go through the same quoter and the same gate. Some hundreds of
microseconds an event instead of less than one; all else is as in `contract`, also that a decision
may depend on nothing but the events: no clock, no file, no random number without a seed.

The host trusts nothing. What a method raises, a return value that is no list, or a method that does
not come back in time latches the strategy; what is in a list and is no order is refused and counted
by the quoter.
"""

import linecache
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from aegis.shm.intent import POST_ONLY, REDUCE_ONLY
from aegis.shm.tick import (
    BOOK,
    CANDLE,
    CORRECTED,
    HISTORY,
    INCOMPLETE,
    QUOTE,
    TRADE,
    candle_interval_s,
)
from aegis.strategies.contract import (
    EVENT_FILL,
    EVENT_TIMER,
    MAX_WISHES,
    NO_OPINION,
    Strategy,
    StrategyParameters,
)

__all__ = [
    "Candle",
    "Fill",
    "Market",
    "PlainHost",
    "PlainStrategy",
    "Quote",
    "TookTooLongError",
    "Trade",
    "Wish",
    "plain_strategy",
]

PARAMETERS_RECORD = np.dtype(
    [
        ("refresh_tolerance_ticks", "<i8"),
        ("min_requote_ns", "<i8"),
        ("ttl_ms", "<i8"),
        ("symbol", "S24"),
    ]
)
STATE_RECORD = np.dtype([("events", "<i8")])
# A millionth of a lot or tick forgives the binary fraction in 0.003 / 0.001.
_FORGIVEN: Final = 1e-6
# What the quoter refuses whatever the instrument: stands for "this is no wish".
_NO_SIDE: Final = 0
_TOO_MANY: Final = MAX_WISHES + 1
_LARGEST: Final = 1 << 52
_SIDES: Final[Mapping[str, int]] = {"buy": 1, "sell": -1}
_METHODS: Final[Mapping[int, str]] = {
    QUOTE: "on_quote",
    BOOK: "on_quote",
    TRADE: "on_trade",
    CANDLE: "on_candle",
    EVENT_FILL: "on_fill",
    EVENT_TIMER: "on_timer",
}


class TookTooLongError(BaseException):
    """A method did not come back in time. No `except Exception` of the user's catches it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One order that should rest: side "buy" or "sell", price in quote units, qty in base units.

    Prices are rounded away from the market to whole ticks, quantities down to whole lots. `level`
    (0 to 7) is the slot: one order for each side and level. `confidence` (0 to 1) and `cause` (a
    number of your own) stay with the order for the journal; with `stop_price` and `target_price`
    (0 for none) they are in the signal that others hear.
    """

    side: str
    price: float
    qty: float
    level: int = 0
    confidence: float = 1.0
    cause: int = 0
    post_only: bool = True
    reduce_only: bool = False
    stop_price: float = 0.0
    target_price: float = 0.0


@dataclass(frozen=True, slots=True)
class Market:
    """What is known of a symbol: the top of its book, and our position (base units)."""

    symbol: str
    valid: bool
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float
    position: float
    entry_price: float
    tick_size: float
    step_size: float
    ts_event_ns: int


@dataclass(frozen=True, slots=True)
class Quote:
    """A new top of book."""

    symbol: str
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float
    ts_event_ns: int

    @property
    def mid(self) -> float:
        """The middle of the two prices."""
        return 0.5 * (self.bid + self.ask)


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade of others; `side` is the taker's."""

    symbol: str
    price: float
    qty: float
    side: str
    ts_event_ns: int


@dataclass(frozen=True, slots=True)
class Candle:
    """A closed candle of `interval_s` seconds; `ts_event_ns` is its open time.

    `history`: it was over before the brain could see it; what is wished of it is not acted upon.
    `incomplete`: trades of it are missing. `corrected`: it was told before, and was wrong.
    """

    symbol: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    ts_event_ns: int
    interval_s: int = 0
    history: bool = False
    incomplete: bool = False
    corrected: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """A fill of ours; `position` is what we hold after it, in base units."""

    symbol: str
    side: str
    price: float
    qty: float
    position: float
    ts_event_ns: int


class PlainStrategy:
    """Derive from it, and override the events that matter. One object serves all symbols.

    Each method returns the orders that should rest on the event's symbol: a list of `Wish` replaces
    whatever was wished there before (an empty list withdraws everything), None leaves it as it is.
    What is returned on a fill or a timer is acted upon at the symbol's next market event.
    """

    Parameters: ClassVar[type[StrategyParameters]] = StrategyParameters
    timer_ms: ClassVar[int] = 0

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters
        self.markets: dict[str, Market] = {}

    def on_quote(self, quote: Quote) -> Sequence[Wish] | None:
        """The best bid or ask has changed."""
        return None

    def on_trade(self, trade: Trade) -> Sequence[Wish] | None:
        """Somebody traded."""
        return None

    def on_candle(self, candle: Candle) -> Sequence[Wish] | None:
        """A candle has closed, or the history has one that this brain has not seen."""
        return None

    def on_fill(self, fill: Fill) -> Sequence[Wish] | None:
        """One of our orders was filled, wholly or in part."""
        return None

    def on_timer(self, symbol: str, ts_event_ns: int) -> Sequence[Wish] | None:
        """The events' clock has passed another `timer_ms`; comes once for each symbol."""
        return None


class PlainHost:
    """The step around one object of a user's class, and what it was refused for."""

    def __init__(self, name: str, kind: type[PlainStrategy], source: Path) -> None:
        self.name = name
        self.kind = kind
        self.source = source
        self.strategy: PlainStrategy | None = None
        self.model: Any = None
        # True while the user's code runs: only then may the brain's alarm interrupt.
        self.inside = False
        self.fault: BaseException | None = None

    def pack(self, model: StrategyParameters, instrument: Any) -> Any:
        """The policy record of one instrument; takes the parameters over when they are new."""
        if self.model is not model:
            self.model = model
            if self.strategy is not None:
                self.strategy.parameters = model
        record = np.zeros(1, PARAMETERS_RECORD)[0]
        record["refresh_tolerance_ticks"] = math.floor(model.refresh_tolerance_ticks)
        record["min_requote_ns"] = model.min_requote_ms * 1_000_000
        record["ttl_ms"] = model.intent_ttl_ms
        record["symbol"] = instrument["symbol"]
        return record

    def rearm(self) -> None:
        """Begin anew with a fresh object: a person has changed something."""
        self.strategy, self.fault = None, None

    def step(
        self, event: Any, market: Any, position: Any, params: Any, state: Any, out: Any
    ) -> int:
        """The contract's step. Raises what the user's method raised; the brain's loop catches."""
        kind = int(event.kind)
        symbol = bytes(params["symbol"]).decode()
        self.inside = True
        try:
            if self.strategy is None:
                self.strategy = self.kind(self.model)
                # A class that forgets super().__init__ is no reason to fail.
                self.strategy.parameters = self.model
                self.strategy.markets = getattr(self.strategy, "markets", {})
            self.strategy.markets[symbol] = _market(symbol, market, position)
            wished: object = self._call(self.strategy, kind, symbol, event, market)
            if wished is None:
                return NO_OPINION
            if not isinstance(wished, Sequence):
                raise TypeError(
                    f"{_METHODS[kind]} returned a {type(wished).__name__}; a list of Wish, or "
                    "None, is wanted"
                )
            # Sized inside: a lazy sequence is the user's code too.
            count = len(wished)
            if count > MAX_WISHES:
                return _TOO_MANY
            wishes = list(wished)
        finally:
            self.inside = False
        for place, wish in enumerate(wishes):
            _write(out[place], wish, market, params)
        return count

    def _call(
        self, strategy: PlainStrategy, kind: int, symbol: str, event: Any, market: Any
    ) -> Sequence[Wish] | None:
        """Hand the event to its method; None for the kinds that have none."""
        at_ns = int(event.ts_event_ns)
        a, b, c, d = float(event.a), float(event.b), float(event.c), float(event.d)
        if kind in (QUOTE, BOOK):
            return strategy.on_quote(Quote(symbol, a, b, c, d, at_ns))
        if kind == TRADE:
            side = "buy" if c > 0.0 else "sell"
            return strategy.on_trade(Trade(symbol, a, b, side, at_ns))
        if kind == CANDLE:
            # Not `event.flags`: those are the array's own.
            flags = int(event["flags"])
            return strategy.on_candle(
                Candle(
                    symbol, a, b, c, d, float(event.e), at_ns, candle_interval_s(flags),
                    bool(flags & HISTORY), bool(flags & INCOMPLETE), bool(flags & CORRECTED),
                )
            )  # fmt: skip
        if kind == EVENT_FILL:
            tick, step = float(market.tick_size), float(market.step_size)
            side = "buy" if c > 0.0 else "sell"
            return strategy.on_fill(Fill(symbol, side, a * tick, b * step, d * step, at_ns))
        if kind == EVENT_TIMER:
            return strategy.on_timer(symbol, at_ns)
        return None


def plain_strategy(name: str, kind: type[PlainStrategy], source: Path) -> Strategy:
    """A class of the user's as the brain wants it."""
    # So that a traceback shows the text that runs, not what an editor has made of it since.
    linecache.checkcache(str(source))
    host = PlainHost(name, kind, source)
    return Strategy(
        name=name,
        parameters_model=kind.Parameters,
        parameters_dtype=PARAMETERS_RECORD,
        state_dtype=STATE_RECORD,
        step=host.step,
        pack=host.pack,
        source=source,
        timer_ms=kind.timer_ms,
        plain=host,
    )


def _market(symbol: str, market: Any, position: Any) -> Market:
    tick, step = float(market.tick_size), float(market.step_size)
    return Market(
        symbol=symbol,
        valid=bool(market.valid),
        bid=int(market.bid_ticks) * tick,
        bid_qty=float(market.bid_qty),
        ask=int(market.ask_ticks) * tick,
        ask_qty=float(market.ask_qty),
        position=int(position.lots) * step,
        entry_price=float(position.entry_price),
        tick_size=tick,
        step_size=step,
        ts_event_ns=int(market.ts_event_ns),
    )


def _write(record: Any, wish: object, market: Any, params: Any) -> None:
    """One wish in ticks and lots. What is none becomes a record that the quoter refuses."""
    record.side = _NO_SIDE
    if not isinstance(wish, Wish):
        return
    try:
        side = _SIDES.get(wish.side, _NO_SIDE)
        price = float(wish.price) / float(market.tick_size)
        lots = float(wish.qty) / float(market.step_size)
        level, cause = int(wish.level), int(wish.cause)
        confidence = float(wish.confidence)
        stop, target = float(wish.stop_price), float(wish.target_price)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return
    # Written so that a NaN ends here; the bounds keep the conversions below from overflowing.
    if not (0.0 < price < _LARGEST and 0.0 < lots < _LARGEST):
        return
    if not (0 <= level < sys.maxsize and 0 <= cause <= 0xFFFF):
        return
    ticks = math.floor(price + _FORGIVEN) if side > 0 else math.ceil(price - _FORGIVEN)
    record.price_ticks = ticks
    record.qty_lots = math.floor(lots + _FORGIVEN)
    record.ttl_ms = params["ttl_ms"]
    record.fair_price = 0.0
    record.confidence = confidence
    record.stop_price, record.target_price = stop, target
    record.level = min(level, 0xFFFF)
    record.flags = (POST_ONLY if wish.post_only else 0) | (REDUCE_ONLY if wish.reduce_only else 0)
    record.cause = cause
    record.side = side
