"""Which line takes an order command now: the order connection, or REST while that is down.

Asked by the intake for every batch, and by the session whenever a line has come or gone. It keeps
no order state: an answer comes back with its request's id, on whatever line it went.
"""

from __future__ import annotations

from aegis.execution.transports import FallbackLine, OrderLine

__all__ = ["OrderRoutes"]


class OrderRoutes:
    """The first line, and the one that stands in for it."""

    def __init__(self, first: OrderLine, fallback: FallbackLine | None) -> None:
        self.first = first
        self.fallback = fallback
        self.fallback_requests = 0

    def current(self) -> OrderLine | None:
        """The line to use now, None when neither is up."""
        if self.first.is_connected:
            return self.first
        if self.fallback is not None and self.fallback.is_connected:
            return self.fallback
        return None

    @property
    def is_up(self) -> bool:
        """Whether there is a line at all."""
        return self.current() is not None

    def kept(self) -> list[int]:
        """The requests under way that the loss of the first line leaves untouched."""
        return self.fallback.under_way() if self.fallback is not None else []

    @property
    def undecodable(self) -> int:
        """Answers that could not be read, on both."""
        more = self.fallback.undecodable if self.fallback is not None else 0
        return self.first.undecodable + more

    def close(self) -> None:
        """Close both."""
        self.first.close()
        if self.fallback is not None:
            self.fallback.close()
