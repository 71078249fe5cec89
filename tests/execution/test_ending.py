"""A stop waits for no task for ever."""

from __future__ import annotations

import asyncio

from aegis.execution.ending import end_tasks
from tests.execution.rig import run


async def _swallows(times: int, log: list[str]) -> None:
    """Takes so many cancellations for something else, as a library may."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            if len(log) > times:
                raise


def test_a_cancellation_that_is_lost_is_said_again() -> None:
    async def day() -> None:
        log: list[str] = []
        task = asyncio.create_task(_swallows(2, log))
        await asyncio.sleep(0)
        assert await end_tasks([task]) == []
        assert task.cancelled() and len(log) == 3

    run(day())


def test_a_task_that_never_ends_is_told_of() -> None:
    async def day() -> None:
        log: list[str] = []
        task = asyncio.create_task(_swallows(10, log))
        await asyncio.sleep(0)
        assert await end_tasks([task]) == [task]
        assert await end_tasks([task]) == []

    run(day())


def test_what_has_ended_by_itself_is_seen_and_not_raised() -> None:
    async def fails() -> None:
        raise ValueError("already over")

    async def day() -> None:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        assert await end_tasks([task, asyncio.create_task(asyncio.sleep(9))]) == []
        assert await end_tasks([]) == []
        del task
        assert complaints == []

    run(day())
