"""The risk gate: named controls, their limits and the latch.

Execution calls it as the last step before the bytes of an order reach the socket. The rules are
jitted functions of numbers (`checks`), composed once (`gate`), over limits that are refused unless
finite and positive (`limits`); `controls` is the table that names every control, its sources and
its test; `latch` is the ACTIVE, REDUCING, HALTED state that only a person re-arms.

Importing this package imports no kernel; `aegis.risk.gate` does.
"""

from aegis.risk.controls import CONTROLS, Control, ControlEntry
from aegis.risk.latch import Latch, LatchState

__all__ = ["CONTROLS", "Control", "ControlEntry", "Latch", "LatchState"]
