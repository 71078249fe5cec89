"""When takers come: a self-exciting stream (Hawkes) on top of the market's activity.

The takers' kernel asks for its next time. Every trade raises the rate for a second or so and, less,
for half a minute or so; the number that one trade excites, in the mean and in both ways together,
is the branching ratio, and stays below 1. Times are drawn exactly, by thinning (Ogata, 1981).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from aegis.host.jit import kernel
from aegis.venue.flow.dice import exponential, uniform
from aegis.venue.flow.layout import (
    BUSTLE,
    FAST_BRANCHING,
    FAST_HEAT,
    HEAT_US,
    SLOW_BRANCHING,
    SLOW_HEAT,
    TRADES_PER_S,
)
from aegis.venue.flow.price import US

FAST_DECAY_PER_S: Final = 1.0
SLOW_DECAY_PER_S: Final = 0.03
# Without a bound a kernel could draw for ever; the chance to need so many is nil.
_MOST_DRAWS: Final = 256
_LONGEST_WAIT_S: Final = 3_600.0


@kernel
def _cool(agents: Any, symbol: Any, now_us: Any) -> None:
    """Let the excited rates decay to `now_us`."""
    moods, counts = agents.moods[symbol], agents.counts[symbol]
    elapsed_s = (now_us - counts[HEAT_US]) * US
    if elapsed_s > 0.0:
        moods[FAST_HEAT] *= math.exp(-FAST_DECAY_PER_S * elapsed_s)
        moods[SLOW_HEAT] *= math.exp(-SLOW_DECAY_PER_S * elapsed_s)
        counts[HEAT_US] = now_us


@kernel
def excite(agents: Any, symbol: Any, now_us: Any, trades: Any) -> None:
    """Something as exciting as so many trades has happened."""
    _cool(agents, symbol, now_us)
    traits, moods = agents.traits[symbol], agents.moods[symbol]
    moods[FAST_HEAT] += trades * traits[FAST_BRANCHING] * FAST_DECAY_PER_S
    moods[SLOW_HEAT] += trades * traits[SLOW_BRANCHING] * SLOW_DECAY_PER_S


@kernel
def next_arrival_us(agents: Any, symbol: Any, now_us: Any) -> Any:
    """When the next taker comes, later than `now_us`; the state is left at that time."""
    _cool(agents, symbol, now_us)
    traits, moods = agents.traits[symbol], agents.moods[symbol]
    steady = traits[TRADES_PER_S] * moods[BUSTLE]
    fast, slow = moods[FAST_HEAT], moods[SLOW_HEAT]
    waited_s = 0.0
    for _ in range(_MOST_DRAWS):
        # Between trades the rate only falls: what it is now bounds what it will be.
        most = steady + fast + slow
        wait_s = min(exponential(agents.dice, symbol) / most, _LONGEST_WAIT_S)
        waited_s += wait_s
        fast *= math.exp(-FAST_DECAY_PER_S * wait_s)
        slow *= math.exp(-SLOW_DECAY_PER_S * wait_s)
        if uniform(agents.dice, symbol) * most <= steady + fast + slow:
            break
    return now_us + max(1, np.int64(waited_s / US))
