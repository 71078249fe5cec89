"""What `aegis strategy new` copies: a compiled strategy, a plain one, and the test of either.

They are ordinary modules of this package, so they are linted, typed and tested as they stand.
"""
