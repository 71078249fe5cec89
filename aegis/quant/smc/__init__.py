"""Smart Money Concepts: the structure of a price, defined exactly and without looking ahead.

Two forms. ``batch`` computes whole columns over a history, equal to those of the widely used batch
library where that is well defined; every column has hindsight: a row may depend on later candles.
``engine`` takes one candle at a time and says what has become known with it; what it has said it
never changes: a swing that is superseded or a break that is overruled is a new event.

Prices are float64. Sides are +1 (bullish, high) and -1 (bearish, low).
"""
