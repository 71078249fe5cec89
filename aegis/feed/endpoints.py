"""Where the exchange is and how it is reached: addresses, trust, proxy.

Made once by the process, asked by REST and by every connection. The embedded exchange has an
address once it is up, in the instance's wiring; any other is in `[feed]`, or else the one of
`[venue]`. Encrypted addresses are verified always, name and chain, against the system's authorities
or the file that `ca_file` names: there is no way to switch that off.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from aegis.config.environments import ENVIRONMENTS, environment_of
from aegis.config.models import FeedConfig, VenueConfig
from aegis.config.settings import Settings
from aegis.feed.errors import FeedError

__all__ = ["Endpoints"]


class Endpoints:
    """`rest` and `stream` give `scheme://host:port`, or None while there is none."""

    def __init__(
        self,
        rest: Callable[[], str | None],
        stream: Callable[[], str | None],
        proxy: str | None = None,
        ca_file: str | None = None,
    ) -> None:
        """Raises FeedError for a `ca_file` that cannot be read or holds no certificate."""
        self.rest = rest
        self.stream = stream
        self.proxy = proxy
        try:
            self.tls = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise FeedError(f"[feed] ca_file {ca_file}: {error}") from error
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_2
        assert self.tls.verify_mode is ssl.CERT_REQUIRED, "certificates are verified"
        assert self.tls.check_hostname, "and so are the names in them"

    @classmethod
    def of(cls, settings: Settings, embedded: Callable[[str], str | None]) -> Endpoints:
        """Those of an instance; `embedded(scheme)` is the embedded exchange's address."""
        if settings.is_embedded:
            return cls(lambda: embedded("http"), lambda: embedded("ws"))
        return cls.named(settings.feed, settings.venue)

    @classmethod
    def named(cls, feed: FeedConfig, venue: VenueConfig | None = None) -> Endpoints:
        """Those of the `[feed]` table, and of `[venue]` where it names none.

        Raises FeedError when an address is missing.
        """
        known = environment_of(venue) if venue is not None else None
        if venue is not None and venue.mode == "paper":
            known = ENVIRONMENTS["live"]
        rest_url = feed.rest_url or (known.rest_url if known is not None else None)
        stream_url = feed.stream_url or (known.stream_url if known is not None else None)
        missing = [
            key for key, url in (("rest_url", rest_url), ("stream_url", stream_url)) if url is None
        ]
        if missing:
            raise FeedError(f"[feed] {' and '.join(missing)}: missing; the exchange has no address")
        ca_file = feed.ca_file or (venue.ca_file if venue is not None else None)
        return cls(lambda: rest_url, lambda: stream_url, feed.proxy, ca_file)
