"""Candles from trades, closed by the first trade of a later interval.

The candle in which the strategy began to listen is not whole and is thrown away. An interval
without a trade is a flat candle at the last price, as the exchange has it; after a silence of more
than `_FLAT_MAX` intervals the building begins anew. Trades of a closed candle are counted and
dropped: what was closed is never changed.
"""

from typing import Any

from aegis.host.jit import kernel

__all__ = ["add_trade", "begin_candle", "candles_due"]

_FLAT_MAX = 16


@kernel
def begin_candle(candle: Any, number: Any, whole: Any) -> None:
    """The next candle, flat at the last price until it has a trade."""
    candle.number = number
    candle.whole = whole
    candle.trades = 0
    candle.open = candle.high = candle.low = candle.close
    candle.volume = 0.0


@kernel
def candles_due(candle: Any, number: Any) -> Any:
    """How many candles a trade of interval `number` closes; -1 when it comes too late itself."""
    if candle.number == 0:
        begin_candle(candle, number, 0)
        return 0
    if number < candle.number:
        candle.late += 1
        return -1
    due = number - candle.number
    if due > _FLAT_MAX:
        begin_candle(candle, number, 0)
        return 0
    return due


@kernel
def add_trade(candle: Any, price: Any, quantity: Any) -> None:
    """Take a trade into the open candle."""
    if candle.trades == 0:
        candle.open = candle.high = candle.low = price
    candle.high = max(candle.high, price)
    candle.low = min(candle.low, price)
    candle.close = price
    candle.volume += quantity
    candle.trades += 1
