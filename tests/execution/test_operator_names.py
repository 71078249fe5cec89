"""The names of the operator's orders: nobody else's."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from aegis.execution.batch import CARRIED_EPOCH
from aegis.execution.operator_commands import OperatorCommands
from tests.execution.harness import Desk


def test_an_order_of_flatten_is_not_taken_for_one_of_an_earlier_run(desk: Desk) -> None:
    """Both have the epoch that no brain has; those of earlier runs stand in the table with it."""
    placed: list[Any] = []

    async def place(parameters: Any) -> None:
        placed.append(parameters)

    desk.core.follow_epoch(CARRIED_EPOCH)
    slots = [desk.place(epoch=CARRIED_EPOCH) for _ in range(20)]
    session: Any = SimpleNamespace(core=desk.core, rest=SimpleNamespace(place=place))
    commands = OperatorCommands(lambda: session, lambda _: None, lambda _: None)
    for _ in slots:
        asyncio.run(commands._close(session, "BTCUSDT", "-0.004"))
    names = [parameters["newClientOrderId"] for parameters in placed]
    assert len(set(names)) == len(slots)
    for number, name in enumerate(names, 1):
        trade = {"l": "0.001", "z": "0.001", "L": "60000.0", "t": number, "T": number}
        desk.update(0, "TRADE", c=name, X="PARTIALLY_FILLED", **trade)
    assert [int(desk.core.tables.rows[slot]["filled_lots"]) for slot in slots] == [0] * len(slots)
    assert desk.gate.exposure[0]["position_lots"] == len(slots), "the position is real"
