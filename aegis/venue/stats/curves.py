"""What the plots show of one observed market, as small arrays: nothing here draws.

``plots`` draws them, one colour per seed. An observation of a day is a hundred megabytes, its
curves are some kilobytes: all seeds fit on one page while each market is forgotten in its turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from aegis.venue.stats import book, returns, takings
from aegis.venue.stats.bands import MINUTE_S, SECOND_MS
from aegis.venue.stats.observe import Observation

Reals = npt.NDArray[np.float64]

TAIL_POINTS: Final = 60
WIDEST_SPREAD: Final = 8
_BINS_FROM, _SIZE_LAGS, _SIGN_LAGS = 1, 200, 1_000


@dataclass(frozen=True, slots=True)
class Curves:
    """The curves of one seed; pairs are (x, y)."""

    seed: int
    tick: float
    price: tuple[Reals, Reals]  # hours, price
    minute_bps: Reals  # 1-minute returns in bps
    tail: tuple[Reals, Reals]  # 1 s: size in standard deviations, share of returns beyond it
    size_acf: tuple[Reals, Reals]  # lag in minutes
    sign_acf: tuple[Reals, Reals]  # lag in orders
    trades_per_minute: Reals
    spreads: tuple[Reals, Reals]  # ticks, share of time
    moves: Reals  # mean sign of the next move, by imbalance
    impact: tuple[Reals, Reals, Reals]  # lots, ticks, error
    depth: Reals  # lambda(d), per second, for d = 0, 1, ...


def curves_of(seen: Observation, tick: float) -> Curves:
    """Reduce an observation; `tick` is the price of one tick."""
    mids = book.sampled_mids(seen.tops, SECOND_MS)
    logs = np.log(mids)
    minutes = np.diff(logs[::MINUTE_S])
    shares = book.spread_shares(seen.tops)
    widths = np.arange(1, WIDEST_SPREAD + 1)
    signs = seen.takings.side.astype(np.float64)
    times = seen.takings.time_ms
    counts = np.bincount(times // 60_000) if len(times) else np.zeros(0, np.int64)
    return Curves(
        seed=seen.seed,
        tick=tick,
        price=(np.arange(len(mids[::MINUTE_S])) / 60.0, mids[::MINUTE_S] * tick),
        minute_bps=minutes * 1e4,
        tail=_tail(np.diff(logs)),
        size_acf=_binned_acf(np.abs(minutes), _SIZE_LAGS),
        sign_acf=_binned_acf(signs, _SIGN_LAGS),
        trades_per_minute=counts.astype(np.float64),
        spreads=(
            widths.astype(np.float64),
            np.array([shares.get(int(width), 0.0) for width in widths]),
        ),
        moves=np.array(book.move_by_imbalance(seen.tops)),
        impact=takings.impact_by_size(seen.takings, seen.tops),
        depth=takings.depth_rates(seen.takings, seen.tops),
    )


def _binned_acf(numbers: Reals, last_lag: int) -> tuple[Reals, Reals]:
    """The autocorrelation in bins of lags, as `returns.power_decay` fits it."""
    values = np.array(returns.autocorrelations(numbers, range(_BINS_FROM, last_lag + 1)))
    bins = returns.log_bins(_BINS_FROM, last_lag)
    lags = np.array([np.exp(np.mean(np.log(np.arange(low, high)))) for low, high in bins])
    return lags, np.array([values[low - 1 : high - 1].mean() for low, high in bins])


def _tail(numbers: Reals) -> tuple[Reals, Reals]:
    """The share of absolute values beyond each of some sizes, in standard deviations."""
    if len(numbers) < returns.LEAST_NUMBERS or numbers.std() <= 0.0:
        return np.zeros(0), np.zeros(0)
    sizes = np.sort(np.abs(numbers - numbers.mean()) / numbers.std())
    largest = max(float(sizes[-1]), 1.0)
    at = np.geomspace(0.3, largest, TAIL_POINTS)
    beyond = 1.0 - np.searchsorted(sizes, at, side="left") / len(sizes)
    kept = beyond > 0.0
    return at[kept], beyond[kept]
