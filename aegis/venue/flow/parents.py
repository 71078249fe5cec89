"""Whose order it is: takers' signs that remember each other for hours.

A few hidden parent orders work at a time; each trade is the next piece of one of them. Their
lengths have a Pareto tail of exponent alpha, so the signs' autocorrelation falls as the power
alpha - 1 of the number of trades between them (Lillo, Mike and Farmer, 2005).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from aegis.host.jit import kernel
from aegis.venue.flow.dice import below, uniform
from aegis.venue.flow.layout import (
    PARENT_ALPHA,
    PARENT_LEFT,
    PARENT_SIGN,
    PARENTS,
    SIGN_MEMORY,
)

LONGEST_PARENT: Final = 20_000
SIGN_MEMORY_KEEP: Final = 0.95


@kernel
def next_sign(agents: Any, symbol: Any) -> Any:
    """The side of the next piece of some parent order: +1 buys, -1 sells."""
    traits, dice = agents.traits[symbol], agents.dice
    number = below(dice, symbol, traits[PARENTS])
    parent = agents.parents[symbol, number]
    if parent[PARENT_LEFT] <= 0:
        parent[PARENT_SIGN] = 1 if uniform(dice, symbol) < 0.5 else -1
        length = math.pow(1.0 - uniform(dice, symbol), -1.0 / traits[PARENT_ALPHA])
        parent[PARENT_LEFT] = np.int64(math.ceil(min(length, LONGEST_PARENT)))
    parent[PARENT_LEFT] -= 1
    return parent[PARENT_SIGN]


@kernel
def remember_sign(agents: Any, symbol: Any, sign: Any) -> None:
    """A taker has come: what the others expect of the next one."""
    moods = agents.moods[symbol]
    moods[SIGN_MEMORY] = SIGN_MEMORY_KEEP * moods[SIGN_MEMORY] + (1.0 - SIGN_MEMORY_KEEP) * sign
