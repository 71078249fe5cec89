"""Formulas of trading, in two kinds.

Kernels (`glft`, `avellaneda_stoikov`, `fair_price`, `intensity`, `volatility`, `smc.streaming`, the
`..._update` of `indicators`) are for strategies: they read no memory that they were not given,
allocate nothing and never raise. Arguments outside a formula's domain give NaN, and the caller
quotes nothing on a NaN. All else is for research and reports, takes whatever NumPy takes for an
array, and raises ValueError for an input that makes no sense.

One file a subject; each function names the paper or the document its formula comes from. The names
that people look for first can be taken from here (`from aegis.quant import sma`); what they need is
imported when one is asked for, because the brain needs little of it.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aegis.quant.fills import calculate_slippage, simulate_fills
    from aegis.quant.indicators import atr, bollinger_bands, ema, macd, rsi, sma
    from aegis.quant.performance import calculate_max_drawdown, calculate_sharpe, calculate_sortino
    from aegis.quant.position_sizing import kelly_fraction, position_size, volatility_target_size
    from aegis.quant.quick_backtest import BacktestConfig, BacktestResults, backtest_strategy
    from aegis.quant.tail_risk import calculate_cvar, calculate_var

__all__ = [
    "BacktestConfig",
    "BacktestResults",
    "atr",
    "backtest_strategy",
    "bollinger_bands",
    "calculate_cvar",
    "calculate_max_drawdown",
    "calculate_sharpe",
    "calculate_slippage",
    "calculate_sortino",
    "calculate_var",
    "ema",
    "kelly_fraction",
    "macd",
    "position_size",
    "rsi",
    "simulate_fills",
    "sma",
    "volatility_target_size",
]

_HOMES: Final = {
    "fills": ("calculate_slippage", "simulate_fills"),
    "indicators": ("atr", "bollinger_bands", "ema", "macd", "rsi", "sma"),
    "performance": ("calculate_max_drawdown", "calculate_sharpe", "calculate_sortino"),
    "position_sizing": ("kelly_fraction", "position_size", "volatility_target_size"),
    "quick_backtest": ("BacktestConfig", "BacktestResults", "backtest_strategy"),
    "tail_risk": ("calculate_cvar", "calculate_var"),
}


def __getattr__(name: str) -> Any:
    for home, held in _HOMES.items():
        if name in held:
            return getattr(importlib.import_module(f"aegis.quant.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
