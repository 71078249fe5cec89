"""`aegis bench quant`: indicators beside TA-Lib and pandas, on the same million prices.

Time per point of the batch form, ours and theirs in turns, so that a slow phase of the machine
meets both; medians over the turns. Nobody shall pay for the caches and the memory that the one
before left behind: pandas gives its pages back, and who comes next is slow for three more runs.
So each runs four times of which the last counts, and in every order equally often. TA-Lib and
pandas are extras (`bench`): where they are not installed their columns are empty. The streaming
form is measured from a compiled loop, as a strategy runs it.
"""

import importlib
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from aegis.host.jit import kernel
from aegis.quant import indicators

__all__ = ["measure_quant"]

SEED = 20_260_101
# Runs before the one that counts; *measured* after pandas' RSI: 5.1, 4.1, 2.0, then 1.4 ns a point.
_SETTLING_RUNS = 3
Compute = Callable[[], Any]


class _Case(NamedTuple):
    """One indicator, ours and theirs; None where a library has no such thing."""

    name: str
    ours: Compute
    talib: Compute | None
    pandas: Compute | None


def _prices(size: int) -> tuple[Any, Any, Any]:
    """High, low and close of a seeded walk of one basis point a step."""
    steps = np.random.default_rng(SEED).standard_normal(size) * 1e-4
    close = 60_000.0 * np.exp(np.cumsum(steps))
    reach = np.abs(steps) + 1e-5
    return close * (1.0 + reach), close * (1.0 - reach), close


def _library(name: str) -> Any | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _cases(size: int) -> list[_Case]:
    high, low, close = _prices(size)
    talib, pandas = _library("talib"), _library("pandas")
    series = pandas.Series(close) if pandas else None

    def theirs(name: str, *arguments: Any) -> Compute | None:
        return None if talib is None else lambda: getattr(talib, name)(*arguments)

    def framed(compute: Callable[[Any], Any]) -> Compute | None:
        return None if series is None else lambda: compute(series)

    return [
        _Case(
            "sma",
            lambda: indicators.sma(close, 20),
            theirs("SMA", close, 20),
            framed(lambda s: s.rolling(20).mean()),
        ),
        _Case(
            "ema",
            lambda: indicators.ema(close, 20),
            theirs("EMA", close, 20),
            framed(lambda s: s.ewm(span=20, adjust=False).mean()),
        ),
        _Case("rsi", lambda: indicators.rsi(close, 14), theirs("RSI", close, 14), framed(_rsi)),
        _Case("macd", lambda: indicators.macd(close), theirs("MACD", close), framed(_macd)),
        _Case(
            "bollinger_bands",
            lambda: indicators.bollinger_bands(close, 20),
            theirs("BBANDS", close, 20),
            framed(_bands),
        ),
        _Case(
            "atr",
            lambda: indicators.atr(high, low, close, 14),
            theirs("ATR", high, low, close, 14),
            None if pandas is None else lambda: _atr(pandas, high, low, close),
        ),
    ]


def _rsi(series: Any) -> Any:
    change = series.diff()
    gains = change.clip(lower=0.0).ewm(alpha=1 / 14, adjust=False).mean()
    losses = (-change.clip(upper=0.0)).ewm(alpha=1 / 14, adjust=False).mean()
    return 100.0 - 100.0 / (1.0 + gains / losses)


def _macd(series: Any) -> Any:
    line = series.ewm(span=12, adjust=False).mean() - series.ewm(span=26, adjust=False).mean()
    signal = line.ewm(span=9, adjust=False).mean()
    return line, signal, line - signal


def _bands(series: Any) -> Any:
    window = series.rolling(20)
    mean, deviation = window.mean(), window.std(ddof=0)
    return mean + 2.0 * deviation, mean, mean - 2.0 * deviation


def _atr(pandas: Any, high: Any, low: Any, close: Any) -> Any:
    before = pandas.Series(close).shift(1)
    reach = pandas.concat(
        [pandas.Series(high - low), (high - before).abs(), (low - before).abs()], axis=1
    ).max(axis=1)
    return reach.ewm(alpha=1 / 14, adjust=False).mean()


@kernel("f8(f8[::1], f8[::1])")
def _stream_ema(state: Any, values: Any) -> float:
    last = 0.0
    for value in values:
        last = indicators.ema_update(state, value)
    return last


def _ns_per_point(compute: Compute, size: int) -> float:
    began = time.perf_counter_ns()
    compute()
    return (time.perf_counter_ns() - began) / size


def _measure(case: _Case, size: int, turns: int) -> dict[str, float | None]:
    """The medians of one indicator's turns, in ns per point."""
    contestants = {"ns_per_point": case.ours, "talib_ns_per_point": case.talib}
    contestants["pandas_ns_per_point"] = case.pandas
    times: dict[str, list[float]] = {name: [] for name in contestants}
    orders = itertools.cycle(itertools.permutations(contestants.items()))
    for order in itertools.islice(orders, turns):
        for name, compute in order:
            if compute is not None:
                for _ in range(_SETTLING_RUNS):
                    compute()
                times[name].append(_ns_per_point(compute, size))
    return {
        name: round(statistics.median(taken), 3) if taken else None for name, taken in times.items()
    }


def measure_quant(*, smoke: bool = False, progress: Any = None) -> dict[str, Any]:
    """For each indicator `ns_per_point`, `talib_ns_per_point` and `pandas_ns_per_point`."""
    say = progress or (lambda text: None)
    size, turns = (100_000, 6) if smoke else (1_000_000, 12)
    result: dict[str, Any] = {"points": size, "turns": turns}
    for case in _cases(size):
        say(f"{case.name}: {turns} turns of {size:,} points")
        result[case.name] = _measure(case, size, turns)
    close = _prices(size)[2]
    state = indicators.ema_state(20)
    taken = [_ns_per_point(lambda: _stream_ema(state, close), size) for _ in range(turns)]
    result["streaming_ema_ns_per_point"] = round(statistics.median(taken), 3)
    return result
