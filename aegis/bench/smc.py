"""`aegis bench smc`: the engine candle by candle, and the batch library on the same candles.

`ns_per_candle` is the streaming engine on one symbol with everything on, from a compiled loop as a
strategy runs it; `ns_per_candle_many` the same for 300 symbols in turns, so that their states come
from memory and not from the first-level cache. The library (an extra, `bench`) computes the columns
that the engine's events amount to, once over all candles: `batch_library_ratio` is its time over
the engine's. What the engine said is added up and must be the same at every turn, for one symbol
and for many.
"""

import importlib
import os
import statistics
import time
from typing import Any

import numpy as np

from aegis.host.jit import kernel
from aegis.quant.smc.streaming.engine import advance, make_settings, make_states
from aegis.quant.smc.streaming.layout import EVENT, EVENTS_MAX, SETTINGS

__all__ = ["measure_smc"]

SEED = 20_260_102
LENGTH = 5
_SYMBOLS = 300
_MINUTE_NS = 60_000_000_000
# The library is slow: a small size of it, beside the same candles of ours, in the smoke run.
_SIZE, _SMOKE_SIZE = 100_000, 4_000
_MANY = 2_000


def _candles(size: int) -> tuple[Any, ...]:
    """Opening times (ns) and open, high, low, close, volume of a seeded walk of minutes."""
    dice = np.random.default_rng(SEED)
    steps = dice.standard_normal(size) * 1e-3
    close = 60_000.0 * np.exp(np.cumsum(steps))
    open_ = np.concatenate([[60_000.0], close[:-1]])
    wicks = np.abs(dice.standard_normal((2, size))) * 4e-4
    high = np.maximum(open_, close) * (1.0 + wicks[0])
    low = np.minimum(open_, close) * (1.0 - wicks[1])
    ts_ns = (np.arange(size, dtype=np.int64) + 29_000_000) * _MINUTE_NS
    return ts_ns, open_, high, low, close, dice.integers(1, 100, size).astype(np.float64)


@kernel
def _drive(states: Any, settings: Any, columns: Any, ts_ns: Any, out: Any, sums: Any) -> Any:
    """Every symbol takes each candle in turn; returns the number of events, adds them to `sums`."""
    total = 0
    for index in range(ts_ns.size):
        for symbol in range(states.size):
            count = advance(
                states[symbol], settings, ts_ns[index], columns[0, index], columns[1, index],
                columns[2, index], columns[3, index], columns[4, index], out,
            )  # fmt: skip
            total += count
            for place in range(count):
                event = out[place]
                sums[0] += event.kind * 31 + event.side * 7 + event.origin + event.at
                sums[1] += event.known_at
    return total


def _run(symbols: int, candles: tuple[Any, ...], turns: int) -> tuple[float, tuple[int, ...]]:
    """Median ns per candle and symbol, and (events, both sums) for one symbol."""
    settings = np.zeros(1, SETTINGS)
    settings[0] = make_settings(LENGTH, sessions_min=((420, 960), (780, 1320)))
    out = np.zeros(EVENTS_MAX, EVENT)
    columns = np.array(candles[1:])
    taken: list[float] = []
    said: set[tuple[int, ...]] = set()
    for turn in range(turns + 1):
        states, sums = make_states(symbols), np.zeros(2, np.int64)
        states.view(np.uint8)[:] = 0  # map the pages before the clock runs
        began = time.perf_counter_ns()
        events = _drive(states, settings[0], columns, candles[0], out, sums)
        if turn > 0:
            taken.append((time.perf_counter_ns() - began) / (candles[0].size * symbols))
        assert not states["lost"].any() and not states["refused"].any()
        totals = (events, int(sums[0]), int(sums[1]))
        assert all(one % symbols == 0 for one in totals), "symbols with equal candles differ"
        said.add(tuple(one // symbols for one in totals))
    assert len(said) == 1, f"the engine said different things of the same candles: {said}"
    return statistics.median(taken), said.pop()


def _library_ms(candles: tuple[Any, ...], close_break: bool = True) -> float | None:
    """One pass of the library's functions, in milliseconds; None where it is not installed."""
    os.environ.setdefault("SMC_CREDIT", "0")
    try:
        library = importlib.import_module("smartmoneyconcepts.smc").smc
        pandas = importlib.import_module("pandas")
    except ImportError:
        return None
    names = ("open", "high", "low", "close", "volume")

    def compute(size: int) -> None:
        stamps = pandas.to_datetime(candles[0][:size])
        columns = {name: column[:size] for name, column in zip(names, candles[1:], strict=True)}
        frame = pandas.DataFrame(columns, index=stamps)
        library.fvg(frame)
        swings = library.swing_highs_lows(frame, LENGTH)
        library.bos_choch(frame, swings, close_break)
        library.ob(frame, swings)
        library.liquidity(frame, swings)
        library.previous_high_low(frame, "1D")
        library.sessions(frame, "London")

    compute(500)  # it compiles parts of itself
    began = time.perf_counter_ns()
    compute(candles[0].size)
    return (time.perf_counter_ns() - began) / 1e6


def measure_smc(*, smoke: bool = False, progress: Any = None) -> dict[str, Any]:
    """`ns_per_candle`, `ns_per_candle_many`, `batch_library_ratio` (None without the library)."""
    say = progress or (lambda text: None)
    size = _SMOKE_SIZE if smoke else _SIZE
    turns = 5
    candles = _candles(size)
    say(f"engine: {turns} turns of {size:,} candles, swing length {LENGTH}")
    alone, (events, first, second) = _run(1, candles, turns)
    few = tuple(column[: _MANY // (4 if smoke else 1)] for column in candles)
    say(f"engine: {_SYMBOLS} symbols, {few[0].size:,} candles each")
    many, said = _run(_SYMBOLS, few, 1)
    assert said == _run(1, few, 1)[1], "one symbol and many must say the same"
    say(f"library: {size:,} candles, once")
    library_ms = _library_ms(candles)
    engine_ms = alone * size / 1e6
    return {
        "candles": size,
        "ns_per_candle": round(alone, 1),
        "symbols": _SYMBOLS,
        "ns_per_candle_many": round(many, 1),
        "engine_ms": round(engine_ms, 3),
        "batch_library_ms": None if library_ms is None else round(library_ms, 1),
        "batch_library_ratio": None if library_ms is None else round(library_ms / engine_ms, 1),
        "events": events,
        "checksum": f"{first & 0xFFFFFFFF:08x}{second & 0xFFFFFFFF:08x}",
    }
