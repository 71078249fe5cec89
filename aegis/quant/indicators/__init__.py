"""Technical indicators with TA-Lib's conventions, each in two forms that give the same numbers.

Batch: ``sma(prices, 20)`` takes float64 arrays and returns arrays of the same length, NaN before
the first value that TA-Lib would give. Streaming: ``state = sma_state(20)``, then
``sma_update(state, price)`` for each price, in a kernel or from Python: O(1), allocates nothing,
returns NaN until there is enough, and equals the batch form bit for bit.

What is not a number: leading NaNs are skipped, as TA-Lib does; any other value that is not finite
is refused by the batch form (`ValueError` names the place: in TA-Lib it would poison everything
after it, or be taken for a price) and passed over by the streaming form, which returns NaN for it
and stays as it was.
"""

from aegis.quant.indicators.atr import atr, atr_state, atr_update
from aegis.quant.indicators.bollinger_bands import (
    bollinger_bands,
    bollinger_bands_state,
    bollinger_bands_update,
)
from aegis.quant.indicators.ema import ema, ema_state, ema_update
from aegis.quant.indicators.macd import macd, macd_state, macd_update
from aegis.quant.indicators.rsi import rsi, rsi_state, rsi_update
from aegis.quant.indicators.sma import sma, sma_state, sma_update

__all__ = [
    "atr",
    "atr_state",
    "atr_update",
    "bollinger_bands",
    "bollinger_bands_state",
    "bollinger_bands_update",
    "ema",
    "ema_state",
    "ema_update",
    "macd",
    "macd_state",
    "macd_update",
    "rsi",
    "rsi_state",
    "rsi_update",
    "sma",
    "sma_state",
    "sma_update",
]
