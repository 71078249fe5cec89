"""Which refusals of the exchange move the latch: how far, and with which reason."""

from __future__ import annotations

from types import MappingProxyType

from aegis.execution.error_codes import Verdict
from aegis.risk.controls import Control
from aegis.risk.latch import LatchState

__all__ = ["LATCHING"]

LATCHING = MappingProxyType(
    {
        Verdict.CREDENTIALS: (LatchState.HALTED, Control.CREDENTIALS),
        Verdict.BLOCKED: (LatchState.HALTED, Control.FIREWALL),
        Verdict.BANNED: (LatchState.HALTED, Control.BANNED),
        Verdict.RESTRICTED: (LatchState.REDUCING, Control.EXCHANGE_RESTRICTION),
    }
)
