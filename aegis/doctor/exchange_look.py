"""What one look at the exchange has brought: plain values, judged by the checks.

``exchange_ask`` fills it, tests write it down. An answer that did not come is a ``Failure`` in the
answer's place, so that each check can tell why it could not judge. No key is in any of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["NOT_ASKED", "Answer", "Certificate", "Failure", "Host", "Look", "OpenOrder", "Resolver"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer: `status` as in HTTP, `code` of the exchange, 0 for none.

    `is_left_out` says that nobody asked, and that this is no fault.
    """

    text: str
    status: int = 0
    code: int = 0
    is_left_out: bool = False


Answer = Any | Failure
NOT_ASKED: Final = Failure("was not asked", is_left_out=True)


@dataclass(frozen=True, slots=True)
class Host:
    """A name as this box resolves it."""

    name: str
    is_numeric: bool
    took_ms: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Resolver:
    """A name server, and how long it took; None when it was silent."""

    address: str
    took_ms: float | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A verified handshake: days that the certificate has left; or why it failed."""

    place: str
    days_left: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that rests; `is_own` by its client order id."""

    symbol: str
    client_id: str
    is_own: bool


@dataclass(slots=True)
class Look:
    """Everything asked. With `absent` nothing was: it says why there is no exchange to ask."""

    absent: str = ""
    no_account: str = ""
    hosts: list[Host] = field(default_factory=list)
    resolvers: list[Resolver] = field(default_factory=list)
    certificates: list[Certificate] = field(default_factory=list)
    round_trips_ms: list[float] = field(default_factory=list)
    offset_ms: float | Failure = NOT_ASKED
    # exchangeInfo.
    info: dict[str, Any] | Failure = NOT_ASKED
    # What is wrong with the keys, None when they could be read.
    keys: Failure | None = None
    account: dict[str, Any] | Failure = NOT_ASKED
    symbol_rows: list[dict[str, Any]] | Failure = NOT_ASKED
    orders: list[OpenOrder] | Failure = NOT_ASKED
    restrictions: dict[str, Any] | Failure = NOT_ASKED
    # By line (path of a stream, private stream, order line): None when it spoke.
    streams: dict[str, Failure | None] = field(default_factory=dict)
    countdown: str | Failure = NOT_ASKED
