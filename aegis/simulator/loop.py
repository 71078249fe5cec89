"""An event loop in virtual time: callbacks run in a fixed order, and waiting takes no time.

Execution's coroutines run on it as they would on uvloop. It owns one process's callbacks only: the
trial decides when the next of them runs, so a process can be paused (nothing runs) or killed (the
loop is dropped, with everything that waited on it). Nothing here reads a real clock.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, cast

__all__ = ["Timeline", "VirtualLoop"]

_NS = 1_000_000_000


class Timeline:
    """The one clock of a trial: true monotonic time in ns. Only the trial moves it."""

    __slots__ = ("now_ns",)

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns


class _Handle:
    """A callback that is due; the part of asyncio.Handle that tasks and timeouts use."""

    __slots__ = ("arguments", "callback", "dead", "due_ns")

    def __init__(self, due_ns: int, callback: Callable[..., Any], arguments: Any) -> None:
        self.due_ns = due_ns
        self.callback = callback
        self.arguments = arguments
        self.dead = False

    def cancel(self) -> None:
        self.dead = True

    def cancelled(self) -> bool:
        return self.dead

    def when(self) -> float:
        return self.due_ns / _NS


class VirtualLoop:
    """One process's loop on a timeline. `step` runs exactly one callback.

    It has of asyncio.AbstractEventLoop what execution and asyncio's own parts call.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._ready: deque[_Handle] = deque()
        self._timers: list[tuple[int, int, _Handle]] = []
        self._count = 0
        self.readers: dict[int, Callable[[], Any]] = {}
        self.tasks: list[asyncio.Task[Any]] = []
        self.complaints: list[str] = []
        self.open_pipe: Callable[..., Coroutine[Any, Any, Any]] | None = None

    # What the trial calls

    def due_ns(self) -> int | None:
        """When the next callback is to run; None when there is none."""
        if self._ready:
            return self._timeline.now_ns
        timers = self._timers
        while timers and timers[0][2].dead:
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    def step(self) -> None:
        """Run the next callback; the timeline must have reached it."""
        if self._ready:
            handle = self._ready.popleft()
        else:
            _, _, handle = heapq.heappop(self._timers)
        if handle.dead:
            return
        _run_on(self)
        try:
            handle.callback(*handle.arguments)
        finally:
            _run_on(None)

    def bury(self) -> None:
        """Free the coroutines of a process that was killed; whatever they do now counts nothing."""
        for task in self.tasks:
            if not task.done():
                # They were killed on purpose; asyncio need not warn of it.
                cast(Any, task)._log_destroy_pending = False
        _run_on(self)
        try:
            for task in self.tasks:
                coroutine: Any = task.get_coro()
                for _ in range(8):
                    try:
                        coroutine.close()
                        break
                    except BaseException:
                        continue
        finally:
            _run_on(None)
        self.tasks.clear()
        self._ready.clear()
        self._timers.clear()

    # What asyncio calls

    def time(self) -> float:
        return self._timeline.now_ns / _NS

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(self, callback: Callable[..., Any], *arguments: Any, context: Any = None) -> Any:
        handle = _Handle(self._timeline.now_ns, callback, arguments)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., Any], *arguments: Any, context: Any = None
    ) -> Any:
        return self.call_soon(callback, *arguments)

    def call_later(
        self, delay: float, callback: Callable[..., Any], *arguments: Any, context: Any = None
    ) -> Any:
        return self.call_at_ns(
            self._timeline.now_ns + max(0, round(delay * _NS)), callback, *arguments
        )

    def call_at(
        self, when: float, callback: Callable[..., Any], *arguments: Any, context: Any = None
    ) -> Any:
        return self.call_at_ns(max(round(when * _NS), self._timeline.now_ns), callback, *arguments)

    def call_at_ns(self, due_ns: int, callback: Callable[..., Any], *arguments: Any) -> _Handle:
        """Run a callback at a time of the timeline."""
        handle = _Handle(due_ns, callback, arguments)
        self._count += 1
        heapq.heappush(self._timers, (due_ns, self._count, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=cast(Any, self))

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: Any = None, context: Any = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=cast(Any, self), name="task")
        if len(self.tasks) > 64:
            self.tasks = [known for known in self.tasks if not known.done()]
        self.tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.complaints.append(f"{context.get('message')}: {error!r}")

    def add_reader(self, fd: Any, callback: Callable[..., Any], *arguments: Any) -> None:
        self.readers[fd] = lambda: callback(*arguments)

    def remove_reader(self, fd: Any) -> bool:
        return self.readers.pop(fd, None) is not None

    def add_signal_handler(self, sig: int, callback: Callable[..., Any], *arguments: Any) -> None:
        """Signals come as words of the trial, not from the system."""

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        """Whatever connections the trial offers."""
        assert self.open_pipe is not None
        return await self.open_pipe(*arguments, **options)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Blocking work happens at once, and its result is there a callback later."""
        future = self.create_future()
        try:
            result = func(*args)
        except BaseException as error:
            self.call_soon(_fail, future, error)
        else:
            self.call_soon(_finish, future, result)
        return future


def _run_on(loop: VirtualLoop | None) -> None:
    """Make a loop the one that asyncio finds running."""
    asyncio._set_running_loop(cast(Any, loop))


def _finish(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
