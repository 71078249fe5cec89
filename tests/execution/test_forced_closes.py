"""What the exchange closes by force (liquidation, ADL, settlement) is booked, and halts."""

from __future__ import annotations

import pytest

from aegis.risk.controls import Control
from aegis.risk.latch import LatchState
from tests.execution.harness import Desk


@pytest.mark.parametrize(
    "name", ["autoclose-1763700000", "adl_autoclose", "settlement_autoclose-1"]
)
@pytest.mark.parametrize("x", ["NEW", "TRADE", "CALCULATED"])
def test_a_forced_close_halts_whatever_the_policy_for_others_is(
    desk: Desk, name: str, x: str
) -> None:
    desk.core.foreign_halts = False
    trade = {} if x == "NEW" else {"l": "0.004", "z": "0.004", "L": "60000.0", "t": 7}
    desk.update(0, "NEW", c="web_someone", S="SELL")
    assert desk.gate.latch.state is LatchState.ACTIVE
    desk.update(0, x, c=name, S="SELL", T=5, **trade)
    assert desk.gate.latch.state is LatchState.HALTED
    assert desk.gate.latch.reason == Control.FOREIGN_ORDER
    assert desk.gate.exposure[0]["position_lots"] == (0 if x == "NEW" else -4), "and it is booked"
