"""Columns of Smart Money Concepts, cell by cell against the library's recorded and live answers."""

from __future__ import annotations

import csv
import importlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas
import pytest

from aegis.quant.smc import batch
from aegis.quant.smc.liquidity import liquidity
from aegis.quant.smc.order_blocks import order_blocks

# The library takes seconds for each; two of them are compared at every run.
SOON = {(2, False), (10, True)}
Columns = dict[str, npt.NDArray[np.float64]]


@pytest.fixture(scope="module")
def read(shared_data: Path) -> Callable[[str], Columns]:
    """Reads one of the reference files by its name."""

    def columns(name: str) -> Columns:
        with (shared_data / "smc" / name).open() as stream:
            rows = list(csv.DictReader(stream))
        return {
            key: np.array([float(row[key]) if row[key] else math.nan for row in rows])
            for key in rows[0]
            if key != "Date"
        }

    return columns


@pytest.fixture(scope="module")
def candles(read: Callable[[str], Columns]) -> Columns:
    found = read("EURUSD_15M.csv")
    return {
        **{name.lower(): found[name] for name in ("Open", "High", "Low", "Close")},
        # The file's Volume is 0 throughout; without volumes two columns would prove nothing.
        "volume": found["Tickvol"],
    }


def check(
    ours: npt.NDArray[Any], theirs: npt.NDArray[Any], nothing: float = math.nan, zero: bool = False
) -> None:
    """Equal in every cell; theirs has NaN (with `zero` also 0) where ours has `nothing`."""
    wanted = np.asarray(theirs, np.float64).copy()
    if zero:
        wanted[wanted == 0.0] = math.nan
    wanted[np.isnan(wanted)] = nothing
    assert np.array_equal(np.asarray(ours, np.float64), wanted, equal_nan=True)


def single(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return values.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("join", [False, True])
def test_fair_value_gaps_are_those_on_record(
    candles: Columns, read: Callable[[str], Columns], join: bool
) -> None:
    found = batch.fair_value_gaps(
        candles["open"], candles["high"], candles["low"], candles["close"], join_consecutive=join
    )
    known = read("fvg_consecutive_result_data.csv" if join else "fvg_result_data.csv")
    check(found.side, known["FVG"], 0.0)
    check(found.top, known["Top"])
    check(found.bottom, known["Bottom"])
    check(found.mitigated, known["MitigatedIndex"], -1.0, zero=True)


def test_swings_and_structure_are_those_on_record(
    candles: Columns, read: Callable[[str], Columns]
) -> None:
    high, low, close = candles["high"], candles["low"], candles["close"]
    swings = batch.swing_highs_lows(high, low, 5, anchors=True)
    known = read("swing_highs_lows_result_data.csv")
    check(swings.side, known["HighLow"], 0.0)
    check(swings.level, known["Level"])
    found = batch.structure(high, low, close, swings, single_levels=True)
    known = read("bos_choch_result_data.csv")
    check(found.bos, known["BOS"], 0.0)
    check(found.choch, known["CHOCH"], 0.0)
    check(found.level, single(known["Level"]))
    check(found.broken, known["BrokenIndex"], -1.0)


def test_liquidity_is_that_on_record(candles: Columns, read: Callable[[str], Columns]) -> None:
    high, low = candles["high"], candles["low"]
    swings = batch.swing_highs_lows(high, low, 5, anchors=True)
    reach = (float(np.max(high)) - float(np.min(low))) * 0.01
    found = liquidity(high, low, swings, reach)
    known = read("liquidity_result_data.csv")
    check(found.side, known["Liquidity"], 0.0)
    check(single(found.level), single(known["Level"]))
    check(found.end, known["End"], -1.0)
    check(found.swept, known["Swept"], -1.0, zero=True)


LENGTHS = [
    pytest.param(length, by_close, marks=() if (length, by_close) in SOON else pytest.mark.long)
    for length in (1, 2, 5, 10, 50)
    for by_close in (False, True)
]


@pytest.mark.parametrize(("length", "by_close"), LENGTHS)
def test_every_column_of_the_library_is_met(
    candles: Columns, length: int, by_close: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMC_CREDIT", "0")
    library = importlib.import_module("smartmoneyconcepts.smc").smc
    frame = pandas.DataFrame(candles)
    open_, high, low, close = (candles[name] for name in ("open", "high", "low", "close"))
    swings = batch.swing_highs_lows(high, low, length, anchors=True)
    theirs = library.swing_highs_lows(frame, length)
    check(swings.side, theirs.HighLow, 0.0)
    check(swings.level, theirs.Level)
    found = batch.structure(high, low, close, swings, close_break=by_close, single_levels=True)
    known = library.bos_choch(frame, theirs, by_close)
    for ours, column, nothing in (
        (found.bos, known.BOS, 0.0),
        (found.choch, known.CHOCH, 0.0),
        (found.level, known.Level, math.nan),
        (found.broken, known.BrokenIndex, -1.0),
    ):
        check(ours, column, nothing)
    blocks = order_blocks(
        open_, high, low, close, candles["volume"], swings, close_mitigation=by_close
    )
    known = library.ob(frame, theirs, by_close)
    check(blocks.side, known.OB, 0.0)
    check(blocks.top, known.Top)
    check(blocks.bottom, known.Bottom)
    check(blocks.volume, known.OBVolume)
    check(blocks.percentage, known.Percentage)
    # The library notes the candle before the one that mitigates a bullish block.
    late = np.where(known.MitigatedIndex > 0, known.MitigatedIndex + (known.OB == 1), math.nan)
    check(blocks.mitigated, late, -1.0)


def test_neighbours_of_one_kind_leave_the_more_extreme_and_the_first_among_equals() -> None:
    high = np.array([1.0, 3.0, 1.0, 2.9, 1.0, 3.0, 1.0, 1.0])
    swings = batch.swing_highs_lows(high, high - 10.0 + high, 1)
    assert np.flatnonzero(swings.side == 1).tolist()[:1] == [1]
    flat = batch.swing_highs_lows(np.ones(20), np.zeros(20), 2)
    assert np.flatnonzero(flat.side).tolist() == [3]


@pytest.mark.parametrize("length", [0, -1])
def test_a_length_that_is_none_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        batch.swing_highs_lows(np.ones(9), np.zeros(9), length)


def test_candles_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        batch.swing_highs_lows(np.ones(9), np.zeros(8))
    with pytest.raises(ValueError, match="finite"):
        batch.swing_highs_lows(np.array([1.0, math.nan]), np.zeros(2))
