"""Matching: who trades with whom, at which price, in which order. Integers only, no I/O, no clock.

``interface`` is the contract for callers in Python; ``book`` (compiled, synthetic markets) and the
mirror's recorded market stand behind it. ``layout`` and ``kernels`` are the contract for kernels.
"""
