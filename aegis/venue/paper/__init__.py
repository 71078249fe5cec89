"""Paper: the live market's data, our venue's matching.

``listing`` makes contracts of what the feed has written to the instruments table, ``follower`` is
one more reader of the feed's shared memory and tells the books of ``mirror.book`` what it finds
there, ``feed_watch`` says whether the feed can be believed. README.md tells how each case is
decided. No connection to the exchange is made here: what the feed has not seen has not happened.
"""
