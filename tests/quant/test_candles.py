"""Candles from arrays: files rebuilt from finer ones, and trades folded at once or in steps."""

from __future__ import annotations

import csv
import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.quant.candles import decimals_of, from_trades, resample, with_flat
from aegis.shm.candles import CANDLE

FIELDS = ("open", "high", "low", "close", "volume")
START_MS = 1_700_000_000_000 - 1_700_000_000_000 % 3_600_000


def read(path: Path) -> tuple[Any, dict[int, dict[str, Decimal]]]:
    """The file's candles as an array, and as decimals by opening time in ms."""
    with gzip.open(path, "rt") as lines:
        table = list(csv.DictReader(lines))
    exact = {}
    candles = np.zeros(len(table), CANDLE)
    opened = np.array([row["timestamp"] for row in table], "datetime64[ms]").astype(np.int64)
    for place, (row, open_ms) in enumerate(zip(table, opened.tolist(), strict=True)):
        exact[open_ms] = {name: Decimal(row[name]) for name in FIELDS}
        candles[place] = (open_ms, *(float(row[name]) for name in FIELDS), 0, 0)
    candles["trades"] = candles["volume"] > 0.0
    return candles, exact


def slow(
    exact: dict[int, dict[str, Decimal]], interval_s: int, part_s: int = 60
) -> dict[int, list[Decimal]]:
    """The longer candles by plain decimal arithmetic; only whole ones."""
    width_ms = interval_s * 1000
    grouped: dict[int, list[dict[str, Decimal]]] = {}
    for open_ms in sorted(exact):
        grouped.setdefault(open_ms - open_ms % width_ms, []).append(exact[open_ms])
    found = {}
    for open_ms, parts in grouped.items():
        if len(parts) != interval_s // part_s:
            continue
        traded = [part for part in parts if part["volume"] > 0] or parts[:1]
        found[open_ms] = [
            traded[0]["open"], max(part["high"] for part in traded),
            min(part["low"] for part in traded), parts[-1]["close"],
            sum((part["volume"] for part in parts), Decimal(0)),
        ]  # fmt: skip
    return found


def decimals(candles: Any) -> dict[int, list[Decimal]]:
    return {
        int(one["open_ms"]): [Decimal(repr(float(one[name]))) for name in FIELDS] for one in candles
    }


@pytest.mark.parametrize(
    "year", [2021, *(pytest.param(year, marks=pytest.mark.long) for year in (2022, 2023))]
)
def test_five_minutes_and_hours_from_recorded_minutes(shared_data: Path, year: int) -> None:
    """50,000 recorded minutes: as their decimals say, and hours alike from 5 minutes and from 1."""
    minutes, exact = read(shared_data / "klines" / f"BTCUSDT_1m_{year}.csv.gz")
    fives = resample(minutes, 60, 300)
    hours = resample(minutes, 60, 3_600)
    assert decimals(fives) == slow(exact, 300)
    assert decimals(hours) == slow(exact, 3_600)
    assert len(fives) > 9_000
    assert len(hours) > 800
    assert resample(fives, 300, 3_600).tolist() == hours.tolist()


trades = st.lists(
    st.tuples(st.integers(0, 90_000), st.integers(1, 10**8), st.integers(1, 10**9)),
    min_size=1,
    max_size=200,
)


@settings(max_examples=60, deadline=None)
@given(trades, st.integers(0, 8))
def test_folding_in_steps_is_folding_at_once(made: list[Any], places: int) -> None:
    times = START_MS + np.cumsum([step for step, _, _ in made])
    prices = np.array([price for _, price, _ in made]) / 100
    quantities = np.array([quantity for _, _, quantity in made]) / 10.0**places
    seconds = with_flat(from_trades(times, prices, quantities, 1), 1)
    assert seconds["trades"].sum() == len(made)
    minutes = from_trades(times, prices, quantities, 60)
    # Only whole minutes can be told from seconds.
    whole = resample(seconds, 1, 60)
    inside = minutes[np.isin(minutes["open_ms"], whole["open_ms"])]
    assert whole[whole["trades"] > 0].tolist() == inside.tolist()
    total = sum((Decimal(quantity).scaleb(-places) for _, _, quantity in made), Decimal(0))
    assert sum(Decimal(repr(float(one["volume"]))) for one in minutes) == total


def test_a_candle_of_which_a_part_is_missing_is_left_out() -> None:
    candles = np.zeros(9, CANDLE)
    candles["open_ms"] = START_MS + 60_000 * np.array([0, 1, 2, 3, 4, 5, 6, 7, 9])
    for name in FIELDS:
        candles[name] = 1.0
    candles["trades"] = 1
    assert resample(candles, 60, 300)["open_ms"].tolist() == [START_MS]
    with pytest.raises(ValueError, match="do not make"):
        resample(candles, 60, 90)


def test_numbers_that_cannot_be_summed_exactly_are_refused() -> None:
    assert decimals_of([0.1, 0.001, 7.0]) == 3
    with pytest.raises(ValueError, match="more than 8 decimals"):
        decimals_of([1 / 3])
    with pytest.raises(ValueError, match="are not exact"):
        from_trades([1000, 2000], [1.0, 1.0], [0.00000001, 90_071_993.0], 1)
    with pytest.raises(ValueError, match="earlier"):
        from_trades([2000, 1000], [1.0, 1.0], [1.0, 1.0], 1)
    with pytest.raises(ValueError, match="2 times, 1 prices"):
        from_trades([1000, 2000], [1.0], [1.0, 1.0], 1)
