"""A strategy tried out without a box: events in, wishes out, and a report of a long random run.

For the tests that `aegis strategy new` writes and for `aegis strategy check`. The step is called as
the brain calls it, on the brain's own market records, and each wish is judged as the quoter would.
It sends nothing, and knows no orders in flight: a wish here is not yet an order.
"""

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from aegis.brain.layout import CORE, as_records
from aegis.brain.load import compiler_words
from aegis.brain.market import DECIDE, apply_tick
from aegis.brain.quoter import is_sane
from aegis.brain.trust import line_of
from aegis.config.settings import is_path
from aegis.shm.instruments import INSTRUMENT, TRADING
from aegis.shm.intent import MARKET as MARKET_ORDER
from aegis.shm.intent import POST_ONLY, REDUCE_ONLY
from aegis.shm.tick import CANDLE, CLOSED, QUOTE, TICK, TRADE, candle_code
from aegis.strategies.contract import (
    EVENT_FILL,
    EVENT_POSITION,
    EVENT_TIMER,
    MARKET,
    MAX_LEVELS,
    MAX_WISHES,
    POSITION,
    WISH,
)
from aegis.strategies.errors import BrokenStrategyError
from aegis.strategies.plain import Wish
from aegis.strategies.registry import load_strategy, read_parameters

__all__ = ["Trial", "TrialReport"]

START_NS: Final = 1_723_161_256_000_000_000
_MS: Final = 1_000_000
_MOST_ERRORS: Final = 20
_KINDS: Final = (QUOTE, TRADE, EVENT_FILL, CANDLE, EVENT_TIMER)
_WEIGHTS: Final = (80, 12, 4, 2, 2)
_NAMES: Final = {
    QUOTE: "QUOTE",
    TRADE: "TRADE",
    CANDLE: "CANDLE",
    EVENT_FILL: "FILL",
    EVENT_POSITION: "POSITION",
    EVENT_TIMER: "TIMER",
}


@dataclass(slots=True)
class TrialReport:
    """What a random run showed. `errors` are sentences, at most twenty of them."""

    events: int = 0
    wishes: int = 0
    errors: list[str] = field(default_factory=list)
    slowest_us: float = 0.0
    mean_us: float = 0.0
    same_again: bool = True


