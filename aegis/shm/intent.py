"""The intent record: what the brain wants, brain to execution, two cache lines.

Every intent says what caused it (the tick's sequence, times and book update id), how long it is
worth anything (`valid_until_ns`, CLOCK_MONOTONIC) and which brain epoch decided it. Execution
refuses what has expired. `order_ref` is the brain's own name for an order: new for PLACE, that of
the order meant for CANCEL and AMEND; the client order id is made from it and never changes. An
AMEND carries the new price and the new total quantity (what is filled included), 0 for as it is.
"""

import numpy as np

__all__ = [
    "AMEND",
    "CANARY",
    "CANCEL",
    "CANCEL_ALL",
    "INTENT",
    "IOC",
    "MARKET",
    "PLACE",
    "POST_ONLY",
    "REDUCE_ONLY",
    "RESYNC",
]

PLACE, CANCEL, AMEND, CANCEL_ALL, RESYNC, CANARY = 1, 2, 3, 4, 5, 6
POST_ONLY, REDUCE_ONLY, IOC, MARKET = 1, 2, 4, 8

INTENT = np.dtype(
    [
        ("intent_id", "<i8"),
        ("instrument", "<u4"),
        ("kind", "<u2"),
        ("flags", "<u2"),
        ("side", "<i2"),
        ("level", "<u2"),
        ("strategy", "<u4"),
        ("order_ref", "<i8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("cause_seq", "<i8"),
        ("cause_ts_recv_ns", "<i8"),
        ("cause_ts_event_ns", "<i8"),
        ("ts_decided_ns", "<i8"),
        ("valid_until_ns", "<i8"),
        ("book_update_id", "<i8"),
        ("fair_price", "<f8"),
        ("confidence", "<f8"),
        ("cause", "<u4"),
        ("epoch", "<u4"),
        ("config_version", "<i8"),
    ]
)
assert INTENT.itemsize == 128, "an intent is two cache lines, no padding inside"
