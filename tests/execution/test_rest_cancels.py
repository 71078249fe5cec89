"""Cancels over REST while no order line is up: each order once at a time."""

from __future__ import annotations

import asyncio
from typing import Any

from aegis.execution import order_states as states
from aegis.execution.errors import FateUnknownError
from aegis.execution.rest_cancels import RestCancels
from tests.execution.harness import Desk


class SlowRest:
    """Answers a cancel when told to, and never with good news."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()

    async def cancel(self, symbol: str, client_id: str) -> Any:
        self.asked.append(client_id)
        await self.may_answer.wait()
        raise FateUnknownError("DELETE /fapi/v1/order", 0, 0, "no answer")


def test_a_cancel_is_not_asked_for_again_while_its_answer_is_awaited(desk: Desk) -> None:
    async def day() -> None:
        slots = [desk.place(), desk.place()]
        for order_ref in (1, 2):
            desk.update(order_ref, "NEW")
        rest: Any = SlowRest()
        cancels = RestCancels(desk.core, rest, lambda: None)
        for slot in slots * 40:
            cancels.begin(slot)
        await asyncio.sleep(0)
        assert sorted(rest.asked) == [desk.core.ids.text(1, 1), desk.core.ids.text(1, 2)]
        assert [desk.core.state_of(slot) for slot in slots] == [states.LIVE] * 2
        rest.may_answer.set()
        await asyncio.gather(*cancels.under_way())
        await asyncio.sleep(0)
        cancels.begin(slots[0])
        await asyncio.gather(*cancels.under_way())
        assert len(rest.asked) == 3, "answered, it may be asked for again"

    asyncio.run(day())
