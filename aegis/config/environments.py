"""Where each environment of the exchange is: the addresses that `[venue]` may leave out.

Used by whoever needs the exchange's address: the feed for market data, execution for orders, the
commands that ask it something. The embedded exchange is none of these: it has the address of the
run. On paper the two part: prices are those of the live exchange, orders go to the embedded one.
Source: exchange document "General Info" and "WebSocket API General Info", USD-M futures, as of
2026-11.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from aegis.config.models import FeedConfig, VenueConfig

__all__ = [
    "ENVIRONMENTS",
    "OWN_VENUE_MODES",
    "Environment",
    "environment_of",
    "market_of",
    "paper_words",
]

# Modes in which orders go to a venue process of the instance's own.
OWN_VENUE_MODES: Final = ("embedded", "paper")


@dataclass(frozen=True, slots=True)
class Environment:
    """Addresses as `scheme://host[:port]`: REST, market and private streams, order API."""

    rest_url: str
    stream_url: str
    order_url: str

    @property
    def host(self) -> str:
        """What names the environment: host and port of its REST address."""
        return urlsplit(self.rest_url).netloc


ENVIRONMENTS = MappingProxyType(
    {
        "testnet": Environment(
            "https://demo-fapi.binance.com",
            "wss://demo-fstream.binance.com",
            "wss://testnet.binancefuture.com",
        ),
        "live": Environment(
            "https://fapi.binance.com",
            "wss://fstream.binance.com",
            "wss://ws-fapi.binance.com",
        ),
    }
)


def environment_of(venue: VenueConfig) -> Environment | None:
    """Where orders go: the `[venue]` table's own addresses first; None for our own exchange."""
    known = ENVIRONMENTS.get(venue.mode)
    if known is None:
        return None
    return Environment(
        venue.rest_url or known.rest_url,
        venue.stream_url or known.stream_url,
        venue.order_url or known.order_url,
    )


def market_of(venue: VenueConfig, feed: FeedConfig) -> Environment | None:
    """Where prices come from; None for the embedded exchange's own.

    Of paper that is the live exchange, or what `[feed]` names; its order address is nobody's. Of
    all others it is where orders go.
    """
    if venue.mode != "paper":
        return environment_of(venue)
    live = ENVIRONMENTS["live"]
    return Environment(feed.rest_url or live.rest_url, feed.stream_url or live.stream_url, "")


def paper_words(host: str) -> str:
    """What trading on paper is, in the one sentence that is said of it everywhere."""
    return f"PAPER: market data of {host}, no order leaves this machine, no money"
