"""The venue's WebSocket connections by name, so that a fault can say which one it means.

``sessions`` registers each when it opens and takes it out when it is gone. A name is the route and
a number that counts up from 1 per route: "public/1", "market/2", "private/1", "legacy/1", "api/3".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from aegis.venue.faults.armed import Armed, matches
from aegis.venue.matching.interface import FIRST_CLIENT


class Wire(Protocol):
    """What faults do with a connection: the socket, or a test's stand-in."""

    def enqueue(self, frame: bytes) -> None: ...
    def flush(self) -> None: ...
    def backlog(self) -> int: ...
    def send_text(self, message: bytes) -> None: ...
    def ping(self, payload: bytes) -> None: ...
    def close(self, code: int, reason: str = "") -> None: ...
    def abort(self) -> None: ...
    def cut(self, piece: bytes) -> None: ...
    def fall_silent(self) -> None: ...


@dataclass(eq=False, slots=True)
class Line:
    """One connection. `accounts` tells whose it is; `revoke` ends its WebSocket API session."""

    name: str
    wire: Wire
    accounts: Callable[[], list[int]]
    revoke: Callable[[], bytes | None] | None = None

    @property
    def carries_streams(self) -> bool:
        return self.revoke is None

    def suits(self, armed: Armed) -> bool:
        """Does the fault mean this connection?"""
        fault = armed.fault
        if not matches(fault.connection, self.name):
            return False
        return fault.account is None or account_id(fault.account) in self.accounts()


def account_id(number: int) -> int:
    """The account that a fault's `account` names: 0 is the first client."""
    return FIRST_CLIENT + number


@dataclass(slots=True)
class Lines:
    """All open connections."""

    open: dict[object, Line] = field(default_factory=dict)
    on_change: Callable[[], None] = lambda: None
    _numbers: dict[str, int] = field(default_factory=dict)

    def came(
        self,
        route: str,
        wire: Wire,
        accounts: Callable[[], list[int]],
        revoke: Callable[[], bytes | None] | None = None,
    ) -> Line:
        """A connection opened."""
        number = self._numbers[route] = self._numbers.get(route, 0) + 1
        line = Line(f"{route}/{number}", wire, accounts, revoke)
        self.open[wire] = line
        self.on_change()
        return line

    def gone(self, wire: Wire) -> None:
        """A connection ended."""
        self.open.pop(wire, None)
