"""Cancels over REST, one order each, for the time in which no order line is up.

A few at a time; what comes of each is applied to its row, if that still holds the order. Nothing is
repeated here: a cancel that is still wanted is asked for again by the resolver.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic_ns

from aegis.execution import order_states as states
from aegis.execution.client_id import OrderName
from aegis.execution.core import ExecutionCore, OpenOrder
from aegis.execution.errors import ExchangeError, RefusedError
from aegis.execution.rest import RestClient

__all__ = ["RestCancels"]

_UNKNOWN_ORDER = -2011
_MOST_AT_ONCE = 64


class RestCancels:
    """The cancels of one core that are under way over REST."""

    def __init__(self, core: ExecutionCore, rest: RestClient, publish: Callable[[], None]) -> None:
        """`publish` carries what a cancel has led to on to the brain."""
        self._core = core
        self._rest = rest
        self._publish = publish
        self._tasks: dict[OrderName, asyncio.Task[None]] = {}

    def begin(self, slot: int) -> None:
        """Cancel the order in `slot`; one too many counts as refused.

        While its answer is awaited the order is not asked for again: the resolver wants it every
        few milliseconds, and each would cost request weight and the place of another order.
        """
        order = self._core.view(slot)
        if order.name in self._tasks:
            return
        if len(self._tasks) >= _MOST_AT_ONCE:
            self._core.apply(slot, states.CANCEL_REFUSED, monotonic_ns())
            return
        task = asyncio.get_running_loop().create_task(self._cancel(order))
        self._tasks[order.name] = task
        task.add_done_callback(lambda _: self._tasks.pop(order.name))

    def under_way(self) -> list[asyncio.Task[None]]:
        """The tasks, for the end of the session."""
        return [*self._tasks.values()]

    async def _cancel(self, order: OpenOrder) -> None:
        body = None
        event = states.CANCEL_AMBIGUOUS
        try:
            body = await self._rest.cancel(order.symbol, order.client_id)
        except RefusedError as error:
            lost = error.code == _UNKNOWN_ORDER
            event = states.CANCEL_LOST if lost else states.CANCEL_REFUSED
        except ExchangeError:
            event = states.CANCEL_AMBIGUOUS
        if not self._core.is_same(order):
            return
        if body is not None:
            self._core.on_order_body(order.slot, body, monotonic_ns())
        else:
            self._core.apply(order.slot, event, monotonic_ns())
        self._publish()
