"""The acceptance bands: which statistics of a market are right, and what a market shows of them.

`aegis venue stats` prints `measure` against BANDS. The bands are the house's own judgement from the
literature on the regularities of markets and from a recording of BTCUSDT; no standard publishes
them. They are meant for a liquid contract over a day: a small coin has no one-tick book, and an
hour has too few minutes for a measure of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from aegis.venue.stats import book, returns, takings
from aegis.venue.stats.observe import Observation

SECOND_MS: Final = 1_000
MINUTE_S: Final = 60
MINUTE_GRIDS: Final = 6  # returns of a minute, beginning every ten seconds
FANO_WINDOW_MS: Final = 60_000
LONGEST_SIGN_LAG: Final = 1_000  # the power is that of long lags; the first few are flatter
LONGEST_SIZE_LAG_MIN: Final = 200
TAIL_SHARE: Final = 0.05
# Fewer minutes say nothing of tails and memory; a day has 1,439 returns of a minute.
LEAST_MINUTES: Final = 1_200


class Band(NamedTuple):
    """A statistic's name, what it is, and the closed interval that it should lie in."""

    key: str
    text: str
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies in it; NaN does not."""
        return self.low <= value <= self.high

    def interval(self) -> str:
        """The interval as people write it: "0.1 .. 0.4", "> 3", "1"."""
        if self.low == self.high:
            return f"{self.low:g}"
        if math.isinf(self.high):
            return f"> {self.low:g}"
        return f"{self.low:g} .. {self.high:g}"


_ANY: Final = math.inf

BANDS: Final = (
    Band("spread_mode", "spread seen most, ticks", 1.0, 1.0),
    Band("one_tick", "share of time at one tick", 0.6, 0.995),
    Band("acf_1s", "return acf, 1 s, lag 1", -0.1, 0.1),
    Band("vr_10", "variance ratio, 10 s", 0.8, 1.2),
    Band("vr_60", "variance ratio, 60 s", 0.8, 1.2),
    Band("kurtosis_1s", "excess kurtosis, 1 s", 3.0, _ANY),
    Band("kurtosis_1m", "excess kurtosis, 1 min", 1.5, _ANY),
    Band("hill_1m", "tail exponent (Hill), 1 min", 2.5, 4.0),
    Band("size_acf_1", "acf of |r|, 1 min, lag 1", 0.1, 0.4),
    Band("size_acf_20", "acf of |r|, 1 min, lag 20", 0.03, _ANY),
    Band("size_decay", "its power decay", 0.2, 0.4),
    Band("sign_acf_1", "trade sign acf, lag 1", 0.15, 0.6),
    Band("sign_decay", "its power decay", 0.4, 0.7),
    Band("fano_60s", "Fano factor of trades, 60 s", 5.0, _ANY),
    Band("impact", "impact exponent", 0.3, 0.6),
    Band("imbalance", "imbalance tells the next move", 1.0, 1.0),
    Band("intensity_fit", "ln lambda(d) linear, R2", 0.95, 1.0),
)
# Shown beside the bands, held against nothing.
FACTS: Final = (
    Band("sigma_bps", "volatility, bps per sqrt s", -_ANY, _ANY),
    Band("trades_per_s", "takers' orders per second", -_ANY, _ANY),
    Band("hill_1s", "tail exponent (Hill), 1 s, 1 %", -_ANY, _ANY),
    Band("sign_acf_10", "trade sign acf, lag 10", -_ANY, _ANY),
    Band("sign_acf_50", "trade sign acf, lag 50", -_ANY, _ANY),
    Band("sign_acf_100", "trade sign acf, lag 100", -_ANY, _ANY),
    Band("intensity_a", "A of A exp(-k d), per second", -_ANY, _ANY),
    Band("intensity_k", "k of A exp(-k d), per tick", -_ANY, _ANY),
    Band("still_100ms", "share of 100 ms without a move", -_ANY, _ANY),
)


def measure(seen: Observation) -> dict[str, float]:
    """Every statistic of BANDS and FACTS; NaN where the observation is too short for it."""
    return {**_of_prices(seen.tops), **_of_top(seen.tops), **_of_trades(seen.takings, seen.tops)}


def mean_of(days: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each statistic over several days, each measured by itself."""
    return {key: float(np.mean([day[key] for day in days])) for key in days[0]}


def _of_prices(tops: book.Tops) -> dict[str, float]:
    """Returns are logs, so that a day on which the price doubles counts right."""
    logs = np.log(book.sampled_mids(tops, SECOND_MS))
    seconds = np.diff(logs)
    grids = returns.subsampled(logs, MINUTE_S, MINUTE_GRIDS)
    if len(grids[-1]) < LEAST_MINUTES:
        grids = [minutes[:0] for minutes in grids]
    size_acf = np.mean([_size_acf(minutes) for minutes in grids], axis=0)
    still = book.sampled_mids(tops, 100)
    return {
        "acf_1s": returns.autocorrelation(seconds, 1),
        "vr_10": returns.variance_ratio(logs, 10),
        "vr_60": returns.variance_ratio(logs, 60),
        "kurtosis_1s": returns.excess_kurtosis(seconds),
        "kurtosis_1m": _mean(returns.excess_kurtosis(minutes) for minutes in grids),
        "hill_1m": _mean(returns.hill_exponent(minutes, TAIL_SHARE) for minutes in grids),
        "hill_1s": returns.hill_exponent(seconds, 0.01),
        "size_acf_1": float(size_acf[0]),
        "size_acf_20": float(size_acf[19]),
        "size_decay": returns.power_of(size_acf),
        "sigma_bps": float(seconds.std()) * 1e4 if len(seconds) else math.nan,
        "still_100ms": float((np.diff(still) == 0.0).mean()) if len(still) > 1 else math.nan,
    }


def _size_acf(minutes: returns.Reals) -> list[float]:
    return returns.autocorrelations(np.abs(minutes), range(1, LONGEST_SIZE_LAG_MIN + 1))


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _of_top(tops: book.Tops) -> dict[str, float]:
    moves = book.move_by_imbalance(tops)
    return {
        "spread_mode": book.spread_mode(tops),
        "one_tick": book.spread_shares(tops).get(1, 0.0),
        "imbalance": 1.0 if book.rises(moves) else 0.0,
    }


def _of_trades(trades: takings.Takings, tops: book.Tops) -> dict[str, float]:
    signs = trades.side.astype(np.float64)
    acf = returns.autocorrelations(signs, (1, 10, 50, 100))
    intensity = takings.fit_intensity(takings.depth_rates(trades, tops))
    span_ms = float(trades.time_ms[-1] - trades.time_ms[0]) if len(trades.time_ms) else math.nan
    return {
        "sign_acf_1": acf[0],
        "sign_acf_10": acf[1],
        "sign_acf_50": acf[2],
        "sign_acf_100": acf[3],
        "sign_decay": returns.power_decay(signs, LONGEST_SIGN_LAG),
        "fano_60s": takings.fano_factor(trades.time_ms, FANO_WINDOW_MS),
        "impact": takings.impact_exponent(*takings.impact_by_size(trades, tops)),
        "intensity_fit": intensity.fit,
        "intensity_a": intensity.a_per_s,
        "intensity_k": intensity.k_per_tick,
        "trades_per_s": len(trades.time_ms) / span_ms * 1e3 if span_ms > 0.0 else math.nan,
    }
