"""What a handler is given and what a request becomes once it is let in.

A request is admitted (parsed, authenticated, counted) at once; what it then does is a Call. The
edge runs a call at once, or, while a mirror is between two barriers, when its turn comes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from aegis.venue.codes import reject
from aegis.venue.core import Core
from aegis.venue.errors import RejectError

log = logging.getLogger(__name__)


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


@dataclass(frozen=True, slots=True)
class Call:
    """An admitted request: `run` never raises, whatever the exchange says is in the reply."""

    kind: Kind
    run: Callable[[], Reply]


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
    order: bool = False  # counts against the order limits
    tallied: bool = False  # placing, modifying or cancelling one order
    depth: bool = False  # may be held back by a mirror

    def cost(self, parameters: Mapping[str, str]) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(parameters)

    def kind(self, core: Core, parameters: Mapping[str, str]) -> Kind:
        if self.depth and core.holds_depth(parameters.get("symbol", "")):
            return Kind.HELD
        return Kind.COMMAND if self.command else Kind.READ

    def carry_out(self, core: Core, caller: Caller, good_until_ms: int) -> Any:
        """Run the handler; its JSON-able result. Raises RejectError, and nothing else.

        Orders are checked against the receive window once more here, as the matching engine does,
        since a request may have waited. A bug in a handler becomes -1001 and a line in the log; a
        broken invariant (AssertionError) is not survived.
        """
        try:
            if self.order and core.checks_engine_window and core.wall_ms() > good_until_ms:
                raise reject(-5028)
            return self.handler(core, caller)
        except (RejectError, AssertionError):
            raise
        except Exception as error:
            log.exception("a request could not be carried out")
            raise reject(-1001) from error
