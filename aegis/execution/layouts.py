"""The private records of execution: one order, one request in flight, one action of a batch.

Never in shared memory. `aegis.execution.tables` makes the arrays, kernels and the Python side share
them.
"""

import numpy as np

__all__ = [
    "ACTION",
    "ACT_AMEND",
    "ACT_CANARY",
    "ACT_CANCEL",
    "ACT_CANCEL_ALL",
    "ACT_CANCEL_BY_REST",
    "ACT_PLACE",
    "ACT_RESYNC",
    "AMENDED_BEFORE",
    "AMENDING",
    "ORDER",
    "REQUEST",
    "REQUEST_AMEND",
    "REQUEST_CANCEL",
    "REQUEST_PLACE",
    "TERMS",
]

# One row of the order table.
ORDER = np.dtype(
    [
        ("order_ref", "<i8"),
        ("intent_id", "<i8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("filled_lots", "<i8"),  # distinct fills booked
        ("reported_lots", "<i8"),  # the highest cumulative quantity that the exchange reported
        ("exchange_order_id", "<i8"),
        ("cause_ts_recv_ns", "<i8"),
        ("sent_ns", "<i8"),  # CLOCK_MONOTONIC when the bytes left
        ("sent_ms", "<i8"),  # the timestamp inside them, exchange clock
        ("cancel_sent_ns", "<i8"),
        ("changed_ns", "<i8"),
        ("epoch", "<u4"),
        ("instrument", "<u4"),
        ("strategy", "<u4"),
        ("next_in_bucket", "<i4"),
        ("state", "<u2"),
        ("closing_as", "<u2"),
        ("side", "<i2"),
        ("flags", "<u2"),
        ("level", "<u2"),
        ("acknowledged", "u1"),
        ("amends", "u1"),  # the bits below
        ("cancel_wanted", "<u2"),
        ("tries", "<u2"),
    ]
)
assert ORDER.itemsize == 128, "two cache lines an order"

# Bits of `amends`: one is under way, its terms are in the order's TERMS; the order was amended
# before, and its TERMS tell when. Without either, what stands in them means nothing.
AMENDING, AMENDED_BEFORE = 1, 2
# The terms that an amend asks for, beside its order; touched by amends alone.
TERMS = np.dtype(
    [
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),  # the new total, what is filled included
        ("intent_id", "<i8"),
        ("request_id", "<i8"),
        ("sent_ns", "<i8"),  # CLOCK_MONOTONIC when the bytes left
        ("sent_ms", "<i8"),  # the timestamp inside them, exchange clock
        ("told_ms", "<i8"),  # exchange clock of the last change of terms
        ("reserved", "<i8"),
    ]
)
assert TERMS.itemsize == 64, "one cache line an amend"

# One request on the order connection, found by `id & (size - 1)`; bounded, the newest win.
REQUEST_PLACE, REQUEST_CANCEL, REQUEST_AMEND = 1, 2, 3
REQUEST = np.dtype(
    [
        ("request_id", "<i8"),
        ("slot", "<i8"),
        ("order_ref", "<i8"),
        ("sent_ns", "<i8"),
        ("epoch", "<i8"),
        ("kind", "<i8"),
        ("answered", "<i8"),
        ("reserved", "<i8"),
    ]
)
assert REQUEST.itemsize == 64, "one cache line a request"

# What the process must do for a batch, in order. PLACE, CANCEL, AMEND have bytes at start..end.
ACT_PLACE, ACT_CANCEL, ACT_CANARY, ACT_RESYNC, ACT_CANCEL_ALL, ACT_CANCEL_BY_REST = range(1, 7)
ACT_AMEND = 7
ACTION = np.dtype(
    [
        ("kind", "<i8"),
        ("slot", "<i8"),
        ("start", "<i8"),
        ("end", "<i8"),
        ("request_id", "<i8"),
        ("intent", "<i8"),  # place in the batch
        ("done_ns", "<i8"),  # when the transport's write returned
        ("number", "<i8"),  # canary number, or the epoch of a RESYNC
    ]
)
assert ACTION.itemsize == 64, "one cache line an action"
