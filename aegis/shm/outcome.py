"""The outcome record: what became of an intent, execution to brain, two cache lines.

An order command has four outcomes: ACCEPTED, REJECTED, DENIED (by our own gate) or UNKNOWN; a
FILL, CANCELED or EXPIRED follows an acceptance and may arrive before it. Those of an AMEND are
AMENDED (`price_ticks` and `qty_lots` are what the order has now), AMEND_REFUSED (what it still
has), DENIED or UNKNOWN, with the intent id of the AMEND; none of them ends the order, and an
AMENDED with the intent id 0 tells of terms that nobody here had asked for. POSITION answers a
RESYNC after reconciliation; STATE tells that the gate's latch moved (`reason` is the new state).
"""

import numpy as np

__all__ = [
    "ACCEPTED",
    "AMENDED",
    "AMEND_REFUSED",
    "CANCELED",
    "DENIED",
    "EXPIRED",
    "FILL",
    "MAKER",
    "OUTCOME",
    "POSITION",
    "REJECTED",
    "STATE",
    "UNKNOWN",
]

ACCEPTED, REJECTED, DENIED, UNKNOWN, FILL = 1, 2, 3, 4, 5
CANCELED, EXPIRED, POSITION, STATE = 6, 7, 8, 9
AMENDED, AMEND_REFUSED = 10, 11
MAKER = 1

OUTCOME = np.dtype(
    [
        ("order_ref", "<i8"),
        ("instrument", "<u4"),
        ("kind", "<u2"),
        ("reason", "<u2"),
        ("side", "<i2"),
        ("flags", "<u2"),
        ("code", "<i4"),
        ("intent_id", "<i8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("cum_qty_lots", "<i8"),
        ("position_lots", "<i8"),
        ("ts_event_ns", "<i8"),
        ("ts_recv_ns", "<i8"),
        ("exchange_order_id", "<i8"),
        ("trade_id", "<i8"),
        ("fee", "<f8"),
        ("realized_pnl", "<f8"),
        ("entry_price", "<f8"),
        ("epoch", "<u4"),
        ("pad", "<u4"),
    ]
)
assert OUTCOME.itemsize == 128, "an outcome is two cache lines, no padding inside"
