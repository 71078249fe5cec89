"""Figures of performance and tail risk: the libraries' numbers on the reference returns."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from aegis.quant import performance as perf
from aegis.quant.tail_risk import calculate_cvar, calculate_var, cornish_fisher_quantile


@pytest.fixture(scope="module")
def known(shared_data: Path) -> dict[str, float]:
    text = (shared_data / "risk" / "reference_values.json").read_text()
    found: dict[str, float] = json.loads(text)
    return found


@pytest.fixture(scope="module")
def returns(shared_data: Path) -> npt.NDArray[np.float64]:
    return np.loadtxt(shared_data / "risk" / "returns_t4_1000.csv", skiprows=1)


def test_the_ratios_are_those_of_the_libraries(
    returns: npt.NDArray[np.float64], known: dict[str, float]
) -> None:
    equity = perf.equity_of(returns)
    for days in (252, 365):
        found = {
            f"sharpe_{days}_empyrical": perf.calculate_sharpe(returns, periods_per_year=days),
            f"sortino_{days}_empyrical": perf.calculate_sortino(returns, periods_per_year=days),
            f"annual_return_{days}_empyrical": perf.annual_return(returns, days),
            f"annual_vol_{days}_empyrical": perf.annual_volatility(returns, days),
            f"calmar_{days}_empyrical": perf.calculate_calmar(returns, days),
        }
        for name, value in found.items():
            assert value == pytest.approx(known[name], rel=1e-12), name
    assert perf.calculate_max_drawdown(equity) == pytest.approx(
        known["max_drawdown_empyrical"], rel=1e-12
    )
    assert perf.probabilistic_sharpe(returns) == pytest.approx(known["psr_vs_0"], rel=1e-12)
    assert perf.deflated_sharpe_threshold(100, 0.02) == pytest.approx(
        known["dsr_sr0_N100_sdSR0.02"], rel=1e-9
    )


def test_the_tail_is_that_of_the_libraries(
    returns: npt.NDArray[np.float64], known: dict[str, float]
) -> None:
    for tail in ("0.05", "0.01"):
        confidence = 1.0 - float(tail)
        found = {
            f"var_hist_{tail}_empyrical": calculate_var(returns, confidence),
            f"cvar_hist_{tail}_empyrical": calculate_cvar(returns, confidence),
            f"var_gauss_{tail}_quantstats(ddof1)": calculate_var(returns, confidence, "gaussian"),
            f"cvar_gauss_{tail}_quantstats": calculate_cvar(returns, confidence, "gaussian"),
        }
        for name, value in found.items():
            assert value == pytest.approx(known[name], rel=1e-9), name
    bent = calculate_var(returns, 0.95, "cornish_fisher")
    assert bent == pytest.approx(known["var_cornish_fisher_0.05(ddof1,biased moments)"], rel=1e-9)


def test_cornish_fisher_refuses_where_its_quantiles_fall() -> None:
    assert cornish_fisher_quantile(-1.6, 0.0, 0.0) == -1.6
    with pytest.raises(ValueError, match="historical"):
        cornish_fisher_quantile(-2.3, 3.0, 0.5)
    with pytest.raises(ValueError, match="do not vary"):
        calculate_var([0.01] * 10, 0.95, "cornish_fisher")


def test_the_mean_of_the_tail_is_beyond_its_edge(returns: npt.NDArray[np.float64]) -> None:
    for method in ("historical", "gaussian", "cornish_fisher"):
        edge = calculate_var(returns, 0.95, method)
        assert calculate_cvar(returns, 0.95, method) < edge < 0.0


def test_cornish_fisher_has_to_rise_all_along_the_tail() -> None:
    """A curve that turns beyond the quantile made the mean of the tail better than its edge."""
    source = np.random.default_rng(3).gamma(4.0, 1.0, 20_000)
    skewed = source[source < np.quantile(source, 0.995)] / 100.0
    assert calculate_var(skewed, 0.95, "cornish_fisher") > 0.0
    with pytest.raises(ValueError, match="its quantiles fall"):
        calculate_cvar(skewed, 0.95, "cornish_fisher")


def test_a_fall_from_the_first_point_is_a_drawdown() -> None:
    assert perf.calculate_max_drawdown(perf.equity_of([-0.5, 0.1])) == -0.5
    assert perf.calculate_max_drawdown([1.0, 2.0, 3.0]) == 0.0
    assert perf.drawdowns([4.0, 3.0, 8.0, 2.0]).tolist() == [0.0, -0.25, 0.0, -0.75]


def test_a_ratio_of_nothing_is_not_a_number() -> None:
    assert math.isnan(perf.calculate_sharpe([0.1, 0.1, 0.1]))
    assert math.isnan(perf.calculate_sharpe([0.0, 0.0]))
    assert math.isnan(perf.calculate_sortino([0.1, 0.2]))
    assert math.isnan(perf.calculate_calmar([0.1, 0.2]))
    assert math.isnan(perf.probabilistic_sharpe([0.1, 0.1, 0.1]))
    assert perf.annual_return([-1.0, 0.5]) == -1.0
    assert perf.annual_return([-1.5, -1.5, 50.0]) == -1.0


def test_what_a_ratio_is_made_with_must_be_a_number() -> None:
    returns = [0.1, -0.2, 0.3]
    for days in (0.0, -3.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="periods_per_year is"):
            perf.calculate_sharpe(returns, periods_per_year=days)
    with pytest.raises(ValueError, match="risk_free is nan"):
        perf.calculate_sharpe(returns, risk_free=math.nan)
    with pytest.raises(ValueError, match="target is inf"):
        perf.calculate_sortino(returns, target=math.inf)


@pytest.mark.parametrize("broken", [[], [0.1], [0.1, math.nan], [0.1, math.inf], [[0.1], [0.2]]])
def test_what_is_no_series_of_returns_is_refused(broken: list[float]) -> None:
    for figure in (perf.calculate_sharpe, perf.calculate_sortino, calculate_var, calculate_cvar):
        with pytest.raises(ValueError, match="returns"):
            figure(broken)


@pytest.mark.parametrize("confidence", [0.0, 0.05, 0.5, 1.0, math.nan])
def test_a_confidence_that_is_none_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        calculate_var([0.1, 0.2, -0.1], confidence)
