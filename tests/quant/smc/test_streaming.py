"""The engine against the batch definitions and the library, at the end and at every prefix."""

from __future__ import annotations

import csv
import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.host.jit import kernel
from aegis.quant.smc import batch
from aegis.quant.smc.liquidity import liquidity
from aegis.quant.smc.order_blocks import order_blocks
from aegis.quant.smc.streaming import layout
from aegis.quant.smc.streaming.engine import make_settings, make_states, restart
from aegis.quant.smc.streaming.order_blocks import advance_blocks, watch_swing
from tests.quant.smc import streamed
from tests.quant.smc.streamed import MINUTE_NS, Columns

LENGTHS = (1, 2, 5, 10, 50)
# Of the library, which takes seconds for thousands, so many candles are compared at every run.
SOON = 2_500


def columns_of(path: Path) -> Columns:
    with path.open() as stream:
        rows = list(csv.DictReader(stream))
    return {
        key: np.array([float(row[key]) if row[key] else math.nan for row in rows])
        for key in rows[0]
        if key != "Date"
    }


@pytest.fixture(scope="module")
def candles(shared_data: Path) -> Columns:
    found = columns_of(shared_data / "smc" / "EURUSD_15M.csv")
    return {
        **{name.lower(): found[name] for name in ("Open", "High", "Low", "Close")},
        "volume": found["Tickvol"],
    }


def random_candles(size: int, seed: int, grid: float = 0.0) -> Columns:
    """A walk; a coarse `grid` makes many equal prices."""
    dice = np.random.default_rng(seed)
    close = 100.0 + np.cumsum(dice.standard_normal(size))
    open_ = np.concatenate([[100.0], close[:-1]]) + dice.standard_normal(size) * 0.3
    if grid > 0.0:
        close, open_ = np.round(close / grid) * grid, np.round(open_ / grid) * grid
    wicks = np.abs(dice.standard_normal((2, size)))
    if grid > 0.0:
        wicks = np.round(wicks / grid) * grid
    return {
        "open": open_,
        "high": np.maximum(open_, close) + wicks[0],
        "low": np.minimum(open_, close) - wicks[1],
        "close": close,
        "volume": dice.integers(0, 50, size).astype(float),
    }


def head(candles: Columns, size: int) -> Columns:
    return {name: values[:size].copy() for name, values in candles.items()}


def equal(ours: npt.NDArray[Any], theirs: Any, nothing: float = math.nan) -> None:
    """Equal in every cell, where theirs may have NaN for our `nothing`."""
    wanted = np.asarray(theirs, np.float64).copy()
    wanted[np.isnan(wanted)] = nothing
    found = np.asarray(ours, np.float64)
    assert np.array_equal(found, wanted, equal_nan=True), np.flatnonzero(found != wanted)[:10]


def check_against_batch(
    candles: Columns, length: int, by_close: bool, join: bool, reach: float
) -> npt.NDArray[Any]:
    """All events folded equal the batch columns of the living swings (G2, G3, G4, G6)."""
    size = candles["close"].size
    open_, high, low, close = (candles[name] for name in ("open", "high", "low", "close"))
    options = {"length": length, "close_break": by_close, "join_gaps": join, "reach": reach}
    events, _ = streamed.run(candles, **options)
    living = batch.swing_highs_lows(high, low, length)
    swings = streamed.swings(events, size)
    equal(swings.side, living.side)
    equal(swings.first, living.level)
    known = batch.structure(high, low, close, living, close_break=by_close)
    bos, choch = (streamed.structure(events, size, kind) for kind in (layout.BOS, layout.CHOCH))
    equal(bos.side, known.bos)
    equal(choch.side, known.choch)
    equal(np.where(bos.side != 0, bos.first, choch.first), known.level)
    stands = (known.bos != 0) | (known.choch != 0)
    equal(np.where(bos.side != 0, bos.at, choch.at), np.where(stands, known.broken, -1))
    gaps = streamed.gaps(events, size)
    wanted = batch.fair_value_gaps(open_, high, low, close, join_consecutive=join)
    equal(gaps.side, wanted.side)
    equal(gaps.first, wanted.top)
    equal(gaps.second, wanted.bottom)
    equal(gaps.at, wanted.mitigated)
    pools, equals = streamed.pools(events, size), liquidity(high, low, living, reach)
    equal(pools.side, equals.side)
    equal(pools.first, equals.level)
    equal(np.where(np.isnan(pools.third), -1, pools.third), equals.end)
    equal(pools.at, equals.swept)
    return events


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("by_close", [True, False])
def test_two_years_of_candles_give_the_batch_columns(
    candles: Columns, length: int, by_close: bool
) -> None:
    reach = (float(candles["high"].max()) - float(candles["low"].min())) * 0.01
    events = check_against_batch(candles, length, by_close, not by_close, reach)
    assert {layout.STRUCTURE_RETRACTED, layout.POOL_RETRACTED} <= set(events["kind"]) or length > 5
    assert not (events["kind"] == layout.POOL_FORGOTTEN).any()


