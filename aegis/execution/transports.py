"""What a trading session needs of the outside: the order lines and the private stream, as shapes.

`connections.NetworkConnections` makes the real ones; a simulator hands over its own, and nothing
else of the session knows the difference. All methods belong to the event loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from aegis.execution.replies import Answer
from aegis.execution.user_events import UserEvent

__all__ = ["Connections", "FallbackLine", "OrderLine", "PrivateStream", "StreamListener"]


class OrderLine(Protocol):
    """One way for order commands. Answers and the loss of the line go to the session's callbacks.

    A request is the exact text that `order_messages` writes. Its bytes have been handed to the
    kernel when `send` returns; an answer carries the request's id, on whatever line it went.
    """

    undecodable: int

    @property
    def is_connected(self) -> bool:
        """Whether requests can be sent at all."""
        ...

    @property
    def is_ready(self) -> bool:
        """Whether one can be sent at once."""
        ...

    async def connect(self) -> None:
        """Come up; raises OrderLinkError and leaves nothing open then."""
        ...

    def send(self, request: Any) -> None:
        """Hand one request (bytes-like) to the socket. Only while `is_ready`."""
        ...

    def close(self) -> None:
        """Close the line; nobody is called back for it."""
        ...


class FallbackLine(OrderLine, Protocol):
    """A line that keeps itself up, and that is not lost with the first one."""

    def under_way(self) -> list[int]:
        """The requests whose replies are still to come."""
        ...

    async def keep(self) -> None:
        """Come up, again and again, until cancelled."""
        ...


class PrivateStream(Protocol):
    """Our own orders, fills and balances as the exchange tells them."""

    events: int
    undecodable: int
    losses: int

    @property
    def is_connected(self) -> bool:
        """Whether the stream is up (it may not have been reconciled yet)."""
        ...

    async def run(self) -> None:
        """Keep the stream up until cancelled."""
        ...

    def distrust(self) -> None:
        """It has not told what the exchange lists: take it for lost, and make another."""
        ...


class StreamListener(Protocol):
    """Who hears a private stream: the session."""

    def on_event(self, event: UserEvent, now_ns: int) -> None:
        """One event, in the order in which it came."""
        ...

    def on_event_taken(self) -> None:
        """After every event, also one that asks for nothing."""
        ...

    async def on_stream_up(self) -> None:
        """A new connection stands: compare before anything is trusted again."""
        ...

    def on_stream_down(self) -> None:
        """The stream is lost: no new risk from now on."""
        ...


class Connections(Protocol):
    """Makes the lines of one session."""

    def order_line(
        self, on_answer: Callable[[Answer, int], None], on_cut: Callable[[], None]
    ) -> OrderLine:
        """The line that orders normally take."""
        ...

    def fallback_line(
        self, on_answer: Callable[[Answer, int], None], on_change: Callable[[], None]
    ) -> FallbackLine | None:
        """The line for the time in which the first one is down, None for none.

        `on_change` is called when it has come or gone.
        """
        ...

    def private_stream(self, listener: StreamListener, seed: int) -> PrivateStream:
        """The private stream; `seed` is for its pauses."""
        ...
