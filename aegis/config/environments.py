"""Where each environment of the exchange is: the addresses that `[venue]` may leave out.

Used by whoever needs the exchange's address: the feed for market data, execution for orders, the
commands that ask it something. The embedded exchange is none of these: it has the address of the
run. Source: exchange document "General Info" and "WebSocket API General Info", USD-M futures, as of
2026-11.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

from aegis.config.models import VenueConfig

__all__ = ["ENVIRONMENTS", "Environment", "environment_of"]


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
    """The environment of a `[venue]` table, its own addresses first; None for the embedded one."""
    known = ENVIRONMENTS.get(venue.mode)
    if known is None:
        return None
    return Environment(
        venue.rest_url or known.rest_url,
        venue.stream_url or known.stream_url,
        venue.order_url or known.order_url,
    )
