"""A backtest in one line, for an idea: prices and target positions in, the usual figures out.

It is quick because it knows bars only: no queue, no latency, no book. What it does know it does
right: a decision trades one bar later, both legs pay, the last position is closed and paid for, a
win is a round trip that won after its costs, and cash plus position is the equity at every bar. For
a strategy that quotes, use the backtest over recordings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aegis.host.jit import kernel
from aegis.quant.performance import (
    DAYS_PER_YEAR,
    FloatArray,
    calculate_max_drawdown,
    calculate_sharpe,
)

__all__ = ["BacktestConfig", "BacktestResults", "backtest_strategy"]


@dataclass(frozen=True, slots=True)
class BacktestConfig:
    """What a backtest assumes. `position_fraction` of the equity is held at a signal of 1.

    `delay_bars` is how many bars after its signal a trade happens; 0 trades on the very price that
    the signal was made from, which no one can.
    """

    initial_capital: float = 10_000.0
    fee_bps: float = 5.0
    slippage_bps: float = 1.0
    position_fraction: float = 1.0
    delay_bars: int = 1
    allow_short: bool = True
    periods_per_year: float = DAYS_PER_YEAR

    def __post_init__(self) -> None:
        for name in ("initial_capital", "position_fraction", "periods_per_year"):
            value = getattr(self, name)
            if not (value > 0.0 and math.isfinite(value)):
                raise ValueError(f"{name} is {value}; a positive number is wanted")
        for name in ("fee_bps", "slippage_bps", "delay_bars"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"{name} is {value}; at least 0 is wanted")
        if self.delay_bars != int(self.delay_bars):
            raise ValueError(f"delay_bars is {self.delay_bars}; a whole number is wanted")


@dataclass(frozen=True, slots=True)
class BacktestResults:
    """The outcome. Returns and drawdown are fractions; a trade is a round trip, flat to flat.

    `win_rate` and `sharpe_ratio` are NaN where there is nothing to tell them from.
    """

    total_return: float
    sharpe_ratio: float
    max_drawdown: float
    win_rate: float
    num_trades: int
    final_equity: float
    fees: float = 0.0
    equity: FloatArray = field(default_factory=lambda: np.zeros(0), repr=False)
    trade_returns: FloatArray = field(default_factory=lambda: np.zeros(0), repr=False)


@kernel("i8(f8[::1], f8[::1], f8, f8, f8, f8, f8[::1], f8[::1], f8[::1])")
def _run(
    prices: FloatArray,
    targets: FloatArray,
    capital: float,
    fraction: float,
    fee_rate: float,
    slip_rate: float,
    equity: FloatArray,
    profits: FloatArray,
    totals: FloatArray,
) -> int:
    """Fill equity per bar and the profit of each round trip; returns how many there were.

    totals: fees and slippage paid. The last bar closes whatever is open, and so does the first one
    at which nothing is left of the capital: a position is not carried beyond it to better days.
    """
    cash, held, opened, trades = capital, 0.0, 0.0, 0
    target_before, ruined = 0.0, False
    last = prices.size - 1
    for index in range(prices.size):
        price = prices[index]
        ruined = ruined or not cash + held * price > 0.0
        target = 0.0 if ruined or index == last else targets[index]
        if target != target_before:
            turned = target * target_before <= 0.0
            wealth = cash + held * price
            if turned and held != 0.0:
                # Through zero: the old position is closed and judged before a new one is opened.
                cost = abs(held) * price * (fee_rate + slip_rate)
                cash += held * price - cost
                totals[0] += cost
                profits[trades] = cash - opened
                trades += 1
                held = 0.0
                wealth = cash
            if target != 0.0:
                if held == 0.0:
                    opened = cash
                wanted = target * fraction * max(wealth, 0.0) / price
                cost = abs(wanted - held) * price * (fee_rate + slip_rate)
                cash -= (wanted - held) * price + cost
                totals[0] += cost
                held = wanted
            target_before = target
        equity[index] = cash + held * price
    return trades


def backtest_strategy(
    prices: npt.ArrayLike, signals: npt.ArrayLike, config: BacktestConfig | None = None
) -> BacktestResults:
    """Trade `signals` (target positions from -1 to 1, one per bar) on `prices`.

    Costs are charged per leg on the notional. A position is sized when its signal changes and then
    left alone. Capital that is lost ends the trading at that bar. Raises ValueError for lengths
    that differ, prices that are not positive, signals outside [-1, 1] or not finite.
    """
    config = config or BacktestConfig()
    series = np.ascontiguousarray(prices, np.float64)
    wanted = np.ascontiguousarray(signals, np.float64)
    if series.ndim != 1 or series.shape != wanted.shape or series.size < 2:
        raise ValueError(
            f"prices {series.shape} and signals {wanted.shape}: two series of one length, at least "
            "2 bars, are wanted"
        )
    if not (np.isfinite(series) & (series > 0.0)).all():
        place = int(np.argmin(np.isfinite(series) & (series > 0.0)))
        raise ValueError(f"prices[{place}] is {series[place]}; positive prices are wanted")
    if not (np.abs(wanted) <= 1.0).all():
        place = int(np.argmin(np.abs(wanted) <= 1.0))
        raise ValueError(f"signals[{place}] is {wanted[place]}; -1 to 1 is wanted")
    targets = np.zeros_like(wanted)
    delay = min(int(config.delay_bars), wanted.size)
    targets[delay:] = wanted[: wanted.size - delay]
    if not config.allow_short:
        np.maximum(targets, 0.0, out=targets)
    equity, profits, totals = np.zeros_like(series), np.zeros_like(series), np.zeros(1)
    trades = _run(
        series,
        targets,
        config.initial_capital,
        config.position_fraction,
        config.fee_bps * 1e-4,
        config.slippage_bps * 1e-4,
        equity,
        profits,
        totals,
    )
    return _results(config, equity, profits[:trades].copy(), float(totals[0]))


def _results(
    config: BacktestConfig, equity: FloatArray, profits: FloatArray, costs: float
) -> BacktestResults:
    curve = np.concatenate(([config.initial_capital], equity))
    # n bars are n - 1 periods: what the first bar costs belongs to the first of them.
    points = np.concatenate(([config.initial_capital], equity[1:]))
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = np.diff(points) / points[:-1]
    has_ratio = returns.size > 1 and bool((curve > 0.0).all())
    return BacktestResults(
        total_return=float(equity[-1] / config.initial_capital - 1.0),
        sharpe_ratio=(
            calculate_sharpe(returns, periods_per_year=config.periods_per_year)
            if has_ratio
            else math.nan
        ),
        max_drawdown=calculate_max_drawdown(curve),
        win_rate=float(np.mean(profits > 0.0)) if profits.size else math.nan,
        num_trades=int(profits.size),
        final_equity=float(equity[-1]),
        fees=costs,
        equity=equity,
        trade_returns=profits / config.initial_capital,
    )
