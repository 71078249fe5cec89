"""Matching: who trades with whom, at which price, in which order. Integers only, no I/O, no clock.

``interface`` is the contract: the synthetic market's order book (``book``), the recorded market of
the mirror and a later compiled kernel all stand behind it.
"""
