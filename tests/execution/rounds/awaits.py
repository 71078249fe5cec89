"""The await points of execution, and a way to die at one of them.

`await_points` reads them from the source: every `await`, `async for` and `async with` below
aegis/execution. In a process that is to die, `watch_tasks` wraps every coroutine that becomes a
task; the wrapper sees each suspension and tells in which line of execution it happened. No line
of the product knows of it.
"""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import aegis.execution

ROOM = Path(aegis.execution.__file__).parent
_PREFIX = f"{ROOM}/"
# Commands of their own, which run in other processes.
_ELSEWHERE = frozenset({"standalone_cancel.py"})


class AwaitPoint(NamedTuple):
    """A place where execution may be suspended: a file of the room and its lines."""

    file: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.file}:{self.first}"


@cache
def await_points() -> tuple[AwaitPoint, ...]:
    """All of them, in order of file and line; of several in one line the widest."""
    found: dict[tuple[str, int], int] = {}
    for path in sorted(ROOM.rglob("*.py")):
        file = path.relative_to(ROOM).as_posix()
        if file in _ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Await):
                first, last = node.lineno, node.end_lineno or node.lineno
            elif isinstance(node, ast.AsyncFor | ast.AsyncWith):
                # The line of its head; what stands inside has points of its own.
                first, last = node.lineno, node.body[0].lineno - 1
            else:
                continue
            found[file, first] = max(found.get((file, first), 0), last, first)
    return tuple(AwaitPoint(*key, last) for key, last in sorted(found.items()))


def point_at(file: str, line: int) -> AwaitPoint | None:
    """The innermost point that spans a line."""
    spans = [p for p in await_points() if p.file == file and p.first <= line <= p.last]
    return max(spans, key=lambda point: point.first, default=None)


Places = tuple[tuple[str, int], ...]


def places_of(coroutine: Any) -> Places:
    """(file, line) of every frame of execution in a suspended chain of coroutines."""
    found = []
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        name = frame.f_code.co_filename
        if name.startswith(_PREFIX):
            found.append((name[len(_PREFIX) :], frame.f_lineno))
        coroutine = coroutine.cr_await
    return tuple(found)


Seen = Callable[[Places], None]


class Watched(Coroutine[Any, Any, Any]):
    """A coroutine that tells where it was suspended, and that it is about to go on."""

    def __init__(self, inner: Any, suspended: Seen, resumed: Seen) -> None:
        self._inner = inner
        self._suspended = suspended
        self._resumed = resumed
        self._places: Places = ()

    def send(self, value: Any) -> Any:
        if self._places:
            self._resumed(self._places)
        return self._waits(self._inner.send(value))

    def throw(self, *error: Any) -> Any:
        return self._waits(self._inner.throw(*error))

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()  # type: ignore[no-any-return]

    def _waits(self, yielded: Any) -> Any:
        self._places = places_of(self._inner)
        if self._places:
            self._suspended(self._places)
        return yielded


def watch_tasks(loop: asyncio.AbstractEventLoop, suspended: Seen, resumed: Seen) -> None:
    """Have every task of a loop watched from here on."""

    def make(loop: Any, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(Watched(coroutine, suspended, resumed), loop=loop, **options)

    loop.set_task_factory(make)
