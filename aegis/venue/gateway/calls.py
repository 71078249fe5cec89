"""What a handler is given and what a request becomes once it is let in.

A request is admitted (parsed, authenticated, counted) at once; what it then does is a Call. The
edge runs a call at once, or, while a mirror is between two barriers, when its turn comes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec

from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.errors import RejectError

log = logging.getLogger(__name__)

# What reading a client's JSON may raise; the last one where it is nested without end.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


class Kind(Enum):
    """When a call may run."""

    READ = "read"  # at once
    COMMAND = "command"  # at once, or at the end of a mirror's slice: it may change the market
    HELD = "held"  # when the recorded depth snapshot is due


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `account_id` is 0 where no key is needed."""

    address: str
    account_id: int
    api_key: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP status, JSON bytes, and headers (empty on the WebSocket API)."""

    status: int
    body: bytes
    headers: dict[str, str]


class Facts(NamedTuple):
    """What is known of an admitted request: for faults, which pick the requests they spoil.

    `name` is "POST /fapi/v1/order" or "order.place"; `accept` and `refuse` write a result or a
    refusal as this client's protocol has it, `symbol` is empty where none was named.
    """

    name: str
    symbol: str
    caller: Caller
    accept: Callable[[Any], Reply]
    refuse: Callable[[RejectError], Reply]
    places_order: bool = False
    tallied: bool = False

    @property
    def reduces(self) -> bool:
        """Can it only shrink a position?"""
        return _reduces(self.caller.parameters)


class Call(NamedTuple):
    """An admitted request: `run` never raises, whatever the exchange says is in the reply."""

    kind: Kind
    run: Callable[[], Reply]
    facts: Facts


Handler = Callable[[Core, Caller], Any]
Weight = int | Callable[[Mapping[str, str]], int]


class Security(Enum):
    """What a request must show."""

    NONE = "none"
    KEY = "key"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the tables of REST endpoints and WebSocket API methods."""

    handler: Handler
    weight: Weight
    security: Security = Security.NONE
    command: bool = False
    order: bool = False  # counts against the order limits, by so many in each window:
    per_10s: int = 1
    per_minute: int = 1
    tallied: bool = False  # placing, modifying or cancelling one order
    depth: bool = False  # may be held back by a mirror

    def cost(self, parameters: Mapping[str, str]) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(parameters)

    def kind(self, core: Core, parameters: Mapping[str, str]) -> Kind:
        if self.depth and core.holds_depth(parameters.get("symbol", "")):
            return Kind.HELD
        return Kind.COMMAND if self.command else Kind.READ

    def count(self, core: Core, account_id: int, caller: Caller) -> None:
        """Count an order against its account's limits, and against the whole system's.

        Raises RejectError -1015, or -1008 for an order that does not reduce; once too often after
        that, -1003 with a ban.
        """
        try:
            core.limiter.charge_order(account_id, core.event_ms(), self.per_10s, self.per_minute)
        except RejectError:
            core.limiter.note_refusal(caller.address, core.wall_ms())
            raise
        if not _reduces(caller.parameters):
            core.limiter.throttle_order(core.wall_ms())

    def carry_out(self, core: Core, caller: Caller, good_until_ms: int) -> Any:
        """Run the handler; its JSON-able result. Raises RejectError, and nothing else.

        Orders are checked against the receive window once more here, as the matching engine does,
        since a request may have waited. A bug in a handler becomes -1001 and a line in the log; a
        broken invariant (AssertionError) is not survived.
        """
        try:
            if self.order and core.checks_engine_window and core.server_ms() > good_until_ms:
                raise reject(-5028)
            return self.handler(core, caller)
        except (RejectError, AssertionError):
            raise
        except Exception as error:
            log.exception("a request could not be carried out")
            raise reject(-1001) from error


def _reduces(parameters: Mapping[str, str]) -> bool:
    """Orders that can only shrink a position are exempt from the system-level throttle."""
    return any(
        parameters.get(name, "").lower() == "true" for name in ("reduceOnly", "closePosition")
    )
