"""Sizes that never round up, fills that never come from nowhere, a backtest whose sums add up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aegis.quant.fills import calculate_slippage, simulate_fills
from aegis.quant.performance import calculate_sharpe
from aegis.quant.position_sizing import kelly_fraction, position_size, volatility_target_size
from aegis.quant.quick_backtest import BacktestConfig, backtest_strategy


def test_a_position_loses_what_was_allowed() -> None:
    quantity = position_size(10_000.0, 0.01, 60_000.0, 59_000.0)
    assert quantity * 1_000.0 == pytest.approx(100.0)
    with_fees = position_size(10_000.0, 0.01, 60_000.0, 59_000.0, fee_bps=5.0)
    assert with_fees * (1_000.0 + 119_000.0 * 5e-4) == pytest.approx(100.0)
    assert position_size(10_000.0, 0.01, 60_000.0, 59_000.0, step=0.003) == 0.099
    assert position_size(10_000.0, 0.01, 60_000.0, 59_990.0, max_leverage=3.0) == 0.5
    assert position_size(10.0, 0.01, 60_000.0, 59_000.0, step=0.001) == 0.0


def test_numbers_of_numpy_give_the_same_sizes() -> None:
    plain = position_size(10_000.0, 0.01, 60_000.0, 59_000.0, step=0.003)
    given_by_numpy = (np.float64(10_000.0), 0.01, np.float64(60_000.0), np.float64(59_000.0))
    assert position_size(*given_by_numpy, step=np.float64(0.003)) == plain == 0.099
    found = volatility_target_size(np.float64(10_000.0), 0.2, np.float64(0.4), 100.0, step=0.1)
    assert (found, type(found)) == (50.0, float)


@given(
    equity=st.floats(1.0, 1e7),
    risk=st.floats(0.0, 1.0),
    entry=st.floats(1.0, 1e5),
    stop=st.floats(1.0, 1e5),
    step=st.sampled_from([0.001, 0.1, 1.0]),
)
def test_no_size_ever_risks_more(
    equity: float, risk: float, entry: float, stop: float, step: float
) -> None:
    assume(abs(entry - stop) > 1e-6)
    quantity = position_size(equity, risk, entry, stop, step=step, max_leverage=10.0)
    assert 0.0 <= quantity * abs(entry - stop) <= equity * risk * (1 + 1e-9)
    assert quantity * entry <= 10.0 * equity * (1 + 1e-9)
    assert quantity / step == pytest.approx(round(quantity / step), abs=1e-6)


def test_a_target_of_volatility() -> None:
    assert volatility_target_size(10_000.0, 0.2, 0.4, 100.0) == 50.0
    assert volatility_target_size(10_000.0, 0.2, 0.05, 100.0, max_leverage=2.0) == 200.0
    assert volatility_target_size(10_000.0, 0.2, 0.0, 100.0) == 100.0
    assert volatility_target_size(10_000.0, 0.0, 0.0, 100.0) == 0.0
    with pytest.raises(ValueError, match="there is no size"):
        volatility_target_size(10_000.0, 0.2, 0.0, 100.0, max_leverage=math.inf)


def test_kelly_is_scaled_and_capped() -> None:
    assert kelly_fraction(0.6, 1.0, scale=1.0, cap=1.0) == pytest.approx(0.2)
    assert kelly_fraction(0.6, 1.0) == pytest.approx(0.1)
    assert kelly_fraction(0.99, 10.0) == 0.25
    assert kelly_fraction(0.4, 1.0) == 0.0


@pytest.mark.parametrize(
    "arguments",
    [
        (0.0, 0.01, 1.0, 2.0),
        (math.nan, 0.01, 1.0, 2.0),
        (1.0, 1.5, 1.0, 2.0),
        (1.0, 0.01, 1.0, 1.0),
        (1.0, 0.01, -1.0, 2.0),
        (math.inf, 0.01, 1.0, 2.0),
    ],
)
def test_a_size_of_nonsense_is_refused(arguments: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"is wanted|nothing to size"):
        position_size(*arguments)


def test_a_book_is_taken_level_by_level() -> None:
    fills = simulate_fills(1, 3.0, [100.0, 101.0, 102.0], [1.0, 1.5, 10.0])
    assert fills.prices.tolist() == [100.0, 101.0, 102.0]
    assert fills.quantities.tolist() == [1.0, 1.5, 0.5]
    assert fills.average_price == pytest.approx((100.0 + 151.5 + 51.0) / 3.0)
    limited = simulate_fills(1, 3.0, [100.0, 101.0, 102.0], [1.0, 1.5, 10.0], limit_price=101.0)
    assert (limited.filled, limited.unfilled) == (2.5, 0.5)
    nothing = simulate_fills(-1, 1.0, [], [])
    assert nothing.unfilled == 1.0 and math.isnan(nothing.average_price)


@given(
    quantity=st.floats(0.001, 100.0),
    sizes=st.lists(st.floats(0.0, 10.0), max_size=8),
    side=st.sampled_from([1, -1]),
)
def test_what_is_filled_and_what_is_not_is_what_was_asked(
    quantity: float, sizes: list[float], side: int
) -> None:
    prices = [100.0 + side * place for place in range(len(sizes))]
    fills = simulate_fills(side, quantity, prices, sizes)
    assert fills.filled + fills.unfilled == pytest.approx(quantity)
    assert fills.filled <= sum(sizes) + 1e-9


def test_a_book_that_is_wrong_gives_no_fill() -> None:
    for prices, sizes in (
        ([101.0, 100.0], [1.0, 1.0]),
        ([100.0, math.nan], [1.0, 1.0]),
        ([100.0], [-1.0]),
        ([100.0, 101.0], [1.0]),
        ([0.0], [1.0]),
    ):
        with pytest.raises(ValueError, match=r"levels|do not fit"):
            simulate_fills(1, 1.0, prices, sizes)


def test_a_limit_or_a_price_that_is_none_is_refused() -> None:
    for limit in (math.nan, 0.0, -1.0):
        with pytest.raises(ValueError, match="limit_price is"):
            simulate_fills(1, 1.0, [100.0], [1.0], limit_price=limit)
    with pytest.raises(ValueError, match="positive ones are wanted"):
        calculate_slippage(1, math.inf, 100.0)


def test_slippage_is_what_was_lost_against_the_reference() -> None:
    assert calculate_slippage(1, 100.1, 100.0) == pytest.approx(10.0)
    assert calculate_slippage(-1, 99.9, 100.0) == pytest.approx(10.0)
    assert calculate_slippage(-1, 100.1, 100.0) == pytest.approx(-10.0)


FREE = BacktestConfig(fee_bps=0.0, slippage_bps=0.0, delay_bars=0)


def test_holding_is_the_market_less_two_fees() -> None:
    prices = np.array([100.0, 110.0, 121.0])
    found = backtest_strategy(prices, np.ones(3), FREE)
    assert found.final_equity == pytest.approx(12_100.0)
    assert (found.num_trades, found.win_rate) == (1, 1.0)
    paid = backtest_strategy(
        prices, np.ones(3), BacktestConfig(fee_bps=10.0, slippage_bps=0.0, delay_bars=0)
    )
    assert paid.final_equity == pytest.approx(12_100.0 - 10.0 - 12.1)
    assert paid.fees == pytest.approx(22.1)


def test_a_decision_trades_one_bar_later() -> None:
    prices = np.array([100.0, 200.0, 200.0, 200.0])
    assert backtest_strategy(prices, np.ones(4), BacktestConfig()).total_return < 0.0


def test_a_reversal_is_two_trades_and_a_short_earns_the_fall() -> None:
    found = backtest_strategy(
        np.array([100.0, 110.0, 99.0, 99.0]), np.array([1.0, -1.0, -1.0, 0.0]), FREE
    )
    assert found.num_trades == 2
    assert found.final_equity == pytest.approx(10_000.0 * 1.1 * 1.1)
    assert found.win_rate == 1.0


def test_a_win_is_one_after_its_costs() -> None:
    """A price that earns less than two fees is a loss, however right the direction was."""
    prices = np.array([100.0, 100.05, 100.05])
    found = backtest_strategy(
        prices, np.ones(3), BacktestConfig(fee_bps=5.0, slippage_bps=0.0, delay_bars=0)
    )
    assert found.num_trades == 1 and found.win_rate == 0.0


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 80), fee=st.floats(0.0, 20.0))
def test_the_sums_add_up(seed: int, size: int, fee: float) -> None:
    source = np.random.default_rng(seed)
    prices = 100.0 * np.exp(np.cumsum(source.standard_normal(size) * 0.01))
    signals = source.choice([-1.0, -0.5, 0.0, 0.5, 1.0], size)
    config = BacktestConfig(fee_bps=fee)
    found = backtest_strategy(prices, signals, config)
    profit = float(np.sum(found.trade_returns)) * config.initial_capital
    assert found.final_equity - config.initial_capital == pytest.approx(profit, abs=1e-6)
    assert -1.0 <= found.max_drawdown <= 0.0
    free = backtest_strategy(prices, signals, BacktestConfig(fee_bps=0.0, slippage_bps=0.0))
    assert found.num_trades == free.num_trades
    if found.fees > 1e-6:
        assert found.fees > free.fees == 0.0


def test_holding_has_the_ratio_of_the_market() -> None:
    """n bars are n - 1 returns; a return of 0 before the first would belittle every ratio."""
    prices = np.array([100.0, 110.0, 99.0, 120.0, 130.0])
    found = backtest_strategy(prices, np.ones(5), FREE)
    assert found.sharpe_ratio == pytest.approx(calculate_sharpe(np.diff(prices) / prices[:-1]))
    assert math.isnan(backtest_strategy(prices[:2], np.ones(2), FREE).sharpe_ratio)


def test_lost_capital_does_not_come_back() -> None:
    """A short that lost more than there was is over, however far the price falls later."""
    found = backtest_strategy(np.array([100.0, 300.0, 100.0, 50.0]), -np.ones(4), FREE)
    assert found.equity.tolist() == [10_000.0, -10_000.0, -10_000.0, -10_000.0]
    assert (found.num_trades, found.win_rate, found.total_return) == (1, 0.0, -2.0)
    assert math.isnan(found.sharpe_ratio)


def test_a_delay_longer_than_the_series_trades_nothing() -> None:
    assert backtest_strategy([1.0, 2.0], [1.0, 1.0], BacktestConfig(delay_bars=7)).num_trades == 0
    with pytest.raises(ValueError, match=r"delay_bars is 1\.5; a whole number"):
        BacktestConfig(delay_bars=1.5)  # type: ignore[arg-type]


def test_nothing_wanted_is_nothing_done() -> None:
    found = backtest_strategy(np.array([1.0, 2.0, 3.0]), np.zeros(3))
    assert (found.total_return, found.num_trades, found.fees) == (0.0, 0, 0.0)
    assert math.isnan(found.win_rate) and math.isnan(found.sharpe_ratio)


@pytest.mark.parametrize(
    ("prices", "signals"),
    [
        ([1.0], [1.0]),
        ([1.0, 2.0], [1.0]),
        ([1.0, 0.0], [1.0, 1.0]),
        ([1.0, math.nan], [1.0, 1.0]),
        ([1.0, 2.0], [1.0, 2.0]),
        ([1.0, 2.0], [1.0, math.nan]),
    ],
)
def test_a_backtest_of_nonsense_is_refused(prices: list[float], signals: list[float]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        backtest_strategy(prices, signals)
