"""Execution's own words: one i64 array that its kernels and its Python side share.

Counts, cursors of the private tables, and the few settings that kernels need. Never in shared
memory: what others may see is copied to the process's counters.
"""

__all__ = [
    "ACCEPTED_ORDERS",
    "AMENDED_ORDERS",
    "ANOMALIES",
    "DENIED_INTENTS",
    "DUPLICATE_FILLS",
    "EPOCH",
    "EXPIRED_INTENTS",
    "FEED_CONNECTED_AT",
    "FEED_MESSAGE_AT",
    "FILLS",
    "FREE_COUNT",
    "FREE_HEAD",
    "FUNDING_E8",
    "INTENTS_TAKEN",
    "JOURNAL_COUNT",
    "JOURNAL_LOST",
    "JOURNAL_ON",
    "OPEN_COUNT",
    "PNL_DIFFERENCES",
    "RECONCILE_WANTED",
    "REJECTED_ORDERS",
    "REQUEST_NEXT",
    "STAGE_COUNT",
    "STAGE_LOST",
    "STALE_DENIED",
    "TAPE_TIME",
    "TRADES_COUNT",
    "TRADES_GENERATION",
    "UNKNOWN_COUNT",
    "WALL_OFFSET_NS",
    "WORDS",
]

# The order table: its free list (oldest first) and how many rows are not final.
FREE_HEAD, FREE_COUNT, OPEN_COUNT, UNKNOWN_COUNT = range(4)
# The set of trade ids, in two generations.
TRADES_GENERATION, TRADES_COUNT = 4, 5
# Outcomes staged for the ring, and how many found no room (must stay 0).
STAGE_COUNT, STAGE_LOST = 6, 7
REQUEST_NEXT = 8  # id of the next request on the order connection, see `first_request`
EPOCH = 9  # the brain's living epoch, -1 before its first RESYNC
TAPE_TIME = 10  # 1: the message rate counts exchange time (a replayed recording)
FEED_CONNECTED_AT, FEED_MESSAGE_AT = 11, 12  # where these stand in the feed's counters
RECONCILE_WANTED = 13  # evidence that only a look at the exchange can settle
PNL_DIFFERENCES = 14  # trades of which the exchange says another profit than we have worked out
# Counts, copied to the counters.
INTENTS_TAKEN, FILLS, DUPLICATE_FILLS, ANOMALIES = 16, 17, 18, 19
ACCEPTED_ORDERS, REJECTED_ORDERS, DENIED_INTENTS = 20, 21, 22
EXPIRED_INTENTS, STALE_DENIED, AMENDED_ORDERS = 23, 24, 25
# The journal: notes not yet written, those that found no room (must stay 0), whether it is on, and
# CLOCK_REALTIME less CLOCK_MONOTONIC as of the last look.
JOURNAL_COUNT, JOURNAL_LOST, JOURNAL_ON, WALL_OFFSET_NS = 32, 33, 34, 35
FUNDING_E8 = 36  # funding received less paid, 1e-8 quote
WORDS = 40