SIZES = [pytest.param(SOON), pytest.param(0, marks=pytest.mark.long)]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("size", SIZES)
def test_every_usable_column_of_the_library_is_met(
    candles: Columns, length: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library itself, given the living swings without its artificial ones; float32 levels."""
    monkeypatch.setenv("SMC_CREDIT", "0")
    library = importlib.import_module("smartmoneyconcepts.smc").smc
    given = head(candles, size or candles["close"].size)
    size = given["close"].size
    frame = pandas.DataFrame(given)
    reach = (given["high"].max() - given["low"].min()) * 0.01
    events, _ = streamed.run(given, length=length, single_levels=True, reach=reach)
    theirs = library.swing_highs_lows(frame, length)
    theirs.loc[[0, size - 1], ["HighLow", "Level"]] = math.nan
    swings = streamed.swings(events, size)
    equal(swings.side, theirs.HighLow, 0.0)
    equal(swings.first, theirs.Level)
    known = library.bos_choch(frame, theirs, True)
    bos, choch = (streamed.structure(events, size, kind) for kind in (layout.BOS, layout.CHOCH))
    equal(bos.side, known.BOS, 0.0)
    equal(choch.side, known.CHOCH, 0.0)
    equal(np.where(bos.side != 0, bos.first, choch.first), known.Level)
    stands = known.BOS.notna() | known.CHOCH.notna()
    broken = np.where(bos.side != 0, bos.at, choch.at)
    equal(broken, known.BrokenIndex.where(stands), -1.0)
    known = library.liquidity(frame, theirs, 0.01)
    pools = streamed.pools(events, size)
    equal(pools.side, known.Liquidity, 0.0)
    equal(pools.first.astype(np.float32), known.Level)
    equal(pools.third, known.End)
    equal(pools.at, known.Swept.where(known.Swept != 0), -1.0)
    known = library.fvg(frame)
    gaps = streamed.gaps(events, size)
    equal(gaps.side, known.FVG, 0.0)
    equal(gaps.first, known.Top)
    equal(gaps.second, known.Bottom)
    equal(gaps.at, known.MitigatedIndex.where(known.MitigatedIndex != 0), -1.0)


@kernel
def feed_swings(state: Any, settings: Any, columns: Any, sides: Any, out: Any, log: Any) -> Any:
    """The order blocks alone, told of each swing at the candle after it, as the library is."""
    logged = 0
    for index in range(sides.size):
        state.candles = index
        state.emitted = 0
        here = index & (layout.RING - 1)
        state.high[here], state.low[here] = columns[1, index], columns[2, index]
        if index > 0 and sides[index - 1] != 0:
            side = sides[index - 1]
            level = columns[1, index - 1] if side > 0 else columns[2, index - 1]
            watch_swing(state, side, index - 1, level, index - 1)
        advance_blocks(
            state, settings, out, columns[0, index], columns[3, index], columns[4, index]
        )
        state.volume_2, state.volume_1 = state.volume_1, columns[4, index]
        for place in range(state.emitted):
            log[logged] = out[place]
            logged += 1
    return logged


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("by_body", [True, False])
def test_told_of_swings_as_the_library_is_the_blocks_are_its_own(
    candles: Columns, length: int, by_body: bool
) -> None:
    """G5; the batch form's columns are the library's (``test_batch``)."""
    names = ("open", "high", "low", "close", "volume")
    living = batch.swing_highs_lows(candles["high"], candles["low"], length)
    wanted = order_blocks(*(candles[name] for name in names), living, close_mitigation=by_body)
    states, packed = make_states(), np.zeros(1, layout.SETTINGS)
    packed[0] = make_settings(length, close_mitigation=by_body, single_levels=True)
    out = np.zeros(layout.EVENTS_MAX, layout.EVENT)
    log = np.zeros(40_000, layout.EVENT)
    columns = np.array([candles[name] for name in names])
    count = feed_swings(states[0], packed[0], columns, living.side, out, log)
    events = log[:count]
    assert not (events["kind"] == layout.ORDER_BLOCK_FORGOTTEN).any()
    size = candles["close"].size
    found = streamed.blocks(events, size)
    equal(found.side, wanted.side)
    equal(found.first, wanted.top)
    equal(found.second, wanted.bottom)
    equal(found.third, wanted.percentage)
    equal(found.at, wanted.mitigated)
    born = events[events["kind"] == layout.ORDER_BLOCK]
    volumes = np.full(size, math.nan)
    volumes[born["origin"]] = born["quantity"]
    equal(np.where(found.side != 0, volumes, math.nan), wanted.volume)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    length=st.sampled_from([1, 2, 3, 5]),
    grid=st.sampled_from([0.0, 0.25, 1.0]),
    size=st.integers(1, 300),
    by_close=st.booleans(),
    join=st.booleans(),
)
def test_at_every_prefix_of_random_candles_the_batch_columns_stand(
    seed: int, length: int, grid: float, size: int, by_close: bool, join: bool
) -> None:
    """G2, G3, G4 and G6 hold at the end of any series, so at every prefix of it."""
    check_against_batch(random_candles(size, seed, grid), length, by_close, join, 0.5)


@pytest.mark.parametrize("grid", [0.0, 0.25])
@pytest.mark.parametrize("length", [1, 5])
def test_what_was_said_of_ten_thousand_prefixes_is_never_altered(length: int, grid: float) -> None:
    """G1: a prefix alone says bit for bit what the whole says up to there, whatever follows."""
    options: dict[str, Any] = {"length": length, "sessions_min": ((420, 960), (1260, 360))}
    prefixes = 0
    for seed in range(13):
        whole = random_candles(200, seed, grid)
        events, _ = streamed.run(whole, **options)
        for size in range(1, 200):
            alone, _ = streamed.run(head(whole, size), **options)
            assert alone.tobytes() == events[events["known_at"] < size].tobytes()
            prefixes += 1
    assert prefixes * 4 > 10_000


def test_everything_is_known_when_its_definition_says(candles: Columns) -> None:
    length = 5
    given = head(candles, 6_000)
    events, _ = streamed.run(given, length=length)
    assert (np.diff(events["known_at"]) >= 0).all()
    assert (events["at"] <= events["known_at"]).all()
    assert (events["origin"] <= events["at"]).all()
    swings = events[events["kind"] == layout.SWING]
    assert (swings["known_at"] == swings["origin"] + length).all()
    gaps = events[events["kind"] == layout.GAP]
    assert (gaps["known_at"] == gaps["origin"] + 1).all()
    broken = events[np.isin(events["kind"], [layout.BOS, layout.CHOCH])]
    confirmed = {int(known) for known in swings["known_at"]}
    late = broken[broken["at"] < broken["known_at"]]
    assert late.size > 0
    assert all(int(known) in confirmed for known in late["known_at"])


def test_previous_highs_and_lows_are_those_on_record(candles: Columns, shared_data: Path) -> None:
    """G7: all rows but the first of each period, at which the library looks too far back."""
    folder = shared_data / "smc"
    with (folder / "EURUSD_15M.csv").open() as stream:
        stamps = [row["Date"].replace(".", "-", 2) for row in csv.DictReader(stream)]
    ts_ns = np.array(stamps, "datetime64[ns]").astype(np.int64)
    size = ts_ns.size
    events, _ = streamed.run(candles, ts_ns, periods_s=(14_400, 86_400))
    for row, (name, seconds) in enumerate((("4h", 14_400), ("1D", 86_400))):
        theirs = columns_of(folder / f"previous_high_low_result_data_{name}.csv")
        high, low = np.full(size, math.nan), np.full(size, math.nan)
        broken: dict[int, npt.NDArray[np.float64]] = {1: np.zeros(size), -1: np.zeros(size)}
        mine = events[events["quantity"] == row]
        turned = mine[mine["kind"] == layout.PERIOD_TURNED]
        ends = np.append(turned["at"][1:], size)
        for event, end in zip(turned, ends, strict=True):
            high[event["at"] : end], low[event["at"] : end] = event["top"], event["bottom"]
        for event in mine[mine["kind"] == layout.PERIOD_BROKEN]:
            end = ends[np.searchsorted(turned["at"], event["at"], side="right") - 1]
            broken[int(event["side"])][event["at"] : end] = 1.0
        number = ts_ns // (seconds * 1_000_000_000)
        later = np.append(False, number[1:] == number[:-1]) & ~np.isnan(high)
        assert later.sum() > 20_000
        equal(high[later].astype(np.float32), theirs["PreviousHigh"].astype(np.float32)[later])
        equal(low[later].astype(np.float32), theirs["PreviousLow"].astype(np.float32)[later])
        # Broken from the period's first candle on, which the library counts to the period before.
        frame = pandas.DataFrame({"number": number, "high": candles["high"], "low": candles["low"]})
        periods = frame.groupby("number")
        equal(broken[1], periods["high"].cummax().to_numpy() > high)
        equal(broken[-1], periods["low"].cummin().to_numpy() < low)


def test_sessions_have_the_extremes_of_their_candles() -> None:
    given = random_candles(2_000, 3)
    ts_ns = streamed.times_of(given)
    windows = ((420, 960), (1260, 360))
    events, _ = streamed.run(given, ts_ns, sessions_min=windows)
    minute = ts_ns // MINUTE_NS
    for row, (start, end) in enumerate(windows):
        mine = events[events["quantity"] == row]
        closed = mine[mine["kind"] == layout.SESSION_CLOSED]
        assert closed.size >= 19
        inside = (minute - start) % 1440 < (end - start) % 1440
        for event in closed:
            part = slice(event["origin"], event["at"])
            assert inside[part].all()
            assert not inside[event["at"]]
            assert event["top"] == given["high"][part].max()
            assert event["bottom"] == given["low"][part].min()
    assert ((windows[1][0] - windows[1][1]) % 1440) == 900


def test_a_wick_beyond_a_swing_that_closes_back_is_a_raid_and_a_close_is_none() -> None:
    high = np.array([1.0, 2.0, 3.0, 2.0, 1.0, 3.5, 3.0, 4.0])
    close = np.array([0.5, 1.5, 2.5, 1.5, 0.5, 2.9, 2.0, 3.9])
    given = {"open": close, "high": high, "low": close - 0.4, "close": close, "volume": high}
    events, _ = streamed.run(given, length=1)
    raids = events[events["kind"] == layout.RAID]
    assert [(int(raid["side"]), int(raid["origin"]), int(raid["at"])) for raid in raids][:1] == [
        (1, 2, 5)
    ]
    assert 7 not in raids["at"][raids["side"] == 1]


def test_what_is_no_candle_changes_nothing() -> None:
    given = random_candles(50, 1)
    clean, _ = streamed.run(given)
    for name, value in (("high", math.nan), ("low", math.inf), ("close", 1e9)):
        dirty = {key: np.insert(column, 20, column[20]) for key, column in given.items()}
        dirty[name][20] = value
        times = np.insert(streamed.times_of(given), 20, streamed.times_of(given)[20])
        times[21:] += 1
        found, states = streamed.run(dirty, times)
        assert states[0]["refused"] == 1
        assert found.tobytes() == clean.tobytes()
    late = streamed.times_of(given)
    late[30] = late[29]
    assert streamed.run(given, late)[1][0]["refused"] == 1


def test_a_restarted_state_is_as_good_as_new() -> None:
    given = random_candles(300, 4)
    options: dict[str, Any] = {"length": 2, "sessions_min": ((420, 960),)}
    clean, _ = streamed.run(given, **options)
    used = streamed.run(random_candles(500, 5), **options)[1]
    restart(used[0])
    again, _ = streamed.run(given, states=used, **options)
    assert again.tobytes() == clean.tobytes()


@pytest.mark.parametrize(
    "options",
    [{"length": 0}, {"length": 51}, {"reach": math.nan}, {"periods_s": (0,)},
     {"periods_s": (1, 2, 3)}, {"sessions_min": ((0, 1440),)}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|possible|are 0 to"):
        make_settings(**options)


def test_a_full_ladder_says_what_it_forgets() -> None:
    """A market that only rises leaves more gaps than are remembered."""
    base = 100.0 + np.arange(600) * 3.0
    given = {"open": base, "high": base + 2.2, "low": base - 0.2, "close": base + 2.0}
    events, states = streamed.run({**given, "volume": base})
    born = (events["kind"] == layout.GAP).sum()
    forgotten = events[events["kind"] == layout.GAP_FORGOTTEN]
    assert born - forgotten.size == layout.RUNGS
    assert forgotten["origin"].tolist() == sorted(forgotten["origin"].tolist())
    assert states[0]["rung_count"][layout.GAPS] == layout.RUNGS
