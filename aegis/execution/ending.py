"""Tasks that must end, whatever they are in the middle of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

__all__ = ["end_tasks"]

_TRIES = 10
_PAUSE_S = 0.1


async def end_tasks(tasks: Iterable[asyncio.Future[Any]]) -> list[asyncio.Future[Any]]:
    """Cancel tasks until they have ended; returns those that have not within about a second.

    One cancellation may be lost: it can meet the end of what a library was waiting for, which then
    answers for it. A task that goes on is cancelled again, and a stop waits for none for ever.
    """
    ending = list(tasks)
    left = [task for task in ending if not task.done()]
    for _ in range(_TRIES):
        if not left:
            break
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=_PAUSE_S)
        left = [task for task in left if not task.done()]
    for task in ending:
        if task.done() and not task.cancelled():
            # Seen: what a task ends with when nobody wants it any more is no news.
            task.exception()
    return left
