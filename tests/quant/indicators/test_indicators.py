"""Indicators: TA-Lib's numbers, batch and streaming alike to the bit, nothing broken let in."""

from __future__ import annotations

import csv
import gzip
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from aegis.quant import indicators

Arrays = tuple[npt.NDArray[np.float64], ...]


class Indicator(NamedTuple):
    """One indicator in both forms; `bars` takes high, low and close instead of one series."""

    name: str
    batch: Callable[..., Any]
    state: Callable[..., Any]
    update: Callable[..., Any]
    periods: tuple[int, ...]
    first: int
    bars: bool = False


INDICATORS = [
    Indicator("sma", indicators.sma, indicators.sma_state, indicators.sma_update, (20,), 19),
    Indicator("ema", indicators.ema, indicators.ema_state, indicators.ema_update, (20,), 19),
    Indicator("rsi", indicators.rsi, indicators.rsi_state, indicators.rsi_update, (14,), 14),
    Indicator(
        "macd", indicators.macd, indicators.macd_state, indicators.macd_update, (12, 26, 9), 33
    ),
    Indicator(
        "bollinger_bands",
        indicators.bollinger_bands,
        indicators.bollinger_bands_state,
        indicators.bollinger_bands_update,
        (20,),
        19,
    ),
    Indicator("atr", indicators.atr, indicators.atr_state, indicators.atr_update, (14,), 14, True),
]
each = pytest.mark.parametrize("indicator", INDICATORS, ids=lambda one: one.name)


def outputs(found: Any) -> Arrays:
    return found if isinstance(found, tuple) else (found,)


def batch(indicator: Indicator, inputs: Arrays, periods: tuple[int, ...] | None = None) -> Arrays:
    return outputs(indicator.batch(*inputs, *(periods or indicator.periods)))


def stream(indicator: Indicator, inputs: Arrays, periods: tuple[int, ...] | None = None) -> Arrays:
    state = indicator.state(*(periods or indicator.periods))
    rows = [outputs(indicator.update(state, *values)) for values in zip(*inputs, strict=True)]
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def inputs_of(indicator: Indicator, close: npt.NDArray[np.float64]) -> Arrays:
    if not indicator.bars:
        return (close,)
    reach = np.abs(np.sin(np.arange(close.size))) * 0.01
    return close * (1 + reach), close * (1 - reach), close


def same_bits(left: Arrays, right: Arrays) -> bool:
    return all(
        np.array_equal(one.view(np.int64), other.view(np.int64))
        or np.array_equal(one, other, equal_nan=True)
        for one, other in zip(left, right, strict=True)
    )


def walk(size: int, seed: int = 7, volatility: float = 1e-3) -> npt.NDArray[np.float64]:
    steps = np.random.default_rng(seed).standard_normal(size) * volatility
    return 60_000.0 * np.exp(np.cumsum(steps))


@pytest.fixture(scope="module")
def reference(shared_data: Path) -> dict[str, npt.NDArray[np.float64]]:
    with (shared_data / "indicators" / "talib_0.8.2_reference_600.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return {
        name: np.array([float(row[name]) if row[name] else math.nan for row in rows])
        for name in rows[0]
    }


COLUMNS = {
    "sma": ("SMA20",),
    "ema": ("EMA20",),
    "rsi": ("RSI14",),
    "macd": ("MACD", "MACDS", "MACDH"),
    "bollinger_bands": ("BBU", "BBM", "BBL"),
    "atr": ("ATR14",),
}


@each
def test_the_reference_is_met(
    indicator: Indicator, reference: dict[str, npt.NDArray[np.float64]]
) -> None:
    names = ("high", "low", "close") if indicator.bars else ("close",)
    found = batch(indicator, tuple(reference[name] for name in names))
    for column, ours in zip(COLUMNS[indicator.name], found, strict=True):
        theirs = reference[column]
        assert np.array_equal(np.isnan(ours), np.isnan(theirs)), column
        assert int(np.argmin(np.isnan(ours))) == indicator.first
        # The file has ten decimals; a difference of averages is judged by what it is made from.
        scale = reference["close"] if column.startswith("MACD") else np.abs(theirs)
        assert np.nanmax(np.abs(ours - theirs) / scale) <= 1e-10, column


@each
def test_weeks_of_candles_give_what_talib_gives(indicator: Indicator, shared_data: Path) -> None:
    with gzip.open(shared_data / "klines" / "BTCUSDT_1m_2021.csv.gz", "rt") as text:
        rows = list(csv.DictReader(text))
    series = {
        name: np.array([float(row[name]) for row in rows]) for name in ("high", "low", "close")
    }
    inputs = tuple(series.values()) if indicator.bars else (series["close"],)
    theirs = {
        "sma": lambda: talib.SMA(*inputs, 20),
        "ema": lambda: talib.EMA(*inputs, 20),
        "rsi": lambda: talib.RSI(*inputs, 14),
        "macd": lambda: talib.MACD(*inputs, 12, 26, 9),
        "bollinger_bands": lambda: talib.BBANDS(*inputs, 20),
        "atr": lambda: talib.ATR(*inputs, 14),
    }[indicator.name]()
    ours = batch(indicator, inputs)
    if indicator.name == "ema":
        assert np.array_equal(ours[0], theirs, equal_nan=True)
    for one, other in zip(ours, outputs(theirs), strict=True):
        assert np.array_equal(np.isnan(one), np.isnan(other))
        scale = series["close"] if indicator.name == "macd" else np.abs(other)
        assert np.nanmax(np.abs(one - other) / scale) <= 1e-10


