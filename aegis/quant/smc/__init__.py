"""Smart Money Concepts: the structure of a price, defined exactly.

``batch``, ``order_blocks`` and ``liquidity`` compute whole columns over a history, equal to those
of the widely used batch library where that is well defined. Every column has hindsight: a row may
depend on later candles, so none of it may decide a trade.

Prices are float64. Sides are +1 (bullish, high) and -1 (bearish, low).
"""
