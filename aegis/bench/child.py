"""A server in a process of its own on a core of its own, for a benchmark to measure.

Used by `bench venue` and `bench feed`. The child tells its port first and its last words at the
end; it dies with its parent, and whoever makes one stops it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from aegis.host.prctl import die_with_parent

__all__ = ["Child", "ChildError", "fork", "pinned", "processor_s"]


class ChildError(Exception):
    """A benchmark's server did not start or died; the text says which."""


@dataclass(slots=True)
class Child:
    """A server in a process of its own: its port, and what it says at its end."""

    pid: int
    port: int
    said: int
    words: str | None = None

    def end(self) -> None:
        """Ask it to end, and go on; `stop` reaps it."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def stop(self) -> str:
        """End it and reap it; returns its last words, empty if it died without any."""
        if self.words is None:
            self.end()
            with os.fdopen(self.said) as words:
                self.words = words.read().strip()
            os.waitpid(self.pid, 0)
        return self.words


def fork(serve: Callable[[Callable[[object], None]], None], core: int | None) -> Child:
    """Run `serve(tell)` in a child; it tells its port first. Raises ChildError.

    `core` is where it is pinned; None leaves it on ours.
    """
    reader, writer = os.pipe()
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        # Whatever happens in here, the child must never go on as a second parent.
        try:
            os.close(reader)
            die_with_parent(parent)
            if core is not None:
                os.sched_setaffinity(0, {core})

            def tell(word: object) -> None:
                os.write(writer, f"{word}\n".encode())

            serve(tell)
        except BaseException as error:
            print(f"bench: a server of the benchmark failed: {error}", file=sys.stderr)
        finally:
            os._exit(0)
    os.close(writer)
    first = b""
    while not first.endswith(b"\n"):
        byte = os.read(reader, 1)
        if not byte:
            os.close(reader)
            os.waitpid(pid, 0)
            raise ChildError("a server of the benchmark did not start")
        first += byte
    return Child(pid, int(first), reader)


def processor_s(pid: int) -> float:
    """User and system time of a process so far."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Run the `with` block on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
