"""The fair price: a walk whose pace itself wanders, with sessions, and now and then a jump.

The makers' and takers' kernels move it to the time of their event before they act. Its log has
independent increments of volatility SIGMA * PACE; the log of PACE is the sum of four mean-reverting
factors, from a minute to hours long, which makes absolute returns remember each other by a power of
time (a cascade in the manner of Calvet and Fisher, and Bouchaud's long memory), and of a session
curve over the day. Jumps come as a Poisson stream, their sizes Laplace. PACE and jumps have dice of
their own: a seed has the same storms whatever anybody trades.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from aegis.host.jit import kernel
from aegis.venue.flow.dice import exponential, normal, uniform
from aegis.venue.flow.layout import (
    BUSTLE,
    DAY_OFFSET_S,
    FACTOR_COUNT,
    FACTORS,
    FAIR_US,
    HIGHEST_TICKS,
    JUMP_SIZE,
    JUMPS,
    JUMPS_PER_S,
    LOWEST_TICKS,
    PACE,
    SECOND,
    SESSION_LEVEL,
    SESSION_SWING,
    SIGMA,
    VOLATILITY_SPREAD,
)

US: Final = 1e-6
SECOND_US: Final = 1_000_000
# Relaxation times of the factors, and the variance that each has of the log's variance.
FACTOR_TIMES_S: Final = np.array([20.0, 120.0, 480.0, 1_440.0])
FACTOR_SHARES: Final = np.array([0.36, 0.26, 0.30, 0.08])
assert len(FACTOR_TIMES_S) == len(FACTOR_SHARES) == FACTOR_COUNT
FACTOR_KEEPS: Final = np.exp(-1.0 / FACTOR_TIMES_S)
FACTOR_STEPS: Final = np.sqrt(FACTOR_SHARES * (1.0 - FACTOR_KEEPS**2))
# The log of activity by hour of the day, UTC, as crypto futures have it: quiet when America has
# gone to bed and Asia is not up, loud when Europe and America overlap.
SESSION_CURVE: Final = np.array(
    (
        0.16, 0.08, 0.0, -0.08, -0.32, -0.40, -0.24, 0.08, 0.24, 0.08, 0.0, 0.0,
        0.24, 0.64, 0.88, 0.80, 0.56, 0.32, 0.16, 0.08, 0.0, -0.24, -0.40, -0.32,
    )
)  # fmt: skip
DAY_S: Final = 86_400.0
# Takers' rates follow volatility, less than in proportion.
BUSTLE_SHARE: Final = 0.8


@kernel
def session(time_s: Any) -> Any:
    """The log of activity at a time of the day in seconds, between its values at full hours."""
    hour = (time_s % DAY_S) / 3_600.0
    before = int(hour)
    share = hour - before
    return SESSION_CURVE[before % 24] * (1.0 - share) + SESSION_CURVE[(before + 1) % 24] * share


@kernel
def _next_second(agents: Any, symbol: Any, second: Any) -> None:
    """Move the factors one second on, and draw the jump of that second, if there is one."""
    traits, moods = agents.traits[symbol], agents.moods[symbol]
    total = 0.0
    for factor in range(FACTOR_COUNT):
        drawn = normal(agents.weather, symbol)
        now = moods[FACTORS + factor] * FACTOR_KEEPS[factor] + FACTOR_STEPS[factor] * drawn
        moods[FACTORS + factor] = now
        total += now
    spread = traits[VOLATILITY_SPREAD]
    swing = traits[SESSION_SWING] * session(traits[DAY_OFFSET_S] + second) + traits[SESSION_LEVEL]
    # The mean of exp(2 x) is exp(2 var x): with this the mean variance is SIGMA squared.
    moods[PACE] = math.exp(spread * total - spread * spread + swing)
    share = BUSTLE_SHARE * spread
    moods[BUSTLE] = math.exp(share * total - 0.5 * share * share + swing)
    jumps = uniform(agents.weather, symbol) < traits[JUMPS_PER_S] * moods[PACE]
    size = traits[JUMP_SIZE] * exponential(agents.weather, symbol)
    if uniform(agents.weather, symbol) < 0.5:
        size = -size
    if jumps:
        agents.fair_ticks[symbol] *= math.exp(size)
        agents.counts[symbol, JUMPS] += 1


@kernel
def _keep(agents: Any, symbol: Any) -> None:
    """The fair price stays where a book of both sides fits."""
    traits, fair_ticks = agents.traits[symbol], agents.fair_ticks
    fair_ticks[symbol] = min(max(fair_ticks[symbol], traits[LOWEST_TICKS]), traits[HIGHEST_TICKS])


@kernel
def drift(agents: Any, symbol: Any, now_us: Any) -> None:
    """Move the fair price and its volatility to `now_us`."""
    moods, counts = agents.moods[symbol], agents.counts[symbol]
    elapsed_us = now_us - counts[FAIR_US]
    if elapsed_us > 0:
        counts[FAIR_US] = now_us
        deviation = agents.traits[symbol, SIGMA] * moods[PACE] * math.sqrt(elapsed_us * US)
        agents.fair_ticks[symbol] *= math.exp(deviation * normal(agents.dice, symbol))
    second = now_us // SECOND_US
    while counts[SECOND] < second:
        counts[SECOND] += 1
        _next_second(agents, symbol, counts[SECOND])
    _keep(agents, symbol)


@kernel
def push(agents: Any, symbol: Any, ticks: Any) -> None:
    """Move the fair price by what a trade has told."""
    agents.fair_ticks[symbol] += ticks
    _keep(agents, symbol)
