"""When a conditional order triggers: the exchange's rules, as pure functions of prices.

``board`` asks with the prices of the market, ``desk`` with the price at which an order is placed.
Prices are in 1e-8 quote, because the mark price stands between ticks. A BUY stop waits for the
price to rise to its trigger, a SELL stop for it to fall; a take-profit for the opposite. A trailing
stop is activated once the best price since it was placed has reached its activation price, and
triggers when the price has come back from that best by the callback rate.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from aegis.venue.matching.interface import BUY
from aegis.venue.orders import STOP, STOP_MARKET, Condition

E6: Final = 1_000_000
E4: Final = 10_000
# Bounds of a watch band that nothing leaves.
NO_LOW: Final = -(2**62)
NO_HIGH: Final = 2**62


class Prices(NamedTuple):
    """What a market's price did since somebody last looked, and where it is now, in 1e-8."""

    low_e8: int
    high_e8: int
    last_e8: int


def rises_to_trigger(condition: Condition, side: int) -> bool:
    """Whether the trigger lies above the price that an order waits at."""
    is_stop = condition.kind in (STOP, STOP_MARKET)
    return is_stop == (side == BUY)


def is_beyond(condition: Condition, side: int, price_e8: int, tick_e8: int) -> bool:
    """The trigger price is reached at `price_e8`; never of a trailing stop, which has none."""
    if condition.is_trailing:
        return False
    trigger_e8 = condition.trigger_ticks * tick_e8
    if rises_to_trigger(condition, side):
        return price_e8 >= trigger_e8
    return price_e8 <= trigger_e8


def is_reached(condition: Condition, side: int, prices: Prices, tick_e8: int) -> bool:
    """Whether the order triggers by what the price did; a trailing stop has followed it before."""
    if condition.is_trailing:
        return condition.activated and _came_back(condition, side, prices)
    edge_e8 = prices.high_e8 if rises_to_trigger(condition, side) else prices.low_e8
    return is_beyond(condition, side, edge_e8, tick_e8)


def follow(condition: Condition, side: int, prices: Prices, tick_e8: int) -> bool:
    """Move a trailing stop's best price and activation along; True if anything changed."""
    if not condition.is_trailing:
        return False
    best_e8 = prices.low_e8 if side == BUY else prices.high_e8
    changed = False
    if (condition.extreme_e8 - best_e8) * side > 0:
        condition.extreme_e8 = best_e8
        # Before the activation price nothing depends on how far the price has come.
        changed = condition.activated
    activation_e8 = condition.activation_ticks * tick_e8
    if not condition.activated and (activation_e8 - condition.extreme_e8) * side >= 0:
        condition.activated = changed = True
    return changed


def is_held_back(condition: Condition, last_e8: int, mark_e8: int, trigger_protect_e4: int) -> bool:
    """Price protection holds it back: mark and contract price differ by more than the symbol's
    `triggerProtect`."""
    if not condition.protected:
        return False
    return abs(last_e8 - mark_e8) * E4 > mark_e8 * trigger_protect_e4


def watch_band(condition: Condition, side: int, tick_e8: int) -> tuple[int, int]:
    """The lowest and the highest trade price, in ticks, that the order need not be told of."""
    if condition.is_trailing:
        return _trailing_band(condition, side, tick_e8)
    if rises_to_trigger(condition, side):
        return NO_LOW, condition.trigger_ticks - 1
    return condition.trigger_ticks + 1, NO_HIGH


def _trailing_band(condition: Condition, side: int, tick_e8: int) -> tuple[int, int]:
    if not condition.activated:
        activation = condition.activation_ticks
        return (activation + 1, NO_HIGH) if side == BUY else (NO_LOW, activation - 1)
    turn_e8 = condition.extreme_e8 * (E6 + side * condition.callback_e6)
    step_e8 = tick_e8 * E6
    if side == BUY:
        # The first tick that triggers is at or above the turn; a new best lies below the extreme.
        return -(-condition.extreme_e8 // tick_e8), -(-turn_e8 // step_e8) - 1
    return turn_e8 // step_e8 + 1, condition.extreme_e8 // tick_e8


def _came_back(condition: Condition, side: int, prices: Prices) -> bool:
    """The newest price is far enough from the best one.

    Only the newest: whether another price of the moment came before the best or after it is not
    known, and an order that triggers by mistake is worse than one that triggers a trade later.
    """
    turn_e8 = condition.extreme_e8 * (E6 + side * condition.callback_e6)
    return (prices.last_e8 * E6 - turn_e8) * side >= 0
