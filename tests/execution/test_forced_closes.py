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
    assert str(desk.gate.latch) == "ACTIVE"
    desk.update(0, x, c=name, S="SELL", T=5, **trade)
    assert desk.gate.latch.state is LatchState.HALTED
    assert desk.gate.latch.reason == Control.FOREIGN_ORDER
    assert desk.gate.exposure[0]["position_lots"] == (0 if x == "NEW" else -4), "and it is booked"


def test_forced_trades_without_a_number_are_left_to_the_list_of_trades(desk: Desk) -> None:
    """Booked by the event, the second would pass for the first, and the list book both anew."""
    for z in ("0.004", "0.008"):
        trade = {"l": "0.004", "z": z, "L": "60000.0", "t": 0, "T": 5}
        desk.update(0, "CALCULATED", c="autoclose-1", S="SELL", **trade)
    for number in (8, 9):
        desk.core.on_stray_row(0, -1, number, "60000.0", "0.004", "0", False, 77, desk.now_ns)
    assert desk.gate.exposure[0]["position_lots"] == -8
    assert desk.gate.latch.state is LatchState.HALTED
