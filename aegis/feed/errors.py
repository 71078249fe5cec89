"""What can go wrong in the feed, one tree: `except FeedError` catches all of it."""

from __future__ import annotations

__all__ = [
    "BadSnapshotError",
    "FeedError",
    "InvalidSymbolError",
    "RateLimitedError",
    "RestError",
    "SymbolUnknownError",
    "WireError",
]


class FeedError(Exception):
    """Base of every feed error; the text names the stream or symbol and the value."""


class WireError(FeedError):
    """A payload that is not what the exchange's documents say: not JSON, a field missing, a
    number that is not finite or out of range."""


class BadSnapshotError(WireError):
    """A depth snapshot that cannot be a book: empty, crossed, a price twice, not finite."""


class RestError(FeedError):
    """A REST request failed: no connection, no answer in time, or an error status."""


class InvalidSymbolError(RestError):
    """The exchange does not know the symbol that it was asked about."""


class RateLimitedError(RestError):
    """The exchange told us to stop asking (429) or has banned us (418)."""

    def __init__(self, text: str, retry_after_s: float) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class SymbolUnknownError(FeedError):
    """The exchange does not list a symbol that the instance is to trade."""
