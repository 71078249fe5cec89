"""The private records of execution: one order, one request in flight, one action of a batch.

Never in shared memory. `aegis.execution.tables` makes the arrays, kernels and the Python side share
them.
"""

import numpy as np

__all__ = [
    "ACTION",
    "ACT_CANARY",
    "ACT_CANCEL",
    "ACT_CANCEL_ALL",
    "ACT_CANCEL_BY_REST",
    "ACT_PLACE",
    "ACT_RESYNC",
    "ORDER",
    "REQUEST",
    "REQUEST_CANCEL",
    "REQUEST_PLACE",
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
        ("acknowledged", "<u2"),
        ("cancel_wanted", "<u2"),
        ("tries", "<u2"),
    ]
)
assert ORDER.itemsize == 128, "two cache lines an order"

# One request on the order connection, found by `id & (size - 1)`; bounded, the newest win.
REQUEST_PLACE, REQUEST_CANCEL = 1, 2
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

# What the process must do for a batch, in order. PLACE and CANCEL have bytes at start..end.
ACT_PLACE, ACT_CANCEL, ACT_CANARY, ACT_RESYNC, ACT_CANCEL_ALL, ACT_CANCEL_BY_REST = range(1, 7)
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
