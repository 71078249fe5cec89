"""Smart Money Concepts candle by candle: causal, incremental, never rewritten.

One file for each concept, with its definition and its differences from the batch library in the
docstring; ``engine`` drives them, ``layout`` holds the records. Unlike ``smc.batch`` all of this
may decide a trade.
"""