class Trial:
    """One strategy over the symbols of a market of its own. Raises StrategyError.

    `strategy` is a built-in name or a path; all symbols have the same tick and step sizes.
    """

    def __init__(
        self,
        strategy: str | Path,
        parameters: Mapping[str, object],
        *,
        symbols: Sequence[str] = ("BTCUSDT",),
        tick_size: float = 0.1,
        step_size: float = 0.001,
    ) -> None:
        reference = str(Path(strategy).absolute()) if is_path(str(strategy)) else str(strategy)
        self.strategy = load_strategy(reference)
        self.symbols = tuple(symbols)
        self.tick_size, self.step_size = tick_size, step_size
        model = read_parameters(reference, parameters)
        self._interval_s = int(getattr(model, model.interval_parameter or "", 60))
        count = len(self.symbols)
        self._params = as_records(np.zeros(count, self.strategy.parameters_dtype))
        for index, symbol in enumerate(self.symbols):
            self._params[index] = self.strategy.pack(model, self._row(symbol))
        self.begin()

    def compile(self) -> None:
        """Compile the step without calling it: a large one takes longer than any event may."""
        if self.strategy.plain is None:
            import numba

            type_of: Callable[[Any], Any] = numba.typeof
            types = tuple(type_of(each) for each in self._given(0))
            self._compiling(lambda: self.strategy.step.compile(types))

    def begin(self) -> None:
        """Forget everything: markets, positions, the strategy's memory, the time."""
        count = len(self.symbols)
        self._core = as_records(np.zeros(1, CORE))
        self._markets = as_records(np.zeros(count, MARKET))
        self._markets["tick_size"], self._markets["step_size"] = self.tick_size, self.step_size
        self._markets["book_usable"] = self._markets["instrument_version"] = 1
        self._positions = as_records(np.zeros(count, POSITION))
        self._states = as_records(np.zeros(count, self.strategy.state_dtype))
        self._event = as_records(np.zeros(1, TICK))
        self._wishes = as_records(np.zeros(MAX_WISHES, WISH))
        self._now_ns, self._update_id = START_NS, 0
        # Of each symbol and interval: when its newest candle opened; and its last close, in ticks.
        self._opens_ns: dict[tuple[int, int], int] = {}
        self._closes: dict[int, int] = {}
        self.refused: list[str] = []
        if self.strategy.plain is not None:
            self.strategy.plain.rearm()

    def quote(
        self, bid: float, ask: float, bid_qty: float = 1.0, ask_qty: float = 1.0, **where: Any
    ) -> list[Wish] | None:
        """A new top of book; what it wishes now, None when it has no opinion.

        `where`: symbol (else the first one), after_ms (else 100) since the last event.
        """
        self._update_id += 1
        return self._market(QUOTE, (bid, bid_qty, ask, ask_qty, float(self._update_id)), **where)

    def trade(self, price: float, qty: float, side: str, **where: Any) -> list[Wish] | None:
        """A trade of others; `side` is the taker's."""
        sign = 1.0 if side == "buy" else -1.0
        return self._market(TRADE, (price, qty, sign, 0.0, 0.0), **where)

    def candle(
        self,
        prices: tuple[float, float, float, float],
        volume: float,
        interval_s: int | None = None,
        **where: Any,
    ) -> list[Wish] | None:
        """A closed candle: open, high, low, close. Each follows on the symbol's one before it.

        Without `interval_s` it is of the length that the strategy lives on, else of a minute.
        """
        seconds = interval_s or self._interval_s
        width_ns = seconds * 1_000_000_000
        index = self._begin(CANDLE, **where)
        opened_ns = self._opens_ns.get((index, seconds), START_NS // width_ns * width_ns) + width_ns
        self._opens_ns[index, seconds] = opened_ns
        self._now_ns = max(self._now_ns, opened_ns + width_ns)
        event = self._event[0]
        event.ts_event_ns, event.flags = opened_ns, CLOSED | candle_code(seconds)
        self._set((*prices, volume))
        return self._told(CANDLE, index)

    def fill(self, side: str, price: float, qty: float, **where: Any) -> list[Wish] | None:
        """A fill of ours; it moves the position first."""
        index = self._begin(EVENT_FILL, **where)
        sign = 1 if side == "buy" else -1
        lots = round(qty / self.step_size)
        self._positions[index].lots += sign * lots
        self._positions[index].entry_price, self._positions[index].known = price, 1
        ticks = round(price / self.tick_size)
        held = float(self._positions[index].lots)
        self._set((float(ticks), float(lots), float(sign), held, 0.0))
        return self._ask(index)

    def timer(self, **where: Any) -> list[Wish] | None:
        """The strategy's timer."""
        index = self._begin(EVENT_TIMER, **where)
        self._set((0.0,) * 5)
        return self._ask(index)

    def run(
        self, events: int, seed: int, progress: Callable[[int, str], None] | None = None
    ) -> TrialReport:
        """A random market, twice, from the beginning: the second time must give the same wishes.

        `progress(number, kind)` is called before each event.
        """
        self.compile()
        report = TrialReport()
        first = self._run(events, seed, report, progress)
        again = TrialReport()
        # What depends on a clock, or on chance without a seed, shows itself here.
        report.same_again = self._run(events, seed, again, progress) == first
        return report

    def _run(
        self,
        events: int,
        seed: int,
        report: TrialReport,
        progress: Callable[[int, str], None] | None,
    ) -> list[Any]:
        self.begin()
        chance, middle, total_ns = random.Random(seed), 600_000, 0
        seen: list[Any] = []
        for number in range(events):
            middle = max(middle + chance.randint(-3, 3), 1_000)
            kind = chance.choices(_KINDS, _WEIGHTS)
            if progress is not None:
                progress(number, _NAMES[kind[0]])
            began_ns = time.perf_counter_ns()
            try:
                wished = self._random_event(kind[0], middle, chance)
            except Exception as error:
                message = " ".join(str(error).split())
                line = line_of(error, self.strategy.source)
                place = f" (line {line})" if line else ""
                self.refused.append(f"event {number}: {type(error).__name__}: {message}{place}")
                wished = None
                report.errors += self.refused
                report.events = number + 1
                return [*seen, "raised"]
            took_us = (time.perf_counter_ns() - began_ns) / 1e3
            # The first calls compile.
            if number > 10:
                report.slowest_us = max(report.slowest_us, took_us)
                total_ns += int(took_us * 1e3)
            report.wishes += len(wished or ())
            if len(report.errors) < _MOST_ERRORS:
                report.errors += [f"event {number}: {text}" for text in self.refused]
            self.refused.clear()
            seen.append(wished)
        report.events = events
        report.mean_us = total_ns / max(events - 11, 1) / 1e3
        return seen

    def _random_event(self, kind: int, middle: int, chance: random.Random) -> list[Wish] | None:
        where = {"symbol": chance.choice(self.symbols), "after_ms": chance.randint(1, 500)}
        tick, step = self.tick_size, self.step_size
        price, qty = middle * tick, chance.randint(1, 500) * step
        side = chance.choice(("buy", "sell"))
        if kind == QUOTE:
            ask = (middle + chance.randint(1, 3)) * tick
            return self.quote(price, ask, qty, chance.randint(1, 500) * step, **where)
        if kind == TRADE:
            return self.trade(price, qty, side, **where)
        if kind == CANDLE:
            return self._random_candle(middle, qty, chance, **where)
        if kind == EVENT_TIMER:
            return self.timer(**where) if self.strategy.timer_ms else None
        index = self.symbols.index(where["symbol"])
        # Towards flat, so that it neither runs away nor stays at its limit.
        held = int(self._positions[index].lots)
        side = ("sell" if held > 0 else "buy") if held else side
        return self.fill(side, price, step * (abs(held) or 1), **where)

    def _random_candle(
        self, middle: int, qty: float, chance: random.Random, **where: Any
    ) -> list[Wish] | None:
        """From the close before it to somewhere around the market, with wicks on both ends."""
        index = self.symbols.index(where["symbol"])
        opened = self._closes.get(index, middle)
        closed = self._closes[index] = middle + chance.randint(-60, 60)
        high = max(opened, closed) + chance.randint(0, 30)
        low = min(opened, closed) - chance.randint(0, 30)
        tick = self.tick_size
        prices = (opened * tick, high * tick, low * tick, closed * tick)
        return self.candle(prices, qty, **where)

    def _market(
        self, kind: int, numbers: tuple[float, float, float, float, float], **where: Any
    ) -> list[Wish] | None:
        index = self._begin(kind, **where)
        self._set(numbers)
        return self._told(kind, index)

    def _told(self, kind: int, index: int) -> list[Wish] | None:
        event = self._event[0]
        if apply_tick(self._core[0], event, self._markets[index]) != DECIDE:
            numbers = [float(event[name]) for name in "abcde"]
            raise ValueError(f"{_NAMES[kind]} {numbers} is no market event")
        return self._ask(index)

    def _begin(self, kind: int, symbol: str | None = None, after_ms: float = 100.0) -> int:
        index = 0 if symbol is None else self.symbols.index(symbol)
        self._now_ns += round(after_ms * _MS)
        event = self._event[0]
        event.instrument, event.kind, event.ts_event_ns = index, kind, self._now_ns
        event.flags = 0
        return index

    def _set(self, numbers: tuple[float, float, float, float, float]) -> None:
        event = self._event[0]
        event.a, event.b, event.c, event.d, event.e = numbers

    def _given(self, index: int) -> tuple[Any, ...]:
        """What the step is called with."""
        return (
            self._event[0], self._markets[index], self._positions[index],
            self._params[index], self._states[index], self._wishes,
        )  # fmt: skip

    def _compiling(self, call: Callable[[], Any]) -> Any:
        """`call`, which may have to compile the step first. Raises BrokenStrategyError."""
        from numba.core.errors import NumbaError

        try:
            return call()
        except NumbaError as error:
            raise BrokenStrategyError(compiler_words(str(error), self.strategy.source)) from None

    def _ask(self, index: int) -> list[Wish] | None:
        count = int(self._compiling(lambda: self.strategy.step(*self._given(index))))
        if count < 0:
            return None
        if count > MAX_WISHES:
            self.refused.append(f"{count} wishes at once, at most {MAX_WISHES}: all refused")
            return []
        found = []
        for record in self._wishes[:count]:
            if is_sane(record):
                found.append(self._read(record))
            else:
                self.refused.append(f"a wish that is no order: {_why(record)}")
        return found

    def _read(self, record: Any) -> Wish:
        flags = int(record["flags"])
        return Wish(
            side="buy" if record.side > 0 else "sell",
            price=round(int(record.price_ticks) * self.tick_size, 10),
            qty=round(int(record.qty_lots) * self.step_size, 10),
            level=int(record.level),
            confidence=float(record.confidence),
            cause=int(record.cause),
            post_only=bool(flags & POST_ONLY),
            reduce_only=bool(flags & REDUCE_ONLY),
            stop_price=float(record.stop_price),
            target_price=float(record.target_price),
        )

    def _row(self, symbol: str) -> Any:
        row = np.zeros(1, INSTRUMENT)[0]
        row["symbol"], row["status"], row["version"] = symbol.encode(), TRADING, 1
        row["tick_size"], row["step_size"] = self.tick_size, self.step_size
        row["min_qty"], row["max_qty"] = self.step_size, 1e6 * self.step_size
        return row


def _why(record: Any) -> str:
    """The first field that keeps a refused wish from being an order, and what would be right."""
    broken = [
        name
        for name in ("fair_price", "confidence", "stop_price", "target_price")
        if not math.isfinite(record[name])
    ]
    if record.side not in (1, -1):
        return (
            f"side {record.side}; +1 or -1 is wanted (of a plain strategy: a Wish with side "
            '"buy" or "sell" and a price and a qty above 0)'
        )
    if record.level >= MAX_LEVELS:
        return f"level {record.level}; 0 to {MAX_LEVELS - 1} is wanted"
    if int(record["flags"]) & MARKET_ORDER:
        return "a market order; a price is wanted"
    if broken:
        return f"{broken[0]} {record[broken[0]]}; a finite number is wanted"
    for name in ("price_ticks", "qty_lots", "ttl_ms"):
        if not record[name] > 0:
            return f"{name} {record[name]}; above 0 is wanted"
    return f"a price, quantity or ttl_ms beyond all bounds: {record.tolist()}"
