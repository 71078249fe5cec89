"""The signal record: what a strategy wished, brain to whoever listens, one broadcast ring.

A signal is a wish that is new or has changed: its side and slot, its price and size, how sure the
strategy is and why. It is not an order (the quoter may hold it back, the gate deny it), and nobody
has to read it: a slow reader is lapped and knows it. Where the strategy has levels, the signal
carries them: the price at which it gives up (`stop_price`) and where it wants to be
(`target_price`), in the quote currency, 0 for none.
"""

import numpy as np

__all__ = ["SIGNAL"]

SIGNAL = np.dtype(
    [
        ("signal_id", "<i8"),
        ("instrument", "<u4"),
        ("strategy", "<u4"),
        ("side", "<i2"),  # +1 buy, -1 sell
        ("level", "<u2"),
        ("flags", "<u2"),  # as in an intent
        ("cause", "<u2"),  # the strategy's own number for why
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("confidence", "<f8"),
        ("fair_price", "<f8"),
        ("cause_seq", "<i8"),
        ("ts_event_ns", "<i8"),
        ("ts_recv_ns", "<i8"),
        ("epoch", "<u4"),
        ("event_kind", "<u4"),  # of the event that it was decided on
        ("config_version", "<i8"),
        ("stop_price", "<f8"),  # 0: the strategy names none
        ("target_price", "<f8"),  # likewise
        ("unused", "<i8", (2,)),
    ]
)
assert SIGNAL.itemsize == 128, "a signal is two cache lines, no padding inside"
