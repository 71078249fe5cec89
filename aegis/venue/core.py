"""The venue without its sockets: everything a request may need, in one place.

``serve`` builds one and hands it to the gateway and the edge. It holds no task, no socket and no
clock of its own: `wall_ms` (what the gateway judges timestamps by) and `event_ms` (the market's own
time, a recording's in a mirror) are given to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from aegis.venue.errors import RejectError
from aegis.venue.exchange import Exchange
from aegis.venue.gateway.access import KeyRing
from aegis.venue.gateway.listen_keys import ListenKeys
from aegis.venue.history.history import History
from aegis.venue.limits import Limiter
from aegis.venue.matching.layout import Books
from aegis.venue.observation import Observation
from aegis.venue.tape import Tape
from aegis.venue.treasury import Treasury


def _never(symbol: str) -> bool:
    return False


def _nothing() -> None:
    return


def _no_flow(number: int, halted: bool) -> None:
    return


@dataclass(slots=True)
class Tally:
    """What the venue counts of its requests, for its counters."""

    rest_requests: int = 0
    ws_requests: int = 0  # placing, modifying or cancelling one order over the WebSocket API
    ws_answers: int = 0  # answers to them, accepted or refused
    fills: int = 0  # fills of client orders


@dataclass(slots=True)
class Core:
    """The parts of a venue that requests work on."""

    exchange: Exchange
    books: Books  # of all symbols; they write
    tape: Tape  # everything public that happened since ``pump`` last read it
    history: History  # what of it is remembered
    observation: Observation  # the venue's statistics about itself
    treasury: Treasury  # marks, funding, liquidation
    keys: KeyRing
    limiter: Limiter
    modern: bool  # the dialect of 2026
    wall_ms: Callable[[], int]
    event_ms: Callable[[], int]
    listen_keys: ListenKeys = field(default_factory=ListenKeys)
    tally: Tally = field(default_factory=Tally)
    # A mirror holds depth requests back until the recorded snapshot's turn has come.
    holds_depth: Callable[[str], bool] = _never
    # Off while a mirror runs in lockstep: its orders wait on purpose, and must not depend on time.
    checks_engine_window: bool = True
    # Set by faults: how wrong the server's clock is, and what everybody hears in a maintenance.
    skew_ms: int = 0
    outage: RejectError | None = None
    # Lets everything happen that is due before a command that arrives now.
    catch_up: Callable[[], None] = _nothing
    # Stops (or starts again) the synthetic flow of a symbol, by its number.
    halt: Callable[[int, bool], None] = _no_flow

    def server_ms(self) -> int:
        """The clock that the exchange tells clients and judges their timestamps by."""
        return self.wall_ms() + self.skew_ms