@pytest.mark.parametrize("period", [2, 7, 9, 20, 30])
def test_the_exponential_average_is_talibs_to_the_bit_on_wild_prices(period: int) -> None:
    """Steps as large as the price: what rounds once and what rounds twice differ soon."""
    prices = np.random.default_rng(1).random(50_000) * 1_000.0 + 1.0
    assert same_bits((indicators.ema(prices, period),), (talib.EMA(prices, period),))


@each
@given(
    size=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
    volatility=st.sampled_from([0.0, 1e-7, 1e-3, 0.5]),
    leading=st.integers(0, 5),
    shorter=st.booleans(),
)
def test_streaming_equals_batch_to_the_last_bit(
    indicator: Indicator, size: int, seed: int, volatility: float, leading: int, shorter: bool
) -> None:
    inputs = inputs_of(indicator, walk(size, seed, volatility))
    for values in inputs:
        values[: min(leading, size)] = math.nan
    periods = ((2, 3, 1) if indicator.name == "macd" else (2,)) if shorter else None
    assert same_bits(batch(indicator, inputs, periods), stream(indicator, inputs, periods))


@each
@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [3, 40, 199])
def test_a_broken_value_is_refused_or_passed_over(
    indicator: Indicator, broken: float, place: int
) -> None:
    clean = inputs_of(indicator, walk(200))
    dirty = tuple(np.insert(values, place, broken) for values in clean)
    with pytest.raises(ValueError, match=rf"\[{place}\] is {broken}"):
        batch(indicator, dirty)
    streamed = stream(indicator, dirty)
    assert all(math.isnan(column[place]) for column in streamed)
    without = tuple(np.delete(column, place) for column in streamed)
    assert same_bits(without, batch(indicator, clean))


# Long enough for what is computed in several stretches at once, and no multiple of anything.
LONG = 20_011


def moods(size: int) -> npt.NDArray[np.float64]:
    """A walk that stands still for a while, falls without a pause, and leaps once."""
    prices = walk(size)
    prices[size // 5 : size // 4] = prices[size // 5]
    prices[size // 2 : size // 2 + 2_000] *= np.exp(-np.arange(2_000) * 1e-4)
    prices[3 * size // 4] *= 1e3
    return prices


@each
def test_a_long_series_streams_to_the_same_bits(indicator: Indicator) -> None:
    inputs = inputs_of(indicator, moods(LONG))
    assert same_bits(batch(indicator, inputs), stream(indicator, inputs))


@each
@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_broken_value_is_found_wherever_it_hides(indicator: Indicator, broken: float) -> None:
    """In every stretch, at its seams and at both ends; of a bar, in one price alone."""
    clean = inputs_of(indicator, walk(LONG))
    quarter = (LONG - 15) // 4
    seams = [15 + part * quarter + step for part in range(1, 4) for step in (-1, 0, 1)]
    places = (1, 14, 15, 4_000, *seams, 9_000, 14_000, LONG - 300, LONG - 2, LONG - 1)
    for place, column in itertools.product(places, range(len(clean))):
        dirty = tuple(values.copy() for values in clean)
        dirty[column][place] = broken
        with pytest.raises(ValueError, match=rf"\[{place}\] is {broken}"):
            batch(indicator, dirty)


@each
def test_periods_that_make_no_sense_are_refused(indicator: Indicator) -> None:
    inputs = inputs_of(indicator, walk(50))
    for periods in ((0,), (-1,), (2.5,), (True,)):
        with pytest.raises(ValueError, match="is wanted"):
            indicator.batch(*inputs, *periods)
    with pytest.raises(ValueError, match="one dimension"):
        indicator.batch(*(np.ones((3, 3)) for _ in inputs), *indicator.periods)


def test_macd_wants_the_fast_average_to_be_the_shorter() -> None:
    with pytest.raises(ValueError, match="fast must be the shorter"):
        indicators.macd(walk(100), 26, 12, 9)


def test_bars_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="high 10, low 10, close 9"):
        indicators.atr(np.ones(10), np.ones(10), np.ones(9))


def test_a_series_that_does_not_move() -> None:
    still = np.full(60, 1e-6)
    assert np.nanmax(indicators.rsi(still)) == 0.0
    upper, middle, lower = indicators.bollinger_bands(still, 20)
    assert np.nanmax(upper - lower) == 0.0
    assert np.allclose(middle[19:], 1e-6, rtol=1e-15)


def test_the_bands_keep_their_digits_where_the_textbook_loses_them() -> None:
    """Prices of 60,000 that move by a hundredth of a basis point, with one huge spike."""
    prices = 60_000.0 * (1.0 + np.random.default_rng(3).standard_normal(5_000) * 1e-6)
    prices[2_500] *= 1e6
    upper, middle, _ = indicators.bollinger_bands(prices, 20)
    windows = np.lib.stride_tricks.sliding_window_view(prices, 20)
    exact = np.array([math.sqrt(math.fsum((w - w.mean()) ** 2) / 20) for w in windows])
    found = (upper - middle)[19:] / 2.0
    assert np.max(np.abs(found - exact) / exact) < 1e-6


def test_one_bar_of_a_short_series_is_no_value() -> None:
    for indicator in INDICATORS:
        inputs = inputs_of(indicator, walk(indicator.first))
        assert all(np.isnan(column).all() for column in batch(indicator, inputs))
