"""Shared memory: layouts, atomics, rings, books, counters, histograms and wait strategies.

The rooms where the processes of an instance meet. Each module holds one layout and the only
offsets into it; DESIGN of the ABI is in the modules' docstrings, and C and Rust readers in the
tests hold them to it. Nothing here knows about markets, orders or the network.
"""
