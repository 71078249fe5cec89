"""The venue's statistics: what its markets look like, measured and held against acceptance bands.

``returns``, ``book`` and ``takings`` take arrays and return numbers; ``observe`` makes the arrays
by running a market for a simulated day; ``bands`` says which numbers are right; ``economics`` lets
clients trade and counts what it cost them; ``plots`` draws it. `aegis venue stats` prints it all.
Nothing here runs while the venue serves.
"""
