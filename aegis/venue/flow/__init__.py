"""The synthetic order flow: the agents that make the embedded exchange's markets.

Makers around a wandering fair price, takers with memory, informed traders that take what is stale.
All of them are machine code on the matching kernels. ``population`` makes them, ``flow_driver`` and
``flow_clock`` say when they act, ``kernels`` what they then do. They know the books and their own
orders, no account and no clock of the wall; a symbol's events depend on the seed, on its number and
on what clients do in it, on nothing else. ``aegis.venue.stats`` measures what becomes of it.
"""
